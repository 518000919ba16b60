"""The library in a notebook: a model of the registry, a metamer and answers of models, each by one call with defaults.

The functions are attributes of the package, imported on first use: ``import metamers as mm``, then ``mm.load``,
``mm.metamer``, ``mm.recognize``. They convert the user's arguments, and call the functions that the workflow calls:
``metamers.synthesize.metamers``, ``metamers.match``, ``metamers.null`` and ``metamers.recognize``.
"""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pooch
import torch
import xarray as xr
from torch import nn
from tqdm import tqdm

from metamers.config.archives import RETRIEVED, retrieved_item
from metamers.config.datasets import DatasetEntry, check_files_of_dataset, stimuli_of_test_split
from metamers.config.models import ModelEntry, check_files_of_model
from metamers.config.read import resolve_path, validate
from metamers.config.registry import Registry, read_registries
from metamers.config.tables import category_classes
from metamers.match import MEASURES
from metamers.modalities import IMAGENET_INPUT, MODALITIES
from metamers.models.automatic_stages import scores_of_output, stage_of_place
from metamers.models.build import prepared
from metamers.models.classes import class_scores
from metamers.models.device import choose_device
from metamers.models.load import assemble, load_model
from metamers.models.model import Model, activations, fit_dataset, fit_stimuli
from metamers.models.outputs import Part, chosen_part
from metamers.models.precision import BFLOAT16, LOW_PRECISION_FORMATS
from metamers.models.preprocessing import build_preprocessing
from metamers.names import INPUT_STAGE, unknown_name
from metamers.null.acceptance import accept, judged, of_all_stages
from metamers.null.distribution import choose_pairs, null_dataset, null_distribution, null_of_both_orders
from metamers.plan.steps import configuration_schema, merge_defaults
from metamers.recognize.recognition import recognize as recognize_exported
from metamers.recognize.settings import check_classes
from metamers.retrieve import obtain, retrieve
from metamers.run import files
from metamers.run.packages import package_file
from metamers.stimuli.datasets import read_dataset
from metamers.stimuli.formats import FORMATS
from metamers.stimuli.given import GIVEN, modality_of, name_of
from metamers.synthesize.files import METAMERS
from metamers.synthesize.measure import with_measures
from metamers.synthesize.metamers import make_metamers
from metamers.synthesize.optimizers import OPTIMIZERS
from metamers.synthesize.qualities import (
    DRAFT_SHARES,
    FORMAT_SETTING,
    PENALTY_SETTING,
    QUALITIES,
    number_of_steps,
    penalty_in_words,
    quality_attributes,
)
from metamers.synthesize.settings import PenaltySettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_SCORES = (
    "{} does not give class scores (batch, class), so it cannot name a category. If its output has them in a part, "
    "choose it by `output`; if they are scores all the same, name the `categories`"
)
PAIRS = 1000  # largest number of pairs in a null distribution
RUN_SEED = 0


def _registries(models: str | None = None, model: str | None = None) -> Registry:
    """The registries of the default configuration, or with another registry of models; read again at each call.

    Published weights are looked up and automatic stages are found only for ``model``.
    """
    config = _defaults() | {"model": model}
    paths = config["registry"]
    return read_registries(config | {"registry": paths if models is None else paths | {"models": models}})


@cache
def _defaults() -> dict[str, Any]:
    return merge_defaults({})


