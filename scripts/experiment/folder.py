"""Make experiment/<modality>/, the page of the behavioural experiment, and experiment/<modality>.nc, its design."""

from metamers.run.job import log_results_to, save

import hashlib
from itertools import cycle, islice
from pathlib import Path

import soundfile
import xarray as xr
from PIL import Image

from metamers.config.tables import stimulus_categories
from metamers.experiment.files import EXPERIMENT
from metamers.experiment.folder import (
    PAGE,
    category_icons,
    expected_minutes,
    page_settings,
    plain_picture,
    write_folder,
)
from metamers.humans.design import conditions_of, experiment_design, in_every_condition, metamers_to_show
from metamers.humans.stimulus_selector import adaptive_attributes
from metamers.humans.summary import read_results
from metamers.modalities import MODALITIES
from metamers.names import NATURAL, stage_path
from metamers.power.participants import VARIANCE_COLUMNS
from metamers.run import files, manifest
from metamers.run.hashes import sha256_of

logger = log_results_to(snakemake.log[0])
modality, params, inputs = snakemake.wildcards.modality, snakemake.params, snakemake.input
settings, suffix, trial = params.settings, MODALITIES[modality].suffix, MODALITIES[modality].trial
with files.open_dataset(inputs.stimuli) as stimuli:
    category_noun = stimuli.attrs.get("category_noun", MODALITIES[modality].category_noun)
    natural = dict(zip(map(str, stimuli["stimulus"].values), map(str, stimuli["category"].values), strict=True))
acceptance = files.load_by_stem(inputs.acceptance)
metamers = metamers_to_show(acceptance, params.stages, params.metamers == "accepted")
conditions = conditions_of(params.stages)
usable = len(in_every_condition(metamers, conditions))
logger.info("%d of %d stimuli can be shown in every condition", usable, len(metamers))
answers = stimulus_categories(params.dataset, params.dataset_entry)
catch = settings["catch"]["trials"]
try:
    design = experiment_design(
        natural,
        metamers,
        conditions,
        settings["practice"],
        list(islice(cycle(answers), catch)) if trial.catch_by_name else catch,
        params.participants,
        snakemake.config["seed"],
        chosen=(params.adaptive["trials"] or len(natural)) if params.adaptive else 0,
    )
except ValueError as error:
    raise ValueError(
        f"experiment.{modality}: {error}. Use fewer stages, models, practice or catch trials there, more stimuli in "
        f"stimuli.{modality}, or experiment.metamers: all ({usable} of the {len(metamers)} stimuli have an accepted "
        "metamer at every stage that is shown)."
    ) from error
logger.info("%d orders of %d trials, %d exhibits", *design["shown"].shape, len(design["exhibit"]))

if params.adaptive:
    variance = read_results(inputs.variance, VARIANCE_COLUMNS).set_index(["modality", "component"])["sd"]
    participant_sd = float(variance[modality, "participant"])
    design.attrs |= adaptive_attributes(params.adaptive, params.stages, len(answers), participant_sd, params.at_least)
icons = category_icons(params.icons, answers) if trial.icons else {}
in_folder = {category: f"icons/{number}{path.suffix}" for number, (category, path) in enumerate(icons.items())}


def source(exhibit: xr.Dataset) -> Path | Image.Image:
    """Return the exported file that an exhibit shows, or a plain picture of its category."""
    stimulus, model, stage = (str(exhibit[name].item()) for name in ("stimulus", "generation_model", "stage"))
    if not stimulus:
        category = str(exhibit["category"].item())
        return plain_picture(category, icons.get(category), size)
    if stage == NATURAL:
        return Path(inputs.natural) / f"{stimulus}{suffix}"
    folder = dict(zip(params.stages, inputs.metamers, strict=True))[model]
    return Path(folder) / stage_path(stage) / f"{stimulus}_{int(exhibit['seed'])}{suffix}"


def content_of(exhibit_source: Path | Image.Image) -> str:
    """Return the SHA-256 of a file, or of a picture's values."""
    return (
        hashlib.sha256(exhibit_source.tobytes()).hexdigest()
        if isinstance(exhibit_source, Image.Image)
        else sha256_of(exhibit_source)
    )


first = Path(inputs.natural) / f"{next(iter(natural))}{suffix}"
if trial.catch_by_name:
    with Image.open(first, formats=("PNG",)) as picture:
        size = picture.size[0]
stimulus_s = 0 if trial.timed else soundfile.info(first).duration
sources = [source(design.isel(exhibit=number)) for number in range(design.sizes["exhibit"])]
contents = [*map(content_of, sources), sha256_of(inputs.consent)]
known = page_settings(design, modality, answers, category_noun, settings, in_folder, contents)
design.attrs |= {"design": known["design"], "headphone_trials": known["headphones"]["trials"]}
minutes = expected_minutes(known, stimulus_s)
logger.info("a participant needs about %d minutes", minutes)
folder = Path(snakemake.output.folder)
write_folder(
    folder,
    page=PAGE,
    jspsych=Path(inputs.jspsych[0]),
    consent=Path(inputs.consent),
    known=known,
    minutes=minutes,
    stimuli=dict(zip(known["exhibits"], sources, strict=True)),
    icons={place: icons[category] for category, place in in_folder.items()},
    address=params.address,
    seed=snakemake.config["seed"],
)
manifest.record(*(path for path in folder.rglob("*") if path.is_file()))
save(
    snakemake,
    design,
    snakemake.output.design,
    declared=EXPERIMENT,
    title=f"Design of the experiment for participants, {modality}: assignment of stimuli to participants",
    source="accepted metamers and natural stimuli of this run",
    inputs=[inputs.stimuli, inputs.natural, *inputs.acceptance, *inputs.metamers],
)
