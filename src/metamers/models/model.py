"""Models: a network together with its preprocessing and its named stages.

A model maps stimuli to the activations of one stage, differentiably, and computes nothing beyond that stage. Models are
built from the registry (``config/models.yaml``) by ``metamers.models.load``.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn
from torch.utils.hooks import RemovableHandle

from metamers.modalities import MODALITIES, Start, sampling_of
from metamers.models.batches import forward
from metamers.models.outputs import Part, chosen_part, class_scores_in
from metamers.names import INPUT_STAGE, unknown_name

PREPROCESSING_PATH = "preprocessing"
SCORES_PATH = "scores"  # the network's output, unless the network has a module of that name
# Keys of a stage's entry in the registry, with the values of missing keys.
NO_OPTIONS = {
    "module": None,
    "input": None,
    "output": None,
    "pass_through_relu": None,
    "schedule": None,
    "published": None,
    "together": None,
}


class _Handles(list):
    """Several hooks, which are removed together."""

    def remove(self) -> None:
        """End the calls of all hooks."""
        for handle in self:
            handle.remove()


class _StageReached(Exception):  # noqa: N818 (a signal, not an error)
    def __init__(self, activations: Any):
        self.activations = activations


def _as_entry(place: Any) -> dict[str, Any]:
    """A stage's place in the registry with all its options."""
    return NO_OPTIONS | (place if isinstance(place, Mapping) else {"module": place})


def _stop(activations: Any) -> None:
    raise _StageReached(activations)


def _chosen_input(inputs: tuple, position: int) -> Any:
    """An input of a module; the text of an error if it is not a tensor."""
    chosen = inputs[position] if position < len(inputs) else None
    if isinstance(chosen, torch.Tensor):
        return chosen
    tensors = [str(number) for number, value in enumerate(inputs) if isinstance(value, torch.Tensor)]
    choice = f"choose a tensor of them by `input`: {', '.join(tensors)}" if tensors else "none of them is a tensor"
    return f"has {len(inputs)} inputs by position, and input {position} is not a tensor among them; {choice}"


