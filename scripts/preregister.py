"""Freeze the predicted human recognizability of a run in a file of its own, which is never replaced."""

from metamers.run.job import log_results_to, provenance

import datetime
import sys

from metamers.humans.summary import read_results
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.leaderboard.depth import model_depths
from metamers.models.device import use_threads
from metamers.power.participants import VARIANCE_COLUMNS
from metamers.preregister.freeze import frozen_prediction, frozen_stages, list_items, with_items, write_once
from metamers.run import files
from metamers.run.hashes import sha256_of

logger = log_results_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
use_threads(1)
published_depths = read_results(inputs.depths, DEPTH_COLUMNS)
depths = model_depths(params.architectures, published_depths)
prediction = frozen_prediction(
    files.load(inputs.predicted),
    files.load(inputs.recognizability),
    files.load(inputs.relation),
    read_results(inputs.variance, VARIANCE_COLUMNS),
    published_depths,
    {model: entry | {"depths": depths[model]} for model, entry in params.models.items()},
    params.expected,
)
items = list_items(
    {kind: inputs[kind] for kind in params.kinds} | {"answers": params.answers},
    params.settings,
    params.versions,
    params.entries,
)
if params.answers:
    logger.warning("%d files of answers exist already; the report will say so", len(params.answers))
try:
    write_once(
        with_items(prediction, items, datetime.datetime.now(datetime.UTC)),
        params.file,
        title="Predicted human recognizability of this run's metamers, frozen before participants answer",
        source="recognizability by other models, and the published relation between participants and models",
        **provenance(snakemake)
        | {"inputs": [inputs.predicted, inputs.recognizability, inputs.relation, inputs.variance, inputs.depths]},
    )
except FileExistsError as error:
    logger.error("%s", error)
    sys.exit(1)
for model in map(str, prediction["generation_model"].values):
    for stage in frozen_stages(prediction, model):
        row = prediction.sel(generation_model=model, stage=stage)
        logger.info("%s %s: %.2f (%.2f to %.2f)", *(model, stage, row["predicted"], row["low"], row["high"]))
logger.info(
    "frozen: %s, SHA-256 %s. Register this hash, or the file, in a public place", params.file, sha256_of(params.file)
)
