"""Make acceptance/<generation_model>.nc from metamers and the null distribution."""

from metamers.run.job import log_to, save

import xarray as xr

from metamers.match import PRESERVED
from metamers.null.acceptance import accept, judged, of_all_stages
from metamers.null.files import ACCEPTANCE
from metamers.run import files

logger = log_to(snakemake.log[0])
name = snakemake.wildcards.generation_model
null = files.load(snakemake.input.null[0])
batches: dict[str, list[xr.Dataset]] = {stage: [] for stage in null["stage"].values}
for path in snakemake.input.metamers:
    with files.open_dataset(path) as batch:  # opened, not loaded: the metamers themselves are large
        batches[batch.attrs["stage"]].append(judged(batch).load())
metamers = of_all_stages({stage: of_stage for stage, of_stage in batches.items() if of_stage})
accepted = accept(metamers, null, snakemake.params.measures, snakemake.params.converged)
for stage, proportion in accepted["accepted"].mean(("stimulus", "seed")).to_series().items():
    logger.info("%s %s: %.0f%% accepted", name, stage, 100 * proportion)
answers = ", and the generation model's answers to metamer and natural stimulus"
if PRESERVED not in accepted:
    answers = " alone, because the model has no classes"
save(
    snakemake,
    accepted,
    declared=ACCEPTANCE,
    title=f"Accepted metamers of {name}",
    source=f"match against the null distribution{answers}",
)
