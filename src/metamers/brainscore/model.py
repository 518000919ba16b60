"""A model of the registry as a model of Brain-Score (``BrainModel``), with its own weights and preprocessing.

Needs the packages of Brain-Score, as ``make .venv/.brainscore`` installs them. Plugins import this module.
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly, NeuroidAssembly
from brainscore_core.supported_data_standards.brainio.stimuli import StimulusSet
from brainscore_vision.model_interface import BrainModel

from metamers.brainscore.names import VISUAL_DEGREES
from metamers.brainscore.vocabulary import Vocabulary, classes_of_choices
from metamers.models.classes import class_scores
from metamers.models.device import choose_device
from metamers.models.load import load_model
from metamers.models.model import Model, activations, fit_stimuli
from metamers.names import unknown_name
from metamers.recognize.recognition import answers
from metamers.stimuli.formats import FORMATS

IMAGES_AT_ONCE = 64  # in memory


class RegistryModel(BrainModel):
    """A model of the registry that looks at images, as Brain-Score's benchmarks use it.

    Parameters
    ----------
    identifier
        Name of the model for Brain-Score.
    model
        The model, of modality ``vision``.
    vocabulary
        Category → class indices, of the model's dataset.
    published_vocabularies
        The same of published experiments, for models with the 1000 classes of ImageNet.

    Notes
    -----
    The task ``label`` is the published forced choice (``metamers.recognize.recognition.answers``). Brain-Score's own
    models use the mean probability of the classes of a category instead. ``passive`` gives no answers. The tasks
    ``probabilities`` and ``odd_one_out`` are not supported. Recordings are of stages of the registry, without time:
    no stage is committed to a brain area.
    """

    def __init__(
        self, identifier: str, model: Model, vocabulary: Vocabulary, published_vocabularies: Sequence[Vocabulary]
    ):
        self._identifier, self._model = identifier, model
        self._vocabulary, self._published_vocabularies = vocabulary, published_vocabularies
        self._number_of_classes: int | None = None
        self._choices: dict[str, list[int]] | None = None
        self._stage: str | None = None

    @property
    def identifier(self) -> str:
        """Name of the model for Brain-Score."""
        return self._identifier

    def visual_degrees(self) -> int:
        """The width of an image in degrees of visual angle."""
        return VISUAL_DEGREES

    def start_task(self, task: str, fitting_stimuli: Any = None) -> None:
        """Choose what ``look_at`` returns.

        Parameters
        ----------
        task
            ``BrainModel.Task.label`` or ``BrainModel.Task.passive``.
        fitting_stimuli
            For ``label``: the categories to choose from, all of one vocabulary
            (``metamers.brainscore.vocabulary.classes_of_choices``).

        Raises
        ------
        NotImplementedError
            For another task, or the labels ``imagenet``.
        metamers.names.ConfigurationError
            For categories that are not of a vocabulary of the model; it says why.
        """
        self._stage = self._choices = None
        if task == BrainModel.Task.passive:
            return
        if task != BrainModel.Task.label or isinstance(fitting_stimuli, str):
            raise NotImplementedError(
                f"{self._identifier}: task {task!r} with {fitting_stimuli!r}; wanted {BrainModel.Task.label!r} with a "
                f"list of categories, or {BrainModel.Task.passive!r}"
            )
        if self._number_of_classes is None:
            example = self._model.preprocessing.example().to(self._model.device)
            self._number_of_classes = class_scores(self._model, example).shape[1]
        self._choices = classes_of_choices(
            [str(choice) for choice in fitting_stimuli],
            self._vocabulary,
            self._published_vocabularies,
            self._number_of_classes,
            self._identifier,
        )

    def start_recording(self, recording_target: str, time_bins: Sequence[tuple[int, int]]) -> None:
        """Let ``look_at`` return the activations of a stage.

        Parameters
        ----------
        recording_target
            A stage of the model.
        time_bins
            One time bin; activations have no time, so it is only written into the result.

        Raises
        ------
        metamers.names.ConfigurationError
            When the model does not have the stage; it lists all stages.
        NotImplementedError
            For several time bins.
        """
        if recording_target not in self._model.stages:
            raise unknown_name("stage", recording_target, self._model.stages, self._identifier)
        if len(time_bins) != 1:
            raise NotImplementedError(f"{self._identifier}: {len(time_bins)} time bins; activations have no time")
        self._stage, self._choices, self._time_bin = recording_target, None, tuple(time_bins[0])

    def look_at(
        self, stimuli: StimulusSet | list[str], number_of_trials: int = 1
    ) -> BehavioralAssembly | NeuroidAssembly | None:
        """Look at images in the full size of the input.

        Parameters
        ----------
        stimuli
            A stimulus set, or paths of images.
        number_of_trials
            Has no effect, because the models are deterministic.

        Returns
        -------
        BehavioralAssembly, NeuroidAssembly or None
            For ``label``: (presentation, choice), categories as text, with one choice. For a recording: (presentation,
            neuroid, time_bin). For ``passive``: None. The coordinates of ``presentation`` are the columns of the
            stimulus set, or ``stimulus_id`` and ``stimulus_path``.
        """
        if self._choices is None and self._stage is None:
            return None
        is_set = isinstance(stimuli, StimulusSet)
        ids = list(stimuli["stimulus_id"]) if is_set else [Path(path).name for path in stimuli]
        paths = [str(stimuli.get_stimulus(name)) for name in ids] if is_set else list(map(str, stimuli))
        columns = {name: stimuli[name].to_numpy() for name in stimuli.columns} if is_set else {"stimulus_id": ids}
        presentation = {name: ("presentation", values) for name, values in columns.items()}
        presentation["stimulus_path"] = ("presentation", paths)
        if self._choices is not None:
            chosen = answers(self._of_images(paths, class_scores), self._choices, self._identifier)
            return BehavioralAssembly(
                chosen[:, None], coords=presentation | {"choice": ["label"]}, dims=["presentation", "choice"]
            )
        stage = self._stage
        recorded = self._of_images(paths, lambda model, images: activations(model, images, stage))
        recorded = recorded.reshape(len(ids), -1, 1)
        units = np.arange(recorded.shape[1])
        coords = presentation | {
            "neuroid_id": ("neuroid", [f"{self._identifier}.{stage}.{unit}" for unit in units]),
            "layer": ("neuroid", [stage] * len(units)),
            "time_bin_start": ("time_bin", [self._time_bin[0]]),
            "time_bin_end": ("time_bin", [self._time_bin[1]]),
        }
        return NeuroidAssembly(recorded, coords=coords, dims=["presentation", "neuroid", "time_bin"])

    def _of_images(self, paths: list[str], function: Callable[[Model, torch.Tensor], np.ndarray]) -> np.ndarray:
        """A function of images (image, …), computed in groups. Images are read singly, since their sizes may differ."""
        read, values = FORMATS[self._model.modality].read, []
        for first in range(0, len(paths), IMAGES_AT_ONCE):
            group = paths[first : first + IMAGES_AT_ONCE]
            images = torch.cat([fit_stimuli(self._model, read(Path(path))[None], {}) for path in group])
            values.append(function(self._model, images))
        return np.concatenate(values)


def registry_model(table: Path, name: str, identifier: str, home: str, device: str = "auto") -> RegistryModel:
    """Load a model out of the table of a plugin.

    Parameters
    ----------
    table
        ``models.json``: name → ``model`` (the registry's entry), ``weights_file``, ``vocabulary`` and
        ``published_vocabularies``.
    name
        Of the model in the registry.
    identifier
        Of the model for Brain-Score.
    home
        Folder in which Snakemake made the run, to which paths in the table are relative.
    device
        As of the configuration.

    Raises
    ------
    ValueError, FileNotFoundError
        As ``metamers.models.load.load_model``.
    """
    entry = json.loads(table.read_text(encoding="utf-8"))[name]
    before = Path.cwd()
    os.chdir(home)  # entries of the registry have paths relative to it
    try:
        model = load_model(name, entry["model"], entry["weights_file"], choose_device(device))
    finally:
        os.chdir(before)
    return RegistryModel(identifier, model, entry["vocabulary"], entry["published_vocabularies"])
