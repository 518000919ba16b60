"""Where files lie, and which of them a run has: path functions only."""

import re
from functools import cache
from pathlib import Path

from metamers import manifest
from metamers.code_version import code_version
from metamers.config import collections, gpus_of_job
from metamers.config_people import answer_files
from metamers.config_read import located, over_default, read_yaml
from metamers.config_registry import RETRIEVED as RESOURCES, archive_path, family_of, retrieved_item
from metamers.names import ConfigurationError, stage_path, unknown_name
from metamers.tables import category_classes, stimulus_table

SCRIPTS = ROOT / "scripts"
ENVIRONMENT = ROOT / "envs" / "environment.yaml"
BENCHMARK_ENVIRONMENT = ROOT / "envs" / "benchmark.yaml"  # with plenoptic beside the rest
RESULTS = f"results/{config['run']}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
PROGRESS = f"{RESULTS}/progress"
COLLECTIONS = collections(setup)
# Family of every generation and recognition model.
FAMILIES = {
    name: family_of(setup["models"][name])
    for name in dict.fromkeys([*setup["generation_models"], *setup["recognition_models"]])
}

# Snakemake looks for the run's files before its first job, and would stop with a traceback at one that cannot be there.
try:
    manifest.check_places(RESULTS)
except OSError as error:
    raise WorkflowError(str(error)) from None


def one_of(names):
    """A pattern for exactly one of these names."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=one_of(setup["datasets"]),
    generation_model=one_of(setup["models"]),
    recognition_model=one_of(setup["models"]),
    analysed_model=one_of(setup["dataset_of"]),
    stage="[^/]+",
    batch=r"\d\d\d\d+",


def needed(collection):
    """Whether the run uses a collection, without being asked for single files."""
    kind, name = collection.split("/")
    if kind in ("experiments", "judges", "published"):
        return setup["human_data"] == "participants"
    trained_on = [how["dataset"] for how in setup["training"].values()]
    shown = [*setup["dataset_of"].values(), *setup["null_dataset_of"].values(), *trained_on]
    shown += setup["analyses"]["brain"]["shown"]
    return kind != "datasets" or name in shown


def in_run(model):
    """Whether a model has a part in the run, and not only in a model card."""
    analysed = (name for one in setup["analyses"].values() for name in one["built"])
    return model in {*setup["generation_models"], *setup["recognition_models"], *analysed}


def vocabularies():
    """Tables of categories that the run's datasets take from an archive."""
    datasets = {dataset: setup["datasets"][dataset] for dataset in setup["stimuli"]}
    return [entry["categories"] for entry in datasets.values() if "vocabulary" in entry]


@cache
def number_of_categories(dataset):
    """How many categories a model may answer with."""
    entry = setup["datasets"][dataset]
    return entry["vocabulary"]["classes"] if "vocabulary" in entry else len(category_classes(dataset, entry))


def code(name, *data):
    """Version of the code that scripts/<name>.py runs, and of other files that it reads of this repository."""
    return code_version(SCRIPTS / f"{name}.py", data)


def templates(name):
    """The templates of a small page."""
    return [SCRIPTS / "metamers" / f"{template}.html.j2" for template in ("page", name)]


def dataset_folder(dataset):
    """Where the files of a dataset's table lie."""
    collection = f"datasets/{dataset}"
    if collection in COLLECTIONS:
        return f"{RESOURCES}/{collection}"
    return setup["datasets"][dataset].get("files", {}).get("folder")


def dataset_files(wildcards):
    """The files of a dataset: its retrieved folder, or each of its own folder's files; none of synthetic speech."""
    entry = setup["datasets"][wildcards.dataset]
    if f"datasets/{wildcards.dataset}" in COLLECTIONS:
        return [f"{RESOURCES}/datasets/{wildcards.dataset}"]
    if "files" not in entry:
        return []
    return [f"{entry['files']['folder']}/{row['file']}" for row in stimulus_table(wildcards.dataset, entry)]


