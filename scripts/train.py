"""Make training/<model>.safetensors and its learning curves out of the examples of a dataset."""

import hashlib
import json
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import xarray as xr
from torch import nn

from metamers import files
from metamers.hashes import sha256_of
from metamers.logs import log_to
from metamers.models import build_network, choose_device, use_threads
from metamers.preprocessing import PREPROCESSING
from metamers.recognize import answers
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes
from metamers.train import (
    Examples,
    Perturbation,
    adversarial_accuracy,
    inputs_of,
    load_progress,
    save_progress,
    scores_of,
    train,
)

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.trained_model, snakemake.params
settings, attack, entry = params.settings, params.attack, params.model
device = choose_device(snakemake.config["device"])
network = build_network(name, entry, settings["seed"]).to(device)
preprocessing = PREPROCESSING[entry["modality"]](**entry["input"]).to(device)
limits = MODALITIES[entry["modality"]].limits
classes = category_classes(params.dataset, params.dataset_entry)

examples = files.load(snakemake.input.examples)
values = torch.from_numpy(examples["stimulus_value"].values)
label_of = {category: indices[0] for category, indices in classes.items()}
labels = torch.tensor([label_of[category] for category in examples["category"].values])
split = {}
for part in ("train", "validation", "test"):
    chosen = torch.from_numpy(np.flatnonzero(examples["split"].values == part))
    fitted = preprocessing.fit(values[chosen].to(device), examples.attrs.get("sampling_rate_hz"))
    split[part] = Examples(fitted, labels[chosen].to(device))

perturbation = settings["perturbation"] and dict(settings["perturbation"])
on_input = perturbation is not None and perturbation.pop("on") == "input"
if settings["readout"]:
    for parameter in network.requires_grad_(False).get_submodule(settings["readout"]).parameters():
        parameter.requires_grad_(True)
    learner = network.get_submodule(settings["readout"])
    transform = inputs_of(network, settings["readout"], preprocessing)
elif on_input:
    learner, transform = nn.Sequential(preprocessing, network), None
else:
    learner, transform = network, preprocessing

# What the result depends on: a checkpoint of anything else is of no use.
identity = hashlib.sha256(
    json.dumps([params.code, entry, settings, examples.attrs["content_sha256"]], sort_keys=True).encode()
).hexdigest()
checkpoint = Path(params.checkpoint)
curves = train(
    learner,
    *(Examples(split[part].stimuli, split[part].labels, transform).transformed() for part in ("train", "validation")),
    settings,
    Perturbation(**perturbation) if perturbation else None,
    limits if on_input else None,
    load_progress(checkpoint, identity),
    lambda progress: save_progress(progress, checkpoint, identity),
    name,
)

network.requires_grad_(False).eval()
scores = scores_of(nn.Sequential(preprocessing, network), split["test"])
given = answers(scores, classes, name)
natural = examples["category"].values[examples["split"].values == "test"]
categories = list(classes)
confusion = np.zeros((len(categories), len(categories)), dtype=np.int64)
np.add.at(confusion, ([categories.index(c) for c in natural], [categories.index(c) for c in given]), 1)
accuracy = float((given == natural).mean())
logger.info("%s: %.1f%% of the test split named right", name, 100 * accuracy)

attacked = split["test"].first(attack["examples"])
under_attack = nn.Sequential(preprocessing, network)
if attack["on"] == "preprocessing":
    attacked, under_attack = Examples(attacked.stimuli, attacked.labels, preprocessing).transformed(), network
survived = []
for size in attack["sizes"]:
    against = Perturbation("adversarial", attack["norm"], size, attack["steps"])
    survived.append(adversarial_accuracy(under_attack, attacked, against, limits if attack["on"] == "input" else None))
    logger.info("%s: %.1f%% right under attack, %s at most %g", name, 100 * survived[-1], attack["norm"], size)

weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
files.replace_whole(snakemake.output.weights, lambda partial: safetensors.torch.save_file(weights, partial))
files.save(
    xr.Dataset(
        {key: ("epoch", value) for key, value in curves.items()}
        | {
            "test_accuracy": accuracy,
            "adversarial_accuracy": ("perturbation_size", np.array(survived, dtype=np.float64)),
            "answers": (("category", "answered_category"), confusion),
        },
        coords={
            "epoch": np.arange(1, settings["epochs"] + 1),
            "perturbation_size": np.array(attack["sizes"], dtype=np.float64),
            "category": categories,
            "answered_category": categories,
        },
        attrs={
            "model": json.dumps(entry),
            "training": json.dumps(settings),
            "attack": json.dumps(dict(attack)),
            "weights_sha256": sha256_of(snakemake.output.weights),
            "device": str(device),
        },
    ),
    snakemake.output.curves,
    title=f"Training of {name}",
    source=f"examples of the dataset {params.dataset}",
    step="train",
    run=snakemake.config["run"],
    seed=settings["seed"],
    inputs=snakemake.input,
)
checkpoint.unlink(missing_ok=True)
