"""Drafts: the first steps of a synthesis, which compute activations less exactly.

In low precision (``metamers.models.precision``) the network uses bfloat16 or TF32, enough for the direction of a step,
and preprocessing stays in float32 (with TF32, except its gradient). Rough cochleagrams have lower rates
(``metamers.models.cochleagram``). Targets, and match and recognition of finished metamers, are always exact.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from metamers.models.cochleagram import band_cochleagrams, rough_cochleagrams
from metamers.models.model import Model
from metamers.models.precision import BFLOAT16, TF32, low_precision, native, tf32
from metamers.synthesize.qualities import DRAFT_SHARES, FORMAT_SETTING

# Normalized error between activations in low precision and in float32 above which a stage uses float32 only. Deep
# stages of EfficientNet-Lite have 0.03 in bfloat16; the errors of their metamers are 0.1 and more.
LARGEST_ERROR = 0.1


def in_low_precision(model: Model, number_format: str = BFLOAT16) -> AbstractContextManager[None]:
    """The context in which a model's network is computed in low precision, and its preprocessing in float32.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.drafts import in_low_precision
    >>> model = Model("linear", "vision", torch.nn.Identity(), torch.nn.Linear(2, 2), {"scores": "scores"})
    >>> with in_low_precision(model):
    ...     model(torch.ones(1, 2), "scores").dtype
    torch.bfloat16
    """
    return low_precision(model.network, model.device, [model.preprocessing], number_format)


@torch.no_grad()
def supports_low_precision(model: Model, stage: str, number_format: str = BFLOAT16) -> bool:
    """Whether a device has a format natively, and a model's activations at a stage differ little in it.

    Tested with one fixed random stimulus, so that the result does not depend on the batch.

    Examples
    --------
    A CPU has no TF32.

    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.drafts import supports_low_precision
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> supports_low_precision(model, "pixels", "tf32")
    False
    """
    device = model.device
    if not native(device, number_format):
        return False
    example = model.preprocessing.example().to(device)
    exact = model(example, stage)
    stimuli = example.clone().requires_grad_()
    try:
        with torch.enable_grad():
            with in_low_precision(model, number_format):
                low = model(stimuli, stage).float()
            torch.autograd.grad(low.sum(), stimuli)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # an operation that the format does not have, forward or backward
        return False
    return bool(torch.linalg.vector_norm(low.detach() - exact) <= LARGEST_ERROR * torch.linalg.vector_norm(exact))


@dataclass(frozen=True)
class Draft:
    """How the activations of a model are computed in each step of a synthesis.

    Attributes
    ----------
    model
        The model; None if all steps are exact.
    low_precision, rough_cochleagram
        Number of steps, from the first one, with the network in low precision, and with rough cochleagrams.
    low_precision_format
        The format of low precision.
    """

    model: Model | None = None
    low_precision: int = 0
    rough_cochleagram: int = 0
    low_precision_format: str = BFLOAT16

    def activations(self, taken: int) -> AbstractContextManager[Any]:
        """The context of the computation of activations, after this number of steps."""
        with ExitStack() as both:
            if self.model is not None and taken < self.low_precision:
                both.enter_context(in_low_precision(self.model, self.low_precision_format))
            if self.model is not None and taken < self.rough_cochleagram:
                both.enter_context(rough_cochleagrams(self.model.preprocessing))
            return both.pop_all()

    def kind(self, taken: int) -> tuple[bool, bool]:
        """Equal for steps that compute alike."""
        return taken < self.low_precision, taken < self.rough_cochleagram


def of_gradient(drafts: Sequence[Draft], taken: int) -> AbstractContextManager[Any]:
    """The context of the computation of activations and gradient of models with these drafts.

    A gradient in bfloat16 has the format of its step; one in TF32 must be computed within ``tf32``.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.drafts import Draft, of_gradient
    >>> drafts = [Draft(low_precision=10, low_precision_format="tf32")]
    >>> for taken in (9, 10):
    ...     with of_gradient(drafts, taken):
    ...         torch.backends.cuda.matmul.allow_tf32
    True
    False
    """
    in_tf32 = (draft.low_precision_format == TF32 and taken < draft.low_precision for draft in drafts)
    return tf32() if any(in_tf32) else nullcontext()


EXACT = Draft()


def draft_of(model: Model, stage: str, settings: Mapping[str, Any], steps: int) -> Draft:
    """The draft of a synthesis with a model.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    settings
        Those of the procedure; missing keys of ``metamers.synthesize.qualities.DRAFT_SETTINGS`` are 0, or bfloat16.
    steps
        Number of steps that they are proportions of.

    Returns
    -------
    Draft
        ``EXACT`` if no step differs.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.cochleagram import Cochleagram
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.drafts import draft_of
    >>> hears = Cochleagram(n_samples=2000, sampling_rate_hz=20_000)
    >>> model = Model("ear", "audio", hears, torch.nn.Flatten(), {"cochleagram": "preprocessing"})
    >>> draft_of(model, "cochleagram", {"rough_cochleagram": 0.9}, steps=80).rough_cochleagram
    72
    """
    low, rough = (round(settings.get(key, 0) * steps) for key in DRAFT_SHARES)
    number_format = settings.get(FORMAT_SETTING, BFLOAT16)
    low = low if low and supports_low_precision(model, stage, number_format) else 0
    rough = rough if band_cochleagrams(model.preprocessing) else 0
    return Draft(model, low, rough, number_format) if low or rough else EXACT


def drafts_of(places: Sequence[tuple[Model, str]], settings: Mapping[str, Any], steps: int) -> list[Draft]:
    """The drafts of a synthesis with several models, each with its stage.

    TF32 is a setting of the process, so either all models have steps in TF32 or none.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.drafts import EXACT, drafts_of
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> drafts_of([(model, "pixels")], {"rough_cochleagram": 0.9}, steps=80) == [EXACT]
    True
    """
    drafts = [draft_of(model, stage, settings, steps) for model, stage in places]
    if settings.get(FORMAT_SETTING) == TF32 and not all(draft.low_precision for draft in drafts):
        drafts = [draft_of(model, stage, {**settings, "low_precision": 0}, steps) for model, stage in places]
    return drafts
