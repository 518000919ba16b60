"""Synthesis to several targets: metamers of a stimulus at several matches, from the loosest to the closest one.

The metamer at a match is the one that ``metamers.synthesize.target`` gives with this target. The part of the synthesis
that is the same for all targets, at constant rate, is computed once. The answers of recognition models to these
metamers are compared in ``studies.benchmark.convergence``.
"""

import copy
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from metamers.modalities import MODALITIES
from metamers.models.batches import CPU_BATCH_SIZE_TO_TARGET, repeat_to_minimum
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.synthesize.drafts import EXACT
from metamers.synthesize.losses import Goal
from metamers.synthesize.replay import Replay
from metamers.synthesize.target import Descent, loss_and_gradient

NULL = "null"  # the loosest match, about the largest of the null distribution
NEAR = 1.05  # a match whose error is nearer to that of the closest or of the loosest one is left out


class Reached(NamedTuple):
    """The metamer of a stimulus at one match.

    Attributes
    ----------
    metamer
        (1, …signal).
    steps
        Number of steps that synthesis to this target takes.
    """

    metamer: torch.Tensor
    steps: int


class SeveralTargets:
    """The synthesis of one stimulus to several targets.

    After a match is reached, synthesis goes on from the beginning of the last decay of the rate, as synthesis to the
    next target would.

    Parameters
    ----------
    descent
        The synthesis of the stimulus, at its start.
    errors
        Normalized errors of the matches, decreasing.
    """

    def __init__(self, descent: Descent, errors: Sequence[float]):
        self.descent, self._errors = descent, errors
        self.reached: list[Reached] = []
        self._constant: dict[str, Any] | None = None

    def advance(self, error: float, limits: tuple[float, float]) -> bool:
        """Note the present normalized error and take a step; return whether a match is left."""
        descent = self.descent
        while True:
            target = self._errors[len(self.reached)]
            constant = descent.decay_from is None
            if descent.advance(error / target):
                if constant and descent.decay_from is not None:
                    state = descent.state()
                    self._constant = copy.deepcopy(state | {"decay_from": None, "errors": state["errors"][:-1]})
                descent.step(limits)
                return True
            self.reached.append(Reached(descent.best, descent.taken))
            left = self._errors[len(self.reached) :]
            if not left or descent.best_error > 1:
                self.reached += [self.reached[-1]] * len(left)
                return False
            if not constant and self._constant is not None:
                descent.load(copy.deepcopy(self._constant))
                descent.metamer.grad = None
            self._relative_to(target, left[0])
            if not constant:
                return True

    def _relative_to(self, before: float, target: float) -> None:
        descent = self.descent
        descent.errors = [error * before / target for error in descent.errors]
        descent.best_error *= before / target


def metamers_at_matches(
    goal_of: Callable[[Sequence[int]], Goal],
    start: torch.Tensor,
    settings: Mapping[str, Any],
    errors: Sequence[float],
    progress: Progress = NO_CHECKPOINT,
) -> tuple[torch.Tensor, np.ndarray]:
    """Synthesize metamers of each stimulus at several matches.

    Parameters
    ----------
    goal_of
        From the numbers of some stimuli to their goal.
    start
        The start of the synthesis, (stimulus, …signal).
    settings
        As for ``metamers.synthesize.target.optimize_to_target``; all steps are exact.
    errors
        Normalized errors of the matches, decreasing.
    progress
        Where the metamers of each finished stimulus are saved. An interruption loses those of unfinished ones.

    Returns
    -------
    metamers
        (match, stimulus, …signal). A match that is not reached has the closest metamer.
    steps
        (match, stimulus): number of steps that synthesis to this target takes.
    """
    kept = {number: progress.load(str(number)) for number in range(len(start))}
    finished = {number: state for number, state in kept.items() if state is not None}
    waiting = deque(number for number in range(len(start)) if number not in finished)
    batch: list[SeveralTargets] = []
    numbers: list[int] = []
    replay = Replay()
    while True:
        while waiting and len(batch) < CPU_BATCH_SIZE_TO_TARGET:
            number = waiting.popleft()
            batch.append(SeveralTargets(Descent(number, start[number : number + 1], settings), errors))
        if not batch:
            break
        in_batch = [synthesis.descent.number for synthesis in batch]
        if in_batch != numbers:
            shown = [in_batch[row] for row in repeat_to_minimum(slice(0, len(in_batch)), CPU_BATCH_SIZE_TO_TARGET)]
            goals, numbers = [replace(goal_of(shown), target_error=1.0)], in_batch
            limits = MODALITIES[goals[0].model.modality].limits
            replay.forget()
        if progress.due():  # also ends the process if it was asked to end
            progress.save("finished", {"number": len(finished)})
        present, _ = loss_and_gradient([synthesis.descent for synthesis in batch], goals, [EXACT], replay)
        for synthesis, error in zip(tuple(batch), present, strict=True):
            if not synthesis.advance(float(error), limits):
                batch.remove(synthesis)
                state = {
                    "metamers": torch.cat([one.metamer for one in synthesis.reached]),
                    "steps": [one.steps for one in synthesis.reached],
                }
                finished[synthesis.descent.number] = state
                progress.finish(str(synthesis.descent.number), state)
    ordered = [finished[number] for number in range(len(start))]
    steps = np.array([state["steps"] for state in ordered]).T
    return torch.stack([state["metamers"] for state in ordered], dim=1), steps


def loosest_error(activations: torch.Tensor, largest_snr_db: float, largest_pearson_r: float) -> float:
    """The normalized error at which a metamer matches about as closely as the null distribution at its largest.

    With E the error, the signal-to-noise ratio is -20 log10(E). If the difference of the activations is uncorrelated
    with those of the metamer, the correlation r is reached where E² = (1 - r²) var(a) / mean(a²). The smaller error is
    taken. Whether a metamer with this error is accepted also depends on Spearman's correlation, and on the category.

    Parameters
    ----------
    activations
        Activations a of the natural stimuli, (stimulus, …).
    largest_snr_db, largest_pearson_r
        The largest measures of the null distribution; NaN where undefined.
    """
    flat = activations.flatten(1).double()
    spread = float((flat.std(dim=1, correction=0) / flat.square().mean(dim=1).sqrt()).mean())
    errors = 10 ** (-largest_snr_db / 20), spread * (1 - largest_pearson_r**2) ** 0.5
    return float(np.nanmin(errors))


def matches(closest: float, errors: Sequence[float], loosest: float) -> dict[str, float]:
    """The matches of a stage: name → normalized error, from the loosest to the closest one.

    Parameters
    ----------
    closest, loosest
        Normalized error of the closest match, and of the loosest one (``loosest_error``).
    errors
        Normalized errors of the matches between them; others are left out.

    Raises
    ------
    ValueError
        When the closest match is not closer than the loosest one.
    """
    if not closest < loosest:
        raise ValueError(
            f"benchmark.convergence.closest: found {closest:g}; wanted less than {loosest:.3g}, the normalized error "
            "of the loosest match of this stage"
        )
    between = sorted((error for error in errors if NEAR * closest < error < loosest / NEAR), reverse=True)
    return {NULL: loosest} | {f"{error:g}": error for error in (*between, closest)}
