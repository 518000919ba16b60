"""Synthesis to a target: each stimulus takes steps until its normalized error has reached a target.

The number of steps that a stimulus needs is not known, so the learning rate cannot have one cycle over it. Here the
rate rises, is then constant, and falls to 0 in a short decay as soon as this is expected to lead to the target. A
stimulus that has reached the target leaves the batch, and the next one takes its place. Each stimulus has its own
optimizer, rate and number of steps, so its metamer does not depend on the other stimuli.

The steps before the first decay, or before the error first seems to reach the target, may be a draft
(``metamers.synthesize.drafts``). The stimuli of a batch are either all drafts or all exact.

A constant rate with a decay at the end of a known number of steps ends at about the error of
one cycle (docs/explanation/metamers.md, "To a target"). The schedule is that of Hägele et al. 2024 (arXiv:2405.18392).
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from metamers.modalities import MODALITIES
from metamers.models.batches import CPU_BATCH_SIZE_TO_TARGET, repeat_to_minimum
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.synthesize.drafts import EXACT, Draft, drafts_of, of_gradient
from metamers.synthesize.losses import Goal, make_loss, root_mean_square
from metamers.synthesize.optimize import PROGRESS_S, OnStep, as_leaf
from metamers.synthesize.optimizers import OPTIMIZERS
from metamers.synthesize.penalties import Penalty, penalty_of
from metamers.synthesize.procedures import logarithm
from metamers.synthesize.replay import Replay

logger = logging.getLogger("metamers")

# Number of steps in which the rate rises at the beginning. With 20, the first steps at the full rate lead to metamers
# of block_1 of EfficientNet-Lite0 whose error stays above 0.026, whatever follows.
WARM_UP = 200
RISE_AGAIN = 20  # number of steps in which the rate rises after a decay
DECAY = 0.1  # steps of a decay, relative to all steps of a stimulus at the end of the decay
SMOOTHED = 5  # number of the last errors whose mean decides whether a decay begins
GAIN = 0.9  # expected error after the first decay, relative to the error before it
# The error has stopped falling if it is at least this multiple of that at three quarters of the steps at constant rate.
# An error that is inversely proportional to the square root of the number of steps falls to 0.87.
FLOOR = 0.95
# Steps of the same stimuli before one is recorded as a CUDA graph: where stimuli end often, a new graph does not pay.
EAGER_IN_BATCH = 20
# A metamer that has reached the target is measured again, in another batch, and must not miss it by rounding.
ROUNDING = 1e-4


class Descent:
    """The synthesis of one stimulus.

    The rate rises, then is constant, until a decay begins: when it is expected to reach the target, when the error has
    stopped falling at the constant rate, or in the last tenth of the steps. After a decay that was not enough, all this
    is repeated.

    Parameters
    ----------
    number
        Number of the stimulus.
    start
        The start of its synthesis, (1, …signal).
    settings
        ``optimizer``, ``learning_rate``, ``beta_1``, ``beta_2`` and ``max_steps``.
    draft
        Whether the first steps are a draft.
    """

    SAVED = ("draft", "taken", "rise_from", "decay_from", "decay_steps", "gain", "errors", "best_error", "best")

    def __init__(self, number: int, start: torch.Tensor, settings: Mapping[str, Any], draft: bool = False):
        self.number, self._rate, self._max_steps = number, settings["learning_rate"], settings["max_steps"]
        self.metamer = as_leaf(start)
        betas = settings["beta_1"], settings["beta_2"]
        self._optimizer = OPTIMIZERS[settings["optimizer"]]([self.metamer], lr=self._rate, betas=betas)
        self.draft, self.taken = draft, 0
        self.rise_from = 0
        self.decay_from: int | None = None  # None: no decay has begun
        self.decay_steps = 0
        self.gain = GAIN
        self.errors: list[float] = []  # relative to the target, since the last decay
        self.best_error, self.best = math.inf, self.metamer.detach().clone()

    def advance(self, error: float) -> bool:
        """Note the present error relative to the target; return whether another step is taken.

        A decay begins or ends here.
        """
        decayed = self.decay_from is not None and self.taken >= self.decay_from + self.decay_steps
        reached = error <= 1 - ROUNDING
        finished = (reached and not self.draft) or self.taken >= self._max_steps
        if (decayed or finished) and error < self.best_error:
            self.best_error, self.best = error, self.metamer.detach().clone()
        if finished:
            return False
        if decayed:
            self.gain = min(error / self.errors[-1], 1)
            self.rise_from, self.decay_from, self.errors = self.taken, None, []
        if self.decay_from is None:
            self.errors.append(error)
            if self._decay_begins():
                self.decay_from = self.taken
                self.decay_steps = math.ceil(self.taken * DECAY / (1 - DECAY))
                if self.taken + self.decay_steps > (1 - DECAY) * self._max_steps:  # too few would be left after it
                    self.decay_steps = self._max_steps - self.taken
        self.draft = self.draft and not reached and self.decay_from is None
        return True

    def _decay_begins(self) -> bool:
        steps = self.taken - self.rise_from
        if self.taken >= (1 - DECAY) * self._max_steps:
            return True
        if steps < max(self._rise, DECAY * self.taken):
            return False
        present = float(np.mean(self.errors[-SMOOTHED:]))
        if self.gain * present <= 1:
            return True
        earlier = float(np.mean(self.errors[3 * steps // 4 - SMOOTHED : 3 * steps // 4]))
        return steps >= 2 * self._rise and present >= FLOOR * earlier

    @property
    def _rise(self) -> int:
        """Number of steps in which the rate rises."""
        return RISE_AGAIN if self.rise_from else WARM_UP

    def step(self, limits: tuple[float, float]) -> None:
        """Take a step along the gradient of ``metamer``, and clamp it to the limits of a stimulus."""
        factor = min(1, (self.taken - self.rise_from + 1) / self._rise)
        if self.decay_from is not None:
            factor = (1 + math.cos(math.pi * (self.taken - self.decay_from + 0.5) / self.decay_steps)) / 2
        self._optimizer.param_groups[0]["lr"] = self._rate * factor
        self._optimizer.step()
        with torch.no_grad():
            self.metamer.clamp_(*limits)
        self.metamer.grad = None
        self.taken += 1

    def state(self) -> dict[str, Any]:
        """Everything that later steps depend on."""
        saved = {name: getattr(self, name) for name in self.SAVED}
        return saved | {"metamer": self.metamer.detach(), "optimizer": self._optimizer.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state``."""
        with torch.no_grad():
            self.metamer.copy_(state["metamer"])
        self._optimizer.load_state_dict(state["optimizer"])
        for name in self.SAVED:
            setattr(self, name, state[name])
        self.best = self.best.to(self.metamer.device)


