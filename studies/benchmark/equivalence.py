"""Equivalence: whether metamers of the one-cycle procedure are recognized as those of the published one.

The analysis of a balanced design: every judge (another recognition model) answers to the metamers of every stimulus,
stage and version. Differences from the published procedure are paired by stimulus, judge and stage. Stimuli are a
random sample; models, stages and judges are those of the run, so that an interval holds for them. The synthesis and
the search for the equal match are in ``studies.benchmark.match``, the answers in ``metamers.recognize``.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.special
import scipy.stats
import xarray as xr

from studies.benchmark.match import equal_match

ALPHA = 0.05  # level of each one-sided test, and of the two-sided test of a difference
PUBLISHED = "published"
ALL = "all"  # in the table, in the place of a stage or a model
DISTINCT = "distinct"  # in the place of a stage: all stages but those that models have in common
FEWEST_JUDGES = 3  # with which judges can be random: two have one degree of freedom
MEASURES = {"correct": "proportion correct", "log_odds": "log odds"}
ONE_ANSWER = {"correct": 1.0, "log_odds": 0.0}  # change of a difference by one answer; evidence is graded


class Effect(NamedTuple):
    """The mean of paired differences, with its tests.

    Attributes
    ----------
    difference
        The mean.
    standard_error, df
        Its standard error and degrees of freedom.
    low, high
        The ends of its 90% interval, which is inside the margin exactly where both one-sided tests are significant.
    p_equivalence
        The larger p of the two one-sided tests of a difference beyond the margin.
    p_difference
        Two-sided p of a difference of 0.
    """

    difference: float
    standard_error: float
    df: float
    low: float
    high: float
    p_equivalence: float
    p_difference: float


def equivalence_tests(difference: float, standard_error: float, df: float, margin: float) -> Effect:
    """Test a mean difference for equivalence and for a difference, by Student's t.

    With m the difference, s its standard error and δ the margin, the two one-sided tests are those of (m + δ) / s and
    (m − δ) / s. With a standard error of 0, p of equivalence is 0 if |m| < δ, else 1; p of a difference is 1 if m is 0,
    else 0.

    Parameters
    ----------
    difference, standard_error, df
        As of ``Effect``; NaN gives NaN.
    margin
        Largest difference that counts as equivalent, above 0.

    References
    ----------
    Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680.
    """
    if standard_error == 0 and np.isfinite(difference):
        p_equivalence, p_difference = float(abs(difference) >= margin), float(difference == 0)
    else:
        # The larger of the p of both one-sided tests belongs to the nearer end of the margin.
        nearer = margin - abs(difference)
        with np.errstate(divide="ignore", invalid="ignore"):
            p_equivalence = scipy.stats.t.sf(np.divide(nearer, standard_error), df)
            p_difference = 2 * scipy.stats.t.sf(np.divide(abs(difference), standard_error), df)
    half = scipy.stats.t.isf(ALPHA, df) * standard_error
    ends = difference - half, difference + half
    return Effect(*map(float, (difference, standard_error, df, *ends, p_equivalence, p_difference)))


def effect_over_stimuli(differences: np.ndarray, margin: float, one_answer: float = 0.0) -> Effect:
    """The mean difference, with stimuli as the random factor.

    Each stimulus counts with its mean over all its answers. In a balanced design, the mean of these means and their
    standard error, with n − 1 degrees of freedom, are those of a linear mixed model with random effects of the stimulus
    and of its interactions with judge and stage.

    Answers are 0 or 1. Where all stimuli have equal differences, which is common near 0 and 1, their spread is 0
    although the next stimulus could differ. The square of one changed answer of one stimulus is therefore added to the
    sum of squares.

    Parameters
    ----------
    differences
        (stimulus, …): paired differences, for all judges, stages and models.
    margin
        Largest difference that counts as equivalent.
    one_answer
        Change of one difference by one answer: 1 for answers, 0 for graded evidence.

    Returns
    -------
    Effect
        Without tests and interval (NaN) for a single stimulus.
    """
    each = np.asarray(differences, float).reshape(len(differences), -1)
    means, n = each.mean(axis=1), len(each)
    squares = ((means - means.mean()) ** 2).sum() + (one_answer / each.shape[1]) ** 2
    error = np.sqrt(squares / (n * (n - 1))) if n > 1 else np.nan
    return equivalence_tests(means.mean(), error, n - 1 if n > 1 else np.nan, margin)


def effect_over_stimuli_and_judges(differences: np.ndarray, margin: float, one_answer: float = 0.0) -> Effect:
    """The mean difference, with stimuli and judges as crossed random factors.

    With n stimuli, J judges and the mean squares of stimuli, judges and their interaction, MS_s, MS_j and MS_r, the
    variance of the mean is (MS_s + MS_j − MS_r) / (n J), with Satterthwaite's degrees of freedom. Where MS_j is at most
    MS_r, the variance between judges is estimated as 0, and the result is that of ``effect_over_stimuli``.

    Parameters
    ----------
    differences
        (stimulus, judge, …): paired differences, for all stages.
    margin, one_answer
        As of ``effect_over_stimuli``.

    Returns
    -------
    Effect
        Without tests and interval (NaN) for fewer than ``FEWEST_JUDGES`` judges or a single stimulus.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Clark (1973), Journal of Verbal Learning and Verbal Behavior
    12, 335-359.
    """
    differences = np.asarray(differences, float)
    n, judges = differences.shape[:2]
    if judges < FEWEST_JUDGES or n < 2:
        return equivalence_tests(differences.mean() if differences.size else np.nan, np.nan, np.nan, margin)
    cells = differences.reshape(n, judges, -1).mean(axis=2)
    mean = cells.mean()
    stimulus, judge = cells.mean(axis=1) - mean, cells.mean(axis=0) - mean
    added = (one_answer * judges / differences[0].size) ** 2 / judges
    mean_square_stimuli = (judges * (stimulus**2).sum() + added) / (n - 1)
    mean_square_judges = n * (judge**2).sum() / (judges - 1)
    residual = cells - mean - stimulus[:, None] - judge
    mean_square_rest = (residual**2).sum() / ((n - 1) * (judges - 1))
    if mean_square_judges <= mean_square_rest:
        return effect_over_stimuli(differences, margin, one_answer)
    variance = mean_square_stimuli + mean_square_judges - mean_square_rest
    terms = ((mean_square_stimuli, n - 1), (mean_square_judges, judges - 1), (mean_square_rest, (n - 1) * (judges - 1)))
    df = variance**2 / sum(square**2 / count for square, count in terms)
    return equivalence_tests(mean, np.sqrt(variance / (n * judges)), df, margin)


def log_odds_margin(log_odds: np.ndarray, margin: float) -> float:
    """The change of log odds that corresponds to a change of the probability, at the mean observed probability.

    With p the mean of the probabilities, it is margin / (p (1 − p)): the slope of log odds is 1 / (p (1 − p)). A common
    change of all log odds by less than this changes the mean probability by less than the margin, except for the
    curvature within the change. Unequal changes may change it by more: where they concern uncertain answers only, a
    mean change of log odds within this margin can be a larger change of the mean probability. Where p is near 0 or 1,
    the margin is wide.

    Parameters
    ----------
    log_odds
        Log odds of the true category of the published procedure's metamers, of any shape.
    margin
        Change of the probability, between 0 and 1.
    """
    p = scipy.special.expit(log_odds).mean()
    return float(margin / (p * scipy.special.expit(-np.asarray(log_odds)).mean()))


def decision(effect: Effect, equal: bool = True) -> str:
    """What the tests say: ``equivalent``, ``different`` (from 0, not shown to be within the margin) or ``undecided``.

    ``no equal match`` precedes these; ``not tested`` is an effect without p values: of a single stimulus, of fewer
    judges than ``FEWEST_JUDGES`` as a random sample, or of values that are not finite.

    Parameters
    ----------
    effect
        The tested difference.
    equal
        Whether the compared metamers have an equal match.
    """
    if not equal:
        return "no equal match"
    if not np.isfinite(effect.p_equivalence):
        return "not tested"
    if effect.p_equivalence < ALPHA:
        return "equivalent"
    return "different" if effect.p_difference < ALPHA else "undecided"


def equal_match_stages(recognized: xr.Dataset, version: str) -> np.ndarray:
    """Whether the metamers of a version and of the published procedure have an equal match, (stage,)."""
    error = recognized["normalized_error"]
    return equal_match(error.sel(version=version), error.sel(version=PUBLISHED)).values


def without_common_stages(recognized: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """The data of several models without the stages that two of them have in common, such as a cochleagram.

    Metamers of such stages are the same, and would count twice. They are known by the equal errors of all stimuli.

    Parameters
    ----------
    recognized
        For each model (stage, version, stimulus) → ``normalized_error``, with further variables.

    Returns
    -------
    list
        The data of the models that have other stages, without the common ones.
    """
    errors = [one["normalized_error"].transpose("stage", "version", "stimulus").values for one in recognized]
    kept = []
    for place, one in enumerate(recognized):
        others = [stage for other, of_model in enumerate(errors) if other != place for stage in of_model]
        own = [not any(np.array_equal(stage, other) for other in others) for stage in errors[place]]
        if any(own):
            kept.append(one.isel(stage=np.flatnonzero(own)))
    return kept


def _paired(recognized: xr.Dataset, version: str, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """Differences of a version from the published procedure, and the values of the latter, (stimulus, judge, stage)."""
    values = recognized[measure].astype(float).transpose("version", "stimulus", "recognition_model", "stage")
    published = values.sel(version=PUBLISHED).values
    return values.sel(version=version).values - published, published


def _tests(
    recognized: Sequence[xr.Dataset], version: str, measure: str, margin: float, equal: bool = True
) -> dict[str, Any]:
    """The columns of ``equivalence_table`` that follow from the answers for one or several models."""
    pairs = [_paired(one, version, measure) for one in recognized]
    differences, published = (
        np.concatenate([values.reshape(len(values), -1) for values in part], axis=1)
        for part in zip(*pairs, strict=True)
    )
    used = margin if measure == "correct" else log_odds_margin(published, margin)
    effect = effect_over_stimuli(differences, used, ONE_ANSWER[measure])
    # Judges are crossed with stimuli and stages only within a model, because models do not judge themselves.
    judged = pairs[0][0] if len(pairs) == 1 else np.empty((len(differences), 0))
    random = effect_over_stimuli_and_judges(judged, used, ONE_ANSWER[measure])
    return {
        "measure": MEASURES[measure],
        "stimuli": len(differences),
        "judges": len({str(name) for one in recognized for name in one["recognition_model"].values}),
        "stages": sum(one.sizes["stage"] for one in recognized),
        "published": published.mean(),
        **effect._asdict(),
        "margin": used,
        "low_random_judges": random.low,
        "high_random_judges": random.high,
        "decision": decision(effect, equal),
    }


def equivalence_table(
    recognized: Mapping[str, xr.Dataset],
    modalities: Mapping[str, str],
    settings: Mapping[str, Mapping[str, Mapping[str, Any]]],
    reference: str,
    margin: float,
) -> pd.DataFrame:
    """One row for each version and measure, at each stage, for each model over stages, for each modality over models.

    Rows over stages have only those stages at which this version and the published procedure have an equal match; their
    number is in ``stages``. Where models have stages in common, a further row over models is without these.

    Parameters
    ----------
    recognized
        Generation model → (recognition_model, stage, version, stimulus) → ``correct`` (0 or 1) and ``log_odds``;
        (stage, version, stimulus) → ``normalized_error``, ``steps``.
    modalities
        Generation model → its modality.
    settings
        Generation model → version → its settings, ``published`` included.
    reference
        The version with its configured number of steps; the published procedure has its match, and the other versions
        that of the published procedure.
    margin
        Largest difference in proportion correct that counts as equivalent.

    Returns
    -------
    pandas.DataFrame
        ``modality``, ``model``, ``stage`` (``all`` in rows over models or stages, ``distinct`` in rows over models
        without common stages), ``version``, ``measure``; numbers of
        ``stimuli``, ``judges`` and ``stages``; ``published``, the mean of the published procedure; the fields of
        ``Effect``, version minus published; ``margin``; ``low_random_judges``, ``high_random_judges``: the interval
        with random judges, NaN in rows over models and with fewer than ``FEWEST_JUDGES`` judges; ``decision``; in rows
        of one stage ``published_steps``, ``steps``, ``published_error`` and ``error``, means over stimuli; in rows over
        models ``settings`` of the version, as JSON, with ``steps`` for the reference only.
    """
    rows = []
    for modality in dict.fromkeys(modalities[model] for model in recognized):
        models = [model for model in recognized if modalities[model] == modality]
        for version, measure in itertools.product(settings[models[0]], MEASURES):
            if version == PUBLISHED:
                continue
            given, pooled = {"modality": modality, "version": version}, []
            for model in models:
                one = recognized[model]
                equal = equal_match_stages(one, version)
                for place, stage in enumerate(one["stage"].values):
                    at_stage = one.isel(stage=[place])
                    found = _tests([at_stage], version, measure, margin, bool(equal[place]))
                    rows.append(given | {"model": model, "stage": str(stage)} | found | _synthesis(at_stage, version))
                if equal.any():
                    pooled.append(one.isel(stage=np.flatnonzero(equal)))
                    found = _tests(pooled[-1:], version, measure, margin)
                    rows.append(given | {"model": model, "stage": ALL} | found)
            if pooled:
                used = dict(settings[models[0]][version])
                if version != reference:
                    del used["steps"]  # found by the search, at each stage another number
                distinct = without_common_stages(pooled)
                common = sum(one.sizes["stage"] for one in pooled) - sum(one.sizes["stage"] for one in distinct)
                for stage, parts in ((ALL, pooled), (DISTINCT, distinct if common else [])):
                    if parts:
                        found = _tests(parts, version, measure, margin) | {"settings": json.dumps(used)}
                        rows.append(given | {"model": ALL, "stage": stage} | found)
    first = ["modality", "model", "stage", "version", "measure"]
    table = pd.DataFrame(rows)
    return table[first + [name for name in table.columns if name not in first]]


def _synthesis(at_stage: xr.Dataset, version: str) -> dict[str, float]:
    """Mean numbers of steps and mean errors of both procedures at one stage."""
    found = {}
    for prefix, name in (("published_", PUBLISHED), ("", version)):
        of_version = at_stage.sel(version=name).isel(stage=0)
        found[f"{prefix}steps"] = float(of_version["steps"].mean())
        found[f"{prefix}error"] = float(of_version["normalized_error"].mean())
    return found
