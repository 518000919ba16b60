"""Make beyond/controversial/<modality>.nc: with whom judges side about metamers that models disagree about."""

from metamers import files
from metamers.beyond_compare import acceptance, controversial
from metamers.logs import log_to

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
with files.open_dataset(given.metamers) as whole:  # opened, not loaded: the metamers are large
    made = whole.drop_vars("metamer").load()
nulls = {model: files.load(path) for model, path in zip(params.members, given.nulls, strict=True)}
found = controversial(
    made,
    acceptance(made, nulls, params.measures)["accepted"],
    files.load(given.recognition),
    params.families,
)
for (case, depth), row in found[["proportion_own", "proportion_other"]].to_dataframe().iterrows():
    logger.info("%s dissents at depth %g: %.0f%% against it, %.0f%% with it", case, depth, *(100 * row))
found.attrs = {"modality": snakemake.wildcards.beyond_modality, "judged_by": ", ".join(params.judges)}
files.save(
    found,
    snakemake.output[0],
    title=f"Controversial metamers, and with whom judges side ({snakemake.wildcards.beyond_modality})",
    source="answers of recognition models that have no part in them, of accepted metamers",
    references=params.references,
    step="beyond_controversial",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
