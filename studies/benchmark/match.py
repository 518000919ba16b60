"""Match: syntheses with the number of steps that leads to a given match, and recognition of the resulting metamers."""

import itertools
import logging
from collections.abc import Callable, Container, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from metamers.compare.proportions import difference_interval
from metamers.models.batches import CPU_BATCH_SIZE, in_batches, min_batch_size, repeat_to_minimum
from metamers.models.model import Model
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.qualities import TO_TARGET, number_of_steps, with_number_of_steps
from studies.benchmark.measure import errors_at

logger = logging.getLogger("metamers")

EQUAL_MATCH = 0.02  # largest relative difference of mean errors that counts as an equal match
TRIES = 6  # largest number of step numbers to try in a search
CORRECTIONS = 4  # largest number of further step numbers to try with all stimuli, after a search on a few
NEAR_STEPS = 1.25  # largest ratio of two numbers of steps that may share the stimuli, unless they differ by one
NEAR_ERRORS = 0.1  # largest difference of the logarithms of their errors
FIRST_PUBLISHED = 6  # steps of the published procedure, relative to those to the target, that are tried first
SLOPE = -0.5  # initial slope of an error over steps, in logarithms


class Synthesized(NamedTuple):
    """The result of a synthesis with some number of steps.

    Attributes
    ----------
    metamers
        (stimulus, …signal), on the CPU.
    error
        Normalized error (stimulus,) at the stage.
    """

    metamers: torch.Tensor
    error: np.ndarray


def synthesis_with_steps(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    procedure: str,
    settings: Mapping[str, Any],
    max_batch_size: int,
    label: str,
    progress: Progress = NO_CHECKPOINT,
) -> Callable[..., Synthesized]:
    """A function that synthesizes with a given number of steps, in batches; each batch is computed once.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    natural, start
        Stimuli and starts (stimulus, …signal).
    procedure, settings
        Name and settings of the procedure, without regard to ``steps``.
    max_batch_size
        Stimuli that are optimized together; fewer where memory does not suffice. On a CPU, a batch has at least
        ``MIN_CPU_BATCH_SIZE``, so that results do not depend on its size.
    label
        Beginning of the lines in the log, and of the names of saved states.
    progress
        Where unfinished syntheses are saved.

    Returns
    -------
    callable
        Takes ``steps``, over all step sizes, and optionally ``stimuli``, the number of stimuli, from the first (all of
        them if there are fewer); gives a ``Synthesized``.
    """
    least, largest = min_batch_size(model.device), max_batch_size

    @cache
    def of_part(steps: int, start_of_part: int, stop: int) -> Synthesized:
        part = slice(start_of_part, stop)
        places = repeat_to_minimum(part, least)
        given, kept_as = with_number_of_steps(settings, steps), f"{label}_{steps}_{part.start}_{part.stop}"
        number = part.stop - part.start
        try:
            made, _ = synthesize(
                model, stage, natural[places], start[places], procedure, given, f"{label} {stage}", progress, kept_as
            )
        except torch.OutOfMemoryError:
            nonlocal largest
            largest = number // 2  # for later calls
            raise
        return Synthesized(made.cpu()[:number], errors_at(model, stage, natural[places])(made)[:number])

    def with_steps(steps: int, stimuli: int = len(natural)) -> Synthesized:
        stimuli = min(stimuli, len(natural))
        size = max(min(largest, stimuli), least)
        stop = min(
            -(-stimuli // size) * size, len(natural)
        )  # whole batches, which a later call with this size uses again
        made = list(in_batches(stop, size, lambda part: of_part(steps, part.start, part.stop)))
        metamers, error = torch.cat([one.metamers for one in made]), np.concatenate([one.error for one in made])
        return Synthesized(metamers[:stimuli], error[:stimuli])

    return with_steps


def search_steps(error: Callable[[int], float], wanted: float, first: int, most: int, label: str) -> dict[int, float]:
    """Search the number of steps with which a synthesis ends with the wanted error.

    Parameters
    ----------
    error
        From a number of steps to the mean normalized error at the end.
    wanted
        Wanted error.
    first
        First number of steps to try. The others follow from the tried ones (``_next_steps``), until the error is
        within ``EQUAL_MATCH`` of the wanted one, at most ``TRIES`` times.
    most
        Largest number of steps.
    label
        Beginning of the lines in the log.

    Returns
    -------
    dict
        Tried number of steps → logarithm of the error relative to the wanted one.

    Raises
    ------
    ValueError
        When the wanted error is 0.
    """
    if wanted <= 0:
        raise ValueError(f"{label}: wanted a normalized error of {wanted}, which no number of steps reaches")
    distances: dict[int, float] = {}
    steps = min(first, most)
    while steps not in distances and len(distances) < TRIES:
        distances[steps] = _distance(error(steps), wanted)
        logger.info("%s: %d steps end %s", label, steps, _off(distances[steps]))
        if _is_equal(distances[steps]):
            break
        steps = _next_steps(distances, distances, most)
    return distances


def _distance(error: float, wanted: float) -> float:
    return float(np.log(max(error / wanted, 1e-9)))


def _off(distance: float) -> str:
    return f"{100 * np.expm1(distance):+.1f}% off"


def _is_equal(distance: Any) -> Any:
    """Whether errors with this logarithm of their ratio count as an equal match."""
    return abs(distance) <= np.log1p(EQUAL_MATCH)


def _nearest(distances: Mapping[int, float]) -> int:
    return min(distances, key=lambda steps: abs(distances[steps]))


def synthesis_to_target(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Any],
    max_batch_size: int,
    progress: Progress = NO_CHECKPOINT,
) -> Callable[[float], tuple[Synthesized, np.ndarray]]:
    """A function that synthesizes to a target.

    Parameters
    ----------
    model, stage, natural, start, max_batch_size, progress
        As for ``synthesis_with_steps``.
    settings
        Settings of the procedure ``to_target``, without a target.

    Returns
    -------
    callable
        Takes the target, a normalized error; gives a ``Synthesized`` and the number of steps of each stimulus.
    """

    def to_target(target: float) -> tuple[Synthesized, np.ndarray]:
        given, label = dict(settings) | {"target_error": target}, f"{stage} to {target:.4g}"
        made, loss = synthesize(
            *(model, stage, natural, start, TO_TARGET, given, label, progress, f"target_{target:.6g}"),
            max_batch_size=max_batch_size,
        )
        parts = in_batches(
            len(natural), max_batch_size, lambda part: errors_at(model, stage, natural[part])(made[part])
        )
        error = np.concatenate(list(parts))
        # The loss before each step, and NaN after the last one.
        return Synthesized(made.cpu(), error), np.isfinite(loss).sum(axis=1)

    return to_target


