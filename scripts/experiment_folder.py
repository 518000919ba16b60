"""Make experiment/<modality>/, the experiment that people take part in, and experiment/<modality>.nc, who is shown
what."""

from itertools import cycle, islice
from pathlib import Path

import xarray as xr
from PIL import Image

from metamers import files, manifest
from metamers.experiment_design import experiment_design, usable_metamers
from metamers.experiment_folder import PAGE, category_icons, page_settings, picture_of_word, write_folder
from metamers.logs import log_to
from metamers.names import NATURAL, stage_path
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes

logger = log_to(snakemake.log[0])
modality, params, given = snakemake.wildcards.modality, snakemake.params, snakemake.input
settings, suffix = params.settings, MODALITIES[modality].suffix
with xr.open_dataset(given.stimuli) as stimuli:
    natural = dict(zip(map(str, stimuli["stimulus"].values), map(str, stimuli["category"].values), strict=True))
acceptance = {model: files.load(path) for model, path in zip(params.stages, given.acceptance, strict=True)}
metamers = usable_metamers(acceptance, params.stages, params.metamers == "accepted")
offered = len(next(iter(acceptance.values()))["stimulus"])
logger.info("%d of %d stimuli can be shown in every condition", len(metamers), offered)
answers = list(category_classes(params.dataset, params.dataset_entry))
catch = settings["catch"]["trials"]
try:
    design = experiment_design(
        natural,
        metamers,
        settings["practice"]["trials"],
        list(islice(cycle(answers), catch)) if modality == "vision" else catch,
        params.participants,
        snakemake.config["seed"],
    )
except ValueError as error:
    raise ValueError(
        f"experiment.{modality}: {error}. Take fewer stages, models, practice or catch trials there, more stimuli in "
        f"stimuli.{modality}, or experiment.metamers: all (of {offered} stimuli, {len(metamers)} have an accepted "
        "metamer at every stage that is shown)."
    ) from error
logger.info("%d orders of %d trials, %d exhibits", *design["shown"].shape, len(design["exhibit"]))

icons = category_icons(params.icons, answers) if modality == "vision" else {}
in_folder = {category: f"icons/{number}{path.suffix}" for number, (category, path) in enumerate(icons.items())}
known = page_settings(design, modality, answers, settings, in_folder)
design.attrs |= {"design": known["design"], "headphone_trials": known["headphones"]["trials"]}


def source(exhibit: xr.Dataset) -> Path | Image.Image:
    """The exported file that an exhibit shows, or the picture of a category's name."""
    stimulus, model, stage = (str(exhibit[name].item()) for name in ("stimulus", "generation_model", "stage"))
    if not stimulus:
        return picture_of_word(str(exhibit["category"].item()), size)
    if stage == NATURAL:
        return Path(given.natural) / f"{stimulus}{suffix}"
    folder = dict(zip(params.stages, given.metamers, strict=True))[model]
    return Path(folder) / stage_path(stage) / f"{stimulus}_{int(exhibit['seed'])}{suffix}"


if modality == "vision":
    with Image.open(Path(given.natural) / f"{next(iter(natural))}{suffix}") as first:
        size = first.size[0]
folder = Path(snakemake.output.folder)
write_folder(
    folder,
    page=PAGE,
    jspsych=Path(given.jspsych[0]),
    consent=Path(given.consent),
    known=known,
    stimuli={name: source(design.isel(exhibit=number)) for number, name in enumerate(known["exhibits"])},
    icons={place: icons[category] for category, place in in_folder.items()},
    address=params.address,
    seed=snakemake.config["seed"],
)
manifest.record(*(path for path in folder.rglob("*") if path.is_file()))
files.save(
    design,
    snakemake.output.design,
    title=f"Design of the experiment for people, {modality}: who is shown what",
    source="accepted metamers and natural stimuli of this run",
    step="experiment_folder",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=[given.stimuli, given.natural, *given.acceptance, *given.metamers],
)
