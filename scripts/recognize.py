"""Make recognition/<generation_model>/<recognition_model>.nc for a group of recognition models, from exported files."""

from metamers.run.job import log_to, save

from pathlib import Path

import numpy as np
import xarray as xr

from metamers.config.tables import category_classes
from metamers.modalities import MODALITIES
from metamers.models.device import choose_device, use_threads
from metamers.models.load import with_each_model
from metamers.models.model import Model
from metamers.names import NATURAL, stage_path
from metamers.recognize import recognition_dataset, recognize
from metamers.run import files
from metamers.stimuli.formats import FORMATS

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
generation_model, params, given = snakemake.wildcards.generation_model, snakemake.params, snakemake.input
classes = category_classes(params.dataset, params.dataset_entry)
stimuli, seeds = params.stimuli, list(range(params.seeds))
with files.open_dataset(given.stimuli) as whole:  # opened, not loaded: only labels are needed
    natural_stimuli = whole[["category", "label"]].sel(stimulus=stimuli).load()


def answer(model: Model, paths: list[Path], sampling_rate_hz: float | None) -> np.ndarray:
    shown = np.stack([FORMATS[model.modality].read(path) for path in paths])
    return recognize(model, shown, sampling_rate_hz, classes)


def recognition(model: Model) -> xr.Dataset:
    """The answers of a recognition model."""
    suffix = MODALITIES[model.modality].suffix
    natural = [Path(given.natural) / f"{stimulus}{suffix}" for stimulus in stimuli]
    answered = [np.repeat(answer(model, natural, params.natural_rate_hz)[:, None], len(seeds), axis=1)]
    for stage in params.stages:
        folder = Path(given.metamers[0]) / stage_path(stage)
        metamers = [folder / f"{stimulus}_{seed}{suffix}" for stimulus in stimuli for seed in seeds]
        answered.append(answer(model, metamers, params.metamer_rate_hz).reshape(-1, len(seeds)))
    return recognition_dataset(
        np.stack(answered),
        ("stage", "stimulus", "seed"),
        {
            "stage": [NATURAL, *params.stages],
            "stimulus": stimuli,
            "seed": seeds,
            "category": ("stimulus", natural_stimuli["category"].values),
            "label": ("stimulus", natural_stimuli["label"].values),
        },
    )


def save_recognition(model: Model) -> None:
    name, answered = model.name, recognition(model)
    for stage, proportion in answered["correct"].mean(("stimulus", "seed")).to_series().items():
        logger.info("%s on %s %s: %.0f%% correct", name, generation_model, stage, 100 * proportion)
    save(
        snakemake,
        answered,
        paths[name],
        title=f"Recognition of metamers of {generation_model} by {name}",
        source="exported 8-bit images or 16-bit sounds; forced choice among the dataset's categories",
        inputs=[
            *params.recognition_models[name]["files"],
            given.metamers[0],
            given.natural,
            given.stimuli,
            given.categories,
        ],
    )


paths = dict(zip(params.recognition_models, snakemake.output, strict=True))
with_each_model(save_recognition, params.recognition_models, choose_device(snakemake.config["device"]))
