"""Make benchmark/equivalence_recognition/<model>.nc: answers and log odds of other models for all versions."""

from metamers.run.job import log_to

import numpy as np
import xarray as xr

from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.models.load import with_each_model
from metamers.models.model import Model, fit_stimuli
from metamers.recognize import answers, category_log_odds, class_scores, recognition_dataset
from metamers.run import files
from metamers.stimuli.formats import FORMATS

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
classes = category_classes(params.dataset, params.dataset_entry)
found = [files.load(path) for path in snakemake.input.metamers]
made = xr.concat(found, xr.DataArray(params.stages, dims="stage", name="stage"))
dims = ("stage", "version", "stimulus")
shown = FORMATS[params.modality].as_exported(made["metamer"].values)
size, shown = shown.shape[: len(dims)], shown.reshape(-1, *shown.shape[len(dims) :])
true = np.broadcast_to(made["category"].values, size).ravel()


def judgement(judge: Model) -> tuple[np.ndarray, np.ndarray]:
    scores = class_scores(judge, fit_stimuli(judge, shown, params.rate_hz))
    found = answers(scores, classes, judge.name), category_log_odds(scores, classes, true, judge.name)
    return found[0].reshape(size), found[1].reshape(size)


judgements = with_each_model(judgement, params.recognition_models, choose_device(snakemake.config["device"]))
answered, evidence = zip(*judgements, strict=True)
judged = ("recognition_model", *dims)
files.save(
    recognition_dataset(
        np.stack(answered).astype(str),
        judged,
        dict(made.coords) | {"recognition_model": list(params.recognition_models)},
    )[["correct"]].assign(
        log_odds=(judged, np.stack(evidence)), normalized_error=made["normalized_error"], steps=made["steps"]
    ),
    snakemake.output[0],
    title=f"Recognition of metamers of {snakemake.wildcards.generation_model} of all compared versions by other models",
    source="8-bit images or 16-bit sounds; forced choice among the dataset's categories; log odds of the true one",
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
