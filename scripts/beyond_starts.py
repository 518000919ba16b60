"""Make beyond/starts/<modality>.nc: recognition of metamers by where their synthesis started."""

import xarray as xr

from metamers import files
from metamers.beyond_compare import acceptance, starts
from metamers.logs import log_to

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params


def of_models(paths: list[str]) -> dict[str, xr.Dataset]:
    return {model: files.load(path) for model, path in zip(params.models, paths, strict=True)}


def without_metamers(path: str) -> xr.Dataset:
    with files.open_dataset(path) as whole:  # opened, not loaded: the metamers are large
        return whole.drop_vars("metamer").load()


answers, nulls = iter(given.run), of_models(given.nulls)
made = {model: without_metamers(path) for model, path in zip(params.models, given.metamers, strict=True)}
found = starts(
    made,
    {model: acceptance(one, nulls, params.measures)["accepted"] for model, one in made.items()},
    of_models(given.recognition),
    {model: {judge: files.load(next(answers)) for judge in params.judges} for model in params.models},
    of_models(given.acceptance),
    params.families,
)
for (model, start, depth), proportion in found["proportion_correct"].to_series().items():
    logger.info("%s from %s at depth %g: %.0f%% recognized", model, start, depth, 100 * proportion)
found.attrs = {"modality": snakemake.wildcards.beyond_modality, "judged_by": ", ".join(params.judges)}
files.save(
    found,
    snakemake.output[0],
    title=f"Recognition of metamers from other starts ({snakemake.wildcards.beyond_modality})",
    source="answers of recognition models that have no part in them, of accepted metamers",
    step="beyond_starts",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
