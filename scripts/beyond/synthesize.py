"""Make beyond/synthesis/<set>.nc: metamers of several models together, controversial ones, or from other starts."""

from metamers.run.job import log_to, progress_folder, provenance

import json

import torch
import xarray as xr

from metamers.beyond.files import SYNTHESIS
from metamers.beyond.sets import OTHER, OWN
from metamers.beyond.synthesize import case_metamers, fit_to, joint_max_batch_size, set_dataset, starts_of
from metamers.config.tables import category_classes
from metamers.models.batches import in_batches
from metamers.models.classes import class_scores, classes_of_categories
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import fit_dataset
from metamers.models.precision import native_bfloat16
from metamers.run import files
from metamers.run.progress import Progress, checkpoint_on_signal, identity_of
from metamers.stimuli.labels import select_stimuli
from metamers.synthesize.metamers import check_stage
from metamers.synthesize.qualities import QUALITIES, TO_TARGET, quality_attributes
from metamers.synthesize.replay import allow_graphs

log_to(snakemake.log[0])
use_threads(snakemake.threads)
allow_graphs(snakemake.config["cuda_graphs"])
name, params = snakemake.wildcards.beyond_set, snakemake.params
procedure = QUALITIES[params.quality]
made, entries, device = params.set, params.entries, choose_device(snakemake.config["device"])
members = {model: load_model(model, one["model"], one["weights_file"], device) for model, one in entries.items()}
first = next(iter(members.values()))
fits = {model: fit_to(member, first.sampling) for model, member in members.items()}
stimuli = files.load(snakemake.input.stimuli)
classes = category_classes(params.dataset, params.dataset_entry)
names, others = list(made["stimuli"]), list(made["stimuli"].values())
depths = [{model: stages[place] for model, stages in made["members"].items()} for place in range(len(made["depths"]))]


def natural_stimuli(which: list[str]) -> torch.Tensor:
    return fit_dataset(first, select_stimuli(stimuli, which))


def metamers_of(part: slice) -> xr.Dataset:
    """Metamers of some stimuli: all cases, at all positions."""
    natural = {OWN: natural_stimuli(names[part]), OTHER: natural_stimuli(others[part])}
    matched = {case: how["matched"] for case, how in made["cases"].items()}
    cases = {}
    for case, how in made["cases"].items():
        start = starts_of(how["start"], first, names[part], natural[OTHER], params.seeds, params.run_seed)
        cases[case] = {
            depth: case_metamers(
                members, stages, matched[case], natural, start, first.sampling, procedure, params.settings,
                f"{name} {case}, {', '.join(stages.values())}", progress, f"{case}_{place}_{part.start}_{part.stop}",
                params.run_seed, {model: params.target_errors[model][stage] for model, stage in stages.items()}, size,
            )
            for place, (depth, stages) in enumerate(zip(made["depths"], depths, strict=True))
        }  # fmt: skip
    return set_dataset(
        cases,
        stimuli["category"],
        dict(zip(names[part], others[part], strict=True)),
        made["members"],
        matched,
    ).assign_attrs(
        part=made["part"],
        modality=first.modality,
        **quality_attributes(params.quality, params.settings),
        settings=json.dumps(dict(params.settings)),
        models=json.dumps({model: one["model"] for model, one in entries.items()}),
        device=str(device),
    )


example = natural_stimuli(names[:1])
identity = identity_of(
    params.code,
    snakemake.input,
    *({model: dict(one["model"]) for model, one in entries.items()}, dict(made), procedure),
    *(
        dict(params.settings),
        {model: dict(errors) for model, errors in params.target_errors.items()},
        params.seeds,
        params.run_seed,
        example.device.type,
        native_bfloat16(example.device),
    ),
)
progress = Progress(progress_folder(snakemake), identity, snakemake.config["save_every_s"])
checkpoint_on_signal()
# Before the synthesis, check that the models have the dataset's classes and that the stages can be matched.
for model, member in members.items():
    classes_of_categories(class_scores(member, fits[model](example)), classes, model)
    for stages in depths:
        check_stage(member, stages[model], fits[model](example))
with files.save_in_pieces(
    snakemake.output[0],
    "stimulus",
    declared=SYNTHESIS,
    title=f"Synthesis of metamers of the extensions: {name}",
    source=f"synthesized by the {procedure} procedure, {made['part']}",
    references=params.references,
    **provenance(snakemake),
) as append:
    # The size of the first attempt, because saved states are named by it; on a GPU it depends on free memory.
    kept = progress.load("size")
    size = kept["stimuli"] if kept else min(joint_max_batch_size(members, stages, example, fits) for stages in depths)
    progress.finish("size", {"stimuli": size})
    # To a target, a stimulus takes the place of one that has ended, so all are given at once.
    together = len(names) if procedure == TO_TARGET else size
    for piece in in_batches(len(names), together, metamers_of):
        append(piece)
progress.delete()
