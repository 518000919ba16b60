"""Make beyond/invariance/<model>.nc: distances between metamers of one stimulus, at every stage."""

from metamers.run.job import log_to, save

import torch
import xarray as xr

from metamers.beyond.files import INVARIANCE
from metamers.beyond.invariance import invariance
from metamers.beyond.sets import NOISE
from metamers.beyond.synthesize import starts_of
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import fit_dataset
from metamers.run import files

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params, inputs = snakemake.wildcards.started_model, snakemake.params, snakemake.input
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli, made = files.load(inputs.stimuli), files.load(inputs.metamers)
names, others = made["stimulus"].values, made["other_stimulus"].values


def natural_stimuli(which: list[str]) -> torch.Tensor:
    return fit_dataset(model, stimuli.sel(stimulus=which))


def on_device(metamers: xr.DataArray) -> torch.Tensor:
    return torch.from_numpy(metamers.values).to(natural.device)


natural, other = natural_stimuli(names), natural_stimuli(others)
kinds = [NOISE, *made["case"].values.tolist()]
starts = {kind: starts_of(kind, model, names, other, params.seeds, params.run_seed) for kind in kinds}
# The ordinary metamers, at the stages of these positions.
own, paths = [], iter(inputs.run)
for _ in made["depth"]:
    batches = xr.concat([files.load(next(paths))["metamer"] for _ in range(params.batches)], "stimulus")
    own.append(on_device(batches.isel(seed=0).sel(stimulus=names)))
metamers = {NOISE: torch.stack(own)} | {
    kind: on_device(made["metamer"].sel(case=kind).transpose("depth", "stimulus", ...)) for kind in kinds[1:]
}
distances = invariance(model, natural_stimuli(params.shown), natural, starts, metamers)
stages = made["member_stage"].values[0]
for kind in kinds[1:]:
    for depth, stage in enumerate(stages):
        apart = float(distances["relative_difference"].sel(start=kind).isel(depth=depth, measured_stage=0).mean())
        logger.info("%s %s from %s: %.3f of the distance of different stimuli", name, stage, kind, apart)
distances.attrs = {"model": name, "modality": model.modality}
save(
    snakemake,
    distances.assign_coords(
        depth=made["depth"].values,
        stage=("depth", stages),
        stimulus=names,
        **{key: ("stimulus", made[key].values) for key in ("category", "other_stimulus", "other_category")},
    ),
    declared=INVARIANCE,
    title=f"Invariance at stages of {name}: distances between metamers of one stimulus",
    source="metamers of the run, and metamers of the same stimuli from other starts",
)
