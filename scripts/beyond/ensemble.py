"""Make beyond/ensemble/<modality>.nc: recognition of metamers of several models together, and of each alone."""

from metamers.run.job import log_to, save

from metamers.beyond.compare import acceptance, ensemble
from metamers.beyond.files import ENSEMBLE
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
made = files.load(inputs.metamers, without="metamer")
nulls = files.load_by_stem(inputs.nulls)
result = ensemble(
    made,
    acceptance(made, nulls, params.measures, params.converged)["accepted"],
    files.load(inputs.recognition),
    files.load_answers(inputs.run),
    files.load_by_stem(inputs.acceptance),
    params.families,
)
for name, proportions in result["proportion_correct"].to_series().unstack("depth").iterrows():
    for depth, proportion in proportions.items():
        logger.info("%s at position %g: %.0f%% recognized", name, depth, 100 * proportion)
result.attrs = {"modality": snakemake.wildcards.beyond_modality, "judged_by": ", ".join(params.recognition_models)}
save(
    snakemake,
    result,
    declared=ENSEMBLE,
    title=f"Recognition of metamers of several models together ({snakemake.wildcards.beyond_modality})",
    source="answers to accepted metamers, of recognition models that the synthesis did not use",
    references=params.references,
)
