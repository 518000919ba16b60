"""Make readouts/<model>.nc: a linear readout of a model without classes, and its accuracy on held-out examples."""

from metamers.run.job import log_to, save

from metamers.config.tables import stimulus_categories
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.readout import pooled_activations
from metamers.run import files
from metamers.train.examples import labelled_examples
from metamers.train.files import READOUTS
from metamers.train.readout import accuracy_in_words, fit_readout, readout_dataset, refusal

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.readout_model, snakemake.params
settings, device = params.settings, choose_device(snakemake.config["device"])
model = load_model(name, params.model, params.weights_file, device)
categories = stimulus_categories(settings["dataset"], params.dataset_entry)
examples = files.load(snakemake.input.examples)
features = {}
for split in ("train", "validation", "test"):
    labelled = labelled_examples(
        examples, split, {one: [number] for number, one in enumerate(categories)}, model.preprocessing, device
    )
    values = pooled_activations(model, labelled.stimuli, settings["stage"], settings["features"])
    features[split] = values, labelled.labels.cpu().numpy()
readout, inverse_penalty = fit_readout(
    features["train"], features["validation"], categories, settings["stage"], settings["features"]
)
numbers = {split: len(features[split][1]) for split in ("train", "validation")}
trained = readout_dataset(readout, inverse_penalty, numbers, features["test"], settings)
logger.info("%s: a readout of stage %s names %s", name, settings["stage"], accuracy_in_words(trained))
if params.recognizes and (reason := refusal(trained, name)):
    raise ValueError(reason)
save(
    snakemake,
    trained.assign_attrs(model=name, device=str(device)),
    declared=READOUTS,
    title=f"Linear readout of {name}",
    source=f"examples of the dataset {settings['dataset']}; the split test is held out",
)
