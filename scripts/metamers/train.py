"""Training: networks that learn to name stimuli, plainly, against adversaries, or among random perturbations.

The kinds are those of Feather et al. (2023), Methods, adversarial training: ``adversarial`` training shows the network
what a few steps of projected gradient ascent on its own loss make of each stimulus; ``random`` training, the control,
adds perturbations of the same size in random directions. Perturbations are added to the stimulus or to what the
preprocessing makes of it (a cochleagram). Of a network that learned without labels a linear readout is trained, on
frozen weights of a checkpoint. Which settings there are is in ``config/README.md``.
"""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from metamers.hashes import sha256_of
from metamers.models import fit_weights, read_weights
from metamers.names import unknown_name
from metamers.progress import NOTHING_KEPT, Progress

logger = logging.getLogger("metamers")

BATCH = 16  # of what is computed without gradients
CACHE_BYTES = 2**31  # the network's inputs are computed once where they fit
WARM_UP = 0.3  # share of the steps in which the learning rate rises
PROGRESS_S = 5.0
PART = "training"  # whose progress is kept

CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate")


@dataclass(frozen=True)
class Perturbation:
    """What is added to what a network is trained or tested on.

    Attributes
    ----------
    kind
        ``adversarial`` or ``random``.
    norm
        ``l2``: Euclidean length; ``linf``: largest absolute value.
    size
        Largest norm of a perturbation.
    steps, step_size
        Of projected gradient ascent, for ``adversarial``.
    """

    kind: str
    norm: str
    size: float
    steps: int = 1
    step_size: float | None = None


def _lengths(values: torch.Tensor) -> torch.Tensor:
    """Euclidean length of each of a batch, shaped to be divided by."""
    lengths = torch.linalg.vector_norm(values.flatten(1), dim=1).clamp(min=torch.finfo(values.dtype).tiny)
    return lengths.view(-1, *[1] * (values.ndim - 1))


def project(perturbations: torch.Tensor, norm: str, size: float) -> torch.Tensor:
    """The nearest perturbations (batch, …) of at most that norm."""
    if norm == "linf":
        return perturbations.clamp(-size, size)
    return perturbations * (size / _lengths(perturbations)).clamp(max=1)


def random_perturbation(like: torch.Tensor, norm: str, size: float, generator: torch.Generator) -> torch.Tensor:
    """Perturbations (batch, …) of exactly that norm, in random directions; under ``linf`` every value is ± size."""
    directions = torch.randn(like.shape, generator=generator).to(like.device)
    return size * directions.sign() if norm == "linf" else size * directions / _lengths(directions)


def adversarial_perturbation(
    scores: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    labels: torch.Tensor,
    perturbation: Perturbation,
    limits: tuple[float, float] | None = None,
) -> torch.Tensor:
    """Perturbations that raise the network's loss, by projected gradient ascent (Madry et al. 2018).

    Parameters
    ----------
    scores
        Inputs (batch, …) to class scores (batch, class).
    inputs, labels
        (batch, …), (batch,).
    perturbation
        Its ``norm``, ``size``, ``steps``, ``step_size``; a step goes along the gradient scaled to length 1 (``l2``), or
        along its sign (``linf``).
    limits
        Within which perturbed inputs stay.

    Returns
    -------
    torch.Tensor
        As ``inputs``, without gradient.
    """
    step_size = perturbation.step_size or 2.5 * perturbation.size / perturbation.steps
    added = torch.zeros_like(inputs)
    for _ in range(perturbation.steps):
        added.requires_grad_()
        loss = nn.functional.cross_entropy(scores(inputs + added), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, added)
        direction = gradient.sign() if perturbation.norm == "linf" else gradient / _lengths(gradient)
        added = project(added.detach() + step_size * direction, perturbation.norm, perturbation.size)
        if limits is not None:
            added = (inputs + added).clamp(*limits) - inputs
    return added.detach()


