"""Optimizers: the adaptive first-order optimizers of the procedures ``one_cycle`` and ``to_target``.

The learning rate is scheduled by ``metamers.synthesize.procedures.OneCycle`` and ``metamers.synthesize.target``.
"""

from collections.abc import Iterable

import torch
from torch.optim import Adam, NAdam, Optimizer, RAdam

SHORTEST = 1e-18  # root mean square of a gradient: squares of shorter ones are 0 in float32


class AdamMini(Optimizer):
    """Adam with one running average of the squared gradient for each stimulus, instead of one for each of its values.

    Adam with one such average for each block of parameters is Adam-mini (Zhang et al. 2024); here a block is a
    stimulus. A step has the direction of the gradient's running average, as a step of the published procedure has the
    direction of the gradient: values that do not affect the activations keep their start. Adam changes every value by
    about its learning rate, including those values.

    Parameters
    ----------
    parameters
        Tensors (stimulus, …).
    lr
        Learning rate: the root mean square of a step if gradients are constant.
    betas
        Decay of the running averages of the gradient and of its mean square.

    References
    ----------
    Zhang et al. (2024), Adam-mini: Use fewer learning rates to gain more, arXiv:2406.16793.

    Examples
    --------
    The first step has the direction of the gradient, and the root mean square ``lr``.

    >>> import torch
    >>> from metamers.synthesize.optimizers import AdamMini
    >>> metamers = torch.zeros(1, 2)
    >>> metamers.grad = torch.tensor([[7.0, 1.0]])
    >>> AdamMini([metamers], lr=5.0, betas=(0.9, 0.95)).step()
    >>> metamers.round(decimals=4)
    tensor([[-7., -1.]])
    """

    def __init__(self, parameters: Iterable[torch.Tensor], lr: float, betas: tuple[float, float]):
        super().__init__(parameters, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self) -> None:
        """Take a step along the running average of the tensors' ``grad``; no step while all gradients were 0."""
        for group in self.param_groups:
            beta_1, beta_2 = group["betas"]
            for parameter in group["params"]:
                gradient, state = parameter.grad, self.state[parameter]
                mean_square = gradient.square().mean(tuple(range(1, gradient.ndim)), keepdim=True)
                if not state:
                    state |= {"step": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(mean_square)}
                state["step"] += 1
                state["mean"].lerp_(gradient, 1 - beta_1)
                state["square"].lerp_(mean_square, 1 - beta_2)
                mean = state["mean"] / (1 - beta_1 ** state["step"])
                length = (state["square"] / (1 - beta_2 ** state["step"])).sqrt()
                parameter.sub_(group["lr"] * mean / length.clamp(min=SHORTEST))


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "adam_mini": AdamMini, "nadam": NAdam, "radam": RAdam}
