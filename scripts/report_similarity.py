"""Draw which stages of models, and brains, agree about what is alike."""

from metamers import files
from metamers.logs import log_to
from metamers.report_brain import similarity_figure
from metamers.report_figures import svg

log_to(snakemake.log[0])
figure = similarity_figure(files.load(snakemake.input[0]))
files.write(snakemake.output[0], svg(figure))
