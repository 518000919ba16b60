"""Make beyond/ensemble/<modality>.nc: recognition of metamers of several models together, and of each alone."""

from metamers.run.job import log_to, save

from metamers.beyond.compare import acceptance, ensemble
from metamers.beyond.inputs import load_answers, load_by_name, load_set
from metamers.run import files

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
made = load_set(given.metamers)
nulls = load_by_name(params.members, given.nulls)
found = ensemble(
    made,
    acceptance(made, nulls, params.measures, params.converged)["accepted"],
    files.load(given.recognition),
    load_answers(params.members, params.recognition_models, given.run),
    load_by_name(params.members, given.acceptance),
    params.families,
)
for name, proportions in found["proportion_correct"].to_series().unstack("depth").iterrows():
    for depth, proportion in proportions.items():
        logger.info("%s at depth %g: %.0f%% recognized", name, depth, 100 * proportion)
found.attrs = {"modality": snakemake.wildcards.beyond_modality, "judged_by": ", ".join(params.recognition_models)}
save(
    snakemake,
    found,
    title=f"Recognition of metamers of several models together ({snakemake.wildcards.beyond_modality})",
    source="answers to accepted metamers, of recognition models that the synthesis did not use",
    references=params.references,
)
