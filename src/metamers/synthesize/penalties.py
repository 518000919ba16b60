"""Penalties: terms of the stimulus alone that synthesis adds to the normalized error where a configuration asks for it.

They favour smooth stimuli (``total_variation``), values in the middle of their range (``range``), or what a function of
the user's lowers. Both terms are those of Mahendran & Vedaldi (2015, CVPR, arXiv:1412.0035), section 3, with the powers
of their experiments, 2 and 6, here as means over values, so that a weight does not depend on the size of the stimulus.
Their loss is the squared error: a weight λ of theirs acts at the normalized error E like the weight λ / (2 E) here.
The published code of Feather et al. 2023 has none; whether the terms of its Figure 4e are these is not verified.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from metamers.modalities import MODALITIES
from metamers.models.python_file import function_from_file
from metamers.synthesize.qualities import PENALTY_SETTING, penalty_in_words

# From stimuli (stimulus, …signal) to the penalty of each, (stimulus,), differentiable.
Penalty = Callable[[torch.Tensor], torch.Tensor]

RANGE_POWER = 6
LARGEST = 1e12  # penalty of a function; below 0, the logarithm of its sum with the error would be maximized


def total_variation(stimuli: torch.Tensor, modality: str) -> torch.Tensor:
    """The sum of squared differences between neighbours in space or time, divided by the number of values.

    Parameters
    ----------
    stimuli
        (stimulus, …signal). Neighbours are in adjacent rows or columns of an image, or adjacent samples of a sound.
    modality
        A name from ``metamers.modalities.MODALITIES``.

    Returns
    -------
    torch.Tensor
        (stimulus,).

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.penalties import total_variation
    >>> total_variation(torch.tensor([[0.0, 1.0, 0.0, 0.0]]), "audio")
    tensor([0.5000])
    """
    each = tuple(range(1, stimuli.ndim))
    axes = [axis for axis, name in zip(each, MODALITIES[modality].dims, strict=True) if name != "channel"]
    squares = [stimuli.diff(dim=axis).square().sum(dim=each) for axis in axes]
    return torch.stack(squares).sum(dim=0) / stimuli[0].numel()


def value_range(stimuli: torch.Tensor, modality: str) -> torch.Tensor:
    """The mean of the sixth powers of values, which are scaled so that their limits are -1 and 1.

    Parameters and result are those of ``total_variation``.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.penalties import value_range
    >>> value_range(torch.tensor([[1.0, 0.0]]), "audio")
    tensor([0.5000])
    """
    low, high = MODALITIES[modality].limits
    scaled = (2 * stimuli - low - high) / (high - low)
    return scaled.pow(RANGE_POWER).mean(dim=tuple(range(1, stimuli.ndim)))


TERMS: dict[str, Callable[[torch.Tensor, str], torch.Tensor]] = {
    "total_variation": total_variation,
    "range": value_range,
}


def penalty_of(settings: Mapping[str, Any], modality: str) -> Penalty | None:
    """The penalty of a synthesis: the weighted sum of terms, or a user's function; None if there is none.

    Parameters
    ----------
    settings
        Settings of a procedure, optionally with ``penalty``: the weights of ``TERMS``; or a user's function, either
        itself or as ``python``, ``FILE.py:FUNCTION``.
    modality
        The modality of the stimuli.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file or function, or the file cannot be imported.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.penalties import penalty_of
    >>> penalty = penalty_of({"penalty": {"total_variation": 2.0}}, "audio")
    >>> penalty(torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    tensor([1.])
    """
    chosen = settings.get(PENALTY_SETTING)
    if not chosen:
        return None
    if callable(chosen):
        return _checked(chosen, f"penalty: {penalty_in_words(chosen)}")
    if "python" in chosen:
        key = "synthesis.penalty.python"
        return _checked(function_from_file(chosen["python"], key), f"{key}: {chosen['python']}")
    return lambda stimuli: torch.stack(
        [weight * TERMS[term](stimuli, modality) for term, weight in chosen.items()]
    ).sum(dim=0)


def _checked(function: Callable[[torch.Tensor], Any], name: str) -> Penalty:
    """A user's function that stops with an error that begins with ``name`` unless its result is a penalty."""

    def penalty(stimuli: torch.Tensor) -> torch.Tensor:
        count = len(stimuli)
        needed = (
            f"for {count} stimuli; wanted a tensor ({count},), a number from 0 to {LARGEST:g} for each stimulus, "
            "computed by differentiable operations of PyTorch"
        )
        try:
            values = function(stimuli.clone())  # it may change its argument
        except torch.OutOfMemoryError:  # smaller batches may fit
            raise
        except Exception as error:  # a user's function may raise anything
            # A RuntimeError, because ``metamers.synthesize.replay`` then computes the step without a graph.
            raise RuntimeError(f"{name} raised {type(error).__name__} ({error}) {needed}") from error
        if not isinstance(values, torch.Tensor):
            problem = f"a {type(values).__name__}"
        elif values.shape != (count,):
            problem = f"the shape {tuple(values.shape)}"
        elif not ((values >= 0) & (values <= LARGEST)).all():
            problem = f"the penalties {values.tolist()}"
        elif not values.requires_grad:
            problem = "penalties without a gradient"
        else:
            return values.to(stimuli)
        raise ValueError(f"{name} gave {problem} {needed}")

    return penalty
