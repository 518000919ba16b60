"""Make acceptance/<generation_model>.nc out of metamers and the null distribution."""

import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.match import MEASURES
from metamers.null import accept

logger = log_to(snakemake.log[0])
name = snakemake.wildcards.generation_model
null = files.load(snakemake.input.null[0])
batches: dict[str, list[xr.Dataset]] = {stage: [] for stage in null["stage"].values}
for path in snakemake.input.metamers:
    batch = files.load(path)
    batches[batch.attrs["stage"]].append(batch[[*MEASURES, "predicted_category"]])
metamers = xr.concat(
    [xr.concat(of_stage, "stimulus").expand_dims(stage=[stage]) for stage, of_stage in batches.items()], "stage"
)
accepted = accept(metamers, null)
for stage, proportion in accepted["accepted"].mean(("stimulus", "seed")).to_series().items():
    logger.info("%s %s: %.0f%% accepted", name, stage, 100 * proportion)
files.save(
    accepted,
    snakemake.output[0],
    title=f"Accepted metamers of {name}",
    source="match of metamers against the null distribution, and the generation model's answer",
    step="null_acceptance",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
