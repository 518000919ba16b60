"""Make beyond/sensitivity/<modality>.nc: distortions to which each model is most and least sensitive."""

from metamers.run.job import log_to, save

import xarray as xr

from metamers.beyond.files import SENSITIVITY
from metamers.beyond.sensitivity import distortions_of_stimulus
from metamers.beyond.synthesize import fit_to
from metamers.modalities import MODALITIES
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import fit_dataset
from metamers.run import files
from metamers.stimuli.labels import select_stimuli

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
params, settings = snakemake.params, snakemake.params.distortions
device = choose_device(snakemake.config["device"])
models = {name: load_model(name, one["model"], one["weights_file"], device) for name, one in params.entries.items()}
first = next(iter(models.values()))
fits = {name: fit_to(model, first.sampling) for name, model in models.items()}
stimuli = select_stimuli(files.load(snakemake.input.stimuli), settings["stimuli"])
fitted = fit_dataset(first, stimuli)


def at_depth(place: int) -> xr.Dataset:
    """Distortions of all stimuli at one position."""
    stages = {name: of_model[place] for name, of_model in settings["stages"].items()}
    by_stimulus = []
    for number, (stimulus, label) in enumerate(zip(fitted, settings["stimuli"], strict=True)):
        by_stimulus.append(
            distortions_of_stimulus(
                models,
                stages,
                settings["generation_models"],
                stimulus,
                fits,
                settings["iterations"],
                [params.run_seed, label],
            )
        )
        for name in settings["generation_models"]:
            logger.info(
                "%s at %s, stimulus %d of %d: sensitivity %.3g and %.3g, mean %.3g; residuals %.1g and %.1g",
                *(name, stages[name], number + 1, len(fitted)),
                *by_stimulus[-1]["sensitivity"].sel(generation_model=name, sensing_model=name).values,
                float(by_stimulus[-1]["mean_sensitivity"].sel(sensing_model=name)),
                *by_stimulus[-1]["residual"].sel(generation_model=name).values,
            )
    return xr.concat(by_stimulus, "stimulus", coords="minimal", compat="equals")


by_depth = [at_depth(place) for place in range(len(settings["depths"]))]
made = xr.concat(by_depth, "depth", coords=["sensing_stage"], compat="equals")
save(
    snakemake,
    made.assign(stimulus_value=(("stimulus", *MODALITIES[first.modality].dims), fitted.cpu().numpy()))
    .assign_coords(
        depth=settings["depths"], stimulus=settings["stimuli"], category=("stimulus", stimuli["category"].values)
    )
    .assign_attrs(
        modality=first.modality,
        iterations=settings["iterations"],
        device=str(device),
        **first.sampling,
    ),
    declared=SENSITIVITY,
    title=f"Distortions to which models are most and least sensitive ({first.modality})",
    source="extreme eigenvectors of JᵀJ, and the pair of distortions along which the generation models differ most",
    references=params.references,
)
