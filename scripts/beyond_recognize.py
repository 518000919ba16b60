"""Make beyond/recognition/<set>.nc of a modality's sets: what models that have no part in them answer."""

import gc

import numpy as np
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.models import choose_device, load_model, use_threads
from metamers.recognize import recognize
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes

log_to(snakemake.log[0])
use_threads(snakemake.threads)
given, params = snakemake.input, snakemake.params
classes = category_classes(params.dataset, params.dataset_entry)
sets = [files.load(path) for path in given.metamers]
answered: list[list[np.ndarray]] = [[] for _ in sets]
for name, judge in params.judges.items():
    gc.collect()  # the last one, which may refer to itself
    model = load_model(name, judge["model"], judge["weights_file"], choose_device(snakemake.config["device"]))
    for made, answers in zip(sets, answered, strict=True):
        cases = made["metamer"].stack(each=("stimulus", "case", "depth")).transpose("each", ...)
        shown = MODALITIES[model.modality].as_exported(cases.values)
        answer = recognize(model, shown, made.attrs.get("sampling_rate_hz"), classes)
        answers.append(answer.reshape([made.sizes[dim] for dim in ("stimulus", "case", "depth")]))
for made, answers, path, name in zip(sets, answered, given.metamers, snakemake.output, strict=True):
    kept = ["stimulus", "category", "other_stimulus", "other_category", "case", "depth"]
    found = xr.Dataset(
        {"answer": (("recognition_model", "stimulus", "case", "depth"), np.stack(answers))},
        coords={key: made[key] for key in kept} | {"recognition_model": list(params.judges)},
    )
    files.save(
        found,
        name,
        title="Recognition of metamers past the study, by models that have no part in them",
        source="as exported: 8-bit images or 16-bit sounds; forced choice among the dataset's categories",
        step="beyond_recognize",
        run=snakemake.config["run"],
        seed=snakemake.config["seed"],
        inputs=[*given.models, path, given.categories],
    )
