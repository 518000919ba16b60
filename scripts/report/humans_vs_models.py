"""Draw people against other models in the published data of one modality."""

from metamers.run.job import log_to

from metamers.report.charts import published_figure
from metamers.report.points import published_points
from metamers.run import files

log_to(snakemake.log[0])
relation, modality = files.load(snakemake.input[0]), snakemake.wildcards.modality
files.write(snakemake.output[0], published_figure(published_points(relation, modality, []), relation, modality))
