"""Make recognition/<generation_model>/<recognition_model>.nc of a group of recognition models out of exported files."""

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.models import Model, choose_device, load_model, use_threads
from metamers.names import NATURAL, stage_path
from metamers.recognize import recognize
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
generation_model, params, given = snakemake.wildcards.generation_model, snakemake.params, snakemake.input
classes = category_classes(params.dataset, params.dataset_entry)
stimuli, seeds = params.stimuli, list(range(params.seeds))
with files.open_dataset(given.stimuli) as whole:  # opened, not loaded: only labels are needed
    natural_stimuli = whole[["category", "label"]].sel(stimulus=stimuli).load()


def answer(model: Model, paths: list[Path], sampling_rate_hz: float | None) -> np.ndarray:
    shown = np.stack([MODALITIES[model.modality].read(path) for path in paths])
    return recognize(model, shown, sampling_rate_hz, classes)


def recognition(name: str, judge: Mapping[str, Any]) -> xr.Dataset:
    """What a recognition model answers; of a group one is in memory at a time."""
    gc.collect()  # the last one, which may refer to itself
    model = load_model(name, judge["model"], judge["weights_file"], choose_device(snakemake.config["device"]))
    suffix = MODALITIES[model.modality].suffix
    natural = [Path(given.natural) / f"{stimulus}{suffix}" for stimulus in stimuli]
    answered = [np.repeat(answer(model, natural, params.natural_rate_hz)[:, None], len(seeds), axis=1)]
    for stage in params.stages:
        folder = Path(given.metamers[0]) / stage_path(stage)
        metamers = [folder / f"{stimulus}_{seed}{suffix}" for stimulus in stimuli for seed in seeds]
        answered.append(answer(model, metamers, params.metamer_rate_hz).reshape(-1, len(seeds)))
    answered = xr.Dataset(
        {"answer": (("stage", "stimulus", "seed"), np.stack(answered))},
        coords={
            "stage": [NATURAL, *params.stages],
            "stimulus": stimuli,
            "seed": seeds,
            "category": ("stimulus", natural_stimuli["category"].values),
            "label": ("stimulus", natural_stimuli["label"].values),
        },
    )
    return answered.assign(correct=answered["answer"] == answered["category"])


for (name, judge), path in zip(params.judges.items(), snakemake.output, strict=True):
    answered = recognition(name, judge)
    for stage, proportion in answered["correct"].mean(("stimulus", "seed")).to_series().items():
        logger.info("%s on %s %s: %.0f%% correct", name, generation_model, stage, 100 * proportion)
    files.save(
        answered,
        path,
        title=f"Recognition of metamers of {generation_model} by {name}",
        source="exported 8-bit images or 16-bit sounds; forced choice among the dataset's categories",
        step="recognize",
        run=snakemake.config["run"],
        seed=snakemake.config["seed"],
        inputs=[*judge["files"], given.metamers[0], given.natural, given.stimuli, given.categories],
    )
