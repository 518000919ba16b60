"""The registry of models: its entries, and checks of the entries that a run uses."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from metamers.config.archives import RETRIEVED, Archive, check_package_files, extra_weights_item
from metamers.config.datasets import DatasetEntry
from metamers.config.fields import ModelName, setting, several
from metamers.config.front_ends import front_end_name, front_end_settings
from metamers.config.model_lock import Lock
from metamers.config.pretrained import check_modality, check_pretrained, locked_weights
from metamers.config.read import resolve_function, resolve_path
from metamers.config.sources import SOURCES, is_repository, source_name
from metamers.config.stages import UNRESOLVED, Traced, number_of_automatic_stages
from metamers.config.tables import SPLITS, stimulus_categories, stimulus_table
from metamers.config.unreadable import safetensors_problem
from metamers.config.vocabularies import (
    IMAGENET,
    VOCABULARIES,
    check_vocabulary_exists,
    class_names,
    resolve_vocabulary,
)
from metamers.modalities import MODALITIES
from metamers.names import FILE_NAME, INPUT_STAGE, NATURAL, ConfigurationError, stage_path, unknown_name

IMAGENET_TEXTS = "imagenet"  # value of ``zero_shot`` for texts about the classes of ImageNet
TAIL = 0.025  # probability on each side of a 95% interval


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is trained: ``weights.train`` of its registry entry, with the defaults.

    Attributes
    ----------
    dataset
        Name of the dataset, with the splits train, validation and test.
    epochs
        Passes through the training split.
    batch_size
        Examples in a step.
    learning_rate
        Peak of the one-cycle rate.
    weight_decay
        Of AdamW.
    label_smoothing
        Share of each label that is given to all classes.
    seed
        Random seed of the initial weights and of the order of the examples.
    readout
        Path of the only module that is trained; None to train the whole network.
    frozen
        The key ``from``: the checkpoint whose frozen weights the readout is trained on; None for random ones.
    perturbation
        Adversarial or random perturbations of the training examples; None for none.
    """

    dataset: str
    epochs: int
    batch_size: int = 32
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    seed: int = 0
    readout: str | None = None
    frozen: dict[str, Any] | None = None
    perturbation: dict[str, Any] | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings as the training job takes them."""
        return {
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "label_smoothing": self.label_smoothing,
            "seed": self.seed,
            "readout": self.readout,
            "from": self.frozen,
            "perturbation": self.perturbation,
            "dataset": self.dataset,
            "epochs": self.epochs,
        }


@dataclass(frozen=True, kw_only=True)
class Readout:
    """How a model without classes recognizes: ``readout`` of its registry entry, with the defaults of a run.

    Attributes
    ----------
    stage
        Name of the stage whose activations are read out.
    dataset
        Name of the dataset, with the splits train, validation and test, that the readout is trained and tested on.
    features
        Which axis after the stimulus has the features, ``first`` or ``last``; None for the default of
        ``metamers.models.readout.pooled``.
    times_chance
        The readout is refused if the lower 95% bound of its held-out accuracy is below so many times chance.
    """

    stage: str
    dataset: str
    features: str | None = None
    times_chance: float = 2.0

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings as jobs take them."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """An entry of the registry of models, with resolved paths.

    Attributes
    ----------
    modality
        ``vision`` or ``audio``.
    source
        Library and name of the network, and ``arguments``.
    weights
        Where the weights come from. ``extra_weights`` always has a ``path``. ``pretrained`` is the description of
        published weights (``metamers.models.describe.describe``), None before they are looked up; ``builder`` is
        True if the function of ``source.python`` loads its weights.
    input
        Size and normalization of images, or rate, duration and preprocessing of sounds. Keys that the entry leaves out
        are those of the published weights.
    stages
        Stage → path of its module, a mapping with ``module``, or a list of earlier stages that are matched at once; in
        processing order, the input (None) first.
    registry
        Path of the file that has the entry.
    automatic_stages
        Number of stages that are found by a trace (``stages: auto``); None if the entry lists its stages.
    traced
        What that trace has found; None before it.
    classes
        Whether the network gives class scores; None if the entry does not say it, which means yes and is checked.
    output
        The part of the network's output that has them, as ``metamers.models.outputs.chosen_part`` takes it.
    readout
        Settings of the linear readout by which a model without classes recognizes, as in the entry; None: it does not.
    start
        Mean and standard deviation of the noise that synthesis starts from; None for the modality's.
    published_as
        Name in the paper of the published model that this is a version of.
    family
        Models of one family share an architecture, and so their errors.
    vocabulary
        What the class indices mean (``metamers.config.vocabularies``): as the entry or the publisher of the weights
        states it; None if neither does.
    accuracy
        Dataset → proportion of its stimuli whose class the model names correctly.
    references
        Publications to cite.
    """

    modality: str
    source: dict[str, Any]
    weights: dict[str, Any]
    input: dict[str, Any]
    stages: dict[str, Any]
    family: str
    registry: str
    automatic_stages: int | None = None
    traced: Traced | None = None
    classes: bool | None = None
    output: int | str | list[int | str] | None = None
    readout: dict[str, Any] | None = None
    start: dict[str, float] | None = None
    published_as: str | None = None
    vocabulary: str | None = None
    accuracy: dict[str, float] | None = None
    references: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> dict[str, Any]:
        """The part of the entry that the model's results depend on, as jobs and ``load_model`` take it."""
        stages = {stage: self._place_of(place) for stage, place in self.stages.items()}
        start = {} if self.start is None else {"start": self.start}
        # Keys that an entry does not have are left out, so that results of earlier versions stay valid.
        kind: dict[str, Any] = {} if self.has_classes else {"classes": False}
        if self.output is not None:
            kind["output"] = self.output
        return {
            "modality": self.modality,
            "source": self.source,
            "weights": self.weights,
            "input": self.input,
            **start,
            **kind,
            "stages": stages,
        }

    def _place_of(self, place: Any) -> Any:
        """A stage's place as ``metamers.models.model.Model`` takes it; of stages at once, that of the last one."""
        if isinstance(place, list):
            places = [self._place_of(self.stages[stage]) for stage in place]
            last = places[-1]["module"] if isinstance(places[-1], Mapping) else places[-1]
            return {"module": last, "together": places}
        return (
            {key: value for key, value in place.items() if key != "published"} if isinstance(place, Mapping) else place
        )

    @property
    def has_classes(self) -> bool:
        """Whether the model gives class scores, so that it can recognize without a readout."""
        return self.classes is not False

    def vocabulary_for(self, dataset: DatasetEntry, datasets: Mapping[str, DatasetEntry]) -> str | None:
        """The vocabulary of the classes where the model is asked about the stimuli of a dataset; None: nothing says it.

        A network that the run trains has the classes of its training. Random weights have learned no classes, so the
        answers of the network are random in every vocabulary.
        """
        if self.training:
            return datasets[self.training.dataset].vocabulary
        if self.vocabulary is None and "random" in self.weights:
            return dataset.vocabulary
        return self.vocabulary

    @property
    def table_of_texts(self) -> list[str]:
        """The user's table whose categories are the texts of a CLIP model, as a list; empty for ImageNet's classes."""
        texts = self.extra_weights.get("zero_shot", IMAGENET_TEXTS)
        return [] if texts == IMAGENET_TEXTS else [texts]

    @property
    def is_unknown(self) -> bool:
        """Whether the publisher must be asked about the model, because no lock file has its answer."""
        unknown_config = is_repository(self.source) and "config" not in self.source
        return unknown_config or self.weights.get("pretrained", {}) is None

    @property
    def without_seed(self) -> str | None:
        """The family and ``parameters`` without the seed of the training, as text; None if the run trains no model."""
        if "train" not in self.weights:
            return None
        settings = {key: value for key, value in self.weights["train"].items() if key != "seed"}
        weights = self.weights | {"train": settings}
        return json.dumps([self.family, self.parameters | {"weights": weights}], sort_keys=True, default=str)

    def has_answers_of(self, other: "ModelEntry") -> bool:
        """Whether both entries are one network under two names: a test of one by the other is a test by itself."""
        own, others = (
            [one.source, {key: value for key, value in one.weights.items() if key != "sha256"}, one.output, one.readout]
            for one in (self, other)
        )
        return own == others

    @property
    def builder(self) -> str | None:
        """The user's file that builds the network, if the source is ``python``."""
        return self.source["python"].rsplit(":", 1)[0] if "python" in self.source else None

    @property
    def preprocessing(self) -> str | dict[str, Any]:
        """Preprocessing of sounds: its name, or a mapping with ``name`` or with ``python``, the user's module."""
        return self.input.get("preprocessing", "cochleagram")

    @property
    def python_files(self) -> list[str]:
        """The user's files that build the network and the preprocessing, each once."""
        own = self.preprocessing
        preprocessing = own["python"].rsplit(":", 1)[0] if isinstance(own, Mapping) and "python" in own else None
        return list(dict.fromkeys(file for file in (self.builder, preprocessing) if file))

    @property
    def extra_weights(self) -> dict[str, Any]:
        """Weights of another module, from another file; empty if the entry has none."""
        return self.weights.get("extra_weights", {})

    @property
    def training(self) -> Training | None:
        """How the model is trained; None if its weights are retrieved, random or a file."""
        if "train" not in self.weights:
            return None
        settings = dict(self.weights["train"])
        return Training(frozen=settings.pop("from", None), **settings)


