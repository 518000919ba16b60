"""Make comparison/leaderboard.nc, page and table out of people's group results and the run's predictions."""

from collections.abc import Iterable

import xarray as xr

from metamers import files
from metamers.depth import DEPTH_COLUMNS, model_depths
from metamers.humans import COLUMNS, read_results, write_results
from metamers.leaderboard import leaderboard
from metamers.leaderboard_page import entries_of, page_context
from metamers.logs import log_to
from metamers.models import use_threads
from metamers.pages import render
from metamers.report_figures import svg
from metamers.report_reliability import reliability_figure

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
use_threads(1)


def by_modality(paths: Iterable[str], modalities: Iterable[str]) -> dict[str, list[xr.Dataset]]:
    """The datasets of each modality."""
    found: dict[str, list[xr.Dataset]] = {}
    for path, modality in zip(paths, modalities, strict=True):
        found.setdefault(modality, []).append(files.load(path))
    return found


published_depths = read_results(given.depths, DEPTH_COLUMNS)
depths = model_depths(params.architectures, published_depths)
board = leaderboard(
    read_results(given.groups, COLUMNS),
    published_depths,
    files.load(given.relation),
    by_modality(given.experiments, params.modalities),
    files.load(given.predicted[0]) if given.predicted else None,
    {model: entry | {"depths": depths[model]} for model, entry in params.models.items()},
    by_modality(given.people, params.people_modalities),
    params.bootstrap,
    params.run_seed,
)
entries = entries_of(board)
for _, entry in entries.dropna(subset="rank").iterrows():
    logger.info(
        "%s %d (%d to %d; one stage left out %s to %s): %s: normalized area %.3f (%.3f to %.3f), %s",
        *entry[["entry_modality", "rank", "rank_low", "rank_high", "rank_one_out_low", "rank_one_out_high"]],
        *entry[["generation_model", "normalized_area", "normalized_area_low", "normalized_area_high", "basis"]],
    )
files.save(
    board,
    snakemake.output.netcdf,
    title="Models by the normalized area under human recognizability of their metamers over relative depth",
    source=f"public data of the study ({snakemake.config['human_data']}), and predictions for the run's own models"
    + (", which one's own people judged" if given.people else ""),
    step="leaderboard",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=[*given],
)
write_results(entries, snakemake.output.table)
reliability = svg(reliability_figure(board))
files.write(snakemake.output.figure, reliability)
text = render("leaderboard.html.j2", page_context(board, snakemake.config["run"], reliability))
files.write(snakemake.output.page, text)