def weights_file(model):
    """The file of a model's weights, or None where they are random."""
    if model in setup["training"]:
        return f"{RESULTS}/training/{model}.safetensors"
    weights = setup["models"][model]["weights"]
    if item := retrieved_item(weights, setup["archives"]):
        return f"{RESOURCES}/weights/{model}/{item['name']}"
    return weights.get("path")


def weights_input(model, file):
    """What whoever reads a file of a model's weights waits for: the retrieved folder that it lies in, or the file."""
    folder = f"{RESOURCES}/weights/{model}"
    return folder if file.startswith(f"{folder}/") else file


def frozen_file(model):
    """The checkpoint on whose weights a model's readout is trained, or None."""
    collection = f"frozen/{model}"
    if collection in COLLECTIONS:
        return f"{RESOURCES}/{collection}/{COLLECTIONS[collection][0]['name']}"
    return (setup["training"][model]["from"] or {}).get("path")


def frozen_of(wildcards):
    """Input function: the checkpoint on whose weights a readout is trained, if it is."""
    model = wildcards.trained_model
    if f"frozen/{model}" in COLLECTIONS:
        return {"frozen": f"{RESOURCES}/frozen/{model}"}
    return {"frozen": frozen_file(model)} if frozen_file(model) else {}


@cache
def architecture(model):
    """What a model's results depend on, of its registry entry."""
    not_computed_with = ("references", "accuracy", "published_as", "family")
    entry = {key: value for key, value in setup["models"][model].items() if key not in not_computed_with}
    stages = {
        stage: {key: value for key, value in place.items() if key != "published"} if isinstance(place, dict) else place
        for stage, place in entry["stages"].items()
    }
    return entry | {"stages": stages}


def gpus():
    """GPUs for a job that computes with a network; a profile says how many there are at once."""
    return gpus_of_job(config["device"])


def check_results_folder():
    """Whether the run's folder can be written is known before the first job."""
    try:
        manifest.check_writable(RESULTS)
    except OSError as error:
        raise WorkflowError(str(error)) from None


def close_manifest():
    """Record logs, which end after their jobs. Whoever only verifies leaves everything as it was."""
    if any(job.rule.name != "verify" for job in workflow.dag.jobs):
        manifest.close(RESULTS)


def growing(first):
    """A resource, as megabytes or minutes, of which each try is given as much again as the first."""
    return lambda _wildcards, attempt: first * attempt


def memory_of_model(_wildcards, attempt):
    """Megabytes for a step that computes with a model, whose size is not known before: eight times more at each try."""
    return 4000 * 8 ** (attempt - 1)


def choice(model):
    """What the answers of a model, or about its metamers, depend on, of its dataset's registry entry."""
    return {"categories": setup["datasets"][setup["dataset_of"][model]]["categories"]}


def builder_of(wildcard):
    """Input function: the user's own file that builds the network of the model in a wildcard, if there is one."""

    def files(wildcards):
        source = setup["models"][wildcards[wildcard]]["source"]
        return {"builder": source["python"].split(":")[0]} if "python" in source else {}

    return files


def builders_of(models):
    """The user's own files that build the networks of several models, each once."""
    found = [builder_of("model")({"model": model}).get("builder") for model in models]
    return list(dict.fromkeys(filter(None, found)))


def model_files(wildcard):
    """Input function: the files that the model in a wildcard is built from."""

    def files(wildcards):
        model = wildcards[wildcard]
        read = [weights_file(model), setup["models"][model]["weights"].get("besides", {}).get("path")]
        weights = {weights_input(model, file) for file in read if file}
        return builder_of(wildcard)(wildcards) | {"weights": sorted(weights)}

    return files


def files_of_model(model):
    """The files that a model is built from, as a list."""
    found = model_files("model")({"model": model})
    return [*([found["builder"]] if "builder" in found else []), *found["weights"]]


