"""Draw people against other models in the published data of one modality."""

from metamers import files
from metamers.logs import log_to
from metamers.report_figures import humans_vs_models_figure, svg

log_to(snakemake.log[0])
figure = humans_vs_models_figure(files.load(snakemake.input[0]), snakemake.wildcards.modality)
files.write(snakemake.output[0], svg(figure))
