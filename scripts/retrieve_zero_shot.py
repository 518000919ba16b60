"""Compute the class scores' weights of a CLIP model, its text embeddings of each class, out of its published file."""

import safetensors.torch

from metamers import files
from metamers.logs import log_to
from metamers.models import choose_device, use_threads
from metamers.zero_shot import class_embeddings, read_clip

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
network = read_clip(params.architecture, params.weights_file, params.weights.get("entry"))
texts = params.weights["besides"]["zero_shot"]
embeddings = class_embeddings(params.architecture, network, texts, choose_device(snakemake.config["device"]))
files.replace_whole(snakemake.output[0], lambda partial: safetensors.torch.save_file({"weight": embeddings}, partial))
