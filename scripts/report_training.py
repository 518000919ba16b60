"""Draw the learning curves of one trained model, and its accuracy under attack."""

from metamers import files
from metamers.logs import log_to
from metamers.report_figures import svg
from metamers.report_training import training_figure

log_to(snakemake.log[0])
figure = training_figure(files.load(snakemake.input[0]))
files.write(snakemake.output[0], svg(figure))
