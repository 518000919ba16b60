"""Make synthesis/<generation_model>/<stage>/<batch>.nc: metamers of a model at a stage, from natural stimuli."""

from metamers.run.job import log_to, progress_folder, provenance

import json

import xarray as xr

from metamers.config.tables import category_classes
from metamers.modalities import sampling_of
from metamers.models.batches import in_batches, min_batch_size, repeat_to_minimum
from metamers.models.classes import class_scores, classes_of_categories
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import fit_stimuli
from metamers.models.precision import native_bfloat16
from metamers.run import files
from metamers.run.progress import Progress, checkpoint_on_signal, identity_of
from metamers.stimuli.labels import select_stimuli
from metamers.synthesize.files import SYNTHESIS
from metamers.synthesize.memory import max_batch_size
from metamers.synthesize.metamers import check_stage, make_metamers
from metamers.synthesize.qualities import QUALITIES, quality_attributes
from metamers.synthesize.replay import allow_graphs

MAX_TOGETHER = 256  # largest number of metamers in memory, if they are synthesized to a target

log_to(snakemake.log[0])
use_threads(snakemake.threads)
allow_graphs(snakemake.config["cuda_graphs"])
name, stage, params = snakemake.params.name, snakemake.params.stage, snakemake.params
procedure = QUALITIES[params.quality]
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = select_stimuli(files.load(snakemake.input.stimuli), params.batch)
values, natural_sampling = stimuli["stimulus_value"].values, sampling_of(stimuli.attrs)
first = fit_stimuli(model, values[:1], natural_sampling)
device = first.device
seeds = list(range(params.seeds))
settings = dict(params.settings)
if params.target_error is not None:
    settings["target_error"] = params.target_error
# Stimuli that are computed together at least; synthesis to a target fills its batches itself.
least = 1 if params.target_error is not None else -(-min_batch_size(device) // len(seeds))
identity = identity_of(
    params.code,
    snakemake.input,
    *(dict(params.model), procedure, settings, params.batch, seeds, params.run_seed),
    *(device.type, native_bfloat16(device)),
)
progress = Progress(progress_folder(snakemake), identity, snakemake.config["save_every_s"])
checkpoint_on_signal()


def metamers_of(part: slice) -> xr.Dataset:
    """The metamers of some stimuli, for all metamer seeds."""
    places = repeat_to_minimum(part, least)
    natural = fit_stimuli(model, values[places], natural_sampling)
    names = [params.batch[place] for place in places]
    made = make_metamers(
        *(model, stage, natural, names, seeds, params.run_seed, procedure, settings),
        label=f"{name} {stage} {snakemake.wildcards.batch}",
        progress=progress,
        part=f"{part.start}_{part.stop}",
        max_batch_size=max(size * len(seeds), min_batch_size(device)),
    )
    return made.isel(stimulus=slice(part.stop - part.start))


# Before the synthesis, check that the dataset's classes are the model's, and that the stage can be matched.
if model.classes:
    classes_of_categories(class_scores(model, first), category_classes(params.dataset, params.dataset_entry), name)
check_stage(model, stage, first)
with files.save_in_pieces(
    snakemake.output[0],
    "stimulus",
    declared=SYNTHESIS,
    title=f"Synthesis of metamers of {name} at {stage}",
    source=f"synthesized from noise by the {procedure} procedure, quality {params.quality}",
    **provenance(snakemake),
) as append:
    # The size of the first attempt, because saved states are named by it; on a GPU it depends on free memory.
    kept = progress.load("size")
    size = kept["stimuli"] if kept else max(1, max_batch_size(model, stage, first) // len(seeds))
    progress.finish("size", {"stimuli": size})
    # To a target, a stimulus takes the place of one that has ended, so many are given at once.
    together = size if params.target_error is None else max(size, MAX_TOGETHER // len(seeds))
    for piece in in_batches(len(params.batch), together, metamers_of, least):
        append(
            piece.assign_attrs(
                generation_model=name,
                stage=stage,
                **quality_attributes(params.quality, settings),
                settings=json.dumps(settings),
                model=json.dumps(params.model),
                device=str(device),
            )
        )
progress.delete()
