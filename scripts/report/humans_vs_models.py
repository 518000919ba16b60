"""Draw participants against other models in the published data of one modality."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, modality = snakemake.input, snakemake.wildcards.modality
if inputs.precomputed:
    drawn = Path(inputs.precomputed[0]).read_bytes()
    logger.info("from %s, which was drawn from the same data", inputs.precomputed[0])
else:  # the imports take longer than the rest of a job that draws nothing
    from metamers.report.charts import published_figure
    from metamers.report.points import published_points

    relation = files.load(inputs.relation)
    drawn = published_figure(published_points(relation, modality, []), relation, modality)
files.write(snakemake.output[0], drawn)
