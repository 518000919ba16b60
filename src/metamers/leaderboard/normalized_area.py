"""The area under a curve of recognizability on a scale that all models share, for any choice of stages.

Recognizability is normalized, (p - chance) / (natural - chance): 1 is human recognizability of natural stimuli, 0 is
guessing. Depth is that of ``metamers.leaderboard.depth``. The curve begins with 1 at depth 0, because the metamer of a
network's input is the stimulus itself. An area is a weighted sum of the values of the judged stages, so that measured
means, resampled means and predictions use the same weights. Stages without a value are of two kinds: a stage that was
not listed is interpolated; a stage that was listed but has no value (its metamers failed, or it lies outside the range
of predictions) is bounded, as is the depth beyond the last judged stage.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LATE = 0.5  # depth beyond which a listed stage without a value counts as guessing
# Shrinkage of the family's weight towards the straight line, in units of squared normalized recognizability.
SHRINK = 0.1


class AreaRule(NamedTuple):
    """Weights (node,) of an area: first that of the start (1 at depth 0), then one per stage, 0 without a value.

    Attributes
    ----------
    low, high
        Weights with missing parts at their lowest and at their highest possible value; equal where nothing is missing.
    missing
        Share of the depth that is missing.
    """

    low: np.ndarray
    high: np.ndarray
    missing: float


def normalize(values: np.ndarray, natural: np.ndarray | float, chance: float) -> np.ndarray:
    """Compute (p - chance) / (natural - chance), clipped to 0..1.

    NaN where natural stimuli are not recognized above chance.

    Parameters
    ----------
    values, natural
        Proportions correct p of metamers and of natural stimuli, of shapes that broadcast.
    chance
        Proportion correct of an observer who guesses.
    """
    above = np.asarray(natural, float) - chance
    return np.clip((np.asarray(values, float) - chance) / np.where(above > 0, above, np.nan), 0, 1)


def area_rule(
    depth: np.ndarray, values: np.ndarray, listed: np.ndarray, family: Sequence[np.ndarray] = ()
) -> AreaRule | None:
    """Compute the weights of the judged stages from which the area follows.

    The curve is a straight line between judged stages. A stage that was not listed has the value q = w q_before + (1 -
    w) q_after of its judged neighbours. The weight w is that of the straight line. In a family of models with the same
    stages it is the least-squares fit to the other models, shrunk towards the line: with a = q_before - q_after and b =
    q - q_after of each of them, w = (Σ a b + s w_line) / (Σ a² + s), clipped to 0..1.

    A listed stage without a value is at most as high as its higher judged neighbour, and at least 0; in the first half
    of the depth it is at least as high as the lowest of the judged stage before it and all judged stages after it. The
    curve beyond the last judged stage is between 0 and the value of that stage. A model can therefore not gain by a
    late stage that fails.

    Parameters
    ----------
    depth
        (stage,), not decreasing, 0..1.
    values
        Normalized recognizability (stage,), NaN where unknown.
    listed
        (stage,): whether the stage was listed, so that it should have a value.
    family
        Normalized recognizability (stage,) of each other model with the same stages.

    Returns
    -------
    AreaRule or None
        None with fewer than two judged stages, or where a depth is unknown.
    """
    known = np.isfinite(values)
    if known.sum() < 2 or not np.isfinite(depth).all():
        return None
    place, level = np.append(0.0, depth), np.append(1.0, values)
    judged = np.append(True, known)
    others = np.array([np.append(1.0, one) for one in family])
    number = len(place)
    low, high = np.zeros((number + 1, number)), np.zeros((number + 1, number))  # rows: nodes, and the end at depth 1
    failed = np.zeros(number, bool)
    last = int(np.flatnonzero(judged)[-1])
    for node in range(number):
        if judged[node]:
            low[node, node] = high[node, node] = 1
        elif node > last:
            high[node, last] = 1
        else:
            before, after = int(np.flatnonzero(judged[:node])[-1]), node + int(np.flatnonzero(judged[node:])[0])
            failed[node] = bool(listed[before : after - 1].any())  # listed[k] belongs to node k + 1
            if failed[node]:
                after_it = [one for one in range(after, number) if judged[one]]
                if place[node] <= LATE:
                    low[node, min([before, *after_it], key=lambda one: level[one])] = 1
                high[node, max(before, after, key=lambda one: level[one])] = 1
            else:
                share = _share(place, before, node, after, others)
                for rule in (low, high):
                    rule[node, before], rule[node, after] = share, 1 - share
    high[number, last] = 1
    if last == number - 1 and place[last] == 1:
        low[number, last] = 1
    at = np.append(place, 1.0)
    trapezoids = np.diff(at) / 2
    weights = np.append(trapezoids, 0) + np.append(0, trapezoids)
    gaps = sum(at[node + 1] - at[node] for node in range(last) if failed[node] or failed[node + 1])
    return AreaRule(weights @ low, weights @ high, float(gaps + 1 - place[last]))


def _share(place: np.ndarray, before: int, node: int, after: int, others: np.ndarray) -> float:
    """Compute the weight of the judged stage before a stage that was not listed."""
    width = place[after] - place[before]
    line = (place[after] - place[node]) / width if width > 0 else 0.5
    if not len(others):
        return float(line)
    a, b = others[:, before] - others[:, after], others[:, node] - others[:, after]
    return float(np.clip((a @ b + SHRINK * line) / (a @ a + SHRINK), 0, 1))


def weighted_area(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Compute the area (…) under normalized values (…, stage) with the weights of an ``AreaRule``, clipped to 0..1."""
    used = weights[1:] != 0
    return np.clip(weights[0] + values[..., used] @ weights[1:][used], 0, 1)


def areas_without_one_stage(
    depth: np.ndarray, values: np.ndarray, listed: np.ndarray, family: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Compute areas (judged stage,) as if one judged stage had not been listed, for each in turn.

    Parameters are those of ``area_rule``. A model with two judged stages has no such area. Without the last stage, the
    depth beyond the new last stage counts as missing.
    """
    areas = []
    for stage in np.flatnonzero(np.isfinite(values)):
        fewer, asked = values.copy(), listed.copy()
        fewer[stage], asked[stage] = np.nan, False
        if (rule := area_rule(depth, fewer, asked, family)) is not None:
            areas.append(weighted_area(rule.low, fewer))
    return np.array(areas)
