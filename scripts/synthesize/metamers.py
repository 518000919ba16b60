"""Make metamers/<generation_model>/<stage>/<batch>.nc for a group of stages, from natural stimuli and a model."""

from metamers.run.job import log_to, provenance

import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from metamers.config.qualities import QUALITIES, quality_attributes
from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import activations, fit_stimuli
from metamers.names import stage_path
from metamers.recognize import answers, class_scores, recognize
from metamers.run import files
from metamers.run.progress import Progress, checkpoint_on_signal, identity_of
from metamers.stimuli.formats import FORMATS
from metamers.synthesize.batches import in_batches, max_batch_size, min_batch_size, repeat_to_minimum
from metamers.synthesize.metamers import check_stage, measure, metamers_dataset, starts, synthesize
from metamers.synthesize.precision import native_bfloat16

MAX_TOGETHER = 256  # largest number of metamers in memory, if they are synthesized to a target

log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.params.name, snakemake.params
procedure = QUALITIES[params.quality]
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).sel(stimulus=params.batch)
as_exported, shape = FORMATS[model.modality].as_exported, model.preprocessing.signal_shape
natural_rate_hz = stimuli.attrs.get("sampling_rate_hz")
rate_hz = params.model["input"].get("sampling_rate_hz")
classes = category_classes(params.dataset, params.dataset_entry)
seeds = list(range(params.seeds))


def natural_stimuli(places: list[int]) -> torch.Tensor:
    return fit_stimuli(model, stimuli["stimulus_value"].values[places], natural_rate_hz)


def metamers_of(stage: str, part: slice) -> xr.Dataset:
    """The metamers of some stimuli at a stage, for all metamer seeds."""
    settings, target_error = dict(params.settings), params.target_errors[stage]
    if target_error is not None:
        settings["target_error"] = target_error
    places = repeat_to_minimum(part, least)
    names = [params.batch[place] for place in places]
    natural = natural_stimuli(places).repeat_interleave(len(seeds), dim=0)
    start = starts(model, names, seeds, params.run_seed)
    label = f"{name} {stage} {snakemake.wildcards.batch}"
    kept_as = f"{stage_path(stage)}_{part.start}_{part.stop}"
    metamers, loss = synthesize(
        *(model, stage, natural, start, procedure, settings, label, progress, kept_as, params.run_seed),
        batch_size=max(size * len(seeds), min_batch_size(natural.device)),
    )
    signal = metamers.cpu().numpy()
    measured = measure(
        model,
        *(activations(model, signals, stage) for signals in (natural, metamers)),
        as_exported(signal),
        rate_hz,
        classes,
        target_error,
    )
    each = (len(names), len(seeds))
    made = metamers_dataset(
        model.modality,
        ("stimulus", "seed"),
        signal.reshape(*each, *shape),
        {key: values.reshape(each) for key, values in measured.items()}
        | {"steps": np.isfinite(loss).sum(axis=1).reshape(each), "natural_category": natural_category[places]},
        {
            "stimulus": names,
            "category": ("stimulus", stimuli["category"].values[places]),
            "label": ("stimulus", stimuli["label"].values[places]),
            "seed": seeds,
        },
        rate_hz,
        loss.reshape(*each, -1),
    ).assign_attrs(
        generation_model=name,
        stage=stage,
        **quality_attributes(params.quality),
        settings=json.dumps(settings),
        model=json.dumps(params.model),
        device=str(natural.device),
    )
    return made.isel(stimulus=slice(part.stop - part.start))


first = natural_stimuli([0])
least = -(-min_batch_size(first.device) // len(seeds))
natural_category = recognize(model, as_exported(stimuli["stimulus_value"].values), natural_rate_hz, classes)
identity = identity_of(
    params.code,
    snakemake.input,
    *(dict(params.model), procedure, dict(params.settings), dict(params.target_errors)),
    *(params.batch, seeds, params.run_seed),
    *(first.device.type, native_bfloat16(first.device)),
)
progress = Progress(params.progress, identity, snakemake.config["save_every_s"])
checkpoint_on_signal()
# Checked before the synthesis: the dataset's classes are the model's, and the stages can be matched.
answers(class_scores(model, first), classes, name)
for stage in params.stages:
    check_stage(model, stage, first)
for stage, path in zip(params.stages, params.files, strict=True):
    with files.save_in_pieces(
        path,
        "stimulus",
        title=f"Metamers of {name} at {stage}",
        source=f"synthesized from noise by the {procedure} procedure, quality {params.quality}",
        staged=Path(snakemake.output[0]) / f"{stage_path(stage)}.nc",
        **provenance(snakemake),
    ) as append:
        # The size of the first attempt, because saved states are named by it; on a GPU it depends on free memory.
        kept = progress.load(f"{stage_path(stage)}_size")
        size = kept["stimuli"] if kept else max(1, max_batch_size(model, stage, first) // len(seeds))
        progress.finish(f"{stage_path(stage)}_size", {"stimuli": size})
        # To a target, a stimulus takes the place of one that has ended, so many are given at once.
        together = size if params.target_errors[stage] is None else max(size, MAX_TOGETHER // len(seeds))
        for piece in in_batches(len(params.batch), together, partial(metamers_of, stage), least):
            append(piece)
progress.delete()
