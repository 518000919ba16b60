"""Whether a network is fit for synthesis: gradients reach the stimulus, and the same stimulus has the same outputs.

The trace of ``metamers.models.automatic_stages`` and the model card (``metamers.model_card.card``) ask this.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from metamers.models.load import FAILURES, check_forward
from metamers.models.outputs import Part, chosen_part, tensors_of

TOLERANCE = 1e-3  # in standard deviations of the outputs: above rounding, far below what changes an answer
REPETITIONS = 4  # a block that is skipped at random may be skipped twice
IN_PLACE = "modified by an inplace operation"  # in PyTorch's message


def check_gradient(name: str, network: nn.Module, preprocessing: nn.Module) -> None:
    """Check that a gradient reaches the stimulus through a network and its preprocessing.

    Raises
    ------
    ValueError
        When it does not; the message says which of them stops it.
    """
    stimulus = two_examples(preprocessing).requires_grad_()

    def with_gradient(_inputs: torch.Tensor) -> Any:
        with torch.enable_grad():
            return network(inputs.clone())

    with torch.enable_grad():
        inputs = preprocessing(stimulus)
        if not inputs.requires_grad:
            raise ValueError(
                f"models: {name}.input.preprocessing: no gradient passes through it, so nothing can be synthesized. "
                "Compute it with differentiable operations of PyTorch, without .detach(), torch.no_grad() and NumPy"
            )
        output = check_forward(name, preprocessing, network, stimulus, with_gradient)
        ends = [one.sum() for _, one in tensors_of(output) if one.grad_fn is not None and one.is_floating_point()]
        try:
            if ends:
                torch.autograd.grad(torch.stack(ends).sum(), stimulus, allow_unused=True)
        except RuntimeError as error:
            if IN_PLACE not in str(error):
                raise ValueError(f"models: {name}: its gradient cannot be computed ({error})") from error
            raise ValueError(
                f"models: {name}: an in-place operation overwrites values that the gradient needs. Replace it by one "
                "that is not in place (`x = x * 2` for `x *= 2`, `inplace=False`)"
            ) from error


@torch.no_grad()
def stability(outputs: Callable[[torch.Tensor], torch.Tensor], stimuli: torch.Tensor) -> dict[str, float]:
    """Measure whether outputs change on repetition, and whether they depend on the batch.

    Parameters
    ----------
    outputs
        From stimuli (batch, …) to outputs (batch, …).
    stimuli
        Two at least.

    Returns
    -------
    dict
        ``repeat_difference`` (the same batch again) and ``batch_difference`` (each stimulus alone instead of in a
        batch): largest differences in standard deviations of the outputs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        once, *again = [outputs(stimuli) for _ in range(REPETITIONS)]
    alone = torch.cat([outputs(one) for one in stimuli.split(1)])
    spread = float(once.std()) or 1.0
    return {
        "repeat_difference": max(float((other - once).abs().max()) for other in again) / spread,
        "batch_difference": float((alone - once).abs().max()) / spread,
    }


def stability_problems(differences: Mapping[str, float]) -> list[str]:
    """Describe problems in the result of ``stability``."""
    problems = []
    if differences["repeat_difference"] > 0:
        problems.append(
            "Outputs for the same stimuli change on repetition (by up to "
            f"{differences['repeat_difference']:.2g} standard deviations): a random operation is active, such as "
            "dropout, stochastic depth or noise. Disable it in evaluation mode (`.eval()`), or give it a fixed seed."
        )
    elif differences["batch_difference"] > TOLERANCE:
        problems.append(
            f"Outputs for a stimulus alone differ from those in a batch (by up to "
            f"{differences['batch_difference']:.2g} standard deviations): an operation uses the whole batch, "
            "such as batch normalization without running statistics. Metamers would depend on their batch."
        )
    return problems


def two_examples(preprocessing: nn.Module) -> torch.Tensor:
    """Two different stimuli in a model's size or length (2, …signal), always the same."""
    example = preprocessing.example()
    return torch.cat([example, example.flip(-1)])


def problems_of(network: nn.Module, preprocessing: nn.Module, part: Part = None) -> list[str]:
    """Sentences about a network whose outputs are not those of the stimulus alone; empty for most networks.

    Parameters
    ----------
    network, preprocessing
        As for ``metamers.models.model.Model``.
    part
        The part of the output that is compared; None: the first tensor with a value for each stimulus.
    """

    def values_of(stimuli: torch.Tensor) -> torch.Tensor:
        output = network(preprocessing(stimuli))
        chosen = chosen_part(output, part)
        tensors = [chosen] if isinstance(chosen, torch.Tensor) else [one for _, one in tensors_of(output)]
        fitting = [one for one in tensors if one.shape[:1] == stimuli.shape[:1]]
        return fitting[0].flatten(1) if fitting else torch.zeros(len(stimuli), 1)

    examples = two_examples(preprocessing)
    with torch.no_grad():
        if not values_of(examples).isfinite().all():
            return ["Outputs are not finite (NaN or infinite), even for noise. Are these the right weights?"]
    try:
        return stability_problems(stability(values_of, examples))
    except FAILURES as error:  # the two together have run before
        return [f"The network does not run on a single stimulus ({error}): an operation needs a batch of several."]
