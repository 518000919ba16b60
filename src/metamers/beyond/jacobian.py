"""The Jacobian J of a stage's activations at one stimulus: products with it and with its transpose.

Nothing computes J as a whole, which has as many entries as units times values of the stimulus.
``metamers.beyond.sensitivity`` finds extreme singular vectors, ``metamers.beyond.metamer_set`` counts singular values.
"""

import numpy as np
import torch
from torch.autograd import forward_ad

from metamers.beyond.synthesize import Fit
from metamers.models.graph import unfused_attention
from metamers.models.model import Model

PROBES = 32  # random directions for the mean sensitivity
AT_ONCE = 4  # of them


class Jacobian:
    """Products with the Jacobian J of a stage's activations at one stimulus, and with its transpose.

    Gradients do not pass through the stage's last ReLU, unlike in synthesis. The derivative of a cochleagram's
    compression is limited, as in synthesis (``metamers.models.cochleagram.compress``): without the limit, silent
    channels would outweigh all others.

    Parameters
    ----------
    model, stage
        The model, and one of its stages.
    stimulus
        (…signal), on the model's device.
    fit
        Brings stimuli (batch, …signal) to the model's size or rate.
    """

    def __init__(self, model: Model, stage: str, stimulus: torch.Tensor, fit: Fit = lambda stimuli: stimuli):
        self.model, self.stage, self.stimulus, self.fit = model, stage, stimulus, fit
        self._kept: tuple[int, torch.Tensor, torch.Tensor] | None = None

    @property
    def size(self) -> int:
        """Number of values of the stimulus."""
        return self.stimulus.numel()

    @property
    def label(self) -> str:
        """Beginning of messages: the model and its stage."""
        return f"model {self.model.name}: stage {self.stage!r}"

    @property
    def units(self) -> int:
        """Number of units of the stage."""
        with torch.no_grad():
            return self._activations(self.stimulus[None]).shape[1]

    def _activations(self, stimuli: torch.Tensor) -> torch.Tensor:
        return self.model(self.fit(stimuli), self.stage, pass_through=False).flatten(1)

    def _copies(self, number: int) -> torch.Tensor:
        return self.stimulus.expand(number, *self.stimulus.shape).clone()

    def product(self, directions: torch.Tensor) -> torch.Tensor:
        """J times directions (direction, …signal): (direction, unit); 0 if nothing depends on the stimulus.

        Raises
        ------
        ValueError
            When an operation of the model has no derivative in a direction.
        """
        try:
            with torch.no_grad(), unfused_attention(), forward_ad.dual_level():
                activations = self._activations(forward_ad.make_dual(self._copies(len(directions)), directions))
                values, derivative = forward_ad.unpack_dual(activations)
        except NotImplementedError as error:
            raise ValueError(
                f"model {self.model.name}: an operation before stage {self.stage!r} has no derivative in a direction "
                f"({str(error).splitlines()[0]}). A torch.autograd.Function needs a method jvp."
            ) from error
        return torch.zeros_like(values) if derivative is None else derivative

    def transposed(self, units: torch.Tensor) -> torch.Tensor:
        """Jᵀ times weights of units (direction, unit): (direction, …signal). The graph of activations is kept."""
        if self._kept is None or self._kept[0] != len(units):
            stimuli = self._copies(len(units)).requires_grad_()
            with torch.enable_grad(), unfused_attention():
                self._kept = len(units), stimuli, self._activations(stimuli)
        _, stimuli, outputs = self._kept
        (gradient,) = torch.autograd.grad(outputs, stimuli, units, retain_graph=True)
        return gradient

    def information(self, directions: np.ndarray) -> np.ndarray:
        """JᵀJ times directions (value, direction): (value, direction), float64."""
        stimulus_directions = self.directions(directions.T)
        return columns(self.transposed(self.product(stimulus_directions)))

    def directions(self, rows: np.ndarray) -> torch.Tensor:
        """Directions (direction, value) as tensors (direction, …signal) of the stimulus's type."""
        return torch.from_numpy(np.ascontiguousarray(rows)).to(self.stimulus).reshape(len(rows), *self.stimulus.shape)

    def sensitivity(self, directions: np.ndarray) -> np.ndarray:
        """‖Jε‖/‖ε‖ of directions (direction, value): (direction,), float64."""
        changes = torch.linalg.vector_norm(self.product(self.directions(directions)), dim=1)
        return changes.double().cpu().numpy() / np.linalg.norm(directions, axis=1)

    def mean_square_sensitivity(self, generator: np.random.Generator) -> float:
        """Mean of ‖Jε‖²/‖ε‖² over all directions, which is the trace of JᵀJ divided by the number of values.

        Estimated from ``PROBES`` random directions of values 1 and −1 (Hutchinson 1989).

        References
        ----------
        Hutchinson (1989), Communications in Statistics - Simulation and Computation 18, 1059-1076,
        doi:10.1080/03610918908812806.
        """
        signs = generator.choice([-1.0, 1.0], size=(PROBES // AT_ONCE, AT_ONCE, self.size))
        return float(np.mean([self.sensitivity(some) ** 2 for some in signs]))


def columns(tensor: torch.Tensor) -> np.ndarray:
    """(direction, …signal) as (value, direction), float64."""
    return tensor.flatten(1).double().cpu().numpy().T