class Stimuli:
    """The stimuli of a synthesis: waiting, in the batch, or ended.

    Parameters
    ----------
    start
        The start of the synthesis, (stimulus, …signal).
    settings
        As for ``Descent``.
    size
        Maximum number of stimuli in the batch.
    draft
        Whether the first steps of each are a draft.
    """

    def __init__(self, start: torch.Tensor, settings: Mapping[str, Any], size: int, draft: bool):
        self._start, self._settings, self._size, self._draft = start, settings, size, draft
        self.metamers = start.detach().clone()
        self.losses = torch.full((len(start), settings["max_steps"]), torch.nan)
        self._waiting = deque(range(len(start)))
        # Waiting stimuli whose synthesis has begun: no longer drafts, or more than memory holds.
        self._paused: dict[int, Descent] = {}
        self.batch: list[Descent] = []

    def fill(self) -> list[int]:
        """Let waiting stimuli into the batch; return the numbers of all in the batch, none after the last has ended."""
        while self._waiting and len(self.batch) < self._size:
            begun = self._paused.get(self._waiting[0])
            draft = begun.draft if begun else self._draft
            if any(descent.draft != draft for descent in self.batch):
                break
            number = self._waiting.popleft()
            self._paused.pop(number, None)
            self.batch.append(begun or self._descent(number))
        return [descent.number for descent in self.batch]

    def _descent(self, number: int) -> Descent:
        return Descent(number, self._start[number : number + 1], self._settings, self._draft)

    def halve(self) -> None:
        """Use half of the batch from now on; the stimuli of the other half wait, as they are."""
        self._size = len(self.batch) // 2
        for descent in self.batch:
            descent.metamer.grad = None
        for descent in reversed(self.batch[self._size :]):
            self._paused[descent.number] = descent
            self._waiting.appendleft(descent.number)
        self.batch = self.batch[: self._size]

    def advance(self, losses: np.ndarray, errors: np.ndarray, limits: tuple[float, float]) -> int:
        """Let stimuli of the batch take a step, or end; return how many took one.

        Parameters
        ----------
        losses, errors
            Present loss of each, and its error relative to the target.
        limits
            Smallest and largest value of a stimulus.
        """
        stepped = 0
        for descent, loss, error in zip(tuple(self.batch), losses, errors, strict=True):
            draft = descent.draft
            if descent.advance(float(error)):
                self.losses[descent.number, descent.taken] = float(loss)
                descent.step(limits)
                stepped += 1
                if descent.draft != draft:
                    self.batch.remove(descent)
                    self._paused[descent.number] = descent
                    self._waiting.append(descent.number)
            else:
                self.metamers[descent.number] = descent.best[0]
                self.batch.remove(descent)
        return stepped

    @property
    def ended(self) -> int:
        """Number of stimuli that have ended."""
        return len(self.metamers) - len(self._waiting) - len(self.batch)

    def state(self) -> dict[str, Any]:
        """Everything that later steps depend on."""
        begun = {descent.number: descent.state() for descent in (*self.batch, *self._paused.values())}
        return {"metamers": self.metamers, "losses": self.losses, "waiting": list(self._waiting), "begun": begun}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state``."""
        self.metamers, self.losses = state["metamers"].to(self._start.device), state["losses"]
        in_batch = [number for number in state["begun"] if number not in state["waiting"]]
        self._waiting = deque([*in_batch, *state["waiting"]])
        for number, of_number in state["begun"].items():
            self._paused[number] = self._descent(number)
            self._paused[number].load(of_number)


def optimize_to_target(
    goals_of: Callable[[Sequence[int]], Sequence[Goal]],
    start: torch.Tensor,
    settings: Mapping[str, Any],
    max_batch_size: int | None = None,
    label: str = "",
    progress: Progress = NO_CHECKPOINT,
    part: str = "",
    on_step: OnStep | None = None,
) -> tuple[torch.Tensor, np.ndarray]:
    """Optimize each stimulus until all goals have reached their target error, or ``max_steps`` are taken.

    Parameters
    ----------
    goals_of
        From the numbers of some stimuli to their goals (``metamers.synthesize.optimize.optimize``), each with a
        ``target_error``.
    start
        The start of the synthesis, (stimulus, …signal).
    settings
        ``optimizer``, ``learning_rate``, ``beta_1``, ``beta_2`` and ``max_steps``; optionally
        ``metamers.synthesize.qualities.DRAFT_SETTINGS``, each true or false, and ``penalty``
        (``metamers.synthesize.penalties``).
    max_batch_size
        Maximum number of stimuli that are optimized together; None: all. It is halved whenever memory does not suffice.
        On a CPU, it is ``metamers.models.batches.CPU_BATCH_SIZE_TO_TARGET``.
    label, progress, part, on_step
        As for ``optimize``.

    Returns
    -------
    metamers
        (stimulus, …signal), in the shape of ``start``, within the modality's limits.
    loss
        The loss before each step, (stimulus, ``max_steps``); NaN after the last step of a stimulus.

    Raises
    ------
    ValueError
        When the loss becomes NaN or infinite.
    torch.OutOfMemoryError
        When memory does not suffice for one stimulus.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.losses import Goal, normalized_error
    >>> from metamers.synthesize.target import optimize_to_target
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> natural, start = torch.full((1, 4), 0.75), torch.full((1, 1, 2, 2), 0.25)
    >>> settings = {"optimizer": "adam", "learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "max_steps": 200}
    >>> metamer, loss = optimize_to_target(
    ...     lambda some: [Goal(model, "pixels", natural.expand(len(some), 4), target_error=0.05)], start, settings
    ... )
    >>> bool(normalized_error(natural, metamer.flatten(1)) <= 0.05)
    True
    """
    on_cpu = start.device.type == "cpu"
    size, least = (CPU_BATCH_SIZE_TO_TARGET,) * 2 if on_cpu else (max_batch_size or len(start), 1)
    places = [(goal.model, goal.stage) for goal in goals_of([0])]
    drafts, penalty = drafts_of(places, settings, 1), penalty_of(settings, places[0][0].modality)
    stimuli = Stimuli(start, settings, size, any(draft is not EXACT for draft in drafts))
    if (kept := progress.load(part)) is not None:
        stimuli.load(kept)
        logger.info("%s: going on; %d of %d stimuli have ended", label, stimuli.ended, len(start))
    reported, numbers, goals, replay = time.monotonic(), list[int](), list[Goal](), Replay(EAGER_IN_BATCH)
    while in_batch := stimuli.fill():
        if progress.due():
            progress.save(part, stimuli.state())
        try:
            if in_batch != numbers:
                goals = goals_of([in_batch[row] for row in repeat_to_minimum(slice(0, len(in_batch)), least)])
                numbers = in_batch
                replay.forget()
            losses, errors = loss_and_gradient(stimuli.batch, goals, drafts, replay, penalty)
            fits = True
        except torch.OutOfMemoryError:
            if len(in_batch) == 1:
                raise
            fits = False
        if not fits:  # outside the handler, which keeps references to the tensors that did not fit
            stimuli.halve()
            torch.cuda.empty_cache()
            logger.warning("out of memory: going on with %d at once", len(stimuli.batch))
            continue
        stepped = stimuli.advance(losses, errors, MODALITIES[goals[0].model.modality].limits)
        if on_step is not None and stepped:
            on_step(torch.from_numpy(losses))
        if (now := time.monotonic()) - reported > PROGRESS_S:
            reported = now
            logger.info("%s: %d of %d stimuli ended, loss %.4f", label, stimuli.ended, len(start), losses.mean())
    progress.finish(part, stimuli.state())
    return stimuli.metamers, stimuli.losses.numpy()


def loss_and_gradient(
    batch: Sequence[Descent],
    goals: Sequence[Goal],
    drafts: Sequence[Draft],
    replay: Replay,
    penalty: Penalty | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the gradient of each metamer of a batch.

    Parameters
    ----------
    batch
        The stimuli; the gradient is in ``metamer.grad`` afterwards.
    goals
        Their goals. If these have more stimuli, the first metamers are repeated: CPU libraries use other kernels for
        few stimuli.
    drafts
        How the activations of each goal are computed while the stimuli are drafts.
    replay
        Repeats the computation; it must forget it when stimuli or goals change.
    penalty
        Added to the loss whose gradient is computed; None: nothing is.

    Returns
    -------
    losses, errors
        Present loss, without the penalty, and largest error relative to the target of its goal, each (stimulus,).

    Raises
    ------
    ValueError
        When a loss is NaN or infinite.

    Examples
    --------
    A goal with the error 2/3 and the target 1/2 has 4/3 of its target.

    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.drafts import EXACT
    >>> from metamers.synthesize.losses import Goal
    >>> from metamers.synthesize.replay import Replay
    >>> from metamers.synthesize.target import Descent, loss_and_gradient
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> settings = {"optimizer": "adam", "learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "max_steps": 200}
    >>> batch = [Descent(0, torch.full((1, 1, 2, 2), 0.25), settings)]
    >>> goals = [Goal(model, "pixels", torch.full((1, 4), 0.75), target_error=0.5)]
    >>> loss, error = loss_and_gradient(batch, goals, [EXACT], Replay())
    >>> loss.round(4), error.round(4)
    (array([0.6667], dtype=float32), array([1.3333], dtype=float32))
    """
    count = len(batch)
    metamers = [descent.metamer for descent in batch]
    computed = drafts if batch[0].draft else [EXACT] * len(goals)

    def compute() -> torch.Tensor:
        padded = torch.cat([metamers[row] for row in repeat_to_minimum(slice(0, count), len(goals[0].target))])
        with of_gradient(computed, 0):
            each = [make_loss(goal, draft)(padded, 0)[:count] for goal, draft in zip(goals, computed, strict=True)]
            losses = root_mean_square(each)
            logarithm(losses if penalty is None else losses + penalty(padded)[:count]).sum().backward()
        relative = [error.detach() / goal.target_error for error, goal in zip(each, goals, strict=True)]
        return torch.stack([losses.detach(), torch.stack(relative).amax(dim=0)])

    loss, largest = replay(metamers, ("draft", batch[0].draft), compute).cpu().numpy()
    if not np.isfinite(loss).all():
        where = " and ".join(f"model {goal.model.name}, stage {goal.stage!r}" for goal in goals)
        cause = "" if penalty is None else ", with a penalty: does it have a gradient for every stimulus?"
        raise ValueError(f"{where}: the loss of a stimulus is {loss[~np.isfinite(loss)][0]}{cause}")
    return loss, largest
