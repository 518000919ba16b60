"""Make the table of the published models' depths from the layers up to each stage, counted with random weights."""

from metamers.run.job import log_to

from metamers.humans.summary import write_results
from metamers.leaderboard.depth import published_depths
from metamers.models.device import use_threads

logger = log_to(snakemake.log[0])
use_threads(1)
depths = published_depths(snakemake.params.entries, snakemake.params.names)
for row in depths.itertuples():
    logger.debug("%s, %s: %d layers, depth %.3f", *(row.generation_model, row.stage, row.layers, row.depth))
write_results(depths, snakemake.output[0])
