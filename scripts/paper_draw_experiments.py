"""Draw recognizability by stage in every published experiment."""

from pathlib import Path

from metamers import files
from metamers.humans import COLUMNS, read_results
from metamers.logs import log_to
from metamers.paper_figures import experiment_figure
from metamers.report import PUBLISHED_CATEGORIES
from metamers.report_figures import svg

log_to(snakemake.log[0])
groups = read_results(snakemake.input[0], COLUMNS)
for path in map(Path, snakemake.output):
    modality = groups.loc[groups["experiment"] == path.stem, "modality"].iloc[0]
    files.write(path, svg(experiment_figure(groups, path.stem, 1 / PUBLISHED_CATEGORIES[modality])))
