"""Curves of human recognizability over the depth of a model, and the area under them.

Models are ranked by the normalized area: recognizability relative to natural stimuli and guessing
(``metamers.leaderboard.normalized_area``), over a depth that does not depend on the choice of stages
(``metamers.leaderboard.depth``). The area of earlier versions, over the position of a stage in its list, is kept beside
it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from metamers.compare.predicted_human import GUESSING
from metamers.humans.summary import pooled_mean
from metamers.leaderboard.normalized_area import AreaRule, area_rule, areas_without_one_stage, normalize
from metamers.names import INPUT_STAGE, NATURAL

Curve = pd.DataFrame
DEPTH_COLUMNS = ["modality", "generation_model", "stage", "layers", "layer_share", "depth"]


def listed_positions(stages: Sequence[str], order: Sequence[str]) -> np.ndarray:
    """Compute the position of stages among the listed ones: 0 at the first stage, 1 at the last.

    Natural stimuli and the input stage, whose metamer is the stimulus itself, do not count as stages.

    Parameters
    ----------
    stages
        Stages of the model whose position is wanted.
    order
        All stages of the model, in processing order.

    Raises
    ------
    ValueError
        When the model has fewer than two stages, so that the position is not defined.
    """
    counted = [stage for stage in order if stage not in (NATURAL, INPUT_STAGE)]
    if len(counted) < 2:
        raise ValueError(f"a position needs two stages besides the input; found {', '.join(counted) or 'none'}")
    return np.array([counted.index(stage) for stage in stages]) / (len(counted) - 1)


def stage_depths(depths: Mapping[str, float], stages: Sequence[str]) -> np.ndarray:
    """Return the depths (stage,) of some stages, NaN where unknown."""
    return np.array([depths.get(stage, np.nan) for stage in stages])


def depths_by_model(table: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    """Return (modality, model) → stage → depth, from a table of ``metamers.leaderboard.depth.published_depths``."""
    by_model = table.groupby(["modality", "generation_model"], sort=False)
    return {key: dict(zip(rows["stage"], rows["depth"], strict=True)) for key, rows in by_model}


def area_weights(depth: np.ndarray) -> np.ndarray:
    """Compute weights (stage,) whose product with a curve is its trapezoidal area divided by the covered width.

    The area of a curve that is 1 everywhere is therefore 1 for any number of stages.

    Parameters
    ----------
    depth
        (stage,), increasing, at least two stages.
    """
    half = np.diff(depth) / 2
    weights = np.zeros(len(depth))
    weights[:-1] += half
    weights[1:] += half
    return weights / (depth[-1] - depth[0])


def measured_curves(groups: pd.DataFrame) -> dict[tuple[str, str, str], Curve]:
    """Compute the recognizability of each published model's metamers, with the participants of all experiments pooled.

    Parameters
    ----------
    groups
        Result of ``metamers.humans.summary.group_results``.

    Returns
    -------
    dict
        (modality, model, class) → one row per stage in processing order: ``stage``, ``depth``, and ``mean``, ``sem``,
        ``n`` over participants.
    """
    curves = {}
    human = groups[groups["observer"] == "human"]
    for key, of_model in human.groupby(["modality", "generation_model", "model_class"], sort=False):
        order = list(dict.fromkeys(of_model["stage"]))
        stages = [stage for stage in order if stage not in (NATURAL, INPUT_STAGE)]
        rows = [pooled_mean(of_model[of_model["stage"] == stage]) for stage in stages]
        curve = pd.DataFrame(rows, columns=["mean", "sem", "n"])
        curves[key] = curve.assign(stage=stages, depth=listed_positions(stages, order))
    return curves


def curves_by_modality(groups: pd.DataFrame) -> dict[str, list[Curve]]:
    """Group the ``measured_curves`` of all published models by modality."""
    curves: dict[str, list[Curve]] = {}
    for (modality, _, _), curve in measured_curves(groups).items():
        curves.setdefault(modality, []).append(curve)
    return curves


class NormalizedCurve(NamedTuple):
    """The curve of a model on the scale that all models share.

    Attributes
    ----------
    depth, values
        (stage,): see ``metamers.leaderboard.normalized_area.area_rule``; all stages of the model except natural stimuli
        and the input.
    listed
        (stage,): see ``area_rule``.
    family
        Values of each published model with the same stages.
    natural, chance
        Proportions correct that correspond to the values 1 and 0.
    """

    depth: np.ndarray
    values: np.ndarray
    listed: np.ndarray
    family: Sequence[np.ndarray]
    natural: float
    chance: float

    @property
    def rule(self) -> AreaRule | None:
        """Weights from which the area follows, or None without an area."""
        return area_rule(self.depth, self.values, self.listed, self.family)

    def areas_one_out(self) -> np.ndarray:
        """Areas with each judged stage left out in turn (``areas_without_one_stage``)."""
        return areas_without_one_stage(self.depth, self.values, self.listed, self.family)


def natural_recognizability(groups: pd.DataFrame) -> dict[tuple[str, str, str], tuple[float, float, int]]:
    """Pool human recognizability of natural stimuli: (modality, model, class) → mean, SEM, number of participants."""
    natural = groups[(groups["observer"] == "human") & (groups["stage"] == NATURAL)]
    return {
        key: pooled_mean(rows)
        for key, rows in natural.groupby(["modality", "generation_model", "model_class"], sort=False)
    }


def mean_natural_recognizability(groups: pd.DataFrame) -> dict[str, float]:
    """Average human recognizability of natural stimuli over published participants: modality → proportion correct."""
    natural = groups[(groups["observer"] == "human") & (groups["stage"] == NATURAL)]
    return {str(modality): pooled_mean(rows)[0] for modality, rows in natural.groupby("modality", sort=False)}


def normalized_curves(
    curves: Mapping[tuple[str, str, str], Curve],
    natural: Mapping[tuple[str, str, str], tuple[float, float, int]],
    depths: Mapping[tuple[str, str], Mapping[str, float]],
) -> dict[tuple[str, str, str], NormalizedCurve]:
    """Put the published models' curves on the shared scale.

    Parameters
    ----------
    curves, natural
        Results of ``measured_curves`` and ``natural_recognizability``.
    depths
        (modality, model) → stage → depth.
    """
    values = {
        key: normalize(curve["mean"].to_numpy(), natural[key][0], GUESSING[key[0]]) for key, curve in curves.items()
    }

    def alike(key: tuple[str, str, str]) -> list[np.ndarray]:
        return [
            values[other]
            for other in curves
            if other != key and other[0] == key[0] and curves[other]["stage"].equals(curves[key]["stage"])
        ]

    return {
        key: NormalizedCurve(
            depth=stage_depths(depths.get(key[:2], {}), curve["stage"].to_list()),
            values=values[key],
            listed=np.ones(len(curve), bool),
            family=alike(key),
            natural=natural[key][0],
            chance=GUESSING[key[0]],
        )
        for key, curve in curves.items()
    }


def curve_area(curve: Curve, column: str) -> float:
    """Compute the area under one column of a curve."""
    return float(area_weights(curve["depth"].to_numpy()) @ curve[column].to_numpy())
