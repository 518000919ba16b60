"""Make metamers/<generation_model>/<stage>/<batch>.nc of some stages out of natural stimuli and a model."""

import json
from functools import partial

import numpy as np
import torch
import xarray as xr

from metamers import files
from metamers.batches import at_once, in_batches, min_batch_size, repeat_to_minimum
from metamers.logs import log_to
from metamers.match import MEASURES, match
from metamers.models import activations, choose_device, fit_stimuli, load_model, use_threads
from metamers.names import stage_path
from metamers.precision import native_bfloat16
from metamers.progress import Progress, identity_of, save_before_the_end
from metamers.recognize import answers, class_scores, recognize
from metamers.stimuli import MODALITIES
from metamers.synthesize import check_stage, starts, synthesize
from metamers.tables import category_classes

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.params.name, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).sel(stimulus=params.batch)
modality, shape = MODALITIES[model.modality], model.preprocessing.signal_shape
rate_hz = stimuli.attrs.get("sampling_rate_hz")
classes = category_classes(params.dataset, params.dataset_entry)
seeds = list(range(params.seeds))
dims = ("stimulus", "seed")


def natural_stimuli(places: list[int]) -> torch.Tensor:
    return fit_stimuli(model, stimuli["stimulus_value"].values[places], rate_hz)


def metamers_of(stage: str, part: slice) -> xr.Dataset:
    """What the file of a stage holds of some stimuli: all their seeds, the seed running fastest."""
    places = repeat_to_minimum(part, least)
    names = [params.batch[place] for place in places]
    natural = natural_stimuli(places).repeat_interleave(len(seeds), dim=0)
    start = starts(model, names, seeds, params.run_seed)
    label = f"{name} {stage} {snakemake.wildcards.batch}"
    kept_as = f"{stage_path(stage)}_{part.start}_{part.stop}"
    metamers, loss = synthesize(
        model, stage, natural, start, params.procedure, params.settings, label, progress, kept_as, params.run_seed
    )
    both = (activations(model, signals, stage) for signals in (natural, metamers))
    matches = [match(a, b) for a, b in zip(*both, strict=True)]
    signal = metamers.cpu().numpy()
    shown = fit_stimuli(model, modality.as_exported(signal), params.model["input"].get("sampling_rate_hz"))
    each = (len(names), len(seeds))
    made = xr.Dataset(
        {
            "metamer": ((*dims, *modality.dims), signal.reshape(*each, *shape)),
            **{key: (dims, np.reshape([found[key] for found in matches], each)) for key in MEASURES},
            "predicted_category": (dims, answers(class_scores(model, shown), classes, name).reshape(each)),
            "natural_category": ("stimulus", natural_category[places]),
            "steps": (dims, np.full(each, loss.shape[1])),
            "loss": ((*dims, "step"), loss.reshape(*each, -1)),
        },
        coords={
            "stimulus": names,
            "category": ("stimulus", stimuli["category"].values[places]),
            "label": ("stimulus", stimuli["label"].values[places]),
            "seed": seeds,
        },
        attrs={
            "generation_model": name,
            "stage": stage,
            "procedure": params.procedure,
            "settings": json.dumps(dict(params.settings)),
            "model": json.dumps(params.model),
            "device": str(natural.device),
            **({"sampling_rate_hz": params.model["input"]["sampling_rate_hz"]} if model.modality == "audio" else {}),
        },
    )
    return made.isel(stimulus=slice(part.stop - part.start))


first = natural_stimuli([0])
least = -(-min_batch_size(first.device) // len(seeds))
natural_category = recognize(model, modality.as_exported(stimuli["stimulus_value"].values), rate_hz, classes)
identity = identity_of(
    params.code,
    snakemake.input,
    *(dict(params.model), params.procedure, dict(params.settings), params.batch, seeds, params.run_seed),
    *(first.device.type, native_bfloat16(first.device)),
)
progress = Progress(params.progress, identity, snakemake.config["save_every_s"])
save_before_the_end()
# Whether the dataset's classes are the model's, and the stages can be matched, is known now, not after a synthesis.
answers(class_scores(model, first), classes, name)
for stage in params.stages:
    check_stage(model, stage, first)
for stage, path in zip(params.stages, snakemake.output, strict=True):
    with files.growing(
        path,
        "stimulus",
        title=f"Metamers of {name} at {stage}",
        source=f"synthesized from noise by the {params.procedure} procedure",
        step="synthesize",
        run=snakemake.config["run"],
        seed=params.run_seed,
        inputs=snakemake.input,
    ) as append:
        # As at the first try, whose progress is filed by it: on a GPU it depends on the memory that was free.
        kept = progress.load(f"{stage_path(stage)}_size")
        size = kept["stimuli"] if kept else max(1, at_once(model, stage, first) // len(seeds))
        progress.finish(f"{stage_path(stage)}_size", {"stimuli": size})
        for piece in in_batches(len(params.batch), size, partial(metamers_of, stage), least):
            append(piece)
progress.done()