def load(
    name: str,
    weights: str | Path | None = None,
    *,
    stages: Sequence[str] = (),
    registry: str | None = None,
    device: str = "auto",
) -> Model:
    """Load a model of the registry, with its weights.

    Weights that a run has retrieved (``resources/retrieved``) are used. Other weights come from an installed package,
    their address or their publisher (``weights: pretrained``), and are kept in the user's folder for caches. Their
    SHA-256 is checked.

    Parameters
    ----------
    name
        A name from the registry.
    weights
        A file to use instead of the registry's weights, such as ``results/demo/training/cochcnn9_standard.safetensors``
        for a model that a run has trained.
    stages
        Paths of modules of the network that are stages in addition to those of the registry.
    registry
        Another registry of models; None: that of the default configuration, ``config/models.yaml``.
    device
        ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    Model
        From stimuli (batch, …signal) and a stage to activations: ``model(images, "layer3")``.

    Raises
    ------
    metamers.names.ConfigurationError
        When the registry has no such model; the message has the nearest name.
    ValueError
        When the network has no such module; the message has the nearest ones.
    OSError
        When the weights are not available.

    Examples
    --------
    >>> import metamers as mm
    >>> import torch
    >>> model = mm.load("efficientnet_lite0", device="cpu")
    >>> model(torch.rand(1, 3, 224, 224), "block_1").shape
    torch.Size([1, 16, 112, 112])
    """
    registries = _registries(registry, name)
    if name not in registries.models:
        raise unknown_name("model", name, registries.models, "load")
    entry = registries.models[name]
    check_files_of_model(name, entry)
    parameters = entry.parameters
    added = {stage: stage for stage in stages if stage not in parameters["stages"]}
    parameters = parameters | {"stages": parameters["stages"] | added}
    file = weights or _weights_file(name, entry, registries)
    try:
        model = load_model(name, parameters, file, choose_device(device))
    except ValueError as error:
        if not any(stage in str(error) for stage in added):
            raise
        raise ValueError(f"{error}. Stages of {name}: {', '.join(entry.stages)}") from error
    model.registry_entry = entry  # says what its classes mean
    return model


def _weights_file(name: str, entry: ModelEntry, registries: Registry) -> str | Path | None:
    """The file of a model's weights: retrieved by a run, or obtained now; None for random weights.

    Raises
    ------
    OSError
        When it is not available.
    """
    if entry.training:
        raise FileNotFoundError(
            f"{name} is trained by a run: give the file of its weights as weights=…, for example "
            f"results/demo/training/{name}.safetensors after `make run`"
        )
    item = retrieved_item(entry.weights, registries.archives)
    retrieved = Path(resolve_path(f"{RETRIEVED}/weights/{name}/{item['name']}")) if item else None
    extra = entry.extra_weights.get("path")
    needs_run = (item is not None and "archive" in item and not retrieved.is_file()) or (
        extra is not None and not Path(extra).is_file()
    )
    if needs_run:
        raise FileNotFoundError(
            f"{name}: its weights have not been retrieved; name the model in a configuration "
            f"(recognition_models: [{name}]) and run `snakemake retrieve` with it"
        )
    if item is None or retrieved.is_file():
        return retrieved or entry.weights.get("path")
    own = pooch.os_cache("metamers")
    store = Path(resolve_path("resources/store"))
    store = store if store.is_dir() else own / "store"
    if "package" in item:
        return obtain(item, store, None)
    retrieve([item], own / "weights" / name, store)
    return own / "weights" / name / item["name"]


def _checked_input(modality: str, settings: Any) -> dict[str, Any]:
    """The user's ``input`` of a network, checked as in a registry; tuples and arrays become lists.

    Raises
    ------
    TypeError, metamers.names.ConfigurationError
        When it is no mapping, or has a wrong key or value.
    """
    if not isinstance(settings, Mapping):
        raise TypeError(f"input: found {settings!r}; wanted a mapping, such as {IMAGENET_INPUT}")
    plain = {
        key: value.tolist() if hasattr(value, "tolist") else [*value] if isinstance(value, tuple) else value
        for key, value in settings.items()
    }
    _check_entry({"modality": modality, "input": plain, "stages": {INPUT_STAGE: None, "scores": "scores"}}, "input")
    return plain


def _check_entry(part: Mapping[str, Any], key: str) -> None:
    """Check a part of an entry of a network of the user's as in a registry; ``key`` begins the message of an error."""
    entry = {"source": {"python": "network.py:network"}, "weights": "builder"}
    validate({"network": entry | part}, "models", key)