def model_entry(
    name: str, entry: Mapping[str, Any], archives: Mapping[str, Archive], registry: str, lock: Lock
) -> ModelEntry:
    """Make the entry of a model from the registry's file: resolve its paths and choose the path of its extra weights.

    Automatic stages (``stages: auto``) are not found yet: the entry only has the input.

    Parameters
    ----------
    name, entry
        Name and entry, as in the registry's file.
    archives
        The registry of archives.
    registry
        Path of the file that has the entry.
    lock
        The lock file of the registry, with the published weights of models that a run has used.

    Raises
    ------
    ConfigurationError
        When source and weights do not fit.
    """
    check_pretrained(name, entry)
    source, published, input_settings, vocabulary = _of_publisher(name, entry, lock)
    if "vocabulary" in entry:
        vocabulary = resolve_vocabulary(entry["vocabulary"])
    weights = _weights(name, entry, published, vocabulary, archives)
    if texts := weights.get("extra_weights", {}).get("zero_shot"):
        vocabulary = _vocabulary_of_texts(name, entry, texts)
        if Path(vocabulary).is_file():
            source["arguments"] = source.get("arguments", {}) | {"classes": len(class_names(vocabulary))}
    if "python" in source:
        source["python"] = resolve_function(source["python"])
    if isinstance(own := input_settings.get("preprocessing"), Mapping) and "python" in own:
        input_settings["preprocessing"] = {**own, "python": resolve_function(own["python"])}
    number = number_of_automatic_stages(entry["stages"])
    return ModelEntry(
        modality=entry["modality"],
        source=source,
        weights=weights,
        input=input_settings,
        stages=UNRESOLVED if number else entry["stages"],
        family=family_of(entry, published),
        registry=registry,
        automatic_stages=number,
        classes=entry.get("classes"),
        output=entry.get("output"),
        readout={} if entry.get("readout") == "linear" else entry.get("readout"),
        start=entry.get("start"),
        published_as=entry.get("published_as"),
        vocabulary=vocabulary,
        accuracy=entry.get("accuracy"),
        references=entry.get("references", []),
    )