@dataclass(frozen=True)
class Examples:
    """Labelled inputs of one split, as the network is to be trained on them: computed once, or for each batch.

    Attributes
    ----------
    stimuli
        (example, …signal), as the model takes them.
    labels
        Class indices (example,).
    transform
        From stimuli to the network's inputs, or None where ``stimuli`` are already those.
    """

    stimuli: torch.Tensor
    labels: torch.Tensor
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: torch.Tensor, size: int, first: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Inputs and labels, in an order of indices, from the batch of number ``first`` on.

        A last example that would be alone goes with those before it: of one example there is no batch statistic.
        """
        parts = list(order.split(size))
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        for chosen in parts[first:]:
            inputs = self.stimuli[chosen]
            yield (self.transform(inputs) if self.transform else inputs), self.labels[chosen]

    def some(self, number: int, seed: int) -> "Examples":
        """So many of them at random, all if there are fewer."""
        chosen = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:number]
        return Examples(self.stimuli[chosen], self.labels[chosen], self.transform)

    @torch.no_grad()
    def transformed(self) -> "Examples":
        """The same with the transformation done, where the result fits into memory; else as they are."""
        if self.transform is None or not len(self):
            return self
        one = self.transform(self.stimuli[:1])
        if one.numel() * one.element_size() * len(self) > CACHE_BYTES:
            return self
        inputs = torch.cat([self.transform(batch) for batch in self.stimuli.split(BATCH)])
        return Examples(inputs, self.labels)


def random_state(generator: torch.Generator) -> list[torch.Tensor]:
    """Where a generator, and those that networks draw from, are."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return [generator.get_state(), torch.get_rng_state(), *cuda]


def restore_random(state: Sequence[torch.Tensor], generator: torch.Generator) -> None:
    """Put a generator, and those that networks draw from, where they were."""
    generator.set_state(state[0])
    torch.set_rng_state(state[1])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state[2:])


def learning_rate(step: int, steps: int, peak: float) -> float:
    """One cycle of cosines: up from a 25th of the peak, down to 0 (Smith & Topin 2018)."""
    rising = max(WARM_UP * steps, 1)
    if step < rising:
        return peak * (1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * step / rising)) / 2)
    return peak * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1))) / 2


