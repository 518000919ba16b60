"""Drafts: the first steps of a synthesis, which compute activations less exactly.

In low precision (``metamers.models.precision``) the network uses bfloat16, enough for the direction of a step, and
preprocessing stays in float32. Rough cochleagrams have lower rates (``metamers.models.cochleagram``). Targets, and
match and recognition of finished metamers, are always exact.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import torch

from metamers.config.qualities import DRAFT_SETTINGS
from metamers.models.cochleagram import band_cochleagrams, rough_cochleagrams
from metamers.models.model import Model
from metamers.models.precision import low_precision, native_bfloat16

# Normalized error between activations in bfloat16 and in float32 above which a stage uses float32 only. Deep stages of
# EfficientNet-Lite have 0.03; the errors of their metamers are 0.1 and more.
LARGEST_ERROR = 0.1


def in_low_precision(model: Model) -> AbstractContextManager[None]:
    """The context in which a model's network is computed in bfloat16, and its preprocessing in float32."""
    return low_precision(model.network, model.device, [model.preprocessing])


@torch.no_grad()
def supports_bfloat16(model: Model, stage: str) -> bool:
    """Whether a device computes bfloat16 natively and a model's activations at a stage differ little in bfloat16.

    Tested with one fixed random stimulus, so that the result does not depend on the batch.
    """
    device = model.device
    if not native_bfloat16(device):
        return False
    example = model.preprocessing.example().to(device)
    exact = model(example, stage)
    given = example.clone().requires_grad_()
    try:
        with torch.enable_grad():
            with in_low_precision(model):
                low = model(given, stage).float()
            torch.autograd.grad(low.sum(), given)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # an operation that bfloat16 does not have, forward or backward
        return False
    return bool(torch.linalg.vector_norm(low.detach() - exact) <= LARGEST_ERROR * torch.linalg.vector_norm(exact))


# From the number of steps taken to the context in which activations are computed.
Draft = Callable[[int], AbstractContextManager[Any]]


def exactly(_taken: int) -> AbstractContextManager[Any]:
    """The context of every step of a synthesis without draft."""
    return nullcontext()


def draft_of(model: Model, stage: str, settings: Mapping[str, Any], steps: int) -> Draft:
    """The contexts in which a synthesis computes the activations of a model.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    settings
        Those of the procedure; missing keys of ``metamers.config.qualities.DRAFT_SETTINGS`` are 0.
    steps
        Number of steps that they are proportions of.

    Returns
    -------
    Draft
        ``exactly`` if no step differs.
    """
    low, rough = (round(settings.get(key, 0) * steps) for key in DRAFT_SETTINGS)
    low = low if low and supports_bfloat16(model, stage) else 0
    rough = rough if band_cochleagrams(model.preprocessing) else 0

    def context(taken: int) -> AbstractContextManager[Any]:
        with ExitStack() as both:
            if taken < low:
                both.enter_context(in_low_precision(model))
            if taken < rough:
                both.enter_context(rough_cochleagrams(model.preprocessing))
            return both.pop_all()

    return context if low or rough else exactly
