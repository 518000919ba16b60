"""Make comparison/leaderboard.nc from human group results and the run's predictions."""

from metamers.run.job import log_to, save

from collections.abc import Iterable

import xarray as xr

from metamers.humans.summary import COLUMNS, read_results
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.leaderboard.depth import model_depths
from metamers.leaderboard.files import LEADERBOARD
from metamers.leaderboard.ranking import PUBLISHED_PARTICIPANTS, entries_of, leaderboard
from metamers.models.device import use_threads
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
use_threads(1)


def by_modality(paths: Iterable[str], modalities: Iterable[str]) -> dict[str, list[xr.Dataset]]:
    """Load the datasets of each modality."""
    experiments: dict[str, list[xr.Dataset]] = {}
    for path, modality in zip(paths, modalities, strict=True):
        experiments.setdefault(modality, []).append(files.load(path))
    return experiments


published_depths = read_results(inputs.depths, DEPTH_COLUMNS)
depths = model_depths(params.architectures, published_depths)
board = leaderboard(
    read_results(inputs.groups, COLUMNS),
    published_depths,
    files.load(inputs.relation),
    files.load(inputs.tested),
    by_modality(inputs.experiments, params.modalities),
    files.load(inputs.predicted[0]) if inputs.predicted else None,
    {model: entry | {"depths": depths[model]} for model, entry in params.models.items()},
    by_modality(inputs.own_participants, params.own_modalities),
    params.bootstrap,
    params.run_seed,
    files.load(inputs.recognizability[0]) if inputs.recognizability else None,
)
entries = entries_of(board)
for _, entry in entries.dropna(subset="rank").iterrows():
    log = logger.debug if entry["basis"] == PUBLISHED_PARTICIPANTS else logger.info
    log(
        "%s %d (%d to %d; one stage left out %s to %s): %s: normalized area %.3f (%.3f to %.3f), %s",
        *entry[["entry_modality", "rank", "rank_low", "rank_high", "rank_one_out_low", "rank_one_out_high"]],
        *entry[["generation_model", "normalized_area", "normalized_area_low", "normalized_area_high", "basis"]],
    )
save(
    snakemake,
    board,
    declared=LEADERBOARD,
    title="Models by the normalized area under human recognizability of their metamers over depth",
    source=f"public data of the study ({snakemake.config['human_data']}), and predictions for the run's own models"
    + (", and answers of own participants" if inputs.own_participants else ""),
)
