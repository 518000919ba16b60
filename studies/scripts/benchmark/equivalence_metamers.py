"""Make benchmark/equivalence/<model>/<stage>.nc: metamers of the published procedure and of versions of one cycle."""

from metamers.run.job import log_to, save

from functools import partial

import numpy as np

from metamers.config.qualities import number_of_steps
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.precision import native_bfloat16
from metamers.run import files
from metamers.run.progress import Progress, checkpoint_on_signal, identity_of
from metamers.synthesize.memory import max_batch_size
from metamers.synthesize.metamers import metamers_dataset
from studies.benchmark.match import synthesis_with_steps, synthesize_to_match
from studies.benchmark.measure import first_stimuli

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).sel(stimulus=params.stimuli)
names, natural, start = first_stimuli(model, stimuli, params.run_seed)
identity = identity_of(
    params.code,
    snakemake.input,
    *(dict(params.model), params.stage, params.stimuli, params.run_seed, params.searched),
    *({key: dict(settings) for key, settings in params.settings.items()}, params.reference, params.most),
    *(model.device.type, native_bfloat16(model.device)),
)
progress = Progress(params.progress, identity, snakemake.config["save_every_s"])
checkpoint_on_signal()
# The size of the first attempt, because saved states are named by it; on a GPU it depends on free memory.
kept = progress.load("size")
size = kept["stimuli"] if kept else max_batch_size(model, params.stage, natural[:1])
progress.finish("size", {"stimuli": size})
procedure_with_steps = partial(
    synthesis_with_steps,
    *(model, params.stage, natural, start),
    batch_size=size,
    progress=progress,
)
reference, first = params.reference, number_of_steps(params.settings[params.reference])
made = {}
# The published procedure is synthesized to the match of the reference, and the other versions to that of the published
# procedure, with which the table compares them.
for version in dict.fromkeys((reference, "published", *params.settings)):
    settings = params.settings[version]
    with_steps = procedure_with_steps(
        procedure="published" if version == "published" else "one_cycle", settings=settings, label=version
    )
    if version == reference:
        made[version] = with_steps(first), np.full(len(names), first)
    else:
        wanted = made[reference if version == "published" else "published"][0].error
        most = number_of_steps(settings) if version == "published" else params.most * first
        made[version] = synthesize_to_match(
            with_steps, wanted, first, most, params.searched, f"{version} {params.stage}"
        )
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
        params.model["input"].get("sampling_rate_hz"),
    ),
    title=f"Metamers of {name} at {params.stage}, of the published procedure and of versions of one cycle",
    source="synthesized from the same starts, with the number of steps that gives an equal match",
)
progress.delete()
