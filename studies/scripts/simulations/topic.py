"""Run the simulations of one topic, and write their results as a NetCDF file and a table."""

from metamers.run.job import log_to, save

from pathlib import Path

from metamers.run import files
from studies.files import SIMULATIONS
from studies.simulations.results import out_of_bounds, results_dataset, results_table
from studies.simulations.topics import TOPICS

logger = log_to(snakemake.log[0])
topic = TOPICS[snakemake.wildcards.topic]
found = topic.simulations(snakemake.params.samples, snakemake.params.run_seed, Path(snakemake.params.published))
table = results_table(snakemake.wildcards.topic, found)
for row in table.itertuples():
    logger.info("%s, %s: %s %.3f of %d samples", *(row.statistic, row.condition, row.counted, row.found, row.samples))
for row in out_of_bounds(table).itertuples():
    logger.warning(
        "%s, %s: %s %.3f is not between %.3f and %.3f",
        *(row.statistic, row.condition, row.counted, row.found, row.at_least, row.at_most),
    )
save(
    snakemake,
    results_dataset(table),
    snakemake.output.netcdf,
    declared=SIMULATIONS,
    title="Coverage and error rates of the statistics in simulated data with known truth",
    source="simulation",
)
files.write(snakemake.output.table, table.to_csv(index=False, float_format="%.6g").encode())