def _wrapped(
    network: nn.Module,
    modality: str,
    settings: Mapping[str, Any],
    stages: Mapping[str, Any],
    output: Part,
    has_categories: bool,
    device: str,
) -> Model:
    """A copy of a user's network as a model; its stages are paths of its modules.

    It has classes if its output looks like class scores, or if the user names categories.

    Raises
    ------
    ValueError
        When the network has no such module, or does not run on stimuli of this shape.
    """
    network = getattr(network, "_orig_mod", network)  # of torch.compile
    name, network = type(network).__name__, prepared(copy.deepcopy(network)).eval()
    entry = {"modality": modality, "input": dict(settings)}
    preprocessing = build_preprocessing(name, entry)
    plain = Model(name, modality, preprocessing, network, {INPUT_STAGE: None})
    for place in stages.values():
        plain.module_at(place["module"], "stage")
    plain.to("cpu")  # where the example is
    with torch.no_grad():
        inputs = preprocessing(preprocessing.example())
        try:
            example_output = plain.network(inputs)
        except Exception as error:  # a user's network may raise anything
            raise ValueError(
                f"{name} does not run on an input of shape {tuple(inputs.shape)} ({error}). Give the input that it "
                f"takes, as in the registry of models; this was input={dict(settings)!r}."
                f"{getattr(preprocessing, 'advice', '')}"
            ) from error
    if output is not None and isinstance(problem := chosen_part(example_output, output), str):
        raise ValueError(f"output: {name} {problem}")
    scores = scores_of_output(name, plain.network, preprocessing, output)
    kind = {"classes": scores["of_classes"] or (has_categories and scores["number"] is not None), "output": output}
    of_modules = {"stages": {INPUT_STAGE: None, **stages}}
    return assemble(name, entry | of_modules | kind, network, choose_device(device))


def _place(stage: Any) -> dict[str, Any]:
    """The place of a user's stage, checked as in a registry.

    Raises
    ------
    TypeError, metamers.names.ConfigurationError
        When it is neither a text nor a mapping with ``module``, or has a wrong key or value.
    """
    if not stage or not isinstance(stage, str | Mapping):
        raise TypeError(
            f"stage: found {stage!r}; wanted the name of a stage or the path of a module, such as 'layer3', or a "
            "mapping, such as {'module': 'encoder', 'output': 0}"
        )
    place = {"module": stage} if isinstance(stage, str) else dict(stage)
    modality, about = next(iter(MODALITIES.items()))  # a place is the same in all of them
    stages = {INPUT_STAGE: None, "chosen": place}
    _check_entry({"modality": modality, "input": about.usual_input, "stages": stages}, "stage")
    return place


def _as_model(
    network: str | nn.Module,
    stages: Mapping[str, Any],
    stimulus: Any,
    sampling_rate_hz: float | None,
    settings: Mapping[str, Any] | None,
    output: Part,
    has_categories: bool,
    device: str,
) -> Model:
    """The model for the user's ``network``; ``stages``: name → place, as in the registry.

    Raises
    ------
    TypeError, ValueError
        When ``network`` is not a network, or does not have the stages.
    """
    own = isinstance(network, nn.Module) and not isinstance(network, Model)
    for key, value in {"input": settings, "output": output}.items():
        if value is not None and not own:
            raise ValueError(f"{key}: only for a torch.nn.Module; a model of the registry has its own {key}")
    if own:
        modality = modality_of(stimulus, sampling_rate_hz)
        settings = (
            GIVEN[modality].input_for(network, stimulus, sampling_rate_hz)
            if settings is None
            else _checked_input(modality, settings)
        )
        after_input = {stage: place for stage, place in stages.items() if stage != INPUT_STAGE}
        return _wrapped(network, modality, settings, after_input, output, has_categories, device)
    if parts := [stage for stage, place in stages.items() if len(place) > 1]:
        raise ValueError(f"stage: {parts[0]}: a part of an output is only for a torch.nn.Module; wanted a name")
    if isinstance(network, str):
        return load(network, stages=[place["module"] for place in stages.values()], device=device)
    if not isinstance(network, Model):
        raise TypeError(
            f"network: found an object of type {type(network).__name__}; wanted a torch.nn.Module, a "
            "model from load(…), or a name from the registry"
        )
    for stage in stages:
        if stage not in network.stages:
            error = unknown_name("stage", stage, network.stages, f"model {network.name}")
            raise ValueError(f"{error} To use a module as a stage: load({network.name!r}, stages=[{stage!r}])")
    return network


