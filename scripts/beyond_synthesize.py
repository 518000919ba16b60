"""Make beyond/metamers/<set>.nc: metamers of several models at once, controversial ones, or from other starts."""

import json

import torch
import xarray as xr

from metamers import files
from metamers.batches import in_batches
from metamers.beyond import at_once_for_all, case_metamers, fit_to, natural_categories, starts_of
from metamers.beyond_plan import OTHER, OWN
from metamers.logs import log_to
from metamers.models import choose_device, fit_stimuli, load_model, use_threads
from metamers.precision import native_bfloat16
from metamers.progress import Progress, identity_of, save_before_the_end
from metamers.recognize import answers, class_scores
from metamers.synthesize import check_stage
from metamers.tables import category_classes

log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.beyond_set, snakemake.params
made, entries, device = params.set, params.entries, choose_device(snakemake.config["device"])
members = {model: load_model(model, one["model"], one["weights_file"], device) for model, one in entries.items()}
first = next(iter(members.values()))
rate_hz = entries[first.name]["model"]["input"].get("sampling_rate_hz")
fits = {model: fit_to(member, rate_hz) for model, member in members.items()}
stimuli = files.load(snakemake.input.stimuli)
natural_rate_hz = stimuli.attrs.get("sampling_rate_hz")
classes = category_classes(params.dataset, params.dataset_entry)
names, others = list(made["stimuli"]), list(made["stimuli"].values())
depths = [{model: stages[place] for model, stages in made["members"].items()} for place in range(len(made["depths"]))]


def natural_stimuli(which: list[str]) -> torch.Tensor:
    shown = stimuli.sel(stimulus=which)
    return fit_stimuli(first, shown["stimulus_value"].values, natural_rate_hz)


def metamers_of(part: slice) -> xr.Dataset:
    """What the file holds of some stimuli: all cases, at all depths."""
    natural = {OWN: natural_stimuli(names[part]), OTHER: natural_stimuli(others[part])}
    cases = []
    for case, how in made["cases"].items():
        start = starts_of(how["start"], first, names[part], natural[OTHER], params.seeds, params.run_seed)
        at_depths = [
            case_metamers(
                members, stages, how["matched"], natural, start, classes, rate_hz, params.procedure, params.settings,
                f"{name} {case}, {', '.join(stages.values())}", progress, f"{case}_{place}_{part.start}_{part.stop}",
                params.run_seed,
            )
            for place, stages in enumerate(depths)
        ]  # fmt: skip
        cases.append(xr.concat(at_depths, "depth"))
    found = xr.concat(cases, "case").transpose("stimulus", "case", "depth", ...)
    matched = {case: how["matched"] for case, how in made["cases"].items()}
    found["natural_category"] = natural_categories(members, matched, natural, rate_hz, classes)
    category = stimuli["category"]
    return found.assign_coords(
        stimulus=names[part],
        category=("stimulus", category.sel(stimulus=names[part]).values),
        other_stimulus=("stimulus", others[part]),
        other_category=("stimulus", category.sel(stimulus=others[part]).values),
        case=list(made["cases"]),
        depth=made["depths"],
        member_stage=(("member", "depth"), list(made["members"].values())),
        matches_other=(
            ("case", "member"),
            [[how["matched"][model] == OTHER for model in members] for how in made["cases"].values()],
        ),
    ).assign_attrs(
        part=made["part"],
        modality=first.modality,
        procedure=params.procedure,
        settings=json.dumps(dict(params.settings)),
        models=json.dumps({model: one["model"] for model, one in entries.items()}),
        device=str(device),
        **({"sampling_rate_hz": rate_hz} if rate_hz else {}),
    )


example = natural_stimuli(names[:1])
identity = identity_of(
    params.code,
    snakemake.input,
    *({model: dict(one["model"]) for model, one in entries.items()}, dict(made), params.procedure),
    *(dict(params.settings), params.seeds, params.run_seed, example.device.type, native_bfloat16(example.device)),
)
progress = Progress(params.progress, identity, snakemake.config["save_every_s"])
save_before_the_end()
# Whether the dataset's classes are the models', and the stages can be matched, is known now, not after a synthesis.
for model, member in members.items():
    answers(class_scores(member, fits[model](example)), classes, model)
    for stages in depths:
        check_stage(member, stages[model], fits[model](example))
with files.growing(
    snakemake.output[0],
    "stimulus",
    title=f"Metamers past the study: {name}",
    source=f"synthesized by the {params.procedure} procedure, {made['part']}",
    references=params.references,
    step="beyond_synthesize",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
) as append:
    # As at the first try, whose progress is filed by it: on a GPU it depends on the memory that was free.
    kept = progress.load("size")
    size = kept["stimuli"] if kept else min(at_once_for_all(members, stages, example, fits) for stages in depths)
    progress.finish("size", {"stimuli": size})
    for piece in in_batches(len(names), size, metamers_of):
        append(piece)
progress.done()
