"""Make metamers/<generation_model>/<stage>/<batch>.nc out of natural stimuli and a model."""

import json

import numpy as np
import torch
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.match import MEASURES, match
from metamers.models import activations, choose_device, fit_stimuli, load_model, use_threads
from metamers.recognize import answers, class_scores
from metamers.stimuli import MODALITIES, start_noise
from metamers.synthesize import synthesize
from metamers.tables import category_classes

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, stage, params = snakemake.wildcards.generation_model, snakemake.params.stage, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).sel(stimulus=params.batch)
modality, shape = MODALITIES[model.modality], model.preprocessing.signal_shape
seeds = list(range(params.seeds))

# The batch that is optimized at once is every stimulus with every seed, the seed running fastest.
natural = fit_stimuli(model, stimuli["stimulus_value"].values, stimuli.attrs.get("sampling_rate_hz"))
natural = natural.repeat_interleave(len(seeds), dim=0)
noise = [
    start_noise(model.modality, shape, stimulus, seed, params.run_seed) for stimulus in params.batch for seed in seeds
]
start = torch.from_numpy(np.stack(noise)).to(natural.device)
# Whether the dataset's classes are the model's is known now, not after the synthesis.
classes = category_classes(params.dataset, params.dataset_entry)
answers(class_scores(model, natural[:1]), classes, name)
label = f"{name} {stage} {snakemake.wildcards.batch}"
metamers, loss = synthesize(model, stage, natural, start, params.procedure, params.settings, label)

matches = [
    match(a, b) for a, b in zip(activations(model, natural, stage), activations(model, metamers, stage), strict=True)
]
signal = metamers.cpu().numpy()
shown = torch.from_numpy(modality.as_exported(signal)).to(natural.device)
predicted = answers(class_scores(model, shown), classes, name)

each = (len(params.batch), len(seeds))
dims = ("stimulus", "seed")
files.save(
    xr.Dataset(
        {
            "metamer": ((*dims, *modality.dims), signal.reshape(*each, *shape)),
            **{key: (dims, np.reshape([m[key] for m in matches], each)) for key in MEASURES},
            "predicted_category": (dims, predicted.reshape(each)),
            "steps": (dims, np.full(each, loss.shape[1])),
            "loss": ((*dims, "step"), loss.reshape(*each, -1)),
        },
        coords={
            "stimulus": params.batch,
            "category": ("stimulus", stimuli["category"].values),
            "label": ("stimulus", stimuli["label"].values),
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
    ),
    snakemake.output[0],
    title=f"Metamers of {name} at {stage}",
    source=f"synthesized from noise by the {params.procedure} procedure",
    step="synthesize",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
