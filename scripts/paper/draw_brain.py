"""Draw the prediction of brain areas against participants' recognition of metamers of the best stages."""

from metamers.run.job import log_to

from metamers.paper.panels import against_participants_figure
from metamers.report.figures import svg
from metamers.run import files

log_to(snakemake.log[0])
figure = against_participants_figure(files.load(snakemake.input[0]), *snakemake.params.drawn)
files.write(snakemake.output[0], svg(figure))
