"""The registry of the published human experiments, and the public files that it names."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metamers.config.archives import RETRIEVED
from metamers.config.read import read_yaml, resolve_path, validate
from metamers.config.tables import read_table
from metamers.names import NATURAL, ConfigurationError, unknown_name

LOCAL_STIMULI = f"{RETRIEVED}/published_stimuli"


@dataclass(frozen=True)
class PublishedSource:
    """The public files of the study.

    Attributes
    ----------
    url
        Address of the folder.
    files
        Path of the table with the SHA-256 of each file.
    licence
        Of the data.
    """

    url: str
    files: str
    licence: str | None = None


@dataclass(frozen=True)
class PublishedExperiment:
    """A published human experiment.

    Attributes
    ----------
    title
        What the experiment compares.
    modality
        ``vision`` or ``audio``.
    participants
        Number of participants.
    file
        Path below the source's ``url``, with ``{model}`` in it.
    models
        Network → ``name`` in the paper, ``class``, ``layers`` (layer in the files → stage, in processing order) and
        ``file``.
    """

    title: str
    modality: str
    participants: int
    file: str
    models: dict[str, dict[str, Any]]

    @property
    def parameters(self) -> dict[str, Any]:
        """The experiment as jobs take it."""
        return asdict(self)


@dataclass(frozen=True)
class PublishedStimuli:
    """The images that participants of a published experiment saw.

    Attributes
    ----------
    url
        Address of the experiment's folder.
    table
        Path of a table with a row for each natural image, in the order of their index, and the column ``category``.
    categories
        Path of a table of the categories that participants chose from, with ``class_index`` and ``category``.
    networks
        Networks in the order of their folders, which are numbered from 1.
    """

    url: str
    table: str
    categories: str
    networks: list[str]

    @property
    def folder(self) -> str:
        """Folder in which a run looks for copies of the images."""
        return f"{LOCAL_STIMULI}/{self.url.rsplit('/', 1)[1]}"

    @property
    def has_images(self) -> bool:
        """Whether the folder has an image of a network, ``<number>_<network>/<number>_<layer>/*.png``."""
        folder = Path(self.folder)
        networks = enumerate(self.networks, start=1)
        return any(any(folder.glob(f"{number}_{network}/*/*.png")) for number, network in networks)

    @property
    def parameters(self) -> dict[str, Any]:
        """The images as jobs take them."""
        return asdict(self) | {"folder": self.folder}


@dataclass(frozen=True)
class PublishedJudgements:
    """Published answers of models to the metamers of other models, for one modality.

    Attributes
    ----------
    file
        Path below the source's ``url``, with ``{model}`` and ``{recognition_model}`` in it.
    answers, average
        Keys of a file: right and wrong answers, and proportions correct.
    published
        Number of recognition models and correlations with human recognition, as printed in the paper.
    models
        As of ``PublishedExperiment``, with ``files`` (recognition model → file) in place of ``file``.
    """

    file: str
    answers: str
    average: str
    published: dict[str, float]
    models: dict[str, dict[str, Any]]

    @property
    def parameters(self) -> dict[str, Any]:
        """The judgements as jobs take them."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class PublishedBrain:
    """A published comparison of models with brains.

    Attributes
    ----------
    file
        Path below the source's ``url``, with ``{model}`` and ``{layer}`` in it if each model and layer has a file.
    areas
        Areas of visual cortex; None for auditory cortex.
    participants
        Number of participants; None for Brain-Score.
    regions
        Regions of auditory cortex; None for visual cortex.
    models
        As of ``PublishedExperiment``, with ``files`` (stage → file) in place of ``file``.
    """

    file: str
    areas: list[str] | None = None
    participants: int | None = None
    regions: list[str] | None = None
    models: dict[str, dict[str, Any]]

    @property
    def parameters(self) -> dict[str, Any]:
        """The keys that have a value, as jobs take them."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class PublishedStudy:
    """The registry of the published human experiments.

    Attributes
    ----------
    source
        Where the public files are.
    experiments
        Name → experiment.
    stimuli
        Name of an experiment → its images, where their addresses are known.
    judgements
        Modality → judgements of models by other models.
    brains
        ``brain_score`` or ``fmri`` → comparison with brains.
    comparisons
        Experiment → name of the comparison → names of the compared networks in the paper.
    stage_effects
        Experiment → name of a network in the paper → stages left out.
    """

    source: PublishedSource
    experiments: dict[str, PublishedExperiment]
    stimuli: dict[str, PublishedStimuli]
    judgements: dict[str, PublishedJudgements]
    brains: dict[str, PublishedBrain]
    comparisons: dict[str, dict[str, list[str]]]
    stage_effects: dict[str, dict[str, list[str]]]


