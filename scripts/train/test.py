"""Make training/<model>.nc: learning curves of a trained model, and its answers with and without attack."""

from metamers.run.job import log_to, save

import json

from torch import nn

from metamers.config.tables import category_classes
from metamers.modalities import MODALITIES
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.recognize.recognition import answers
from metamers.run import files
from metamers.train.examples import Examples, labelled_examples
from metamers.train.files import TRAINING
from metamers.train.model import adversarial_accuracy, scores_of, tested_dataset
from metamers.train.perturbations import Perturbation

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

answered, natural = answers(scores_of(whole, test), classes, name), examples["category"].values
logger.info("%s: %.1f%% of the test split named right", name, 100 * float((answered == natural).mean()))

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
tested = tested_dataset(curves, answered, natural, list(classes), attack["sizes"], survived)
tested.attrs = {key: curves.attrs[key] for key in ("model", "training", "weights_sha256", "device")}
tested.attrs["attack"] = json.dumps(dict(attack) | {"examples": len(attacked)})
save(
    snakemake,
    tested,
    declared=TRAINING,
    title=f"Training of {name}: learning curves, and accuracy on the test split",
    source=f"examples of the dataset {params.dataset}",
)
