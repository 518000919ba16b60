"""Training: networks that learn to classify stimuli, with adversarial, random or no perturbations.

The kinds are those of Feather et al. (2023), Methods, adversarial training. ``adversarial`` training perturbs each
stimulus by a few steps of projected gradient ascent on the network's loss. ``random`` training, the control, adds
perturbations of the same size in random directions. Perturbations are added to the stimulus or to the result of the
preprocessing (a cochleagram). For a network trained without labels, a linear readout is trained on the frozen weights
of a checkpoint. Settings are described in ``config/README.md``; examples and perturbations are in
``metamers.train.examples`` and ``metamers.train.perturbations``.
"""

import copy
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from metamers.models.precision import low_precision, native_bfloat16
from metamers.models.weights import fit_weights, read_weights
from metamers.names import unknown_name
from metamers.run.hashes import sha256_of
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.train.examples import BATCH, Examples
from metamers.train.perturbations import Perturbation, adversarial_perturbation, random_perturbation

logger = logging.getLogger("metamers")

WARM_UP = 0.3  # share of the steps in which the learning rate rises
PROGRESS_S = 5.0
PART = "training"  # whose progress is kept

CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate")


def random_state(generator: torch.Generator) -> list[torch.Tensor]:
    """The state of a generator and of the global generators that networks use."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return [generator.get_state(), torch.get_rng_state(), *cuda]


def restore_random(state: Sequence[torch.Tensor], generator: torch.Generator) -> None:
    """Restore the state of a generator and of the global generators that networks use."""
    generator.set_state(state[0])
    torch.set_rng_state(state[1])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state[2:])


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Learning rate at a step: one cosine cycle, from 1/25 of the peak up to it and down to 0 (Smith & Topin 2018)."""
    rising = max(WARM_UP * steps, 1)
    if step < rising:
        return peak * (1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * step / rising)) / 2)
    return peak * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1))) / 2


def frozen_weights(
    name: str, source: Mapping[str, Any], file: str | Path, network: nn.Module, readout: str
) -> dict[str, torch.Tensor]:
    """The frozen weights below a readout, from a checkpoint, with the network's names.

    The checkpoint's weights at the path of the readout (another head) are left out.

    Parameters
    ----------
    name
        The model's name, for messages.
    source
        The registry's ``weights.train.from``, with optional ``sha256``, ``entry``, ``prefix`` and ``keys``.
    file
        The checkpoint.
    network
        The network that contains the readout.
    readout
        Module path of the readout.

    Raises
    ------
    ValueError
        When the file has another hash or cannot be read, or its weights do not fit the network without the readout.
    """
    if "sha256" in source and not (sha256 := sha256_of(file)).startswith(source["sha256"]):
        raise ValueError(
            f"models: {name}.weights.train.from.sha256: {file} has SHA-256 {sha256}, but the registry says "
            f"{source['sha256']}: it is another file"
        )
    state = read_weights(file, source.get("entry"), source.get("prefix", ""))
    state = {key: value for key, value in state.items() if not key.startswith(f"{readout}.")}
    headless = copy.deepcopy(network)
    headless.set_submodule(readout, nn.Identity())
    return fit_weights(state, headless, source.get("keys", "same"), str(file))


class _Reached(Exception):  # noqa: N818 (a signal, not an error)
    """A module was called; holds its inputs."""