def files_of_models(models):
    """The same of several models, each file once."""
    return list(dict.fromkeys(file for model in models for file in files_of_model(model)))


def card_files(_wildcards):
    """Input function: the files that the model of a model card is built from, and the stimuli that it is shown."""
    model = config["model"]
    if model is None:
        raise ConfigurationError(
            "model: of which model? Name one of the registry: `snakemake model_card --config model=NAME`. Valid: "
            f"{', '.join(setup['models'])}."
        )
    categories = setup["datasets"][setup["dataset_of"][model]]["categories"]
    return model_files("model")({"model": model}) | {"stimuli": stimuli_of(model), "categories": categories}


def card_settings(model):
    """What a model card has to know of the run in order to say what the run would take."""
    dataset = setup["dataset_of"][model]
    return {
        "dataset": dataset,
        "dataset_entry": choice(model),
        "stages": setup["generation_models"].get(model, list(setup["models"][model]["stages"])),
        "stimuli": [row["stimulus"] for row in setup["stimuli"][dataset]],
        "seeds": config["synthesis"]["seeds"],
        "batch_size": config["synthesis"]["batch_size"],
        "synthesis": synthesis_settings(model),
    }


def examples_of(wildcards):
    """The examples that a model is trained on."""
    return f"{RESULTS}/examples/{setup['training'][wildcards.trained_model]['dataset']}.nc"


def trained_categories(wildcards):
    """The table of the classes that a model is trained to name."""
    return setup["datasets"][setup["training"][wildcards.trained_model]["dataset"]]["categories"]


def voices_differ(dataset):
    """Whether no voice of a dataset of synthetic speech is in both the training and the test split."""
    splits = setup["datasets"][dataset].get("speech", {}).get("splits")
    return splits is not None and not set(splits["train"]["voices"]) & set(splits["test"]["voices"])


def stimuli_of(model):
    """The natural stimuli that a model is shown."""
    return f"{RESULTS}/stimuli/{setup['dataset_of'][model]}.nc"


def null_stimuli_of(model):
    """The natural stimuli whose pairs make a model's null distribution."""
    return f"{RESULTS}/stimuli/{setup['null_dataset_of'][setup['models'][model]['modality']]}.nc"


def exported_stimuli_of(model):
    """The natural stimuli that a model is shown, as exported."""
    return f"{RESULTS}/exported/datasets/{setup['dataset_of'][model]}"


def has_brain(modality):
    """Whether brains responded to stimuli of a modality in this run."""
    brain = setup["analyses"]["brain"]
    return bool(brain["models"]) and setup["datasets"][brain["dataset"]]["modality"] == modality


def represented_stimuli(model):
    """The natural stimuli that representations are compared by: those that brains responded to, where there are any."""
    if has_brain(setup["models"][model]["modality"]):
        return f"{RESULTS}/stimuli/{setup['analyses']['brain']['dataset']}.nc"
    return stimuli_of(model)


def stage_name(model, path):
    """The stage whose name in a path is ``path``."""
    stages = {stage_path(stage): stage for stage in setup["models"][model]["stages"]}
    if path not in stages:
        raise unknown_name("stage", path, stages, f"results of {model}")
    return stages[path]


def synthesis_settings(model, procedure=config["synthesis"]["procedure"]):
    """Settings of a procedure, the run's, for a model's modality."""
    return config["synthesis"][procedure][setup["models"][model]["modality"]]


@cache
def batches(model):
    """Batches of a generation model: zero-padded number → names of its stimuli."""
    names = [row["stimulus"] for row in setup["stimuli"][setup["dataset_of"][model]]]
    size = config["synthesis"]["batch_size"]
    return {f"{start // size:04d}": names[start : start + size] for start in range(0, len(names), size)}