def _weights(
    name: str,
    entry: Mapping[str, Any],
    published: dict[str, Any] | None,
    vocabulary: str | None,
    archives: Mapping[str, Archive],
) -> dict[str, Any]:
    """The weights of an entry, as of ``ModelEntry``, with resolved paths."""
    if entry["weights"] == "builder":
        return {"builder": True}
    if entry["weights"] == "pretrained":
        weights: dict[str, Any] = {"pretrained": published}
        if extra_weights := SOURCES[source_name(entry["source"])].extra_weights:
            texts = {} if vocabulary in (None, *VOCABULARIES) else {"zero_shot": vocabulary}
            weights["extra_weights"] = dict(extra_weights) | texts
    else:
        weights = dict(entry["weights"])
    if weights.get("path"):
        weights["path"] = resolve_path(weights["path"])
    if "extra_weights" in weights:
        weights["extra_weights"] = _extra_weights(name, weights, archives)
    frozen = weights.get("train", {}).get("from")
    if frozen and "path" in frozen:
        weights["train"] = weights["train"] | {"from": frozen | {"path": resolve_path(frozen["path"])}}
    return weights


def _extra_weights(name: str, weights: Mapping[str, Any], archives: Mapping[str, Archive]) -> dict[str, Any]:
    """The extra weights of an entry with the path of their file."""
    extra = dict(weights["extra_weights"])
    if item := extra_weights_item(weights, archives):
        return extra | {"path": f"{RETRIEVED}/weights/{name}/{item['name']}"}
    if texts := extra.get("zero_shot"):
        texts = texts if texts == IMAGENET_TEXTS else resolve_vocabulary(texts)
        return extra | {"zero_shot": texts, "path": f"{RETRIEVED}/zero_shot/{name}.safetensors"}
    return extra | {"path": resolve_path(extra["path"])}