def inputs_of(network: nn.Module, path: str, preprocessing: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from stimuli to the inputs of the module at a path, which computes nothing beyond them."""

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
        raise ValueError(f"weights.train.readout: the forward pass of the network does not use module {path!r}")

    return transform


@torch.no_grad()
def check_trainable(
    name: str, network: nn.Module, scores: torch.Tensor, classes: Mapping[str, Sequence[int]], readout: str | None
) -> None:
    """Check that a network can learn a dataset's categories.

    Parameters
    ----------
    name
        The model's name, for messages.
    network
        The network to train.
    scores
        Its scores of one stimulus, (1, class).
    classes
        Category → class indices.
    readout
        Path of the only module to train; None: all modules.

    Raises
    ------
    ValueError
        When a category has several classes, or a class that the network lacks, or the readout is not a module with
        weights that gives the network's scores.
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
    """Proportion of adversarially perturbed examples that the network classifies correctly."""
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
    """The inputs of a training step: perturbed as configured."""
    if perturbation is None:
        return inputs
    if perturbation.kind == "adversarial":
        network.eval()
        return inputs + adversarial_perturbation(network, inputs, labels, perturbation, limits)
    perturbed = inputs + random_perturbation(inputs, perturbation.norm, perturbation.size, generator)
    return perturbed if limits is None else perturbed.clamp(*limits)


def training_precision(
    network: nn.Module, inputs: torch.Tensor, exact: Sequence[nn.Module]
) -> Callable[[], AbstractContextManager[None]]:
    """The context of a training step: bfloat16, if the device computes it natively, and the network can.

    ``inputs`` (2, …) are an example; see ``train``.
    """
    if not native_bfloat16(inputs.device):
        return nullcontext
    network.eval()
    try:
        with low_precision(network, inputs.device, exact):
            scores = network(inputs)
        scores.float().sum().backward()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # an operation that bfloat16 does not have
        logger.info("training in float32, because the network cannot be computed in bfloat16: %s", error)
        return nullcontext
    finally:
        network.zero_grad()
    return lambda: low_precision(network, inputs.device, exact)


def train(
    network: nn.Module,
    training: Examples,
    validation: Examples,
    settings: Mapping[str, Any],
    perturbation: Perturbation | None,
    limits: tuple[float, float] | None,
    progress: Progress = NO_CHECKPOINT,
    label: str = "",
    exact: Sequence[nn.Module] = (),
) -> dict[str, np.ndarray]:
    """Train a network with AdamW, in place.

    On a device that computes bfloat16 natively, the network does in training if it can, and the weights stay in float32
    (mixed precision: Micikevicius et al. 2018, ICLR). All tests use float32.

    An interrupted and continued training gives the same network as one without interruption: the random choices of an
    epoch depend on the seed and its number, and the state of the generators is saved within an epoch.

    Parameters
    ----------
    network
        From inputs (batch, …) to class scores.
    training, validation
        Examples; perturbations are added to the inputs of ``training`` only.
    settings
        ``epochs``, ``batch_size``, ``learning_rate`` (the peak), ``weight_decay``, ``label_smoothing``, ``seed``.
    perturbation
        Perturbation of the training examples, or None.
    limits
        Smallest and largest value of perturbed inputs, or None.
    progress
        Where the state of the training is saved; a saved state is continued.
    label
        Beginning of the lines in the log.
    exact
        Parts of the network that always use float32.

    Returns
    -------
    dict
        Each of ``CURVES`` → values (epoch,).

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
    two, _ = next(iter(training.batches(torch.arange(2), 2)))
    computed = training_precision(network, two, exact)
    batches = -(-len(training) // size)
    began = said = time.monotonic()
    for epoch in range(first_epoch, epochs):
        generator = torch.Generator().manual_seed(settings["seed"] * 100_003 + epoch)
        # The network itself uses the global generator, for dropout.
        torch.manual_seed(settings["seed"] * 100_003 + epoch)
        order = torch.randperm(len(training), generator=generator)
        losses, right, first, rate = [], [], 0, 0.0
        if kept is not None:
            losses, right = ([value.to(training.labels.device) for value in kept[key]] for key in ("losses", "right"))
            first, rate = kept["batch"], kept["rate"]
            restore_random(kept["random"], generator)
            kept = None
        for number, (inputs, labels) in enumerate(training.batches(order, size, first), start=first):
            with computed():
                examples = _perturbed(network, inputs, labels, perturbation, limits, generator)
            rate = learning_rate(epoch * batches + number, epochs * batches, settings["learning_rate"])
            for group in optimizer.param_groups:
                group["lr"] = rate
            network.train()
            optimizer.zero_grad()
            with computed():
                scores = network(examples).float()
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


def curves_dataset(curves: Mapping[str, np.ndarray]) -> xr.Dataset:
    """The content of ``training/curves/<model>.nc``: the curves of ``train``, with the coordinate ``epoch`` from 1."""
    epochs = len(next(iter(curves.values())))
    return xr.Dataset(
        {name: ("epoch", values) for name, values in curves.items()}, coords={"epoch": np.arange(1, epochs + 1)}
    )


def tested_dataset(
    curves: xr.Dataset,
    answers: np.ndarray,
    natural: np.ndarray,
    categories: Sequence[str],
    sizes: Sequence[float],
    adversarial: Sequence[float],
) -> xr.Dataset:
    """The content of ``training/<model>.nc``: learning curves, and answers of the trained model to the test split.

    Parameters
    ----------
    curves
        What ``curves_dataset`` gives.
    answers, natural
        The model's answer to each example of the test split, and its true category, (example,).
    categories
        All of them.
    sizes, adversarial
        Sizes of the perturbations, and the proportion correct under an attack of each size, (perturbation_size,).

    Returns
    -------
    xarray.Dataset
        ``curves``, with () → ``test_accuracy``; (perturbation_size) → ``adversarial_accuracy``; (category,
        answered_category) → ``answers``, the number of examples.
    """
    confusion = np.zeros((len(categories), len(categories)), dtype=np.int64)
    np.add.at(confusion, ([categories.index(c) for c in natural], [categories.index(c) for c in answers]), 1)
    return curves.assign(
        {
            "test_accuracy": float((answers == natural).mean()),
            "adversarial_accuracy": ("perturbation_size", np.array(adversarial, dtype=np.float64)),
            "answers": (("category", "answered_category"), confusion),
        }
    ).assign_coords(
        perturbation_size=np.array(sizes, dtype=np.float64), category=categories, answered_category=categories
    )
