"""Draw how well each stage of each model predicts voxels."""

from pathlib import Path

from metamers import files
from metamers.logs import log_to
from metamers.report_brain import brain_figure
from metamers.report_figures import svg

log_to(snakemake.log[0])
figure = brain_figure({Path(path).stem: files.load(path) for path in snakemake.input})
files.write(snakemake.output[0], svg(figure))
