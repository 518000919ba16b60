"""Make benchmark/equivalence/<model>/<stage>.nc: metamers of the run's procedure and of the published one."""

from metamers.run.job import log_to, progress_folder, save

import numpy as np

from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.precision import native_bfloat16
from metamers.run import files
from metamers.run.progress import Progress, checkpoint_on_signal, identity_of
from metamers.synthesize.memory import max_batch_size
from metamers.synthesize.metamers import metamers_dataset
from studies.benchmark.equivalence import LOOSER
from studies.benchmark.match import at_equal_match, synthesis_to_target, synthesis_with_steps
from studies.benchmark.measure import first_stimuli
from studies.files import EQUIVALENCE

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).sel(stimulus=params.stimuli)
names, natural, start = first_stimuli(model, stimuli, params.run_seed)
identity = identity_of(
    params.code,
    snakemake.input,
    *(dict(params.model), params.stage, params.stimuli, params.run_seed, params.searched, params.most_steps),
    *(dict(params.settings), dict(params.published), params.target, params.looser),
    *(model.device.type, native_bfloat16(model.device)),
)
progress = Progress(progress_folder(snakemake), identity, snakemake.config["save_every_s"])
checkpoint_on_signal()
# The size of the first attempt, because saved states are named by it; on a GPU it depends on free memory.
kept = progress.load("size")
size = kept["stimuli"] if kept else max_batch_size(model, params.stage, natural[:1])
progress.finish("size", {"stimuli": size})
to_target = synthesis_to_target(model, params.stage, natural, start, dict(params.settings), size, progress)
with_steps = synthesis_with_steps(
    model, params.stage, natural, start, "published", dict(params.published), size, "published", progress
)
made, target = at_equal_match(
    *(to_target, with_steps, params.target, params.most_steps, params.searched, f"published {params.stage}")
)
made[LOOSER] = to_target(params.looser * target)
for version, (synthesized, steps) in made.items():
    logger.info("%s: %s, %.1f steps, mean error %.4f", params.stage, version, steps.mean(), synthesized.error.mean())
save(
    snakemake,
    metamers_dataset(
        model.modality,
        ("version", "stimulus"),
        np.stack([synthesized.metamers.numpy() for synthesized, _ in made.values()]),
        {
            "normalized_error": np.stack([synthesized.error for synthesized, _ in made.values()]),
            "steps": np.stack([steps for _, steps in made.values()]),
        },
        {
            "version": list(made),
            "stimulus": names,
            "category": ("stimulus", stimuli["category"].values),
        },
        model.sampling,
    ),
    declared=EQUIVALENCE,
    title=f"Metamers of {name} at {params.stage}, of the run's procedure and of the published one",
    source="synthesized from the same starts; the published procedure with the number of steps to an equal match",
)
progress.delete()
