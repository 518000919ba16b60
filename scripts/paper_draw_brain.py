"""Draw predictions of brain areas against people's recognition of the metamers of the best stages."""

from metamers import files
from metamers.logs import log_to
from metamers.paper_figures import against_people_figure
from metamers.report_figures import svg

log_to(snakemake.log[0])
figure = against_people_figure(files.load(snakemake.input[0]), *snakemake.params.drawn)
files.write(snakemake.output[0], svg(figure))
