"""Make benchmark/match/<model>/<stage>.nc: steps of qualities, and of the others to their match."""

from metamers.run.job import log_results_to, save

import torch

from metamers.models.device import use_threads
from metamers.models.load import load_model
from metamers.run import files
from studies.benchmark.measure import first_stimuli
from studies.benchmark.steps import sentences, steps_to_match
from studies.files import MATCHES

logger = log_results_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, torch.device("cpu"))
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
names, natural, start = first_stimuli(model, stimuli, params.run_seed)
matched = steps_to_match(model, params.stage, natural, start, params.settings, params.qualities, params.most)
for line in sentences(matched):
    logger.info("%s at %s: %s", name, params.stage, line)
save(
    snakemake,
    matched.assign_coords(stimulus=names),
    declared=MATCHES,
    title=f"Steps to the same match of {name} at {params.stage}",
    source="qualities, published schedule and plenoptic, from the same starts",
)