def at_equal_match(
    to_target: Callable[[float], tuple[Synthesized, np.ndarray]],
    with_steps: Callable[..., Synthesized],
    target: float,
    most: int,
    searched: int,
    label: str,
) -> tuple[dict[str, tuple[Synthesized, np.ndarray]], float]:
    """Metamers of the run's procedure at its target, and of the published one with the number of steps to this match.

    Where the published procedure does not come as close with its largest number of steps, the run's procedure is
    synthesized to the mean error that it reaches.

    Parameters
    ----------
    to_target, with_steps
        Results of ``synthesis_to_target``, and of ``synthesis_with_steps`` for the published procedure.
    target
        Normalized error of the run's metamers.
    most, searched, label
        As for ``synthesize_to_match``.

    Returns
    -------
    made
        ``default`` and ``published`` → the result for all stimuli, and the number of steps of each, (stimulus,).
    target
        The target that was used.
    """
    default = to_target(target)
    first = int(np.clip(FIRST_PUBLISHED * default[1].mean(), 8, most))
    published = synthesize_to_match(with_steps, default[0].error, first, most, searched, label)
    reached = float(published[0].error.mean())
    if not _is_equal(np.log(reached / default[0].error.mean())) and published[1].max() == most:
        logger.info("%s: %d steps end at %.4f, so all are compared at that match", label, most, reached)
        target, default = reached, to_target(reached)
    return {"default": default, "published": published}, target