def _number_of_classes(model: Model) -> int:
    """Number of classes of a network; 0 if it has none."""
    if not model.classes:
        return 0
    return class_scores(model, model.preprocessing.example().to(model.device)).shape[1]


def _classes_of(categories: str | Mapping[str, int | Sequence[int]] | None, model: Model) -> dict[str, list[int]]:
    """Category → classes of the model; without categories, each class is a category. Empty without class scores.

    The classes of a model of a registry must be those of the dataset that ``categories`` names.
    """
    if isinstance(categories, str):
        dataset, vocabulary = _dataset(categories), None
        if (entry := getattr(model, "registry_entry", None)) is not None:
            datasets = _registries().datasets
            check_classes({model.name: "categories"}, {model.name: entry}, {model.name: categories}, datasets)
            vocabulary = entry.vocabulary_for(dataset, datasets)
        return category_classes(categories, {"categories": dataset.table_for(vocabulary)})
    if categories is not None and not isinstance(categories, Mapping):
        raise TypeError(
            f"categories: found an object of type {type(categories).__name__}; wanted a mapping from names to "
            "indices of classes, such as {'dog': [151, 152]}, or the name of a dataset"
        )
    if categories is not None:
        return {name: _indices(name, indices) for name, indices in categories.items()}
    return {str(number): [number] for number in range(_number_of_classes(model))}


def _indices(name: str, classes: Any) -> list[int]:
    """The indices of the classes of a category, of which ``classes`` is one or several."""
    try:
        return [*map(index, np.atleast_1d(classes).tolist())]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"categories: {name}: found {classes!r}; wanted the index of a class, or a list of them"
        ) from error


@cache
def _dataset(name: str) -> DatasetEntry:
    datasets = _registries().datasets
    if name not in datasets:
        raise unknown_name("dataset", name, datasets, "categories")
    return datasets[name]


@cache
def _default_stimuli(modality: str) -> xr.Dataset:
    """Natural stimuli of a modality: the test split of the default run's dataset, or one sound of each spoken word."""
    name = _defaults()["stimuli"][modality]["dataset"]
    entry = _dataset(name)
    check_files_of_dataset(name, entry)
    parameters = entry.parameters
    if speech := entry.speech:
        test = speech["splits"]["test"] | {"per_word": 1}
        parameters = parameters | {"speech": speech | {"splits": {"test": test}}}
    folder = None
    if entry.files:
        first = stimuli_of_test_split(name, entry)[0]["file"]
        folder = package_file(entry.files["package"], f"{entry.folder}/{first}").parent
    return read_dataset(name, parameters, folder, RUN_SEED, ["test"])


def natural_stimuli(modality: str = next(iter(MODALITIES))) -> xr.Dataset:
    """Natural stimuli that need no download: photographs of ImageNet, or synthetic speech.

    Parameters
    ----------
    modality
        ``vision`` or ``audio``.

    Returns
    -------
    xarray.Dataset
        ``stimulus_value`` (stimulus, …signal) with ``category``, as a run's file ``stimuli/<dataset>.nc``; sounds have
        the attribute ``sampling_rate_hz``.

    Raises
    ------
    metamers.names.ConfigurationError
        For another modality.

    Examples
    --------
    >>> import metamers as mm
    >>> photographs = mm.natural_stimuli()
    >>> photographs.sizes["stimulus"], str(photographs["category"].values[0])
    (20, 'bull mastiff')
    """
    if modality not in MODALITIES:
        raise unknown_name("modality", modality, MODALITIES, "natural_stimuli")
    return _default_stimuli(modality).copy()


def _null_stimuli(
    null: Sequence[Any] | None, model: Model, natural: torch.Tensor, sampling_rate_hz: float | None
) -> torch.Tensor:
    """The stimuli of the null distribution, in the size or rate of the model, without ``natural`` itself."""
    if null is None:
        others = fit_dataset(model, _default_stimuli(model.modality))
    else:
        of_model = GIVEN[model.modality].stimulus_for
        parts = [of_model(model.preprocessing, value, sampling_rate_hz, f"null: {name_of(value)}") for value in null]
        others = torch.cat([natural[:0], *(fit_stimuli(model, part[None], model.sampling) for part in parts)])
    same = (others == natural).flatten(1).all(dim=1)
    return others[~same]


