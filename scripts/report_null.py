"""Draw the match of one generation model's metamers beside the null distribution."""

from metamers import files
from metamers.logs import log_to
from metamers.report_figures import null_figure, svg

log_to(snakemake.log[0])
figure = null_figure(files.load(snakemake.input.null), files.load(snakemake.input.acceptance))
files.replace_whole(snakemake.output[0], lambda partial: partial.write_bytes(svg(figure)))