def labelled_examples(
    examples: xr.Dataset,
    split: str,
    classes: Mapping[str, Sequence[int]],
    preprocessing: nn.Module,
    device: torch.device,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Examples:
    """One split of a dataset, as a model takes its stimuli.

    Parameters
    ----------
    examples
        ``stimulus_value`` (stimulus, …signal), with ``category`` and ``split``.
    split
        Its name.
    classes
        Category → class indices, the first of which is the label.
    preprocessing
        The model's, which fits stimuli to it.
    device
        Where the examples are to be.
    transform
        Of the result.
    """
    chosen = examples.sel(stimulus=examples["split"] == split)
    values = torch.from_numpy(np.ascontiguousarray(chosen["stimulus_value"].values, dtype=np.float32)).to(device)
    labels = torch.tensor([classes[category][0] for category in chosen["category"].values]).to(device)
    return Examples(preprocessing.fit(values, examples.attrs.get("sampling_rate_hz")), labels, transform)


def frozen_weights(
    name: str, source: Mapping[str, Any], file: str | Path, network: nn.Module, readout: str
) -> dict[str, torch.Tensor]:
    """The weights on which a readout is trained, out of a checkpoint, named as the network does.

    What the checkpoint has at the readout's own path (another head, of another shape or none) is left out.

    Parameters
    ----------
    name
        The model's, for messages.
    source
        The registry's ``weights.train.from``: ``sha256``, ``entry``, ``prefix`` and ``keys`` where wanted.
    file
        The checkpoint.
    network
        That the readout is a module of.
    readout
        Path of that module.

    Raises
    ------
    ValueError
        When the file has another hash, cannot be read, or its weights do not fit all of the network but the readout.
    """
    if "sha256" in source and not (found := sha256_of(file)).startswith(source["sha256"]):
        raise ValueError(
            f"models: {name}.weights.train.from.sha256: {file} has SHA-256 {found}, but the registry says "
            f"{source['sha256']}: it is another file"
        )
    state = read_weights(file, source.get("entry"), source.get("prefix", ""))
    state = {key: value for key, value in state.items() if not key.startswith(f"{readout}.")}
    headless = copy.deepcopy(network)
    headless.set_submodule(readout, nn.Identity())
    return fit_weights(state, headless, source.get("keys", "same"), str(file))


class _Reached(Exception):  # noqa: N818 (a signal, not an error)
    """A module was called; carries its inputs."""


def inputs_of(network: nn.Module, path: str, preprocessing: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """From stimuli to what the module at a path of the network is given, nothing beyond it computed."""

    def stop(_module: nn.Module, inputs: tuple) -> None:
        raise _Reached(inputs[0])

    def transform(stimuli: torch.Tensor) -> torch.Tensor:
        network.eval()
        hook = network.get_submodule(path).register_forward_pre_hook(stop)
        try:
            network(preprocessing(stimuli))
        except _Reached as reached:
            return reached.args[0]
        finally:
            hook.remove()
        raise ValueError(f"weights.train.readout: module {path!r} takes no part in the network's run")

    return transform


@torch.no_grad()
def check_trainable(
    name: str, network: nn.Module, scores: torch.Tensor, classes: Mapping[str, Sequence[int]], readout: str | None
) -> None:
    """Make sure that a network can learn a dataset's categories.

    Parameters
    ----------
    name
        The model's, for messages.
    network
        To be trained.
    scores
        What it gives for one stimulus, (1, class).
    classes
        Category → class indices.
    readout
        Path of the only module that is to be trained, or None.

    Raises
    ------
    ValueError
        When a category has several classes or one that the network lacks, or the readout is no module with weights that
        gives the network's scores.
    """
    key = f"models: {name}.weights.train"
    for category, indices in classes.items():
        if len(indices) > 1:
            raise ValueError(
                f"{key}.dataset: category {category!r} has classes {', '.join(map(str, indices))}; "
                "training needs one of each"
            )
        if indices[0] >= scores.shape[1]:
            raise ValueError(
                f"{key}.dataset: category {category!r} is class {indices[0]}, but the network has "
                f"{scores.shape[1]} classes"
            )
    if readout is None:
        return
    modules = dict(network.named_modules())
    if readout not in modules:
        raise unknown_name("module", readout, filter(None, modules), f"{key}.readout")
    if not any(True for _ in modules[readout].parameters()):
        raise ValueError(f"{key}.readout: module {readout!r} has no weights to be trained")
    if list(modules[readout].parameters())[-1].shape[0] != scores.shape[1]:
        raise ValueError(
            f"{key}.readout: module {readout!r} does not give the network's {scores.shape[1]} class scores"
        )


@torch.no_grad()
def scores_of(network: nn.Module, examples: Examples) -> np.ndarray:
    """Class scores (example, class), float32."""
    every = torch.arange(len(examples))
    return np.concatenate([network(inputs).float().cpu().numpy() for inputs, _ in examples.batches(every, BATCH)])


@torch.no_grad()
def evaluate(network: nn.Module, examples: Examples) -> tuple[float, float]:
    """Mean loss and proportion correct; NaN without examples."""
    network.eval()
    losses, right = [], []
    for inputs, labels in examples.batches(torch.arange(len(examples)), BATCH):
        scores = network(inputs)
        losses.append(nn.functional.cross_entropy(scores, labels, reduction="none"))
        right.append(scores.argmax(1) == labels)
    if not right:
        return np.nan, np.nan
    return float(torch.cat(losses).mean()), float(torch.cat(right).float().mean())


def adversarial_accuracy(
    scores: Callable[[torch.Tensor], torch.Tensor],
    examples: Examples,
    perturbation: Perturbation,
    limits: tuple[float, float] | None = None,
) -> float:
    """Proportion of examples that are named right although they are perturbed against the network."""
    right = []
    for inputs, labels in examples.batches(torch.arange(len(examples)), BATCH):
        added = adversarial_perturbation(scores, inputs, labels, perturbation, limits)
        with torch.no_grad():
            right.append(scores(inputs + added).argmax(1) == labels)
    return float(torch.cat(right).float().mean())


def _perturbed(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    perturbation: Perturbation | None,
    limits: tuple[float, float] | None,
    generator: torch.Generator,
) -> torch.Tensor:
    """What a network that is being trained is shown."""
    if perturbation is None:
        return inputs
    if perturbation.kind == "adversarial":
        network.eval()
        return inputs + adversarial_perturbation(network, inputs, labels, perturbation, limits)
    shown = inputs + random_perturbation(inputs, perturbation.norm, perturbation.size, generator)
    return shown if limits is None else shown.clamp(*limits)


def train(
    network: nn.Module,
    training: Examples,
    validation: Examples,
    settings: Mapping[str, Any],
    perturbation: Perturbation | None,
    limits: tuple[float, float] | None,
    progress: Progress = NOTHING_KEPT,
    label: str = "",
) -> dict[str, np.ndarray]:
    """Train a network with AdamW, in place.

    A training that was stopped and goes on gives the same network as one that was not: every epoch's random choices are
    drawn from the seed and its number, and within an epoch the state of what draws them is kept.

    Parameters
    ----------
    network
        From inputs (batch, …) to class scores.
    training, validation
        Of which inputs perturbations are added to; validation is not perturbed.
    settings
        ``epochs``, ``batch_size``, ``learning_rate`` (its peak), ``weight_decay``, ``label_smoothing``, ``seed``.
    perturbation
        Of the training examples, or None.
    limits
        Within which perturbed inputs stay, or None.
    progress
        Where it is kept how far the training is; if something is, it goes on from there.
    label
        What progress lines begin with.

    Returns
    -------
    dict
        Each of ``CURVES``, (epoch,).

    Raises
    ------
    ValueError
        When the loss becomes NaN or infinite.
    """
    epochs, size = settings["epochs"], settings["batch_size"]
    optimizer = torch.optim.AdamW(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=settings["learning_rate"],
        weight_decay=settings["weight_decay"],
    )
    kept = progress.load(PART)
    curves: dict[str, list[float]] = {name: [] for name in CURVES}
    first_epoch = 0
    if kept is not None:
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        curves, first_epoch = kept["curves"], kept["epoch"]
        logger.info("%s: going on after batch %d of epoch %d of %d", label, kept["batch"], first_epoch + 1, epochs)
    batches = -(-len(training) // size)
    began = said = time.monotonic()
    for epoch in range(first_epoch, epochs):
        generator = torch.Generator().manual_seed(settings["seed"] * 100_003 + epoch)
        # What the network itself draws, for its dropout.
        torch.manual_seed(settings["seed"] * 100_003 + epoch)
        order = torch.randperm(len(training), generator=generator)
        losses, right, first, rate = [], [], 0, 0.0
        if kept is not None:
            losses, right = ([value.to(training.labels.device) for value in kept[key]] for key in ("losses", "right"))
            first, rate = kept["batch"], kept["rate"]
            restore_random(kept["random"], generator)
            kept = None
        for number, (inputs, labels) in enumerate(training.batches(order, size, first), start=first):
            shown = _perturbed(network, inputs, labels, perturbation, limits, generator)
            rate = learning_rate(epoch * batches + number, epochs * batches, settings["learning_rate"])
            for group in optimizer.param_groups:
                group["lr"] = rate
            network.train()
            optimizer.zero_grad()
            scores = network(shown)
            loss = nn.functional.cross_entropy(scores, labels, label_smoothing=settings["label_smoothing"])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach() * len(labels))
            right.append((scores.detach().argmax(1) == labels).float().sum())
            if progress.due():
                progress.save(
                    PART,
                    {
                        "epoch": epoch,
                        "batch": number + 1,
                        "network": network.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "curves": curves,
                        "losses": losses,
                        "right": right,
                        "rate": rate,
                        "random": random_state(generator),
                    },
                )
        train_loss = float(torch.stack(losses).sum()) / len(training)
        if not np.isfinite(train_loss):
            raise ValueError(f"{label}: the loss is {train_loss} in epoch {epoch + 1}; try a lower learning_rate")
        train_accuracy = float(torch.stack(right).sum()) / len(training)
        for name, value in zip(CURVES, (train_loss, train_accuracy, *evaluate(network, validation), rate), strict=True):
            curves[name].append(value)
        now = time.monotonic()
        if now - said > PROGRESS_S or epoch == epochs - 1:
            said = now
            left = (now - began) / (epoch + 1 - first_epoch) * (epochs - epoch - 1)
            logger.info(
                "%s: epoch %d of %d, loss %.3f, training %.0f%%, validation %.0f%%, %.0f s left",
                *(label, epoch + 1, epochs, train_loss, 100 * train_accuracy, 100 * curves["validation_accuracy"][-1]),
                left,
            )
    network.eval()
    return {name: np.array(values, dtype=np.float32) for name, values in curves.items()}