@dataclass(frozen=True, eq=False, repr=False)
class Metamer:
    """A metamer with its loss, its match and the null distribution, which decide whether it is accepted.

    Attributes
    ----------
    model, stage
        The generation model, and the stage whose activations are matched.
    natural, metamer
        The natural stimulus and the metamer, (…signal), float32, in the model's size or rate.
    loss
        Normalized error before each step, (step,).
    match
        Measure of match (``metamers.match.MEASURES``) → value, for the activations at the stage.
    null
        Measure → its values for pairs of different natural stimuli, (pair,); empty without a null distribution.
    accepted
        Whether each measure of match is at least the largest of the null distribution, and the model gives the metamer
        the category that it gives the natural stimulus (``metamers.null.acceptance``). Without class scores, the match
        alone decides; without a null distribution it is None.
    natural_category, predicted_category
        The category that the model gives the natural stimulus, and the exported metamer; empty without class scores.
    dataset
        The content of a run's file of metamers, with the dimensions ``stimulus`` and ``seed`` of length 1.

    Examples
    --------
    >>> import metamers as mm
    >>> import torch
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    >>> made = mm.metamer(network, torch.rand(3, 16, 16), "1", null=[], steps=8, progress=False)
    >>> isinstance(made, mm.Metamer), made.metamer.shape, made.loss.shape
    (True, (3, 16, 16), (8,))
    """

    model: Model
    stage: str
    natural: np.ndarray
    metamer: np.ndarray
    loss: np.ndarray
    match: dict[str, float]
    null: dict[str, np.ndarray]
    accepted: bool | None
    natural_category: str
    predicted_category: str
    dataset: xr.Dataset = field(repr=False)

    @property
    def sampling_rate_hz(self) -> float | None:
        """Sampling rate of a sound; None for images."""
        return self.model.sampling.get("sampling_rate_hz")

    @property
    def exported(self) -> np.ndarray:
        """The metamer as observers judge it, with 8 bits (images) or 16 bits (sounds): (…signal), float32."""
        return FORMATS[self.model.modality].as_exported(self.metamer)

    def __repr__(self) -> str:
        lines = [f"Metamer of {self.model.name} at {self.stage!r}, {len(self.loss)} steps"]
        for name, of_match in MEASURES.items():
            largest = f" (null distribution: at most {np.nanmax(self.null[name]):.3g})" if name in self.null else ""
            lines.append(f"  {of_match.label}: {self.match[name]:.3g}{largest}")
        if self.natural_category:
            lines.append(f"  category: {self.predicted_category}; of the natural stimulus: {self.natural_category}")
        if self.accepted is not None:
            lines.append("  accepted" if self.accepted else "  not accepted")
        return "\n".join(lines)

    def plot(self) -> "Figure":
        """Draw the natural stimulus, the metamer, the loss, and the match against the null distribution.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; ``savefig("metamer.pdf")`` saves it.
        """
        from metamers.report.metamer import metamer_figure

        return metamer_figure(self.model, self.stage, self.natural, self.metamer, self.loss, self.match, self.null)

    def save(self, path: str | Path) -> None:
        """Save the metamer: as NetCDF (``.nc``), as a run does, or as observers judge it (``.png`` or ``.wav``).

        Raises
        ------
        ValueError
            When the path has another ending.
        """
        path, suffix = Path(path), MODALITIES[self.model.modality].suffix
        if path.suffix == suffix:
            FORMATS[self.model.modality].write(self.metamer, path, **self.model.sampling)
        elif path.suffix == ".nc":
            files.save(
                self.dataset,
                path,
                declared=METAMERS,
                title=f"Metamers of {self.model.name} at {self.stage}",
                source=f"synthesized from noise by the {self.dataset.attrs['procedure']} procedure, quality "
                f"{self.dataset.attrs['quality']}",
                step="metamers.metamer",
                run="interactive",
                seed=RUN_SEED,
                inputs=[],
            )
        else:
            raise ValueError(f"{path}: found the ending {path.suffix!r}; wanted .nc or {suffix}")