def read_experiments(path: str | Path) -> PublishedStudy:
    """Read and check the registry of the published human experiments.

    Raises
    ------
    ConfigurationError
        When the registry does not fit its schema, or names something that it does not have.
    """
    registry = read_yaml(path)
    validate(registry, "experiments", str(path))
    names = [entry["name"] for entry in registry["models"].values()]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{path}: models: several networks have the name {', '.join(double)}")
    for layers, stages in registry["layers"].items():
        named = list(stages.values())
        if named[0] != NATURAL or len(set(named)) < len(named):
            raise ConfigurationError(
                f"{path}: layers.{layers}: stages {', '.join(named)}: the first must be {NATURAL!r}, each named once"
            )

    def network(name: str, key: str) -> dict[str, Any]:
        if name not in registry["models"]:
            raise unknown_name("network", name, registry["models"], f"{path}: {key}")
        entry = registry["models"][name]
        if entry["layers"] not in registry["layers"]:
            raise unknown_name("layers", entry["layers"], registry["layers"], f"{path}: models.{name}.layers")
        return {"name": entry["name"], "class": entry["class"], "layers": registry["layers"][entry["layers"]]}

    experiments = {}
    for name, entry in registry["experiments"].items():
        models = {
            model: network(model, f"experiments.{name}.models") | {"file": entry["file"].replace("{model}", model)}
            for model in entry["models"]
        }
        experiments[name] = PublishedExperiment(**entry | {"models": models})
    judgements = {}
    for modality, entry in registry["recognition_models"].items():
        models = {}
        for model in entry["models"]:
            file = entry["file"].replace("{model}", model)
            files = {name: file.replace("{recognition_model}", name) for name in entry["models"]}
            models[model] = network(model, f"recognition_models.{modality}.models") | {"files": files}
        judgements[modality] = PublishedJudgements(**entry | {"models": models})
    brains = {}
    for kind, entry in registry.get("brains", {}).items():
        models = {}
        for number, item in enumerate(entry["models"]):
            key = f"brains.{kind}.models.{number}"
            name = item if isinstance(item, str) else item["model"]
            models[name] = network(name, key)
            if not isinstance(item, str):
                own = models[name]["layers"]
                if unknown := [stage for stage in item["stages"] if stage not in own.values()]:
                    raise unknown_name("stage", unknown[0], own.values(), f"{path}: {key}.stages")
                models[name]["layers"] = {layer: stage for layer, stage in own.items() if stage in item["stages"]}
            file = entry["file"].replace("{model}", name)
            # The names of the files lack the suffix for the gradient through ReLUs, which these data do not depend on.
            models[name]["files"] = {
                stage: file.replace("{layer}", layer.split("_fake")[0])
                for layer, stage in models[name]["layers"].items()
                if stage != NATURAL
            }
        brains[kind] = PublishedBrain(**entry | {"models": models})
    source = registry["source"]
    return PublishedStudy(
        source=PublishedSource(**source | {"files": resolve_path(source["files"])}),
        experiments=experiments,
        stimuli=_published_stimuli(registry.get("stimuli"), registry["experiments"], f"{path}: stimuli"),
        judgements=judgements,
        brains=brains,
        comparisons=_comparisons(registry.get("comparisons", {}), experiments, f"{path}: comparisons"),
        stage_effects=_stage_effects(registry.get("stage_effects", {}), experiments, f"{path}: stage_effects"),
    )


