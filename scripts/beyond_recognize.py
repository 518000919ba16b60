"""Make beyond/recognition/<set>.nc of a modality's sets: what models that have no part in them answer."""

import gc

import numpy as np
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.models import Model, choose_device, load_model, use_threads
from metamers.recognize import recognize
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes

log_to(snakemake.log[0])
use_threads(snakemake.threads)
given, params = snakemake.input, snakemake.params
classes = category_classes(params.dataset, params.dataset_entry)


def answer(model: Model, path: str) -> np.ndarray:
    """What a model answers to a set, (stimulus, case, depth)."""
    with files.open_dataset(path) as made:  # opened, not loaded: the metamers themselves are large
        each, rate_hz = (made.sizes["case"], made.sizes["depth"]), made.attrs.get("sampling_rate_hz")
        answers = []
        for place in range(made.sizes["stimulus"]):
            of_stimulus = made["metamer"].isel(stimulus=place).transpose("case", "depth", ...).values
            shown = MODALITIES[model.modality].as_exported(of_stimulus.reshape(-1, *of_stimulus.shape[2:]))
            answers.append(recognize(model, shown, rate_hz, classes).reshape(each))
    return np.stack(answers)


answered: dict[str, list[np.ndarray]] = {path: [] for path in given.metamers}
for name, judge in params.judges.items():
    gc.collect()  # the last one, which may refer to itself
    model = load_model(name, judge["model"], judge["weights_file"], choose_device(snakemake.config["device"]))
    for path, answers in answered.items():
        answers.append(answer(model, path))
for (path, answers), target in zip(answered.items(), snakemake.output, strict=True):
    with files.open_dataset(path) as made:
        kept = ("stimulus", "category", "other_stimulus", "other_category", "case", "depth")
        coordinates = {key: made[key].load() for key in kept}
    files.save(
        xr.Dataset(
            {"answer": (("recognition_model", "stimulus", "case", "depth"), np.stack(answers))},
            coords=coordinates | {"recognition_model": list(params.judges)},
        ),
        target,
        title="Recognition of metamers past the study, by models that have no part in them",
        source="as exported: 8-bit images or 16-bit sounds; forced choice among the dataset's categories",
        step="beyond_recognize",
        run=snakemake.config["run"],
        seed=snakemake.config["seed"],
        inputs=[*given.models, path, given.categories],
    )
