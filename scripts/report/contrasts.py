"""Draw the differences in recognizability between models, stage by stage."""

from metamers.run.job import log_to

from metamers.report.charts import contrasts_figure
from metamers.report.points import contrast_points
from metamers.run import files

log_to(snakemake.log[0])
files.write(snakemake.output[0], contrasts_figure(contrast_points(files.load(snakemake.input[0]))))