@cache
def synthesis_groups():
    """Stages whose metamers one job makes: name of the group → generation model, consecutive stages."""
    size = config["synthesis"]["stages_per_job"]
    return {
        f"{model}_{start // size}": (model, stages[start : start + size])
        for model, stages in setup["generation_models"].items()
        for start in range(0, len(stages), size)
    }


def metamers_at(model, path):
    """All metamers of a generation model at the stage whose name in a path is ``path``."""
    return [f"{RESULTS}/metamers/{model}/{path}/{batch}.nc" for batch in batches(model)]


def metamers_of(model):
    """All metamers of a generation model: every chosen stage and batch."""
    stages = setup["generation_models"][model]
    return [file for stage in stages for file in metamers_at(model, stage_path(stage))]


def recognition_of(model):
    """What every recognition model of its modality says of a generation model's metamers."""
    return [
        f"{RESULTS}/recognition/{model}/{judge}.nc"
        for judge in config["recognition_models"]
        if setup["dataset_of"][judge] == setup["dataset_of"][model]
    ]


def judges_by_name(names):
    """What a step that asks recognition models has to know of each, in this order."""
    return {
        name: {"model": architecture(name), "weights_file": weights_file(name), "files": files_of_model(name)}
        for name in names
    }


def recognition_groups():
    """Recognition models that one job asks: modality and number of the group → their names, in the run's order."""
    size = config["recognition"]["models_per_job"]
    groups = {}
    for modality in config["stimuli"]:
        names = [name for name in config["recognition_models"] if setup["models"][name]["modality"] == modality]
        groups |= {f"{modality}_{start // size}": names[start : start + size] for start in range(0, len(names), size)}
    return groups


def judged_by(judge):
    """Generation models whose metamers a recognition model judges: those of its modality."""
    return [model for model in setup["generation_models"] if setup["dataset_of"][model] == setup["dataset_of"][judge]]


# The page of the experiment for people; its consent is the configuration's.
PAGE_FILES = sorted(path for ending in ("*.js", "*.css", "index.html") for path in (ROOT / "experiment").glob(ending))


def icon_files():
    """Files in the folder of icons, if the experiment for people has one."""
    folder = config["experiment"]["icons"]
    return sorted(map(str, Path(located(folder)).glob("*.*"))) if folder else []


def shown_dataset(modality):
    """The dataset whose stimuli people are shown in an experiment."""
    return setup["dataset_of"][next(iter(setup["shown"][modality]))]


def shown_to(people):
    """Generation models whose metamers one's own people are shown, with the stages."""
    return setup["shown"][setup["people"][people]["modality"]]


def least_right(modality):
    """Part of an experiment for people → how many of its trials must be right."""
    parts = ("headphones", "practice", "catch")
    return {part: config["experiment"][modality].get(part, {"at_least": 0})["at_least"] for part in parts}


def of_tested(entries, tested):
    """Of what is tested of each experiment, that of experiments whose files are tested."""
    return {name: entry for name, entry in entries.items() if f"{RESULTS}/humans/{name}.nc" in tested}


def judged_by_others(people):
    """Modalities of one's own people in which other models can be set against them: at three points or more."""
    modalities = dict.fromkeys(entry["modality"] for entry in people.values())
    return [
        modality
        for modality in modalities
        if sum(len(stages) for model, stages in setup["shown"][modality].items() if other_judges(model)) > 2
    ]


def every_experiment(_wildcards):
    """Input function: the experiments of the run, of which there must be one."""
    if not EXPERIMENT:
        raise ConfigurationError(
            "experiment: there is nothing to show: name generation models that are also among recognition_models, and have "
            "stages after the input, in experiment.generation_models"
        )
    return EXPERIMENT


def what_people_are_shown(wildcards):
    """Input function, of nothing: an experiment that the run does not have is refused before its first job."""
    if wildcards.modality not in setup["shown"]:
        raise ConfigurationError(
            f"experiment: nothing of modality {wildcards.modality!r} to show: no generation model of it that is also among "
            f"recognition_models. There is: {', '.join(setup['shown']) or 'none'}."
        )
    return []


