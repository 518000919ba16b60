"""Draw the prediction of voxels by each stage of each model."""

from metamers.run.job import log_to

from metamers.report.brain import brain_figure
from metamers.report.figures import svg
from metamers.report.looks import looks_of
from metamers.run import files

log_to(snakemake.log[0])
figure = brain_figure(files.load_by_stem(snakemake.input), looks_of(snakemake.params.model_order))
files.write(snakemake.output[0], svg(figure))