def pass_through(relu: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """The rectified inputs, with the gradient of the identity (Feather et al. 2023, Methods).

    ``relu`` must not work in place. The sum is exact: 0 is added to a positive input, and its negative to another one.
    """
    return inputs + (relu(inputs) - inputs).detach()


class Model(nn.Module):
    """A network with its preprocessing and a table of stages.

    Parameters
    ----------
    name
        The name in the registry, for messages.
    modality
        A name from ``metamers.modalities.MODALITIES``.
    preprocessing
        From stimuli to the input of ``network``, differentiable: see ``metamers.models.preprocessing``.
    network
        From its input to class scores (batch, class), or to anything else if the model has no classes.
    stages
        Stage → module path in ``network``, or {module, input, output, pass_through_relu, schedule}, in processing
        order. The first one is ``input`` → None. The path ``preprocessing`` is the input of the network (of most
        sounds, the cochleagram), and ``scores`` its output. ``output`` is the part of a module's output that is the
        stage (``metamers.models.outputs.chosen_part``); ``input`` is the position of an input of the module, in place
        of its output. ``together`` lists the places of several stages, which this stage joins: its activations are
        theirs, flattened, one after another, and ``module`` is that of the last one.
    start
        The noise that synthesis of the model's metamers starts from; None: that of the modality.
    classes
        Whether the network gives class scores. A model without classes recognizes nothing, unless ``readout`` is set.
    output
        The part of the network's output that has the class scores, or at which a network without classes ends; None:
        the output itself.

    Attributes
    ----------
    readout
        From the model, stimuli (stimulus, …signal) and the categories of a task to categories (stimulus,), by which a
        model without classes recognizes (``metamers.models.readout``); None for none.

    Raises
    ------
    ValueError
        When the network does not have the module of a stage, or has no masks for its schedule.
    """

    def __init__(
        self,
        name: str,
        modality: str,
        preprocessing: nn.Module,
        network: nn.Module,
        stages: Mapping[str, Any],
        start: Start | None = None,
        classes: bool = True,
        output: Part = None,
    ):
        super().__init__()
        self.start = start
        self.readout: Callable[[Model, torch.Tensor, Collection[str]], np.ndarray] | None = None
        self.classes = classes
        self.output = output
        self.name = name
        self.modality = modality
        self.preprocessing = preprocessing
        self.network = network
        self.stages = {stage: _as_entry(entry) for stage, entry in stages.items()}
        self._relu_calls: dict[str, int] = {}
        for stage, entry in self.stages.items():
            key = f"models: {name}.stages.{stage}"
            joined = [part["module"] for part in map(_as_entry, entry["together"] or [])]
            for path in filter(None, (entry["module"], entry["pass_through_relu"], *joined)):
                self.module_at(path, key)
            if entry["pass_through_relu"] and not isinstance(
                self.module_at(entry["pass_through_relu"], ""), nn.ReLU | nn.ReLU6
            ):
                raise ValueError(f"{key}.pass_through_relu: that module is no ReLU")
            if "coarse_to_fine" in (entry["schedule"] or {}) and not hasattr(network, "coarse_to_fine"):
                raise ValueError(f"{key}.schedule.coarse_to_fine: the network has no method coarse_to_fine()")
        self.requires_grad_(False).eval()

    def module_at(self, path: str, key: str) -> nn.Module:
        """The module at a stage's path.

        Raises
        ------
        ValueError
            When there is no such module; the message names ``key`` and the nearest module paths.
        """
        if path == PREPROCESSING_PATH:
            return self.preprocessing
        if path == SCORES_PATH and not hasattr(self.network, SCORES_PATH):
            return self.network
        try:
            return self.network.get_submodule(path)
        except AttributeError as error:
            names = [module for module, _ in self.network.named_modules() if module]
            near = difflib.get_close_matches(path, names, n=3)
            raise ValueError(
                f"{key}: {self.name} has no module {path!r}. Near: {', '.join(near) or ', '.join(names[:20])}"
            ) from error

    @property
    def device(self) -> torch.device:
        """The device that the model runs on."""
        return next(chain(self.parameters(), self.buffers()), torch.empty(0)).device

    @property
    def sampling(self) -> dict[str, Any]:
        """How the values of the stimuli are sampled that the model takes (``metamers.modalities.sampling_of``)."""
        return {key: getattr(self.preprocessing, key) for key in MODALITIES[self.modality].sampling}

    def run(self, stimuli: torch.Tensor) -> Any:
        """The whole output of the network, for stimuli (batch, …signal)."""
        return self.network(self.preprocessing(stimuli))

    def scores(self, stimuli: torch.Tensor) -> torch.Tensor:
        """Class scores (batch, class) of stimuli (batch, …signal).

        Raises
        ------
        ValueError
            When the model has no classes, or its network does not give class scores.
        """
        if not self.classes:
            raise ValueError(f"model {self.name} has no classes (`classes: false`), so it gives no class scores")
        return class_scores_in(self.run(stimuli), self.output, self.name)

    def forward(self, stimuli: torch.Tensor, stage: str, pass_through: bool = True) -> torch.Tensor:
        """Activations (batch, …) of stimuli (batch, …signal) at one stage; nothing beyond it is computed.

        Parameters
        ----------
        stimuli, stage
            The stimuli, and the name of the stage.
        pass_through
            Whether gradients pass through the stage's last ReLU, where the registry says so (``pass_through_relu``), as
            in the published synthesis. If not, they are those of the activations.

        Raises
        ------
        metamers.names.ConfigurationError
            When the model does not have the stage; the message lists its stages.
        ValueError
            When the run does not reach the stage's module, or the module does not give a tensor.
        """
        if stage not in self.stages:
            raise unknown_name("stage", stage, self.stages, f"model {self.name}")
        if stage == INPUT_STAGE:
            return self.preprocessing.limit(stimuli)
        if not pass_through:
            return self._run_to(stage, stimuli)
        with self._pass_through(stage, stimuli):
            return self._run_to(stage, stimuli)

    def on_stage(self, stage: str, action: Callable[[Any], None]) -> RemovableHandle | _Handles:
        """Call ``action`` with the activations of a stage, whenever a run of the network has computed them.

        If the activations are not a tensor, ``action`` gets the text of an error instead.

        Parameters
        ----------
        stage
            Any stage except ``input``.
        action
            From activations (batch, …) to None.

        Returns
        -------
        RemovableHandle or list of them
            Its ``remove()`` ends the calls.
        """
        entry = self.stages[stage]
        if entry["together"] is None:
            return self._on_place(entry, stage, action)
        places = [_as_entry(place) for place in entry["together"]]
        parts: dict[int, torch.Tensor] = {}

        def keep(number: int, activations: Any) -> None:
            if not isinstance(activations, torch.Tensor):
                action(activations)
                return
            parts[number] = activations.flatten(1).clone()  # a later module may work in place
            if len(parts) == len(places):
                joined = torch.cat([parts[number] for number in range(len(places))], dim=1)
                parts.clear()
                action(joined)

        return _Handles(self._on_place(place, stage, partial(keep, number)) for number, place in enumerate(places))

    def _on_place(self, entry: Mapping[str, Any], stage: str, action: Callable[[Any], None]) -> RemovableHandle:
        """Call ``action`` with what a module gives or takes at a place of the registry."""
        module = self.module_at(entry["module"], stage)
        if (position := entry["input"]) is not None:
            return module.register_forward_pre_hook(
                lambda _module, inputs: action(_chosen_input(inputs, position)),
            )
        return module.register_forward_hook(
            lambda _module, _inputs, output: action(chosen_part(output, entry["output"]))
        )

    @contextmanager
    def all_stages(self) -> Iterator[dict[str, torch.Tensor]]:
        """Collect the activations of all stages except ``input`` during one run of the network in the context.

        Yields stage → activations. A stage that is not reached, or does not give a tensor, is missing.
        """
        activations: dict[str, torch.Tensor] = {}

        def keep(stage: str, output: Any) -> None:
            if stage not in activations and isinstance(output, torch.Tensor):
                activations[stage] = output.clone()  # a later module may work in place

        hooks = [
            self.on_stage(stage, lambda output, stage=stage: keep(stage, output))
            for stage in self.stages
            if stage != INPUT_STAGE
        ]
        try:
            yield activations
        finally:
            for hook in hooks:
                hook.remove()

    def _run_to(self, stage: str, stimuli: torch.Tensor) -> torch.Tensor:
        path = self.stages[stage]["module"]
        hook = self.on_stage(stage, _stop)
        try:
            self.run(stimuli)
        except _StageReached as reached:
            if not isinstance(reached.activations, torch.Tensor):
                raise ValueError(f"models: {self.name}.stages.{stage}: module {path!r} {reached.activations}") from None
            return reached.activations
        finally:
            hook.remove()
        raise ValueError(f"models: {self.name}.stages.{stage}: module {path!r} takes no part in the model's run")

    @contextmanager
    def _pass_through(self, stage: str, stimuli: torch.Tensor) -> Iterator[None]:
        """Let gradients pass through the stage's last ReLU, and through no other one.

        A block may call one ReLU module several times (torchvision's residual networks), so a run without gradients
        counts the calls, and the last call is the one that ends the stage.
        """
        path = self.stages[stage]["pass_through_relu"]
        if path is None:
            yield
            return
        relu = self.network.get_submodule(path)
        plain, calls = relu.forward, 0

        def counted(inputs: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            last = calls == self._relu_calls.get(stage)
            return pass_through(not_in_place, inputs) if last else plain(inputs)

        not_in_place = type(relu)()
        relu.forward = counted
        try:
            if stage not in self._relu_calls:
                with torch.no_grad():
                    self._run_to(stage, stimuli[:1])
                if not calls:
                    raise ValueError(f"models: {self.name}.stages.{stage}.pass_through_relu: {path!r} is not reached")
                self._relu_calls[stage], calls = calls, 0
            yield
        finally:
            del relu.forward


def fit_stimuli(model: Model, stimuli: np.ndarray, sampling: Mapping[str, Any]) -> torch.Tensor:
    """Stimuli in the size or sampling rate of a model, on its device.

    Parameters
    ----------
    model
        The model.
    stimuli
        (stimulus, …signal). Images of another size are resampled; sounds of another rate or length are resampled,
        padded or cut.
    sampling
        How their values are sampled (``metamers.modalities.sampling_of``).

    Returns
    -------
    torch.Tensor
        (stimulus, *model.preprocessing.signal_shape), float32.
    """
    values = torch.from_numpy(np.ascontiguousarray(stimuli, dtype=np.float32)).to(model.device)
    return model.preprocessing.fit(values, **sampling)


def fit_dataset(model: Model, stimuli: xr.Dataset) -> torch.Tensor:
    """``fit_stimuli`` for all stimuli of a file of natural stimuli."""
    return fit_stimuli(model, stimuli["stimulus_value"].values, sampling_of(stimuli.attrs))


def activations(model: Model, stimuli: torch.Tensor, stage: str, max_batch_size: int | None = None) -> np.ndarray:
    """Activations (stimulus, …) at a stage, float32, computed in batches (``metamers.models.batches.forward``).

    Raises
    ------
    ValueError
        When an activation is not finite.
    """
    values = forward(lambda batch: model(batch, stage), stimuli, max_batch_size)
    if not np.isfinite(values).all():
        raise ValueError(f"model {model.name}: activations at stage {stage!r} are not finite")
    return values
