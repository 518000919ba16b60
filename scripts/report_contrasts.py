"""Draw the differences in recognizability between models, stage by stage."""

from metamers import files
from metamers.logs import log_to
from metamers.report_contrasts import contrasts_figure
from metamers.report_figures import svg

log_to(snakemake.log[0])
figure = contrasts_figure(files.load(snakemake.input[0]))
files.write(snakemake.output[0], svg(figure))