def _vocabulary_of_texts(name: str, entry: Mapping[str, Any], texts: str) -> str:
    """The vocabulary of a CLIP model: that of its texts.

    Raises
    ------
    ConfigurationError
        When the entry states another one.
    """
    vocabulary = IMAGENET if texts == IMAGENET_TEXTS else texts
    if "vocabulary" in entry and resolve_vocabulary(entry["vocabulary"]) != vocabulary:
        raise ConfigurationError(
            f"models: {name}.vocabulary: {entry['vocabulary']}, but the texts of the model (`zero_shot`) are about the "
            f"classes of {vocabulary}"
        )
    return vocabulary


def _of_publisher(
    name: str, entry: Mapping[str, Any], lock: Lock
) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any], str | None]:
    """The source of an entry, the description of its published weights (None: not looked up), its input and vocabulary.

    The source of a network of transformers has its ``config``. The vocabulary is that of the published weights.

    Raises
    ------
    ConfigurationError
        When the network is of another modality, or the publisher does not state its input.
    """
    source, input_settings = dict(entry["source"]), dict(entry.get("input", {}))
    if entry["weights"] != "pretrained" and not is_repository(source):
        return source, None, input_settings, None
    published, stated, vocabulary = locked_weights(name, source, lock)
    input_settings = stated | input_settings
    if published is None:
        return source, None, input_settings, None
    if is_repository(source):
        check_modality(name, entry, published.pop("modality"))
        source["config"] = published.pop("config")
    if missing := [key for key in MODALITIES[entry["modality"]].stated if key not in input_settings]:
        raise ConfigurationError(
            f"models: {name}.input: missing {', '.join(missing)}; the publisher does not state "
            f"{'it' if len(missing) == 1 else 'them'} in a form that the workflow has"
        )
    return source, published, input_settings, vocabulary if entry["weights"] == "pretrained" else None


def architecture_of(source: Mapping[str, Any], published: Mapping[str, Any] | None = None) -> str:
    """The architecture that a source names.

    That of ``{python: FILE.py:FUNCTION}`` is the function's name. That of ``{timm: NAME.TAG}`` is the name, because the
    tag says how the weights were trained. A repository of the hub states its architecture in its configuration (of
    transformers, the model type); before that is read, it is the name of the repository without the tag.
    """
    kind = source_name(source)
    name = published["weights_name"] if published and "/" in source[kind] else source[kind]
    return name.rsplit(":", 1)[-1].rsplit("/", 1)[-1].split(".", 1)[0]


def family_of(entry: Mapping[str, Any], published: Mapping[str, Any] | None = None) -> str:
    """The family of a model of the registry: its key ``family``, or else the architecture that its source names."""
    return entry.get("family", architecture_of(entry["source"], published))


def check_stages(models: Mapping[str, ModelEntry]) -> None:
    """Check that stages begin with the input, and that each names a different file.

    Raises
    ------
    ConfigurationError
        For the first stage that cannot be used; begins with the registry's path.
    """
    for name, model in models.items():
        source = model.registry
        key = f"{source}: {name}.stages"
        stages = list(model.stages)
        without_module = [stage for stage, module in model.stages.items() if module is None]
        if stages[0] != INPUT_STAGE or without_module != [INPUT_STAGE]:
            raise ConfigurationError(f"{key}: the first must be '{INPUT_STAGE}: null', and all others name a module")
        for stage, place in model.stages.items():
            if isinstance(place, list):
                _check_together(f"{key}.{stage}", place, stages[: stages.index(stage)], model.stages)
        if "zero_shot" in model.extra_weights and "zero_shot" not in SOURCES[source_name(model.source)].extra_weights:
            kind = source_name(model.source)
            raise ConfigurationError(
                f"{source}: {name}.weights.extra_weights.zero_shot: only the networks of source.open_clip have a text "
                f"tower; found source.{kind}"
            )
        if NATURAL in stages:
            raise ConfigurationError(f"{key}: {NATURAL!r} means the natural stimulus")
        paths = [stage_path(stage) for stage in stages]
        folded = [path.casefold() for path in paths]
        for stage, path in zip(stages, paths, strict=True):
            if not FILE_NAME.fullmatch(path) or folded.count(path.casefold()) > 1:
                raise ConfigurationError(
                    f"{key}: {stage!r} must name a separate file; {path!r} is not a valid name, or is that of another "
                    "stage, also if they differ in upper case only"
                )


