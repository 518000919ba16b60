"""Make the site of a shared leaderboard with the published models and the run's own entries."""

from metamers.run.job import log_results_to

from pathlib import Path

from metamers.leaderboard.check_entry import read_entry
from metamers.leaderboard.entry import read_published
from metamers.report.leaderboard_site import write_site
from metamers.run import files

logger = log_results_to(snakemake.log[0])
inputs = snakemake.input
paths = {path.name: path for folder in inputs.entries for path in sorted(Path(folder).glob("*.nc"))}
entries = {name: read_entry(path) for name, path in paths.items()}
published = read_published(Path(inputs.published[0]).parent)
number = write_site(snakemake.output[0], entries, paths, files.load(inputs.board), published)
logger.info("%s/index.html: %d pages, %d entries of this run", snakemake.output[0], number, len(entries))
