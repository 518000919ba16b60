"""Draw the representational similarity between stages of models, and brains."""

from metamers.run.job import log_to

from metamers.report.brain import similarity_figure
from metamers.report.figures import svg
from metamers.report.looks import looks_of
from metamers.run import files

log_to(snakemake.log[0])
figure = similarity_figure(files.load(snakemake.input[0]), looks_of(snakemake.params.model_order))
files.write(snakemake.output[0], svg(figure))