def _check_together(key: str, chosen: list[str], earlier: list[str], stages: Mapping[str, Any]) -> None:
    """Check that a stage that joins others names stages that are listed before it, each once."""
    for name in chosen:
        if name not in earlier or name == INPUT_STAGE or isinstance(stages[name], list):
            valid = [stage for stage in earlier if stage != INPUT_STAGE and not isinstance(stages[stage], list)]
            raise unknown_name("stage listed before it", name, valid, key)
    if len({*chosen}) < len(chosen):
        raise ConfigurationError(f"{key}: {', '.join(chosen)}: wanted each stage once")
    if [*chosen] != sorted(chosen, key=earlier.index):
        raise ConfigurationError(f"{key}: {', '.join(chosen)}: wanted the stages in the order in which they are listed")


def _check_weights_file(path: str, key: str) -> None:
    """Check that a file of weights exists, and that its header can be read if it is one of safetensors."""
    if not Path(path).is_file():
        raise ConfigurationError(f"{key}: there is no file {path}")
    if problem := safetensors_problem(path):
        raise ConfigurationError(f"{key}: {path}: {problem}")


def check_files_of_model(name: str, model: ModelEntry) -> None:
    """Check that the files of a model that are not retrieved exist, and that its input fits its network.

    Raises
    ------
    ConfigurationError
        For the first file that is missing or setting that does not fit.
    """
    key = f"models: {name}"
    if model.training and not model.has_classes:
        raise ConfigurationError(
            f"{key}.classes: false, but `weights.train` trains the network to name classes; leave it out"
        )
    if model.training and model.output is not None:
        raise ConfigurationError(f"{key}.output: not with `weights.train`, which trains the output itself")
    if path := model.weights.get("path"):
        _check_weights_file(path, f"{key}.weights.path")
    if model.vocabulary is not None:
        if model.training:
            raise ConfigurationError(
                f"{key}.vocabulary: not with `weights.train`, which trains the network on the classes of its dataset"
            )
        check_vocabulary_exists(model.vocabulary, f"{key}.vocabulary")
    extra = model.extra_weights
    if "package" in extra:
        check_package_files(extra["package"], [extra["file"]], f"{key}.weights.extra_weights")
    elif extra and not extra.keys() & {"archive", "url", "zero_shot"}:
        _check_weights_file(extra["path"], f"{key}.weights.extra_weights.path")
    if model.builder and not Path(model.builder).is_file():
        raise ConfigurationError(f"{key}.source.python: there is no file {model.builder}")
    if package := model.weights.get("package"):
        check_package_files(package, [model.weights["file"]], f"{key}.weights")
    INPUT_CHECKS[model.modality](model, f"{key}.input")
    for stage, entry in model.stages.items():
        coarse = isinstance(entry, Mapping) and "coarse_to_fine" in entry.get("schedule", {})
        if coarse and model.source.get("metamers") != "spectemp" and not model.builder:
            raise ConfigurationError(
                f"{key}.stages.{stage}.schedule.coarse_to_fine: only the network spectemp, or one of your own "
                "(source.python), has masks for it"
            )


def check_has_classes(name: str, model: ModelEntry, key: str, why: str) -> None:
    """Check that a model that has to recognize has classes; ``key`` names it, and ``why`` completes the message.

    Raises
    ------
    ConfigurationError
        When it has none.
    """
    if not model.has_classes:
        raise ConfigurationError(
            f"{key}: {name!r} is a model without classes (`classes: false`), {why}. It can be in generation_models"
        )


def _check_channels(model: ModelEntry, key: str) -> None:
    """Check that mean and standard deviation have equally many values: three for colour, one for grey images."""
    means, deviations = len(model.input["mean"]), len(model.input["std"])
    any_number = model.builder is not None or "in_chans" in model.source.get("arguments", {})
    grey = model.source.get("metamers") == "hmax"
    if means != deviations or means not in ((1, 3) if any_number else (1,) if grey else (3,)):
        single = "one each" if grey else "three each"
        expected = "three each for colour, or one each for grey images" if any_number else single
        raise ConfigurationError(f"{key}: mean has {means} values, std {deviations}; wanted {expected}")


