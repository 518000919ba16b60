"""Make recognition/<generation_model>/<recognition_model>.nc out of the exported stimuli and metamers."""

from pathlib import Path

import numpy as np
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.models import choose_device, fit_stimuli, load_model, use_threads
from metamers.names import NATURAL, stage_path
from metamers.recognize import answers, class_scores
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
generation_model, name = snakemake.wildcards.generation_model, snakemake.wildcards.recognition_model
params = snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
modality = MODALITIES[model.modality]
classes = category_classes(params.dataset, params.dataset_entry)
acceptance = files.load(snakemake.input.acceptance[0])
stimuli, seeds = acceptance["stimulus"].values, acceptance["seed"].values


def answer(paths: list[Path], sampling_rate_hz: float | None) -> np.ndarray:
    shown = fit_stimuli(model, np.stack([modality.read(path) for path in paths]), sampling_rate_hz)
    return answers(class_scores(model, shown), classes, name)


natural = answer(
    [Path(snakemake.input.natural) / f"{stimulus}{modality.suffix}" for stimulus in stimuli], params.natural_rate_hz
)
given = [np.repeat(natural[:, None], len(seeds), axis=1)]
for stage in acceptance["stage"].values:
    folder = Path(snakemake.input.metamers[0]) / stage_path(stage)
    paths = [folder / f"{stimulus}_{seed}{modality.suffix}" for stimulus in stimuli for seed in seeds]
    given.append(answer(paths, params.metamer_rate_hz).reshape(-1, len(seeds)))

answered = xr.Dataset(
    {"answer": (("stage", "stimulus", "seed"), np.stack(given))},
    coords={
        "stage": [NATURAL, *acceptance["stage"].values],
        "stimulus": stimuli,
        "seed": seeds,
        "category": ("stimulus", acceptance["category"].values),
        "label": ("stimulus", acceptance["label"].values),
    },
)
answered["correct"] = answered["answer"] == answered["category"]
for stage, proportion in answered["correct"].mean(("stimulus", "seed")).to_series().items():
    logger.info("%s on %s %s: %.0f%% correct", name, generation_model, stage, 100 * proportion)
files.save(
    answered,
    snakemake.output[0],
    title=f"Recognition of metamers of {generation_model} by {name}",
    source="exported 8-bit images or 16-bit sounds; forced choice among the dataset's categories",
    step="recognize",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
