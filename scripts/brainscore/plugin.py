"""Make brainscore/plugin/: participants' recognition of metamers and the run's models, for Brain-Score."""

from metamers.run.job import log_to, save

from pathlib import Path

from metamers.brainscore.files import ANSWERS
from metamers.brainscore.names import FOLDER, PUBLISHED_STUDY
from metamers.brainscore.plugin import (
    BenchmarkGroup,
    check_conditions,
    human_recognition,
    own_stimuli,
    plugin_files,
    published_stimuli,
)
from metamers.config.tables import category_classes, stimulus_categories
from metamers.config.vocabularies import IMAGENET
from metamers.run import files
from metamers.run.manifest import in_run

logger = log_to(snakemake.log[0])
run, params, files_read = snakemake.config["run"], snakemake.params, snakemake.input
groups, inputs = [], {}
for (name, experiment), path in zip(params.experiments.items(), files_read.published, strict=True):
    entry_of_stimuli = params.stimuli[name]
    choices = stimulus_categories(name, entry_of_stimuli)
    recognition = human_recognition(files.load(path), sorted(choices))
    groups.append(
        BenchmarkGroup(
            name,
            PUBLISHED_STUDY,
            recognition,
            published_stimuli(experiment, entry_of_stimuli),
            entry_of_stimuli["folder"],
            entry_of_stimuli["url"],
        )
    )
    inputs[name] = [path, entry_of_stimuli["table"], entry_of_stimuli["categories"]]
for (name, of), path, design in zip(params.own_participants.items(), files_read.own, files_read.designs, strict=True):
    choices = stimulus_categories(of["dataset"], of["entry"])
    try:
        recognition = human_recognition(files.load(path), sorted(choices))
    except ValueError as error:
        raise ValueError(f"own_participants.{name}: {error}") from error
    images = own_stimuli(files.load(design), params.metamers)
    groups.append(BenchmarkGroup(name, f"metamers_{run}", recognition, images, params.metamers, ""))
    inputs[name] = [path, design, of["entry"]["categories"]]
for group in groups:
    check_conditions(group)
    known = group.recognition["proportion_correct"]
    logger.info(
        "%s: %d conditions, %d participants, noise ceiling of R² %.3f (%.3f to %.3f), %d images, %s",
        *(group.benchmark, *known.shape),
        *(known.attrs[f"noise_ceiling_r2{end}"] for end in ("", "_participants_low", "_participants_high")),
        *(
            len(group.stimuli),
            "with their SHA-256" if group.stimuli["sha256"].all() else "which are not on this machine",
        ),
    )
published = [category_classes("stimuli", {"categories": table}) for table in params.published_categories]
models = {
    name: {
        "model": entry["model"],
        "weights_file": entry["weights_file"] and str(in_run(entry["weights_file"])),
        "vocabulary": category_classes(entry["dataset"], entry["entry"]),
        "published_vocabularies": published if entry["vocabulary"] == IMAGENET else [],
    }
    for name, entry in params.models.items()
}
folder = Path(snakemake.output[0])
for place, text in plugin_files(run, groups, models, params.metadata).items():
    files.write(folder / place, text)
for group in groups:
    save(
        snakemake,
        group.recognition,
        folder / "data" / FOLDER / f"{group.name}.nc",
        declared=ANSWERS,
        title=f"Recognition of metamers by participants, for Brain-Score: {group.name}",
        source="participants of a published experiment" if group.address else "own participants, after exclusions",
        inputs=inputs[group.name],
    )