def metamer(
    network: str | nn.Module,
    stimulus: Any,
    stage: str | Mapping[str, Any],
    *,
    sampling_rate_hz: float | None = None,
    input: Mapping[str, Any] | None = None,
    categories: str | Mapping[str, int | Sequence[int]] | None = None,
    null: Sequence[Any] | None = None,
    output: Part = None,
    seed: int = 0,
    quality: str = "quick",
    penalty: Mapping[str, float] | Callable[[torch.Tensor], torch.Tensor] | None = None,
    progress: bool = True,
    device: str = "auto",
    **settings: Any,
) -> Metamer:
    """Synthesize a metamer of a stimulus: a stimulus with nearly the same activations at a stage of a network.

    Parameters
    ----------
    network
        A torch.nn.Module from an image or sound (batch, …) to class scores (batch, class) or to anything else; a model
        from ``load``; or a name from the registry. The network itself is not changed.
    stimulus
        An image or a sound: the path of a file, an image of Pillow, an array, a tensor, or (samples, sampling rate):
        see ``metamers.stimuli.given``.
    stage
        The stage whose activations are matched: a stage of the registry, the path of a module (``layer3``,
        ``blocks.2``), or ``input``. If a module gives several tensors, the one of a torch.nn.Module's stage is chosen
        as in the registry: ``{"module": "encoder", "output": 0}``.
    sampling_rate_hz
        Sampling rate of a sound that is given as samples only.
    input
        For a torch.nn.Module, what it takes, as ``input`` in the registry: ``size``, ``mean``, ``std`` and
        ``interpolation`` of images; ``sampling_rate_hz``, ``duration_s``, ``cochleagram`` and ``preprocessing`` (such
        as ``waveform``) of sounds. By default, a network of timm gets the input that timm states, and a network of
        torchvision 224 pixels with ImageNet's mean and standard deviation. Other networks get values 0 to 1 in the size
        of the image, or the default cochleagram of the sound (``rate: band``).
    categories
        The categories that the model chooses from: name → class indices, or a dataset of the registry, such as
        ``imagenet_photographs``. By default, each class is a category, named by its index.
    null
        Natural stimuli whose pairs are the null distribution; by default those of ``natural_stimuli``. With an empty
        list, there is no null distribution.
    output
        For a torch.nn.Module whose output is a tuple, a mapping or an object: the part that has the class scores, such
        as ``"logits"``. Without class scores, the match alone decides whether a metamer is accepted.
    seed
        Seed of the noise from which synthesis starts.
    quality
        ``quick`` (default), for a first look; ``converged``, which takes steps until the normalized error is at most
        ``target_error``, or ``max_steps`` are taken; ``standard``, with at least the match of the published procedure
        at every stage at which that was measured; or ``published``, that procedure itself. With other ``settings``, it
        is not what was measured.
    penalty
        What is added to the normalized error: weights of ``total_variation`` and ``range``, or a function from stimuli
        (1, …signal) to penalties (1,), by differentiable operations (``metamers.synthesize.penalties``); None: nothing.
    progress
        Whether to show a progress bar.
    device
        ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``; a model from ``load`` stays where it is.
    **settings
        Settings of this quality that differ from ``config/config.yaml``, such as ``steps=500``.

    Returns
    -------
    Metamer
        The metamer, its loss and match, the null distribution, and whether it is accepted.

    Raises
    ------
    ValueError, TypeError
        When stimulus, stage, input or a setting does not fit; the message says what was found and what is wanted.

    Examples
    --------
    This network averages each colour over the image, so a metamer has the mean colours of its natural stimulus.

    >>> import metamers as mm
    >>> import torch
    >>> network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> reddish = torch.rand(3, 16, 16) * torch.tensor([1.0, 0.8, 0.6]).reshape(3, 1, 1)
    >>> made = mm.metamer(network, reddish, "0", null=[], progress=False)
    >>> difference = made.metamer.mean(axis=(1, 2)) - made.natural.mean(axis=(1, 2))
    >>> bool(abs(difference).max() < 0.05)
    True
    """
    place = _place(stage)
    stage = stage if isinstance(stage, str) else stage_of_place(place)
    has_categories = categories is not None
    model = _as_model(network, {stage: place}, stimulus, sampling_rate_hz, input, output, has_categories, device)
    classes = _classes_of(categories, model)
    if classes and not model.classes:
        raise ValueError(NO_SCORES.format(model.name))
    name, as_exported = name_of(stimulus), FORMATS[model.modality].as_exported
    signal = GIVEN[model.modality].stimulus_for(model.preprocessing, stimulus, sampling_rate_hz, name)
    natural = fit_stimuli(model, signal[None], model.sampling)
    chosen = _settings(quality, model.modality, settings) | _penalty(penalty)
    procedure = QUALITIES[quality]
    others = _null_stimuli(null, model, natural, sampling_rate_hz)
    with tqdm(total=number_of_steps(chosen), desc=f"{model.name} {stage}", unit="step", disable=not progress) as bar:

        def show(loss: torch.Tensor) -> None:
            bar.update()
            if not bar.disable and (bar.n % 10 == 0 or bar.n == bar.total):
                bar.set_postfix(loss=f"{float(loss.mean()):.3g}", refresh=bar.n == bar.total)

        given_to = model, stage, natural, [name], [seed], RUN_SEED, procedure, chosen
        made = make_metamers(*given_to, on_step=show)
    natural_category = (
        recognize_exported(model, as_exported(signal[None]), model.sampling, classes) if classes else None
    )
    dataset = (
        with_measures(made, model, stage, natural, natural_category, classes or None, chosen.get("target_error"))
        .isel(step=slice(max(int(made["steps"].item()), 1)))  # with a target, the loss is NaN after the last step
        .assign_coords(category=("stimulus", [""]), label=("stimulus", [""]))
        .assign_attrs(
            generation_model=model.name,
            stage=stage,
            **quality_attributes(quality, chosen),
            settings=json.dumps(chosen, default=penalty_in_words),
            device=str(natural.device),
        )
    )
    one = dataset.isel(stimulus=0, seed=0)
    values, accepted = _accepted(dataset, model, stage, others)
    return Metamer(
        model=model,
        stage=stage,
        natural=natural[0].cpu().numpy(),
        metamer=one["metamer"].values,
        loss=one["loss"].values,
        match={name: float(one[name]) for name in MEASURES},
        null=values,
        accepted=accepted,
        natural_category=str(natural_category[0]) if classes else "",
        predicted_category=str(one["predicted_category"].values) if classes else "",
        dataset=dataset,
    )


