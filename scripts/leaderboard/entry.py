"""Make the entry of one generation model for a leaderboard that several groups share."""

from metamers.run.job import log_results_to, save

import math
from pathlib import Path

from metamers.humans.summary import read_results
from metamers.leaderboard.check_entry import entry_faults
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.leaderboard.depth import model_depths
from metamers.leaderboard.entry import (
    entry_dataset,
    equivalence_of_stages,
    file_name,
    items_without_folders,
    measured_values,
    predicted_values,
    read_published,
)
from metamers.leaderboard.files import ENTRY
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION, own_participants_curves
from metamers.leaderboard.ranking import entries_of
from metamers.models.device import use_threads
from metamers.names import without_folders
from metamers.preregister.freeze import list_items, portable, portable_name
from metamers.run import files

logger = log_results_to(snakemake.log[0])
inputs, params, folder = snakemake.input, snakemake.params, Path(snakemake.output[0])
use_threads(1)
model, published = snakemake.wildcards.generation_model, read_published(Path(inputs.published[0]).parent)
depths = model_depths({model: params.architecture}, read_results(inputs.depths, DEPTH_COLUMNS))[model]
entry = params.model | {"depths": depths, "registry": without_folders(portable(params.architecture))}
participants = {entry["modality"]: [files.load(path) for path in inputs.own_participants]}
judged = own_participants_curves(participants, {model: entry})
basis = OWN_PARTICIPANTS if judged else PREDICTION
if judged:
    curve, asked = judged[model]
    values, tested = measured_values(curve), equivalence_of_stages(asked, model, entry, published.variance)
else:
    values, tested = predicted_values(files.load(inputs.predicted), model), None
board = entries_of(files.load(inputs.board))
(row,) = board[(board["generation_model"] == model) & (board["basis"] == basis)].to_dict("records")
folder.mkdir(parents=True, exist_ok=True)
if math.isnan(row["normalized_area"]):
    logger.warning("%s has no area, and so no entry: fewer than two stages have a value, or a depth is unknown", model)
else:
    items = list_items(
        {kind: inputs[kind] for kind in params.kinds},
        without_folders(portable(params.settings)),
        params.versions,
        {kind: without_folders(portable(own)) for kind, own in params.entries.items()},
    )
    made = entry_dataset(
        row, entry, values, files.load(inputs.recognizability), tested, params.creator, items_without_folders(items)
    )
    path = folder / file_name(made)
    save(
        snakemake,
        made,
        path,
        declared=ENTRY,
        title=f"Entry of {model} for a shared leaderboard of model metamers",
        source="answers of own participants" if judged else "a prediction from other models' recognition",
        inputs={path: without_folders(portable_name(path)) for path in inputs},
    )
    # The same check as for an entry from outside, so that a file that it would refuse is not published.
    if faults := entry_faults(files.load(path), path.name, published):
        path.unlink()
        raise ValueError("\n".join(f"{path.name}: {fault}" for fault in faults))
    logger.info("%s: normalized area %.3f, %s; add this file by a pull request", path, row["normalized_area"], basis)
