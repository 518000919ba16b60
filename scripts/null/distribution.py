"""Make nulls/<generation_model>.nc: match between different natural stimuli at each stage."""

from metamers.run.job import log_to, save

from collections.abc import Sequence
from functools import partial

import numpy as np

from metamers.models.batches import forward_batch_size
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import activations, fit_dataset
from metamers.null.distribution import (
    affordable_pairs,
    choose_pairs,
    forward_batch,
    null_dataset,
    null_distribution,
    null_of_both_orders,
    stimuli_in_memory,
)
from metamers.null.files import NULLS
from metamers.run import files

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli)
measure_pairs = null_of_both_orders if params.both_orders else null_distribution
pairs = choose_pairs(stimuli.sizes["stimulus"], params.pairs, params.run_seed)


def load(stage: str, numbers: Sequence[int], max_batch_size: int) -> np.ndarray:
    natural = fit_dataset(model, stimuli.isel(stimulus=list(numbers)))
    return activations(model, natural, stage, max_batch_size)


measured = {}
first = fit_dataset(model, stimuli.isel(stimulus=[0]))
for stage in params.stages:
    units = load(stage, [0], 1).size
    largest = forward_batch_size(lambda shown, stage=stage: model(shown, stage), first)
    of_stage = partial(load, stage, max_batch_size=forward_batch(units, largest))
    max_stimuli = stimuli_in_memory(units)
    affordable = affordable_pairs(pairs, stimuli.sizes["stimulus"], max_stimuli)
    if len(affordable) < len(pairs):
        logger.warning(
            "%s %s: %d of %d pairs are measured, since %d units each of %d stimuli do not fit into memory",
            *(name, stage, len(affordable), len(pairs), units, stimuli.sizes["stimulus"]),
        )
    measured[stage] = measure_pairs(of_stage, affordable, max_stimuli)
    if np.isinf(measured[stage]["snr_db"]).any():
        place = int(np.argmax(measured[stage]["snr_db"]))
        logger.warning(
            "%s %s: %s and %s have equal activations, so only a metamer with a perfect match is accepted there",
            *(name, stage, *stimuli["stimulus"].values[affordable[place]]),
        )
    largest = ", ".join(f"{measure} {values.max():.3f}" for measure, values in measured[stage].items())
    logger.info("%s %s: largest of the null distribution: %s", name, stage, largest)

save(
    snakemake,
    null_dataset(measured, pairs, stimuli["stimulus"].values),
    declared=NULLS,
    title=f"Null distribution of match of {name}",
    source="activations of pairs of different natural stimuli",
)
