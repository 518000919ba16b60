"""Draw the learning curves of one trained model, and its accuracy under attack."""

from metamers.run.job import log_to

from metamers.report.figures import svg
from metamers.report.training import training_figure
from metamers.run import files

log_to(snakemake.log[0])
figure = training_figure(files.load(snakemake.input[0]))
files.write(snakemake.output[0], svg(figure))
