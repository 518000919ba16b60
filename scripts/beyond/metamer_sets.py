"""Make beyond/metamer_sets/<model>.nc: the size of a model's sets of metamers, and their most different members."""

from metamers.run.job import log_to, save

import xarray as xr

from metamers.beyond.files import METAMER_SETS
from metamers.beyond.metamer_set import metamer_sets
from metamers.beyond.synthesize import fit_to
from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_recognition_model
from metamers.models.model import fit_dataset
from metamers.run import files
from metamers.stimuli.labels import select_stimuli
from metamers.synthesize.metamers import starts

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
params, wanted, given = snakemake.params, snakemake.params.explored, snakemake.input
device = choose_device(snakemake.config["device"])
models = {name: load_recognition_model(name, one, device) for name, one in params.entries.items()}
name, model = next(iter(models.items()))
fits = {other: fit_to(one, model.sampling) for other, one in models.items()}
stimuli = files.load(given.stimuli)
natural, shown = (fit_dataset(model, select_stimuli(stimuli, which)) for which in (wanted["stimuli"], params.shown))
# The run's own noise, and that of the first metamer seed that the run does not use.
noise = starts(model, wanted["stimuli"], [0, params.seeds], params.run_seed).unflatten(0, (-1, 2))
own = files.load(given.acceptance).isel(seed=0).sel(stimulus=wanted["stimuli"])
found = []
for place, depth in enumerate(wanted["depths"]):
    stages = {other: of_model[place] for other, of_model in wanted["stages"].items()}
    found.append(
        metamer_sets(
            models,
            stages,
            fits,
            natural,
            shown,
            noise,
            *(own[key].sel(stage=stages[name]).values for key in ("normalized_error", "accepted")),
            category_classes(params.dataset, params.dataset_entry),
            model.sampling,
            wanted,
            params.settings,
            [[params.run_seed, stimulus] for stimulus in wanted["stimuli"]],
        ).assign_coords(sensing_stage=("sensing_model", list(stages.values())))
    )
    logger.info(
        "%s at %s (depth %g): rank %s%.0f of %d values; distance of the two most different metamers %.3f, "
        "%d of %d within the match",
        *(name, stages[name], depth, "" if found[-1]["rank_counted"].all() else "about "),
        *(float(found[-1]["jacobian_rank"].mean()), natural[0].numel()),
        *(float(found[-1]["stimulus_distance"].mean()), int(found[-1]["within_match"].sum()), len(natural)),
    )
save(
    snakemake,
    xr.concat(found, "depth", coords=["sensing_stage"], compat="equals")
    .assign_coords(
        depth=wanted["depths"],
        stage=("depth", wanted["stages"][name]),
        stimulus=wanted["stimuli"],
        category=("stimulus", stimuli["category"].sel(stimulus=wanted["stimuli"]).values),
    )
    .assign_attrs(
        model=name,
        modality=model.modality,
        values=natural[0].numel(),
        tolerance=wanted["tolerance"],
        steps=wanted["steps"],
        device=str(device),
        **model.sampling,
    ),
    declared=METAMER_SETS,
    title=f"Sets of metamers of {name}: free directions, and the two most different metamers of a stimulus",
    source="singular values of the Jacobian; two metamers pushed apart while both stay within the match",
    references=params.references,
)
