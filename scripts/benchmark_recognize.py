"""Make benchmark/recognition/<model>.nc: what other models make of metamers of both procedures at the same match."""

import json

import numpy as np
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.models import choose_device, fit_stimuli, load_model, use_threads
from metamers.recognize import answers, class_scores
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes

log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
equivalent = [files.load(path) for path in snakemake.input.equivalent]
dims = ("kept_procedure", "stimulus")
modality = MODALITIES[params.modality]
classes = category_classes(params.dataset, params.dataset_entry)
correct = []
for judge, entry, weights in zip(params.judges, params.entries, params.weights_files, strict=True):
    model = load_model(judge, entry, weights, choose_device(snakemake.config["device"]))
    for one in equivalent:
        shown = modality.as_exported(one["metamer"].values)
        given = fit_stimuli(model, shown.reshape(-1, *shown.shape[2:]), params.rate_hz)
        said = answers(class_scores(model, given), classes, judge).reshape(shown.shape[:2])
        correct.append(said == one["category"].values)
shape = (len(params.judges), len(equivalent), *equivalent[0]["metamer"].shape[:2])
files.save(
    xr.Dataset(
        {
            "correct": (("recognition_model", "stage", *dims), np.reshape(correct, shape)),
            "normalized_error": (("stage", *dims), np.stack([one["normalized_error"].values for one in equivalent])),
        },
        coords={
            "recognition_model": params.judges,
            "stage": params.stages,
            **{key: equivalent[0][key] for key in ("kept_procedure", "stimulus", "category")},
        },
    ),
    snakemake.output[0],
    title=f"Recognition of metamers of {name} of both procedures at the same match",
    source="8-bit images or 16-bit sounds; forced choice among the dataset's categories; judges: "
    + json.dumps(params.judges),
    step="benchmark_recognize",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
