"""Make beyond/ensemble/<modality>.nc: recognition of metamers of several models at once, and of each alone."""

from metamers import files
from metamers.beyond_compare import acceptance, ensemble
from metamers.logs import log_to

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
answers = iter(given.run)
with files.open_dataset(given.metamers) as whole:  # opened, not loaded: the metamers are large
    made = whole.drop_vars("metamer").load()
nulls = {model: files.load(path) for model, path in zip(params.members, given.nulls, strict=True)}
found = ensemble(
    made,
    acceptance(made, nulls, params.measures)["accepted"],
    files.load(given.recognition),
    {model: {judge: files.load(next(answers)) for judge in params.judges} for model in params.members},
    {model: files.load(path) for model, path in zip(params.members, given.acceptance, strict=True)},
    params.families,
)
for name, proportions in found["proportion_correct"].to_series().unstack("depth").iterrows():
    for depth, proportion in proportions.items():
        logger.info("%s at depth %g: %.0f%% recognized", name, depth, 100 * proportion)
found.attrs = {"modality": snakemake.wildcards.beyond_modality, "judged_by": ", ".join(params.judges)}
files.save(
    found,
    snakemake.output[0],
    title=f"Recognition of metamers of several models at once ({snakemake.wildcards.beyond_modality})",
    source="answers of recognition models that have no part in them, of accepted metamers",
    references=params.references,
    step="beyond_ensemble",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
