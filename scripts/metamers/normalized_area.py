"""The area under a curve of recognizability on a scale that models share, whichever of their stages were listed.

Recognizability is normalized, (p - chance) / (natural - chance): 1 is what people recognize of the natural stimuli, 0
is guessing. Depth is that of ``metamers.depth``, and the curve begins with 1 at depth 0, as the metamer of a network's
input is the stimulus. An area is a weighted sum of the judged stages' values, so means, resampled means and predictions
have it by the same weights.

Two kinds of stages have no value. One that was not listed is interpolated. One that was listed (its metamers failed, or
it lies where nothing can be predicted) is bounded, and so is the depth beyond the last judged stage.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LATE = 0.5  # depth from which on a listed stage without a value counts as guessing
SHRINK = 0.1  # of the family's weight to the straight line, in squares of normalized recognizability


class AreaRule(NamedTuple):
    """Weights (node,) of an area: of the start (1 at depth 0), and of each stage, 0 where it has no value.

    Attributes
    ----------
    low, high
        With what is missing counted as little, and as much, as it can be; the same where nothing is missing.
    missing
        Share of the depth that is missing.
    """

    low: np.ndarray
    high: np.ndarray
    missing: float


def normalized(values: np.ndarray, natural: np.ndarray | float, chance: float) -> np.ndarray:
    """(p - chance) / (natural - chance), between 0 and 1; NaN where natural stimuli are not recognized above chance.

    Parameters
    ----------
    values, natural
        Proportions correct p of metamers and of natural stimuli, of shapes that fit.
    chance
        Proportion correct of an observer who guesses.
    """
    above = np.asarray(natural, float) - chance
    return np.clip((np.asarray(values, float) - chance) / np.where(above > 0, above, np.nan), 0, 1)


def area_rule(
    depth: np.ndarray, values: np.ndarray, listed: np.ndarray, family: Sequence[np.ndarray] = ()
) -> AreaRule | None:
    """How the area follows from the values of the judged stages.

    Between judged stages lies the straight line. A stage that was not listed has q = w q_before + (1 - w) q_after of
    its judged neighbours, where w is that of the straight line or, in a family of models with the same stages, that
    which fits the others best by least squares, shrunk to the line: with a and b their differences q_before - q_after
    and q - q_after, w = (Σ a b + s w_line) / (Σ a² + s), between 0 and 1.

    A listed stage without a value is at most the higher of its judged neighbours and at least 0; in the first half of
    the depth at least the lowest of the judged stage before and all judged ones after it. The depth beyond the last
    judged stage is at least 0, at most that stage's value. So a model cannot gain by a late stage that fails.

    Parameters
    ----------
    depth
        (stage,), not decreasing, 0..1.
    values
        Normalized recognizability (stage,), NaN where there is none.
    listed
        (stage,), whether a value was wanted.
    family
        Normalized recognizability (stage,) of each other model with the same stages.

    Returns
    -------
    AreaRule or None
        None with fewer than two judged stages, or where a depth is not known.
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
            failed[node] = bool(listed[before : after - 1].any())  # listed[k] is of node k + 1
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
    """The weight of the stage before, of one that was not listed."""
    width = place[after] - place[before]
    line = (place[after] - place[node]) / width if width > 0 else 0.5
    if not len(others):
        return float(line)
    a, b = others[:, before] - others[:, after], others[:, node] - others[:, after]
    return float(np.clip((a @ b + SHRINK * line) / (a @ a + SHRINK), 0, 1))


def area_of(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The area (…) under normalized values (…, stage), by an ``AreaRule``'s weights; between 0 and 1."""
    used = weights[1:] != 0
    return np.clip(weights[0] + values[..., used] @ weights[1:][used], 0, 1)


def one_left_out(
    depth: np.ndarray, values: np.ndarray, listed: np.ndarray, family: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Areas (judged stage,) as if one judged stage after the other had not been listed; parameters of ``area_rule``.

    A model with two judged stages has none. Without its last stage, the depth beyond counts as missing.
    """
    areas = []
    for stage in np.flatnonzero(np.isfinite(values)):
        fewer, asked = values.copy(), listed.copy()
        fewer[stage], asked[stage] = np.nan, False
        if (rule := area_rule(depth, fewer, asked, family)) is not None:
            areas.append(area_of(rule.low, fewer))
    return np.array(areas)
