"""Convergence: from which match on recognition of metamers by other models does not change any more.

Recognition at each match (``studies.benchmark.several_targets``) is compared with that at the closest one, paired by
stimulus, recognition model and stage, with the tests of ``studies.benchmark.equivalence``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare.proportions import independent_answers, proportion_interval
from metamers.null.acceptance import accept
from studies.benchmark.equivalence import ALL, ONE_ANSWER, PUBLISHED, decision, effect_over_stimuli
from studies.benchmark.several_targets import NULL

EQUIVALENT = "equivalent"
COUNTS = ("converged", "accepted")  # columns that rows over stages lack
CLOSEST = "closest"  # the decision about the match with which the others are compared


class Compared(NamedTuple):
    """The metamers of one stage at several matches, or by the published procedure, with the answers to them.

    Attributes
    ----------
    modality, model, stage
        The modality, the generation model and its stage.
    metamers
        (version, stimulus) → measures of match, ``converged``, ``predicted_category``, ``steps``;
        (version) → ``target_error``;
        (stimulus) → ``natural_category``. ``version`` is the match, from the loosest to the closest one, or
        ``PUBLISHED`` alone.
    correct
        Whether a recognition model names the category of the stimulus, (recognition_model, version, stimulus).
    """

    modality: str
    model: str
    stage: str
    metamers: xr.Dataset
    correct: xr.DataArray

    @property
    def published(self) -> bool:
        """Whether these are the metamers of the published procedure."""
        return self.matches == [PUBLISHED]

    @property
    def matches(self) -> list[str]:
        """Names of the matches."""
        return list(map(str, self.metamers["version"].values))

    @property
    def targets(self) -> np.ndarray:
        """Normalized errors at which synthesis ends, (version,)."""
        return self.metamers["target_error"].values

    @property
    def answers(self) -> np.ndarray:
        """1 for a correct answer, else 0: (version, stimulus, recognition_model)."""
        return self.correct.transpose("version", "stimulus", "recognition_model").values.astype(float)

    def at_closest(self, stimuli: np.ndarray) -> np.ndarray:
        """Answers to some of the stimuli at the closest match, (stimulus, recognition_model)."""
        return self.answers[-1][self.metamers.indexes["stimulus"].get_indexer(stimuli)]


def convergence_table(
    compared: Sequence[Compared], nulls: Mapping[str, xr.Dataset], measures: Sequence[str], margin: float
) -> pd.DataFrame:
    """One row for each match of each stage, and for each match over all stages of a modality.

    Parameters
    ----------
    compared
        Metamers at several matches of each stage, and those of the published procedure.
    nulls
        Generation model → its null distribution, (stage, measure) → ``largest``, ``undefined_pairs``.
    measures
        The measures that decide about acceptance.
    margin
        Largest difference in proportion correct that counts as equivalent.

    Returns
    -------
    pandas.DataFrame
        ``modality``, ``model``, ``stage`` (both ``all`` in rows over stages) and ``match``; numbers of ``stimuli``,
        ``recognition_models`` and ``stages``; of single stages the means ``normalized_error`` and ``steps``, and the
        numbers of metamers that have ``converged`` and are, by the published rule, ``accepted``; ``recognized``, the
        proportion of all metamers that recognition models name correctly, with its 95% interval over stimuli
        (``recognized_low``, ``recognized_high``); the fields of ``studies.benchmark.equivalence.Effect``, recognition
        minus that at the closest match; ``decision``; and ``unchanged``: whether recognition at this and at all closer
        matches is equivalent to that at the closest one. In rows over stages, a stage counts
        with its loosest match that is at least as close as ``match``; stages for which this is their closest match, or
        that have none, are left out, and ``stages`` counts the others.
    """
    closest = {(one.model, one.stage): one for one in compared if not one.published}
    rows: list[dict[str, Any]] = []
    for one in compared:
        reference = closest[one.model, one.stage]
        differences = one.answers - reference.at_closest(one.metamers["stimulus"].values)
        accepted = _accepted(one, nulls[one.model], measures)
        of_stage = []
        for place, match in enumerate(one.matches):
            at_match = one.metamers.isel(version=place)
            last = not one.published and place == len(one.matches) - 1
            of_stage.append(
                {"modality": one.modality, "model": one.model, "stage": one.stage, "match": match}
                | {name: float(at_match[name].mean()) for name in ("normalized_error", "steps")}
                | {"converged": int(at_match["converged"].sum()), "accepted": int(accepted[place].sum())}
                | _tests([one.answers[place]], [differences[place]], margin, last)
            )
        if not one.published:
            _mark_unchanged(of_stage)
        rows += of_stage
    for modality in dict.fromkeys(one.modality for one in closest.values()):
        rows += _over_stages(modality, [one for one in closest.values() if one.modality == modality], margin)
    return pd.DataFrame(rows).astype(dict.fromkeys(COUNTS, "Int64"))


def _over_stages(modality: str, compared: Sequence[Compared], margin: float) -> list[dict[str, Any]]:
    """The rows over all stages of a modality: one for each match that is not the closest one of every stage."""
    targets = {NULL: np.inf}
    for one in compared:
        targets |= dict(zip(one.matches[1:-1], one.targets[1:-1], strict=True))
    rows = []
    for match, target in sorted(targets.items(), key=lambda item: -item[1]):
        places = [
            0 if match == NULL else int(np.argmax(np.append(one.targets[:-1] <= target, True))) for one in compared
        ]
        # Where no closer match was measured, the difference would be 0 by construction.
        closer = [(one, place) for one, place in zip(compared, places, strict=True) if place < len(one.matches) - 1]
        answers = [one.answers[place] for one, place in closer]
        differences = [one.answers[place] - one.answers[-1] for one, place in closer]
        rows.append(
            {"modality": modality, "model": ALL, "stage": ALL, "match": match} | _tests(answers, differences, margin)
        )
    _mark_unchanged(rows)
    return rows


def _accepted(one: Compared, null: xr.Dataset, measures: Sequence[str]) -> np.ndarray:
    """Whether metamers are accepted by the published rule, (version, stimulus)."""
    metamers = one.metamers.rename(version="seed").expand_dims(stage=[one.stage])
    metamers = metamers.assign(natural_category=one.metamers["natural_category"])
    return (
        accept(metamers, null, measures, must_converge=False)["accepted"]
        .isel(stage=0)
        .transpose("seed", "stimulus")
        .values
    )


def _tests(
    answers: Sequence[np.ndarray], differences: Sequence[np.ndarray], margin: float, closest: bool = False
) -> dict[str, Any]:
    """The columns that follow from answers and differences, each (stimulus, recognition_model), of some stages."""
    of_stimulus = np.concatenate(answers, axis=1).mean(axis=1)
    interval = proportion_interval(of_stimulus.mean(), independent_answers(of_stimulus))
    effect = effect_over_stimuli(np.concatenate(differences, axis=1), margin, ONE_ANSWER["correct"])
    return {
        "stimuli": len(of_stimulus),
        "recognition_models": max(one.shape[1] for one in answers),
        "stages": len(answers),
        "recognized": of_stimulus.mean(),
        "recognized_low": float(interval.low),
        "recognized_high": float(interval.high),
        **effect._asdict(),
        "margin": margin,
        "decision": CLOSEST if closest else decision(effect),
    }


def _mark_unchanged(rows: Sequence[dict[str, Any]]) -> None:
    """Set ``unchanged`` in the rows of a stage or a modality, from the loosest to the closest match."""
    unchanged = True
    for row in reversed(rows):
        unchanged = unchanged and row["decision"] in (CLOSEST, EQUIVALENT)
        row["unchanged"] = unchanged
