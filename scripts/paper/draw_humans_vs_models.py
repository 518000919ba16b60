"""Draw published participants against other models for one modality, for the page of the paper."""

from metamers.report.charts import published_figure
from metamers.report.points import published_points
from metamers.run import files
from metamers.run.logs import log_to

log_to(snakemake.log[0])
relation, modality = files.load(snakemake.input[0]), snakemake.wildcards.modality
files.write(snakemake.output[0], published_figure(published_points(relation, modality, []), relation, modality))
