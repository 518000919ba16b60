"""Make comparison/humans_vs_models.nc from the tables of published group results and noise ceilings."""

from metamers.run.job import log_to, save

from metamers.compare.humans_vs_models import correlation_lines, humans_vs_models
from metamers.compare.recognition_spread import read_recognition, with_spread
from metamers.humans.summary import CEILING_COLUMNS, COLUMNS, pooled_points, read_results

logger = log_to(snakemake.log[0])
compared = humans_vs_models(
    pooled_points(read_results(snakemake.input.groups, COLUMNS)),
    read_results(snakemake.input.ceilings, CEILING_COLUMNS),
    snakemake.params.judges,
    snakemake.params.bootstrap,
    snakemake.params.run_seed,
)
for line in correlation_lines(compared):
    logger.info(line)
save(
    snakemake,
    with_spread(compared, read_recognition(snakemake.input.recognition)),
    title="Human recognizability of the published models' metamers, compared with that by other models",
    source=f"public data of the study ({snakemake.config['human_data']})",
)