def published_at(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    wanted: np.ndarray,
    settings: Mapping[str, Any],
    first: int,
    max_batch_size: int = CPU_BATCH_SIZE,
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Final metamers of the published procedure with the one or two numbers of steps that lead to the wanted match.

    For each stimulus, the numbers of steps of each size differ by one at most. Intermediate metamers of a longer run,
    with long steps, would not be comparable: at the same error, other models recognize them more often.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    natural, start
        Stimuli and starts (stimulus, …signal), on the CPU.
    wanted
        Normalized error (stimulus,) whose mean is to be reached.
    settings
        Settings of the procedure, with the largest number of steps.
    first
        First number of steps to try, over all step sizes.
    max_batch_size
        Stimuli that are optimized together.

    Returns
    -------
    metamers
        (stimulus, …signal), with the nearest match.
    normalized_error
        Their normalized error, (stimulus,).
    steps
        Number of steps of each stimulus, over all step sizes, (stimulus,).

    Raises
    ------
    ValueError
        When the wanted error is 0.
    """
    with_steps = synthesis_with_steps(model, stage, natural, start, "published", settings, max_batch_size, "published")
    most = number_of_steps(settings)
    made, steps = synthesize_to_match(with_steps, wanted, first, most, len(natural), f"published {stage}")
    return *made, steps


def synthesize_to_match(
    with_steps: Callable[..., Synthesized], wanted: np.ndarray, first: int, most: int, searched: int, label: str
) -> tuple[Synthesized, np.ndarray]:
    """Synthesize with the number of steps that leads to a given mean error, found on the first stimuli.

    The number is searched on the first stimuli, then applied to all. While the mean error over all is not within
    ``EQUAL_MATCH`` of the wanted one, the number is corrected, at most ``CORRECTIONS`` times: first along the slope of
    the search, then by the errors over all stimuli.

    At late stages a single step more can change the mean error by four times the limit. If none of the tried
    numbers is within it, two of them may share the stimuli, one with a larger error than the wanted one and one with a
    smaller error. A random order, drawn from ``label``, decides which stimuli have the first of them; the mean error
    decides how many. The two numbers differ by one or by a factor of at most ``NEAR_STEPS``, and their errors by at
    most ``NEAR_ERRORS``.

    Parameters
    ----------
    with_steps
        Result of ``synthesis_with_steps``.
    wanted
        Normalized error (stimulus,) whose mean is to be reached, for the same stimuli.
    first, most
        First number of steps to try, and the largest one, over all step sizes.
    searched
        Number of stimuli of the search, from the first.
    label
        Beginning of the lines in the log, and the seed of the order.

    Returns
    -------
    synthesized
        The result for all stimuli with the nearest match.
    steps
        Number of steps of each stimulus, over all step sizes, (stimulus,).

    Raises
    ------
    ValueError
        As ``search_steps``.
    """
    distances = search_steps(
        lambda steps: float(with_steps(steps, searched).error.mean()),
        float(wanted[:searched].mean()),
        first,
        most,
        label,
    )
    steps = _nearest(distances)
    found: dict[int, float] = {}
    while steps not in found and len(found) <= CORRECTIONS:
        found[steps] = _distance(float(with_steps(steps).error.mean()), float(wanted.mean()))
        logger.info("%s: %d steps end %s over all stimuli", label, steps, _off(found[steps]))
        if _is_equal(found[steps]):
            break
        known = dict(found)
        if len(found) == 1:
            # The slope of the search, between numbers of steps that are far apart, at the distance over all stimuli.
            other = max(distances, key=lambda tried: abs(np.log(tried / steps)))
            known.setdefault(other, distances[other] + found[steps] - distances[steps])
        steps = _next_steps(known, found, most)
    nearest = _nearest(found)
    made, each, distance = with_steps(nearest), np.full(len(wanted), nearest), found[nearest]
    if not _is_equal(distance) and (pair := _pair(found)):
        order = np.random.default_rng(list(label.encode())).permutation(len(wanted))
        shared, steps_of_each = _share(with_steps, pair, order, float(wanted.mean()))
        shared_distance = _distance(float(shared.error.mean()), float(wanted.mean()))
        logger.info("%s: %d and %d steps, each for a part of the stimuli, end %s", label, *pair, _off(shared_distance))
        if abs(shared_distance) < abs(distance):
            made, each, distance = shared, steps_of_each, shared_distance
    if not _is_equal(distance):
        logger.warning("%s: ends at best %s", label, _off(distance))
    return made, each


def _pair(distances: Mapping[int, float]) -> tuple[int, int] | None:
    """The two numbers of steps, with distances above and below 0, that are nearest in error and may share stimuli."""
    pairs = [
        (one, other)
        for one, other in itertools.permutations(distances, 2)
        if distances[one] > 0 > distances[other]
        and distances[one] - distances[other] <= NEAR_ERRORS
        and (abs(one - other) == 1 or max(one, other) <= NEAR_STEPS * min(one, other))
    ]
    return min(pairs, key=lambda pair: distances[pair[0]] - distances[pair[1]], default=None)


def _share(
    with_steps: Callable[..., Synthesized], pair: tuple[int, int], order: np.ndarray, wanted: float
) -> tuple[Synthesized, np.ndarray]:
    """Give the first stimuli of an order one number of steps and the others another; also the steps of each stimulus.

    The first ones are as many as give the mean error that is nearest to the wanted one.
    """
    one, other = (with_steps(steps) for steps in pair)
    place = order.argsort()  # of each stimulus in the order
    errors = [np.where(place < first, one.error, other.error) for first in range(len(order) + 1)]
    first = int(np.argmin([abs(error.mean() - wanted) for error in errors]))
    metamers = other.metamers.clone()
    metamers[place < first] = one.metamers[place < first]
    return Synthesized(metamers, errors[first]), np.where(place < first, *pair)


def _next_steps(distances: Mapping[int, float], tried: Container[int], most: int) -> int:
    """The number of steps to try next: where the distance is 0, extrapolated from the two smallest distances.

    It is extrapolated in logarithms of steps, by a factor of 4 at most, with a slope of ``4 * SLOPE`` to ``SLOPE / 4``.
    If all distances have one sign and the result was tried, it is the neighbour of the nearest number, or, where that
    is far off, a quarter of the smallest number or four times the largest one. If distances are
    above and below 0, it is a number between the smallest of each that was not tried, the nearest to the extrapolation,
    or to the interpolation if the extrapolation is outside. If none is left, the result was tried: the search ends.

    Parameters
    ----------
    distances
        Number of steps → logarithm of the error relative to the wanted one, measured or estimated.
    tried
        Numbers of steps that were tried.
    most
        Largest number of steps.
    """
    ordered = sorted(distances, key=lambda steps: abs(distances[steps]))
    nearest = ordered[0]
    slope = SLOPE
    if len(ordered) > 1:
        slope = (distances[nearest] - distances[ordered[1]]) / np.log(nearest / ordered[1])
    slope = np.clip(slope, 4 * SLOPE, SLOPE / 4)
    found = nearest * np.clip(np.exp(-distances[nearest] / slope), 1 / 4, 4)
    opposite = next((steps for steps in ordered if distances[steps] * distances[nearest] < 0), None)
    if opposite is None:
        steps = round(found)
        if steps in tried and abs(distances[nearest]) > NEAR_ERRORS:
            # The error hardly depends on the steps between the tried numbers: beyond all of them.
            steps = min(distances) // 4 if distances[nearest] < 0 else 4 * max(distances)
        elif steps in tried:
            steps = nearest + int(np.sign(found - nearest))
        return int(np.clip(steps, 1, most))
    low, high = sorted((nearest, opposite))
    if not low < found < high:
        share = distances[nearest] / (distances[nearest] - distances[opposite])
        found = nearest * (opposite / nearest) ** share
    return min(
        (steps for steps in range(low, high + 1) if steps not in tried), key=lambda s: abs(s - found), default=low
    )


def equal_match(error: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Whether the means of two errors, (…, stimulus), differ by no more than ``EQUAL_MATCH``."""
    return _is_equal(np.log(error.mean("stimulus") / other.mean("stimulus")))


def matches_alike(normalized_error: xr.DataArray) -> xr.DataArray:
    """Whether the two procedures' metamers, (…, kept_procedure, stimulus), have an equal match."""
    published, one_cycle = (normalized_error.sel(kept_procedure=name) for name in ("published", "one_cycle"))
    return equal_match(published, one_cycle)


def equally_recognized(correct: xr.DataArray) -> dict[str, float]:
    """Difference in recognition between metamers of the one-cycle procedure and of the published one.

    Parameters
    ----------
    correct
        (kept_procedure, recognition_model, stimulus), 0 or 1, or a mean over stages; the procedures are
        ``published`` and ``one_cycle``.

    Returns
    -------
    dict
        ``recognized_published``, ``recognized_one_cycle``: proportions correct; ``difference``, ``difference_low``,
        ``difference_high``: the second minus the first, paired by stimulus, with a 95% interval over stimuli.
    """
    by_stimulus = correct.mean("recognition_model")
    paired = by_stimulus.sel(kept_procedure="one_cycle") - by_stimulus.sel(kept_procedure="published")
    found = difference_interval(paired.values)
    proportions = by_stimulus.mean("stimulus")
    return {
        "recognized_published": float(proportions.sel(kept_procedure="published")),
        "recognized_one_cycle": float(proportions.sel(kept_procedure="one_cycle")),
        "difference": float(found.value),
        "difference_low": float(found.low),
        "difference_high": float(found.high),
    }
