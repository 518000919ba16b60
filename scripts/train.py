"""Make training/<model>.safetensors and the learning curves out of the examples of a dataset."""

import json

import numpy as np
import safetensors.torch
import xarray as xr
from torch import nn

from metamers import files
from metamers.hashes import sha256_of
from metamers.logs import log_to
from metamers.models import build_network, check_run, choose_device, use_threads
from metamers.preprocessing import PREPROCESSING
from metamers.progress import Progress, identity_of, save_before_the_end
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes
from metamers.train import (
    Perturbation,
    check_trainable,
    frozen_weights,
    inputs_of,
    labelled_examples,
    train,
)

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.trained_model, snakemake.params
settings, entry = params.settings, params.model
device = choose_device(snakemake.config["device"])
preprocessing = PREPROCESSING[entry["modality"]](**entry["input"])
network = build_network(name, entry, settings["seed"])
classes = category_classes(params.dataset, params.dataset_entry)
if settings["from"]:
    frozen = frozen_weights(name, settings["from"], params.frozen_file, network, settings["readout"])
    network.load_state_dict(frozen, strict=False)  # of the readout there is none
example = check_run(name, nn.Sequential(preprocessing, network).eval(), preprocessing.example())
check_trainable(name, network, example, classes, settings["readout"])
preprocessing, network = preprocessing.to(device), network.to(device)

perturbation = settings["perturbation"] and dict(settings["perturbation"])
on_input = perturbation is not None and perturbation.pop("on") == "input"
if settings["readout"]:
    learner = network.requires_grad_(False).get_submodule(settings["readout"]).requires_grad_(True)
    transform = inputs_of(network, settings["readout"], preprocessing)
elif on_input:
    learner, transform = nn.Sequential(preprocessing, network), None
else:
    learner, transform = network, preprocessing

identity = identity_of(params.code, snakemake.input, entry, settings, classes, device.type)
progress = Progress(params.progress, identity, snakemake.config["save_every_s"])
save_before_the_end()
examples = files.load(snakemake.input.examples)
curves = train(
    learner,
    *(
        labelled_examples(examples, split, classes, preprocessing, device, transform).transformed()
        for split in ("train", "validation")
    ),
    settings,
    Perturbation(**perturbation) if perturbation else None,
    MODALITIES[entry["modality"]].limits if on_input else None,
    progress,
    name,
)

weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
files.replace_whole(snakemake.output.weights, lambda partial: safetensors.torch.save_file(weights, partial))
files.save(
    xr.Dataset(
        {key: ("epoch", value) for key, value in curves.items()},
        coords={"epoch": np.arange(1, settings["epochs"] + 1)},
        attrs={
            "model": json.dumps(entry),
            "training": json.dumps(settings),
            "weights_sha256": sha256_of(snakemake.output.weights),
            "device": str(device),
        },
    ),
    snakemake.output.curves,
    title=f"Learning curves of {name}",
    source=f"examples of the dataset {params.dataset}",
    step="train",
    run=snakemake.config["run"],
    seed=settings["seed"],
    inputs=snakemake.input,
)
progress.done()