def _settings(quality: str, modality: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a quality: the given ones, and those of the default configuration for the others."""
    defaults = _defaults()["synthesis"]
    if not isinstance(quality, str) or quality not in QUALITIES:
        raise unknown_name("quality", str(quality), QUALITIES, "quality")
    settings = defaults[quality][modality]
    if "max_steps" in settings:
        settings = settings | {"target_error": defaults["target"]["normalized_error"][modality]}
    for key in chosen:
        if key not in settings and not (key == FORMAT_SETTING and "low_precision" in settings):
            raise unknown_name("setting", key, settings, f"metamer, quality {quality}")
    settings = settings | chosen
    if (optimizer := settings.get("optimizer")) is not None and optimizer not in OPTIMIZERS:
        raise unknown_name("optimizer", str(optimizer), OPTIMIZERS, f"metamer, quality {quality}")
    key = "max_steps" if "max_steps" in settings else "steps"
    if isinstance(settings[key], bool) or not (isinstance(settings[key], int) and settings[key] > 0):
        raise ValueError(f"{key}: found {settings[key]!r}; wanted a whole number from 1")
    if (number_format := settings.get(FORMAT_SETTING, BFLOAT16)) not in LOW_PRECISION_FORMATS:
        raise unknown_name(FORMAT_SETTING, str(number_format), LOW_PRECISION_FORMATS, f"metamer, quality {quality}")
    for key in DRAFT_SHARES:
        setting = settings.get(key, 0)
        to_target = "max_steps" in settings
        if to_target and not isinstance(setting, bool) and setting != 0:
            raise ValueError(f"{key}: found {setting!r}; wanted True or False")
        if not to_target and (
            isinstance(setting, bool) or not (isinstance(setting, int | float) and 0 <= setting <= 1)
        ):
            raise ValueError(f"{key}: found {setting!r}; wanted a number from 0 to 1")
    if "target_error" in settings:
        error = settings["target_error"]
        if not (isinstance(error, float | np.floating) and 0 < error < 1):
            raise ValueError(f"target_error: found {error!r}; wanted a number between 0 and 1")
    return settings


def _penalty(penalty: Any) -> dict[str, Any]:
    """The user's penalty as a setting, checked as in a configuration; empty for none."""
    if penalty is not None and not callable(penalty):
        schema = configuration_schema()["properties"]["synthesis"]["properties"]["penalty"]
        validate(penalty, schema, "penalty")
        own = PenaltySettings(**penalty)
        own.check(())
        penalty = own.chosen
    return {PENALTY_SETTING: penalty} if penalty else {}


def _accepted(
    dataset: xr.Dataset, model: Model, stage: str, others: torch.Tensor
) -> tuple[dict[str, np.ndarray], bool | None]:
    """The null distribution of some natural stimuli, and whether the metamer of a dataset is accepted."""
    if len(others) < 2:
        return {}, None
    of_others = activations(model, others, stage)
    pairs = choose_pairs(len(others), PAIRS, RUN_SEED)
    measure_pairs = null_distribution if dataset.attrs["quality"] == "published" else null_of_both_orders
    values = measure_pairs(lambda numbers: of_others[list(numbers)], pairs, len(others))
    null = null_dataset({stage: values}, pairs, np.array([str(number) for number in range(len(others))]))
    decision = accept(of_all_stages({stage: [judged(dataset)]}), null)
    return values, bool(decision["accepted"].item())


def recognize(
    network: str | nn.Module,
    stimuli: Any,
    categories: str | Mapping[str, int | Sequence[int]] | None = None,
    *,
    sampling_rate_hz: float | None = None,
    input: Mapping[str, Any] | None = None,
    output: Part = None,
    device: str = "auto",
) -> str | list[str]:
    """Ask a model what it recognizes, by forced choice among categories.

    The model gets what people see or hear: images of 8 bits, sounds of 16 bits. Without ``categories``, the output of a
    network counts as class scores if a layer computes it last; whether these are features cannot be told.

    Parameters
    ----------
    network, sampling_rate_hz, input, output, device
        As for ``metamer``.
    stimuli
        One stimulus as for ``metamer``, a ``Metamer``, or a list of these.
    categories
        As for ``metamer``.

    Returns
    -------
    str or list of str
        The category of the stimulus, or of each stimulus of a list.

    Raises
    ------
    ValueError, TypeError
        As ``metamer``, and when the network does not give class scores.

    Examples
    --------
    The class scores of this network are the mean red, green and blue of an image.

    >>> import metamers as mm
    >>> import torch
    >>> network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> reddish = torch.rand(3, 16, 16) * torch.tensor([1.0, 0.8, 0.6]).reshape(3, 1, 1)
    >>> mm.recognize(network, reddish, {"red": 0, "green": 1, "blue": 2})
    'red'
    """
    many = isinstance(stimuli, list)
    each = stimuli if many else [stimuli]
    if not each:
        return []
    first = each[0]
    signal, rate_hz = (
        (first.metamer, first.sampling_rate_hz) if isinstance(first, Metamer) else (first, sampling_rate_hz)
    )
    model = _as_model(network, {}, signal, rate_hz, input, output, categories is not None, device)
    classes = _classes_of(categories, model)
    if not classes or not model.classes:
        raise ValueError(NO_SCORES.format(model.name))
    answers = []
    for number, one in enumerate(each):
        if isinstance(one, Metamer):
            if one.model.modality != model.modality:
                raise ValueError(f"a metamer of modality {one.model.modality}; {model.name} is of {model.modality}")
            exported, sampling = one.exported, one.model.sampling
        else:
            name = f"stimulus {number} ({name_of(one)})" if many else name_of(one)
            sampling = model.sampling
            own = GIVEN[model.modality].stimulus_for(model.preprocessing, one, sampling_rate_hz, name)
            exported = FORMATS[model.modality].as_exported(own)
        answers.append(str(recognize_exported(model, exported[None], sampling, classes)[0]))
    return answers if many else answers[0]
