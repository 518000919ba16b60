"""Draw people against other models in the published data of one modality."""

from metamers.report.charts import published_figure
from metamers.report.points import published_points
from metamers.run import files
from metamers.run.logs import log_to

log_to(snakemake.log[0])
relation, modality = files.load(snakemake.input[0]), snakemake.wildcards.modality
files.write(snakemake.output[0], published_figure(published_points(relation, modality, []), relation, modality))