def _published_stimuli(
    entry: Mapping[str, Any] | None, experiments: Mapping[str, Mapping[str, Any]], source: str
) -> dict[str, PublishedStimuli]:
    """Check that the folders of images are of the networks of their experiments."""
    if entry is None:
        return {}
    stimuli = {}
    for name, own in entry["experiments"].items():
        key = f"{source}.experiments.{name}"
        if name not in experiments:
            raise unknown_name("experiment", name, experiments, f"{source}.experiments")
        if sorted(own["networks"]) != sorted(networks := experiments[name]["models"]):
            raise ConfigurationError(
                f"{key}.networks: found {', '.join(own['networks'])}; wanted the experiment's networks in any order: "
                f"{', '.join(networks)}"
            )
        tables = {part: resolve_path(entry[part]) for part in ("table", "categories")}
        stimuli[name] = PublishedStimuli(f"{entry['url']}/{own['folder']}", networks=own["networks"], **tables)
    return stimuli


def _compared(
    experiments: Mapping[str, PublishedExperiment], experiment: str, network: str, source: str
) -> tuple[str, list[str]]:
    """A network's name in the paper and its stages, if the experiment has it."""
    if experiment not in experiments:
        raise unknown_name("experiment", experiment, experiments, source)
    models = experiments[experiment].models
    if network not in models:
        raise unknown_name("network", network, models, f"{source}.{experiment}")
    return models[network]["name"], list(models[network]["layers"].values())


def _comparisons(
    entries: Mapping[str, Mapping[str, list[str]]], experiments: Mapping[str, PublishedExperiment], source: str
) -> dict[str, dict[str, list[str]]]:
    """Check comparisons between models, which must have equally many stages. Models have their names in the paper."""
    comparisons: dict[str, dict[str, list[str]]] = {}
    for experiment, named in entries.items():
        comparisons[experiment] = {}
        for name, networks in named.items():
            stages = dict(_compared(experiments, experiment, network, source) for network in networks)
            if len({len(own) for own in stages.values()}) > 1:
                numbers = ", ".join(f"{model} has {len(own)}" for model, own in stages.items())
                raise ConfigurationError(f"{source}.{experiment}.{name}: {numbers} stages; wanted equally many")
            if name in (model["name"] for model in experiments[experiment].models.values()):
                raise ConfigurationError(f"{source}.{experiment}.{name}: a model has that name; wanted another")
            comparisons[experiment][name] = list(stages)
    return comparisons


def _stage_effects(
    entries: Mapping[str, Mapping[str, list[str]]], experiments: Mapping[str, PublishedExperiment], source: str
) -> dict[str, dict[str, list[str]]]:
    """Check the tests of single models over stages. Models have their names in the paper."""
    effects: dict[str, dict[str, list[str]]] = {}
    for experiment, networks in entries.items():
        effects[experiment] = {}
        for network, left_out in networks.items():
            name, stages = _compared(experiments, experiment, network, source)
            key = f"{source}.{experiment}.{network}"
            if unknown := [stage for stage in left_out if stage not in stages]:
                raise unknown_name("stage", unknown[0], stages, key)
            if len(stages) - len(left_out) < 2:
                raise ConfigurationError(f"{key}: without {', '.join(left_out)} fewer than two stages remain")
            effects[experiment][name] = left_out
    return effects


def human_collections(
    source: PublishedSource,
    experiments: Mapping[str, PublishedExperiment],
    judgements: Mapping[str, PublishedJudgements],
    brains: Mapping[str, PublishedBrain],
) -> dict[str, list[dict[str, str]]]:
    """Public files: ``experiments/<experiment>``, ``recognition_models/<modality>``, ``published/<brain data>``.

    Raises
    ------
    ConfigurationError
        When the source's table has no SHA-256 for a file.
    """
    hashes = {row["path"]: row["sha256"] for row in read_table(source.files, ["path", "sha256"])}
    paths = {
        f"experiments/{name}": [model["file"] for model in entry.models.values()] for name, entry in experiments.items()
    } | {
        f"recognition_models/{modality}": [file for model in entry.models.values() for file in model["files"].values()]
        for modality, entry in judgements.items()
    }
    for kind, entry in brains.items():
        files = (file for model in entry.models.values() for file in model["files"].values())
        paths[f"published/{kind}"] = list(dict.fromkeys(files))
    for path in (path for files in paths.values() for path in files):
        if path not in hashes:
            raise ConfigurationError(f"registry.experiments: {source.files} has no SHA-256 for {path}")
    return {
        name: [{"name": file, "url": f"{source.url}/{file}", "sha256": hashes[file]} for file in files]
        for name, files in paths.items()
    }
