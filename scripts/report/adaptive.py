"""Draw the figure of an adaptive experiment."""

from metamers.run.job import log_to

from metamers.report.adaptive import adaptive_figure
from metamers.report.figures import svg
from metamers.run import files

log_to(snakemake.log[0])
files.write(snakemake.output[0], svg(adaptive_figure(files.load(snakemake.input[0]))))
