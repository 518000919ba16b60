"""Make training/<model>.nc: a trained model's learning curves, and its answers to the test split, attacked or not."""

import json

import numpy as np
from torch import nn

from metamers import files
from metamers.logs import log_to
from metamers.models import choose_device, load_model, use_threads
from metamers.recognize import answers
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes
from metamers.train import Examples, Perturbation, adversarial_accuracy, labelled_examples, scores_of

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.trained_model, snakemake.params
attack = params.attack
device = choose_device(snakemake.config["device"])
model = load_model(name, params.model, snakemake.input.weights, device)
classes = category_classes(params.dataset, params.dataset_entry)
examples = files.load(snakemake.input.examples)
examples = examples.sel(stimulus=examples["split"] == "test")
test = labelled_examples(examples, "test", classes, model.preprocessing, device)
whole = nn.Sequential(model.preprocessing, model.network)

given, natural = answers(scores_of(whole, test), classes, name), examples["category"].values
categories = list(classes)
confusion = np.zeros((len(categories), len(categories)), dtype=np.int64)
np.add.at(confusion, ([categories.index(c) for c in natural], [categories.index(c) for c in given]), 1)
accuracy = float((given == natural).mean())
logger.info("%s: %.1f%% of the test split named right", name, 100 * accuracy)

attacked, limits = test.some(attack["examples"], seed=0), MODALITIES[model.modality].limits
if attack["on"] == "preprocessing":
    attacked = Examples(attacked.stimuli, attacked.labels, model.preprocessing).transformed()
    whole, limits = model.network, None
survived = []
for size in attack["sizes"]:
    against = Perturbation("adversarial", attack["norm"], size, attack["steps"])
    survived.append(adversarial_accuracy(whole, attacked, against, limits))
    logger.info("%s: %.1f%% right under attack, %s at most %g", name, 100 * survived[-1], attack["norm"], size)

curves = files.load(snakemake.input.curves)
tested = curves.assign(
    {
        "test_accuracy": accuracy,
        "adversarial_accuracy": ("perturbation_size", np.array(survived, dtype=np.float64)),
        "answers": (("category", "answered_category"), confusion),
    }
).assign_coords(
    perturbation_size=np.array(attack["sizes"], dtype=np.float64), category=categories, answered_category=categories
)
tested.attrs = {key: curves.attrs[key] for key in ("model", "training", "weights_sha256", "device")}
tested.attrs["attack"] = json.dumps(dict(attack) | {"examples": len(attacked)})
files.save(
    tested,
    snakemake.output[0],
    title=f"Training of {name}: learning curves, and accuracy on the test split",
    source=f"examples of the dataset {params.dataset}",
    step="train_test",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
