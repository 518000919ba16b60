"""Make comparison/humans_vs_models.nc from the tables of published group results and noise ceilings."""

from metamers.run.job import log_to, save

from metamers.compare.files import HUMANS_VS_MODELS
from metamers.compare.humans_vs_models import correlation_lines, humans_vs_models
from metamers.humans.summary import CEILING_COLUMNS, COLUMNS, pooled_points, read_results
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
if inputs.precomputed:
    compared = files.load(inputs.precomputed[0])
    logger.info("from %s, which was computed from the same tables and settings", inputs.precomputed[0])
else:
    from metamers.compare.recognition_spread import read_recognition, with_spread

    compared = humans_vs_models(
        pooled_points(read_results(inputs.groups, COLUMNS)),
        read_results(inputs.ceilings, CEILING_COLUMNS),
        params.recognition_models,
    )
    compared = with_spread(compared, read_recognition(inputs.recognition))
for line in correlation_lines(compared):
    logger.info(line)
save(
    snakemake,
    compared,
    declared=HUMANS_VS_MODELS,
    title="Human recognizability of the published models' metamers, compared with that by other models",
    source=f"public data of the study ({snakemake.config['human_data']})",
)
