"""Convergence: from which match on recognition of metamers by other models does not change any more.

Recognition at each match (``metamers.benchmark.passage``) is compared with that at the closest one, paired by stimulus,
recognition model and stage, with the tests of ``metamers.benchmark.equivalence``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from metamers.benchmark.equivalence import ALL, ONE_ANSWER, PUBLISHED, decision, effect_over_stimuli
from metamers.compare.proportions import independent_answers, proportion_interval
from metamers.null.acceptance import accept

EQUIVALENT = "equivalent"
CLOSEST = "closest"  # the decision about the match with which the others are compared


class Compared(NamedTuple):
    """The metamers of one stage at several matches, or by the published schedule, with the answers to them.

    Attributes
    ----------
    modality, model, stage
        The modality, the generation model and its stage.
    metamers
        (version, stimulus) → measures of match, ``predicted_category``, ``steps``, ``converged``; (stimulus) →
        ``natural_category``. ``version`` is the match, from the loosest to the closest one, or ``PUBLISHED`` alone.
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
        """Whether these are the metamers of the published schedule."""
        return str(self.metamers["version"].values[0]) == PUBLISHED

    @property
    def answers(self) -> np.ndarray:
        """1 for a correct answer, else 0: (version, stimulus, recognition_model)."""
        return self.correct.transpose("version", "stimulus", "recognition_model").values.astype(float)


def convergence_table(
    compared: Sequence[Compared], nulls: Mapping[str, xr.Dataset], measures: Sequence[str], margin: float
) -> pd.DataFrame:
    """One row for each match of each stage, and for each match over the stages of a modality that have it.

    Parameters
    ----------
    compared
        Metamers at several matches of each stage, and those of the published schedule.
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
        numbers of metamers that are ``converged`` and, by the published rule, ``accepted``; ``recognized``, the
        proportion of all metamers that recognition models name correctly, with its 95% interval over stimuli
        (``recognized_low``, ``recognized_high``); the fields of ``metamers.benchmark.equivalence.Effect``, recognition
        minus that at the closest match; ``decision``; and ``unchanged``: whether recognition at this and at all closer
        matches is equivalent to that at the closest one.
    """
    closest = {(one.model, one.stage): one for one in compared if not one.published}
    rows, pooled = [], dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]]()
    for one in compared:
        reference = closest[one.model, one.stage]
        stimuli = reference.metamers.indexes["stimulus"].get_indexer(one.metamers["stimulus"].values)
        accepted = _accepted(one, nulls[one.model], measures)
        for place, (match, answers) in enumerate(
            zip(map(str, one.metamers["version"].values), one.answers, strict=True)
        ):
            at_match = one.metamers.isel(version=place)
            differences = answers - reference.answers[-1][stimuli]
            last = not one.published and place == one.metamers.sizes["version"] - 1
            rows.append(
                {"modality": one.modality, "model": one.model, "stage": one.stage, "match": match}
                | {name: float(at_match[name].mean()) for name in ("normalized_error", "steps")}
                | {"converged": int(at_match["converged"].sum()), "accepted": int(accepted[place].sum())}
                | _tests([answers], [differences], margin, last)
            )
            if not one.published:
                pooled.setdefault((one.modality, match), []).append((answers, differences))
        if not one.published:
            _mark_unchanged(rows[-one.metamers.sizes["version"] :])
    for (modality, match), parts in pooled.items():
        answers_of_parts, differences_of_parts = zip(*parts, strict=True)
        rows.append(
            {"modality": modality, "model": ALL, "stage": ALL, "match": match}
            | _tests(answers_of_parts, differences_of_parts, margin)
        )
    return pd.DataFrame(rows)


def _accepted(one: Compared, null: xr.Dataset, measures: Sequence[str]) -> np.ndarray:
    """Whether metamers are accepted by the published rule, (version, stimulus)."""
    metamers = one.metamers.drop_vars("converged").rename(version="seed").expand_dims(stage=[one.stage])
    metamers = metamers.assign(natural_category=one.metamers["natural_category"])
    return accept(metamers, null, measures)["accepted"].isel(stage=0).transpose("seed", "stimulus").values


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
    """Set ``unchanged`` in the rows of one stage, from the loosest to the closest match."""
    unchanged = True
    for row in reversed(rows):
        unchanged = unchanged and row["decision"] in (CLOSEST, EQUIVALENT)
        row["unchanged"] = unchanged
