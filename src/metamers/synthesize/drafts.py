"""Drafts: the first steps of a synthesis, which compute activations less exactly.

In low precision (``metamers.models.precision``) the network uses bfloat16 or TF32, enough for the direction of a step,
and preprocessing stays in float32. Rough cochleagrams have lower rates (``metamers.models.cochleagram``). Targets, and
match and recognition of finished metamers, are always exact.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from metamers.config.qualities import DRAFT_SHARES, FORMAT_SETTING
from metamers.models.cochleagram import band_cochleagrams, rough_cochleagrams
from metamers.models.model import Model
from metamers.models.precision import low_precision, native, tf32

# Normalized error between activations in low precision and in float32 above which a stage uses float32 only. Deep
# stages of EfficientNet-Lite have 0.03 in bfloat16; the errors of their metamers are 0.1 and more.
LARGEST_ERROR = 0.1


def in_low_precision(model: Model, number_format: str = "bfloat16") -> AbstractContextManager[None]:
    """The context in which a model's network is computed in low precision, and its preprocessing in float32."""
    return low_precision(model.network, model.device, [model.preprocessing], number_format)


@torch.no_grad()
def supports_low_precision(model: Model, stage: str, number_format: str = "bfloat16") -> bool:
    """Whether a device has a format natively, and a model's activations at a stage differ little in it.

    Tested with one fixed random stimulus, so that the result does not depend on the batch.
    """
    device = model.device
    if not native(device, number_format):
        return False
    example = model.preprocessing.example().to(device)
    exact = model(example, stage)
    given = example.clone().requires_grad_()
    try:
        with torch.enable_grad():
            with in_low_precision(model, number_format):
                low = model(given, stage).float()
            torch.autograd.grad(low.sum(), given)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # an operation that the format does not have, forward or backward
        return False
    return bool(torch.linalg.vector_norm(low.detach() - exact) <= LARGEST_ERROR * torch.linalg.vector_norm(exact))


@dataclass(frozen=True)
class Part:
    """One respect in which the first ``steps`` of a synthesis are a draft.

    Attributes
    ----------
    steps
        Number of steps.
    activations, gradient
        Make the context of the computation of activations, and the one of activations and gradient together.
    """

    steps: int
    activations: Callable[[], AbstractContextManager[Any]]
    gradient: Callable[[], AbstractContextManager[Any]] | None = None


@dataclass(frozen=True)
class Draft:
    """How the activations of a model are computed in each step of a synthesis; without parts, exactly."""

    parts: tuple[Part, ...] = ()

    def activations(self, taken: int) -> AbstractContextManager[Any]:
        """The context of the computation of activations, after this number of steps."""
        return _all_of([part.activations for part in self.parts if taken < part.steps])

    def gradient(self, taken: int) -> AbstractContextManager[Any]:
        """The context of the computation of activations and gradient."""
        return _all_of([part.gradient for part in self.parts if taken < part.steps and part.gradient is not None])

    def kind(self, taken: int) -> tuple[bool, ...]:
        """Equal for steps that compute alike."""
        return tuple(taken < part.steps for part in self.parts)


def of_gradient(drafts: Sequence[Draft], taken: int) -> AbstractContextManager[Any]:
    """The context of the computation of activations and gradient of models with these drafts."""
    return _all_of([partial(draft.gradient, taken) for draft in drafts])


def _all_of(contexts: Iterable[Callable[[], AbstractContextManager[Any]]]) -> AbstractContextManager[Any]:
    with ExitStack() as stack:
        for make in contexts:
            stack.enter_context(make())
        return stack.pop_all()


EXACT = Draft()


def draft_of(model: Model, stage: str, settings: Mapping[str, Any], steps: int) -> Draft:
    """The draft of a synthesis with a model.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    settings
        Those of the procedure; missing keys of ``metamers.config.qualities.DRAFT_SETTINGS`` are 0, or ``bfloat16``.
    steps
        Number of steps that they are proportions of.

    Returns
    -------
    Draft
        ``EXACT`` if no step differs.
    """
    low, rough = (round(settings.get(key, 0) * steps) for key in DRAFT_SHARES)
    number_format = settings.get(FORMAT_SETTING, "bfloat16")
    parts = []
    if low and supports_low_precision(model, stage, number_format):
        whole = tf32 if number_format == "tf32" else None  # the format of a gradient in bfloat16 is that of its step
        parts.append(Part(low, partial(in_low_precision, model, number_format), whole))
    if rough and band_cochleagrams(model.preprocessing):
        parts.append(Part(rough, partial(rough_cochleagrams, model.preprocessing)))
    return Draft(tuple(parts))
