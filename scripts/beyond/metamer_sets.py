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
params, explored, inputs = snakemake.params, snakemake.params.explored, snakemake.input
device = choose_device(snakemake.config["device"])
models = {name: load_recognition_model(name, one, device) for name, one in params.entries.items()}
name, model = next(iter(models.items()))
fits = {other: fit_to(one, model.sampling) for other, one in models.items()}
stimuli = files.load(inputs.stimuli)
natural, usual = (fit_dataset(model, select_stimuli(stimuli, which)) for which in (explored["stimuli"], params.shown))
# The run's own noise, and that of the first metamer seed that the run does not use.
noise = starts(model, explored["stimuli"], [0, params.seeds], params.run_seed).unflatten(0, (-1, 2))
own = files.load(inputs.acceptance).isel(seed=0).sel(stimulus=explored["stimuli"])
by_depth = []
for place, depth in enumerate(explored["depths"]):
    stages = {other: of_model[place] for other, of_model in explored["stages"].items()}
    by_depth.append(
        metamer_sets(
            models,
            stages,
            fits,
            natural,
            usual,
            noise,
            *(own[key].sel(stage=stages[name]).values for key in ("normalized_error", "accepted")),
            category_classes(params.dataset, params.dataset_entry),
            model.sampling,
            explored,
            params.settings,
            [[params.run_seed, stimulus] for stimulus in explored["stimuli"]],
        ).assign_coords(sensing_stage=("sensing_model", list(stages.values())))
    )
    logger.info(
        "%s at %s (depth %g): rank %s%.0f of %d values; distance of the two most different metamers %.3f, "
        "%d of %d within the match",
        *(name, stages[name], depth, "" if by_depth[-1]["rank_counted"].all() else "about "),
        *(float(by_depth[-1]["jacobian_rank"].mean()), natural[0].numel()),
        *(float(by_depth[-1]["stimulus_distance"].mean()), int(by_depth[-1]["within_match"].sum()), len(natural)),
    )
save(
    snakemake,
    xr.concat(by_depth, "depth", coords=["sensing_stage"], compat="equals")
    .assign_coords(
        depth=explored["depths"],
        stage=("depth", explored["stages"][name]),
        stimulus=explored["stimuli"],
        category=("stimulus", stimuli["category"].sel(stimulus=explored["stimuli"]).values),
    )
    .assign_attrs(
        model=name,
        modality=model.modality,
        values=natural[0].numel(),
        tolerance=explored["tolerance"],
        steps=explored["steps"],
        device=str(device),
        **model.sampling,
    ),
    declared=METAMER_SETS,
    title=f"Sets of metamers of {name}: free directions, and the two most different metamers of a stimulus",
    source="singular values of the Jacobian; two metamers pushed apart while both stay within the match",
    references=params.references,
)
