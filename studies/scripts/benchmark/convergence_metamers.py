"""Make benchmark/convergence/<procedure>/<model>/<stage>.nc: metamers of a model at several matches."""

from metamers.run.job import log_to, progress_folder, save

import numpy as np

from metamers.config.tables import category_classes
from metamers.modalities import sampling_of
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import activations
from metamers.models.precision import native_bfloat16
from metamers.recognize.recognition import recognize
from metamers.run import files
from metamers.run.progress import Progress, checkpoint_on_signal, identity_of
from metamers.stimuli.formats import FORMATS
from metamers.synthesize.losses import Goal
from metamers.synthesize.measure import measure
from metamers.synthesize.metamers import check_stage, metamers_dataset, synthesize
from studies.benchmark.measure import first_stimuli
from studies.benchmark.several_targets import loosest_error, matches, metamers_at_matches
from studies.files import CONVERGENCE

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params, stage = snakemake.wildcards.generation_model, snakemake.params, snakemake.params.stage
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
names, natural, start = first_stimuli(model, stimuli, params.run_seed)
classes = category_classes(params.dataset, params.dataset_entry)
as_exported = FORMATS[model.modality].as_exported
natural_category = recognize(model, as_exported(stimuli["stimulus_value"].values), sampling_of(stimuli.attrs), classes)
progress = Progress(
    progress_folder(snakemake),
    identity_of(
        params.code,
        snakemake.input,
        *(dict(params.model), stage, list(map(str, names)), params.run_seed, dict(params.settings)),
        *(params.closest, params.errors, model.device.type, native_bfloat16(model.device)),
    ),
    snakemake.config["save_every_s"],
)
checkpoint_on_signal()
if snakemake.wildcards.procedure == "published":
    synthesized, losses = synthesize(
        *(model, stage, natural, start, "published", dict(params.settings), f"{name} {stage}", progress, "published"),
        seed=params.run_seed,
    )
    versions, metamers, steps = (
        {"published": params.closest},
        synthesized[None],
        np.full((1, len(names)), losses.shape[1]),
    )
else:
    activations_of_natural = check_stage(model, stage, natural)
    largest = files.load(snakemake.input.null)["largest"].sel(stage=stage)
    loosest = loosest_error(
        activations_of_natural, *(float(largest.sel(measure=one)) for one in ("snr_db", "pearson_r"))
    )
    versions = matches(params.closest, params.errors, loosest)
    metamers, steps = metamers_at_matches(
        lambda some: Goal(model, stage, activations_of_natural[some]),
        *(start, dict(params.settings), list(versions.values()), progress),
    )
reached = [activations(model, of_match, stage) for of_match in (natural, *metamers)]
measured = [
    measure(model, reached[0], synthetic, as_exported(signal.cpu().numpy()), model.sampling, classes, target_error)
    for synthetic, signal, target_error in zip(reached[1:], metamers, versions.values(), strict=True)
]
stacked = {key: np.stack([of_match[key] for of_match in measured]) for key in measured[0]}
for version, error, taken in zip(versions, stacked["normalized_error"], steps, strict=True):
    logger.info("%s, match %s: error %.4f after %.0f steps", stage, version, error.mean(), taken.mean())
save(
    snakemake,
    metamers_dataset(
        model.modality,
        ("version", "stimulus"),
        metamers.cpu().numpy(),
        stacked | {"steps": steps, "target_error": np.array(list(versions.values()))},
        {
            "version": list(versions),
            "stimulus": names,
            "category": ("stimulus", stimuli["category"].values),
            "natural_category": ("stimulus", natural_category),
        },
        model.sampling,
    ),
    declared=CONVERGENCE,
    title=f"Metamers of {name} at {stage}, at several matches",
    source=f"synthesized from the same starts by the procedure {snakemake.wildcards.procedure}",
)
progress.delete()
