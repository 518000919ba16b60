"""Make beyond/metamers/<set>.nc: synthesized metamers of a set, their match, and what the models call them."""

from metamers.run.job import log_to, provenance

import torch
import xarray as xr

from metamers.beyond.files import METAMERS
from metamers.beyond.measure import measured_case, natural_categories
from metamers.beyond.sets import OTHER, OWN
from metamers.config.tables import category_classes
from metamers.models.batches import in_batches
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import fit_dataset
from metamers.run import files

MAX_BATCH_SIZE = 8  # stimuli
SYNTHESIS_ATTRIBUTES = (
    *("part", "modality", "quality", "procedure", "convergence", "penalty", "settings", "models", "device"),
)

log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params, device = snakemake.wildcards.beyond_set, snakemake.params, choose_device(snakemake.config["device"])
members = {model: load_model(model, one["model"], one["weights_file"], device) for model, one in params.entries.items()}
first = next(iter(members.values()))
stimuli = files.load(snakemake.input.stimuli)
classes = category_classes(params.dataset, params.dataset_entry)
matched = {case: how["matched"] for case, how in params.set["cases"].items()}


def natural_stimuli(which: xr.DataArray) -> torch.Tensor:
    return fit_dataset(first, stimuli.sel(stimulus=which.values))


def measured(part: slice) -> xr.Dataset:
    """Some stimuli of the set with their measures."""
    made, sampling = synthesis.isel(stimulus=part).load(), first.sampling
    natural = {OWN: natural_stimuli(made["stimulus"]), OTHER: natural_stimuli(made["other_stimulus"])}

    def of_depth(case: str, place: int) -> xr.Dataset:
        stages = {model: of_member[place] for model, of_member in params.set["members"].items()}
        errors = {model: params.target_errors[model][stage] for model, stage in stages.items()}
        metamers = made["metamer"].sel(case=case).isel(depth=place).values
        return measured_case(members, stages, matched[case], natural, metamers, classes, sampling, errors)

    depths = range(made.sizes["depth"])
    cases = [xr.concat([of_depth(case, place) for place in depths], made["depth"]) for case in matched]
    measures = xr.concat(cases, made["case"]).transpose("stimulus", "case", "depth", "member")
    measures["natural_category"] = natural_categories(members, matched, natural, sampling, classes)
    return made.merge(measures)


with (
    files.open_dataset(snakemake.input.synthesis[0]) as synthesis,
    files.save_in_pieces(
        snakemake.output[0],
        "stimulus",
        declared=METAMERS,
        title=f"Metamers of the extensions: {name}",
        source=synthesis.attrs["source"],
        references=params.references,
        **provenance(snakemake),
    ) as append,
):
    kept = {key: synthesis.attrs[key] for key in SYNTHESIS_ATTRIBUTES if key in synthesis.attrs} | first.sampling
    for piece in in_batches(synthesis.sizes["stimulus"], MAX_BATCH_SIZE, measured):
        piece.attrs = kept
        append(piece)