def _check_cochleagram(model: ModelEntry, key: str) -> None:
    """Check that sounds have the frequencies of the cochleagram, and are long enough for its filters."""
    rate_hz = model.input["sampling_rate_hz"]
    settings: dict[str, Any] = {"rate": "band", "envelope_rate_hz": 200, "high_hz": 10000, "low_hz": 50, "taps": 1001}
    settings |= model.input.get("cochleagram", {})
    if settings["rate"] == "full" and rate_hz % settings["envelope_rate_hz"]:
        raise ConfigurationError(
            f"{key}.cochleagram.rate: full needs a sampling_rate_hz that is a multiple of envelope_rate_hz; found "
            f"{rate_hz} and {settings['envelope_rate_hz']}. Use such rates, or `rate: band`"
        )
    if settings["high_hz"] > rate_hz / 2:
        raise ConfigurationError(
            f"{key}.cochleagram.high_hz: {settings['high_hz']} Hz is more than half of sampling_rate_hz {rate_hz}; "
            f"give at most {rate_hz / 2}"
        )
    if settings["low_hz"] >= settings["high_hz"]:
        raise ConfigurationError(f"{key}.cochleagram.low_hz: {settings['low_hz']} must be below high_hz")
    if (samples := round(rate_hz * model.input["duration_s"])) < settings["taps"]:
        raise ConfigurationError(
            f"{key}.duration_s: {samples} samples are fewer than the {settings['taps']} taps of the downsampling filter"
        )


def _check_sounds(model: ModelEntry, key: str) -> None:
    """Check the preprocessing of sounds: the cochleagram, the front end, or the file of the user's own module."""
    if model.preprocessing == "cochleagram":
        _check_cochleagram(model, key)
        return
    if "cochleagram" in model.input:
        raise ConfigurationError(
            f"{key}.cochleagram: parameters of a cochleagram, which {model.preprocessing!r} as preprocessing does not "
            "compute; leave out one of the two keys"
        )
    if front_end_name(model.preprocessing):
        try:
            front_end_settings(model.preprocessing, model.input["sampling_rate_hz"], model.input["duration_s"])
        except ConfigurationError as error:
            raise ConfigurationError(f"{key}.{error}") from error
    elif isinstance(model.preprocessing, Mapping):
        file = model.preprocessing["python"].rsplit(":", 1)[0]
        if not Path(file).is_file():
            raise ConfigurationError(f"{key}.preprocessing.python: there is no file {file}")


INPUT_CHECKS = {"vision": _check_channels, "audio": _check_sounds}


def check_training(name: str, modality: str, training: Training, datasets: Mapping[str, DatasetEntry]) -> None:
    """Check that a training has a dataset with all splits, and settings that fit together.

    Parameters
    ----------
    name, modality
        Of the model.
    training
        Its settings.
    datasets
        The registry of datasets.

    Raises
    ------
    ConfigurationError
        For the first setting that cannot be used.
    """
    key = f"models: {name}.weights.train"
    _training_table(f"{key}.dataset", training.dataset, modality, datasets)
    if training.readout and training.perturbation:
        raise ConfigurationError(f"{key}.perturbation: a readout is trained on unperturbed activations; leave it out")
    if training.frozen:
        if not training.readout:
            raise ConfigurationError(
                f"{key}.readout: missing; with weights `from` a checkpoint, only a readout can be trained"
            )
        if (path := training.frozen.get("path")) and not Path(path).is_file():
            raise ConfigurationError(f"{key}.from.path: there is no file {path}")
        if package := training.frozen.get("package"):
            check_package_files(package, [training.frozen["file"]], f"{key}.from")


def _training_table(
    key: str, dataset: str, modality: str, datasets: Mapping[str, DatasetEntry]
) -> list[dict[str, str]]:
    """The rows of a dataset for training; checks that it has the modality and all splits. ``key`` names it."""
    if dataset not in datasets:
        raise unknown_name("dataset", dataset, datasets, key)
    if datasets[dataset].modality != modality:
        raise ConfigurationError(f"{key}: {dataset!r} is of modality {datasets[dataset].modality!r}")
    rows = stimulus_table(dataset, datasets[dataset].parameters)
    splits = {row["split"] for row in rows}
    if missing := [split for split in SPLITS if split not in splits]:
        raise ConfigurationError(
            f"{key}: {dataset!r} has nothing of split {', '.join(missing)}; training needs {', '.join(SPLITS)}"
        )
    return rows


