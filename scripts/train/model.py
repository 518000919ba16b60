"""Make training/<model>.safetensors and the learning curves from the examples of a dataset."""

from metamers.run.job import log_to, progress_folder, save

import json

import safetensors.torch
from torch import nn

from metamers.config.tables import category_classes
from metamers.modalities import MODALITIES
from metamers.models.build import build_network
from metamers.models.device import choose_device, use_threads
from metamers.models.load import check_forward
from metamers.models.outputs import class_scores_in
from metamers.models.precision import native_bfloat16
from metamers.models.preprocessing import build_preprocessing
from metamers.run import files
from metamers.run.hashes import sha256_of
from metamers.run.progress import Progress, checkpoint_on_signal, identity_of
from metamers.train.examples import labelled_examples
from metamers.train.files import CURVES
from metamers.train.model import check_trainable, curves_dataset, frozen_weights, inputs_of, train
from metamers.train.perturbations import Perturbation

log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.trained_model, snakemake.params
settings, entry = params.settings, params.model
device = choose_device(snakemake.config["device"])
preprocessing = build_preprocessing(name, entry)
network = build_network(name, entry, settings["seed"])
classes = category_classes(params.dataset, params.dataset_entry)
if settings["from"]:
    frozen = frozen_weights(name, settings["from"], params.frozen_file, network, settings["readout"])
    network.load_state_dict(frozen, strict=False)  # without the readout
output = check_forward(name, preprocessing.eval(), network.eval(), preprocessing.example())
example = class_scores_in(output, None, name)
check_trainable(name, network, example, classes, settings["readout"])
preprocessing = preprocessing.to(device)
network = network.to(device, memory_format=preprocessing.memory_format)

perturbation = settings["perturbation"] and dict(settings["perturbation"])
on_input = perturbation is not None and perturbation.pop("on") == "input"
if settings["readout"]:
    learner = network.requires_grad_(False).get_submodule(settings["readout"]).requires_grad_(True)
    transform = inputs_of(network, settings["readout"], preprocessing)
elif on_input:
    learner, transform = nn.Sequential(preprocessing, network), None
else:
    learner, transform = network, preprocessing

identity = identity_of(params.code, snakemake.input, entry, settings, classes, device.type, native_bfloat16(device))
progress = Progress(progress_folder(snakemake), identity, snakemake.config["save_every_s"])
checkpoint_on_signal()
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
    [preprocessing] if on_input else [],
)

weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
files.write_atomically(snakemake.output.weights, lambda partial: safetensors.torch.save_file(weights, partial))
save(
    snakemake,
    curves_dataset(curves).assign_attrs(
        model=json.dumps(entry),
        training=json.dumps(settings),
        weights_sha256=sha256_of(snakemake.output.weights),
        device=str(device),
    ),
    snakemake.output.curves,
    declared=CURVES,
    title=f"Learning curves of {name}",
    source=f"examples of the dataset {params.dataset}",
    seed=settings["seed"],
)
progress.delete()