def compared_models():
    """Generation models that are in a contrast, each once."""
    return list(dict.fromkeys(name for pair in config["comparison"]["contrasts"] for name in pair))


def other_judges(model):
    """Recognition models of a model's modality but for itself."""
    return [
        judge
        for judge in config["recognition_models"]
        if setup["dataset_of"][judge] == setup["dataset_of"][model] and judge != model
    ]


def judged_in_run(models, judges):
    """What some recognition models say of the run's own metamers, generation model by generation model."""
    return [f"{RESULTS}/recognition/{model}/{judge}.nc" for model in models for judge in judges]


def first_member(name):
    """The model in whose size or rate a set of metamers past the study is."""
    return next(iter(setup["beyond"]["sets"][name]["members"]))


def of_members(folder, name):
    """The run's files of the models that a set of metamers past the study is matched to."""
    return [f"{RESULTS}/{folder}/{model}.nc" for model in setup["beyond"]["sets"][name]["members"]]


def what_is_beyond(_wildcards):
    """Input function, of nothing: where nothing would be made past the study, that is said before the first job."""
    if not setup["beyond"]["sets"]:
        raise ConfigurationError(
            "beyond: there is nothing to make: name generation models with stages after the input in beyond.models, of "
            "a modality that has another recognition model to judge, and ensemble, controversial or starts. Generation "
            f"models: {', '.join(setup['generation_models']) or 'none'}; recognition models: "
            f"{', '.join(setup['recognition_models']) or 'none'}."
        )
    return []


def benchmarked_stages(kind, model):
    """Files of one kind of the benchmark, one for each stage of a model."""
    return [f"{RESULTS}/benchmark/{kind}/{model}/{stage_path(stage)}.nc" for stage in setup["benchmark"][model]]


def what_is_benchmarked(_wildcards):
    """Input function, of nothing: a benchmark that could tell nothing is refused before its first job."""
    if not setup["benchmark"]:
        raise ConfigurationError(
            "benchmark.models: there is nothing to time: no generation model of the run has a stage after the input. "
            f"Generation models: {', '.join(setup['generation_models']) or 'none'}."
        )
    if config["synthesis"]["procedure"] != "one_cycle":
        raise ConfigurationError(
            f"synthesis.procedure: {config['synthesis']['procedure']!r}; the benchmark compares the run's metamers with "
            "those of the published procedure, so the run must be made with 'one_cycle'"
        )
    return []


def benchmarked_procedures(model):
    """Settings of both procedures for a model's modality, of the published one as much as the benchmark takes."""
    modality = setup["models"][model]["modality"]
    published = synthesis_settings(model, "published") | config["benchmark"]["published"][modality]
    return {"published": published, "one_cycle": synthesis_settings(model, "one_cycle")}


@cache
def published_study():
    """The published study as config/paper.yaml has it, of the models that the registry has; None where it has none."""
    study = over_default(read_yaml(ROOT / "config" / "paper.yaml"))
    registered = setup["models"]
    chosen = [{"model": item} if isinstance(item, str) else item for item in study["generation_models"]]
    chosen = [item for item in chosen if item["model"] in registered]
    judges = [name for name in study["recognition_models"] if name in registered]
    if not chosen:
        return None
    generation = {item["model"]: item.get("stages", list(registered[item["model"]]["stages"])) for item in chosen}
    return {
        "entries": {name: architecture(name) for name in [*generation, *judges]},
        "generation": generation,
        "judges": judges,
        "procedures": {procedure: study["synthesis"][procedure] for procedure in ("published", "one_cycle")},
        "stimuli": 400,  # of each modality
        "seeds": study["synthesis"]["seeds"],
        "batch_size": study["synthesis"]["batch_size"],
        "stages_per_job": study["synthesis"]["stages_per_job"],
        "judges_per_job": study["recognition"]["models_per_job"],
    }