def readout_of(name: str, model: ModelEntry, datasets: Mapping[str, DatasetEntry], shown_dataset: str) -> Readout:
    """The readout of a model, checked; by default of the last stage, trained on the run's dataset.

    Parameters
    ----------
    name, model
        The model, whose entry has a readout.
    datasets
        The registry of datasets.
    shown_dataset
        The run's dataset of its modality, whose stimuli the model will recognize.

    Raises
    ------
    ConfigurationError
        When the model has classes or does not have the stage, the dataset cannot train the readout or lacks a category
        of the run's, or not even an accuracy of 100% would suffice.
    """
    key = f"models: {name}.readout"
    if model.has_classes:
        raise ConfigurationError(
            f"{key}: only for a network without classes (`classes: false`); this one answers by its class scores, so "
            "leave it out"
        )
    stages = [stage for stage in model.stages if stage != INPUT_STAGE]
    readout = Readout(**{"stage": stages[-1], "dataset": shown_dataset} | (model.readout or {}))
    if readout.stage not in stages:
        raise unknown_name("stage", readout.stage, stages, f"{key}.stage")
    rows = _training_table(f"{key}.dataset", readout.dataset, model.modality, datasets)
    categories = stimulus_categories(readout.dataset, datasets[readout.dataset].parameters)
    trained = {row["category"] for row in rows if row["split"] == "train"}
    if missing := [category for category in categories if category not in trained]:
        raise ConfigurationError(
            f"{key}.dataset: {readout.dataset!r} has no example of {', '.join(missing)} in the split train; add one of "
            "each, or take the category out of its `categories` table"
        )
    if datasets[shown_dataset].encodings:
        raise ConfigurationError(
            f"{key}.dataset: the categories of {shown_dataset!r} are those of published models, which a readout of "
            f"{readout.dataset!r} does not know; use another dataset of the run (`stimuli`)"
        )
    asked = stimulus_categories(shown_dataset, datasets[shown_dataset].parameters)
    known = set(categories)
    if missing := [category for category in asked if category not in known]:
        raise ConfigurationError(
            f"{key}.dataset: {readout.dataset!r} lacks the categories {', '.join(missing)} of {shown_dataset!r}, among "
            "which the model has to choose; name a dataset that has them"
        )
    held_out, limit = sum(row["split"] == "test" for row in rows), readout.times_chance / len(categories)
    highest = TAIL ** (1 / held_out)  # Clopper and Pearson's lower bound where all answers are correct
    if highest < limit:
        raise ConfigurationError(
            f"{key}.times_chance: even if all {held_out} held-out stimuli were named correctly, the lower 95% bound of "
            f"the accuracy would be {highest:.2f}, below {readout.times_chance:g} times chance among {len(categories)} "
            f"categories, {limit:.2f}; add stimuli of split test, or set it to "
            f"{math.floor(100 * highest * len(categories)) / 100:g} at most"
        )
    return readout


Analysed = Annotated[
    Literal["generation"] | Annotated[list[ModelName], several("a list of names of models, each once", least=0)] | None,
    setting(
        "generation (the run's generation models), or a list of names of models, each once; [] leaves the analysis out"
    ),
]


def analysed_models(
    chosen: Any,
    key: str,
    generation_models: Iterable[str],
    models: Mapping[str, ModelEntry],
    modality: str | None = None,
) -> list[str]:
    """The models of an analysis.

    Parameters
    ----------
    chosen
        ``generation`` for the generation models, or names, of type ``Analysed``.
    key
        The key of the configuration that has them.
    generation_models, models
        Names of generation models, and the registry.
    modality
        Modality of the analysed stimuli; None for any.

    Raises
    ------
    ConfigurationError
        When a name is not registered, or of another modality.
    """
    if chosen == "generation":
        return [name for name in generation_models if modality in (None, models[name].modality)]
    for number, name in enumerate(chosen or []):
        if name not in models:
            raise unknown_name("model", name, models, f"{key}.{number}")
        if modality not in (None, models[name].modality):
            raise ConfigurationError(
                f"{key}.{number}: {name!r} is of modality {models[name].modality!r}, but the stimuli of "
                f"analyses.brain.dataset are of {modality!r}"
            )
    return list(chosen or [])
