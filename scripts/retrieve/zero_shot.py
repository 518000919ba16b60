"""Compute the zero-shot classifier of a CLIP model, its text embedding of each class, from the published weights."""

from metamers.run.job import log_to

import safetensors.torch

from metamers.models.device import choose_device, use_threads
from metamers.models.zero_shot import class_embeddings, read_clip
from metamers.run import files

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
network = read_clip(params.architecture, params.weights_file, params.weights.get("entry"))
texts = params.weights["extra_weights"]["zero_shot"]
embeddings = class_embeddings(params.architecture, network, texts, choose_device(snakemake.config["device"]))
files.write_atomically(
    snakemake.output[0], lambda partial: safetensors.torch.save_file({"weight": embeddings}, partial)
)
