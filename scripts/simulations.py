"""Run the simulations of one topic, as a NetCDF file and as a table."""

from pathlib import Path

from metamers import files
from metamers.logs import log_to
from metamers.simulation_topics import TOPICS
from metamers.simulations import as_dataset, outside, table_of

logger = log_to(snakemake.log[0])
topic = TOPICS[snakemake.wildcards.topic]
found = topic.simulations(snakemake.params.samples, snakemake.params.run_seed, Path(snakemake.params.published))
table = table_of(snakemake.wildcards.topic, found)
for row in table.itertuples():
    logger.info("%s, %s: %s %.3f of %d samples", *(row.statistic, row.condition, row.counted, row.found, row.samples))
for row in outside(table).itertuples():
    logger.warning(
        "%s, %s: %s %.3f is not between %.3f and %.3f",
        *(row.statistic, row.condition, row.counted, row.found, row.at_least, row.at_most),
    )
files.save(
    as_dataset(table),
    snakemake.output.netcdf,
    title="Coverage and error rates of the statistics in simulated data of which the truth is known",
    source="simulation",
    step="simulations",
    run=snakemake.config["run"],
    seed=snakemake.params.run_seed,
    inputs=[*snakemake.input],
)
files.write(snakemake.output.table, table.to_csv(index=False, float_format="%.6g").encode())
