"""Draw recognizability by stage in every published experiment."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.humans.published import PUBLISHED
from metamers.humans.summary import COLUMNS, read_results
from metamers.paper.panels import experiment_figure
from metamers.report.figures import svg
from metamers.run import files

log_to(snakemake.log[0])
groups = read_results(snakemake.input[0], COLUMNS)
for path in map(Path, snakemake.output):
    modality = groups.loc[groups["experiment"] == path.stem, "modality"].iloc[0]
    files.write(path, svg(experiment_figure(groups, path.stem, 1 / PUBLISHED[modality].categories)))
