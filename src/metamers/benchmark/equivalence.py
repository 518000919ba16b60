"""Equivalence: whether metamers of the default procedure are recognized as those of the published one, at equal match.

The analysis of a balanced design: every judge (another recognition model) answers to the metamers of every stimulus,
stage and version. Differences from the published procedure are paired by stimulus, judge and stage. Stimuli are a
random sample; models, stages and judges are those of the run, so that an interval holds for them. The synthesis and
the search for the equal match are in ``metamers.benchmark.match``, the answers in ``metamers.recognize``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.special
import scipy.stats
import xarray as xr

from metamers.benchmark.match import ALIKE

ALPHA = 0.05  # level of each one-sided test, and of the two-sided test of a difference
PUBLISHED = "published"
ALL = "all"  # in the table, in the place of a stage or a model
FEWEST_JUDGES = 3  # with which judges can be random: two have one degree of freedom
MEASURES = {"correct": "proportion correct", "log_odds": "log odds"}


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
    (m − δ) / s. A standard error of 0 gives p of 0 or 1.

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
    with np.errstate(divide="ignore", invalid="ignore"):
        above, below, none = (
            np.divide(value, standard_error) for value in (difference + margin, margin - difference, difference)
        )
        none = 0.0 if difference == 0 else none
        p_equivalence = max(scipy.stats.t.sf(above, df), scipy.stats.t.sf(below, df))
        p_difference = 2 * scipy.stats.t.sf(abs(none), df)
    half = scipy.stats.t.isf(ALPHA, df) * standard_error
    known = np.isfinite(standard_error)
    return Effect(
        float(difference),
        float(standard_error),
        float(df),
        float(difference - half),
        float(difference + half),
        float(p_equivalence) if known else np.nan,
        float(p_difference) if known else np.nan,
    )


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
        All NaN except the difference for fewer than ``FEWEST_JUDGES`` judges.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Clark (1973), Journal of Verbal Learning and Verbal Behavior
    12, 335-359.
    """
    differences = np.asarray(differences, float)
    cells = differences.reshape(*differences.shape[:2], -1).mean(axis=2)
    (n, judges), mean = cells.shape, cells.mean()
    if judges < FEWEST_JUDGES or n < 2:
        return equivalence_tests(mean, np.nan, np.nan, margin)
    stimulus, judge = cells.mean(axis=1) - mean, cells.mean(axis=0) - mean
    added = (one_answer * judges / differences[0].size) ** 2 / judges
    of_stimuli = (judges * (stimulus**2).sum() + added) / (n - 1)
    of_judges = n * (judge**2).sum() / (judges - 1)
    residual = cells - mean - stimulus[:, None] - judge
    of_rest = (residual**2).sum() / ((n - 1) * (judges - 1))
    if of_judges <= of_rest:
        return effect_over_stimuli(differences, margin, one_answer)
    variance = of_stimuli + of_judges - of_rest
    terms = ((of_stimuli, n - 1), (of_judges, judges - 1), (of_rest, (n - 1) * (judges - 1)))
    df = variance**2 / sum(square**2 / count for square, count in terms)
    return equivalence_tests(mean, np.sqrt(variance / (n * judges)), df, margin)


def log_odds_margin(log_odds: np.ndarray, margin: float) -> float:
    """The change of all log odds that changes the mean probability by the margin.

    With l the observed log odds and σ the logistic function, it is the δ for which the mean of σ(l + δ/2) − σ(l − δ/2)
    equals the margin.

    Parameters
    ----------
    log_odds
        Log odds of the true category of the published procedure's metamers, of any shape.
    margin
        Change of the probability, between 0 and 1.
    """
    observed = np.asarray(log_odds, float).ravel()

    def excess(delta: float) -> float:
        ends = (scipy.special.expit(observed + side * delta / 2) for side in (1, -1))
        return float(np.mean(next(ends) - next(ends)) - margin)

    high = 1.0
    while excess(high) < 0:
        high *= 2
    return float(scipy.optimize.brentq(excess, 0, high, xtol=1e-12))


def decision(effect: Effect, alike: bool = True) -> str:
    """What the tests say: ``equivalent``, ``different`` (from 0, not shown to be within the margin) or ``undecided``.

    Parameters
    ----------
    effect
        The tested difference.
    alike
        Whether the compared metamers have an equal match.
    """
    if not alike:
        return "no equal match"
    if not np.isfinite(effect.p_equivalence):
        return "too few stimuli"
    if effect.p_equivalence < ALPHA:
        return "equivalent"
    return "different" if effect.p_difference < ALPHA else "undecided"


def alike_stages(recognized: xr.Dataset, version: str, reference: str) -> np.ndarray:
    """Whether the published procedure and a version end within ``ALIKE`` of the reference's mean error, (stage,)."""
    error = recognized["normalized_error"].mean("stimulus")
    distance = abs(np.log(error.sel(version=[PUBLISHED, version]) / error.sel(version=reference, drop=True)))
    return (distance <= np.log1p(ALIKE)).all("version").values


def _row(
    recognized: Sequence[xr.Dataset], version: str, measure: str, margin: float, judges_random: bool
) -> tuple[dict[str, Any], Effect]:
    """The columns of ``equivalence_table`` that follow from answers; ``recognized`` has models or stages to pool."""
    dims = ("stimulus", "recognition_model", "stage")
    answers = [one[measure].astype(float).transpose("version", *dims) for one in recognized]
    published = [one.sel(version=PUBLISHED).values for one in answers]
    pairs = [one.sel(version=version).values - before for one, before in zip(answers, published, strict=True)]
    flat = np.concatenate([one.reshape(len(one), -1) for one in pairs], axis=1)
    before = np.concatenate([one.reshape(len(one), -1) for one in published], axis=1)
    one_answer = 1.0 if measure == "correct" else 0.0
    used = margin if measure == "correct" else log_odds_margin(before, margin)
    effect = effect_over_stimuli(flat, used, one_answer)
    with_judges = effect_over_stimuli_and_judges(pairs[0], used, one_answer) if judges_random else None
    return {
        "measure": MEASURES[measure],
        "stimuli": len(flat),
        "judges": len({str(name) for one in recognized for name in one["recognition_model"].values}),
        "stages": sum(one.sizes["stage"] for one in recognized),
        "published": before.mean(),
        **effect._asdict(),
        "margin": used,
        "low_random_judges": with_judges.low if with_judges else np.nan,
        "high_random_judges": with_judges.high if with_judges else np.nan,
    }, effect


def equivalence_table(
    recognized: Mapping[str, xr.Dataset],
    modalities: Mapping[str, str],
    settings: Mapping[str, Mapping[str, Mapping[str, Any]]],
    reference: str,
    margin: float,
) -> pd.DataFrame:
    """One row for each version and measure, at each stage, for each model over stages, for each modality over models.

    Rows over stages have the stages with an equal match only.

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
        The version whose match the others have.
    margin
        Largest difference in proportion correct that counts as equivalent.

    Returns
    -------
    pandas.DataFrame
        ``modality``, ``model``, ``stage`` (``all`` in rows over models or stages), ``version``, ``measure``; numbers of
        ``stimuli``, ``judges`` and ``stages``; ``published``, the mean of the published procedure; the fields of
        ``Effect``, version minus published; ``margin``; ``low_random_judges``, ``high_random_judges``: the interval
        with random judges, NaN in rows over models and with fewer than ``FEWEST_JUDGES`` judges; ``decision``; in rows
        of one stage ``published_steps``, ``steps``, ``published_error`` and ``error``, the mean normalized errors; in
        rows over models ``settings`` of the version, as JSON.
    """
    rows = []
    for modality in dict.fromkeys(modalities[model] for model in recognized):
        models = [model for model in recognized if modalities[model] == modality]
        versions = [version for version in settings[models[0]] if version != PUBLISHED]
        for version in versions:
            for measure in MEASURES:
                given = {"modality": modality, "version": version}
                pooled = []
                for model in models:
                    one = recognized[model]
                    alike = alike_stages(one, version, reference)
                    pooled.append(one.isel(stage=np.flatnonzero(alike)))
                    for place, stage in enumerate(one["stage"].values):
                        at_stage = one.isel(stage=[place])
                        row, effect = _row([at_stage], version, measure, margin, judges_random=True)
                        found = given | {"model": model, "stage": str(stage)} | row
                        rows.append(
                            found | {"decision": decision(effect, bool(alike[place]))} | _synthesis(at_stage, version)
                        )
                    if alike.any():
                        row, effect = _row(pooled[-1:], version, measure, margin, judges_random=True)
                        rows.append(given | {"model": model, "stage": ALL} | row | {"decision": decision(effect)})
                pooled = [one for one in pooled if one.sizes["stage"]]
                if pooled:
                    row, effect = _row(pooled, version, measure, margin, judges_random=False)
                    changed = {"settings": json.dumps(dict(settings[models[0]][version]))}
                    rows.append(given | {"model": ALL, "stage": ALL} | row | {"decision": decision(effect)} | changed)
    first = ["modality", "model", "stage", "version", "measure"]
    table = pd.DataFrame(rows)
    return table[first + [name for name in table.columns if name not in first]]


def _synthesis(at_stage: xr.Dataset, version: str) -> dict[str, float]:
    """Steps and mean errors of both procedures at one stage."""
    found = {}
    for prefix, name in (("published_", PUBLISHED), ("", version)):
        of_version = at_stage.sel(version=name).isel(stage=0)
        found[f"{prefix}steps"] = int(of_version["steps"][0])
        found[f"{prefix}error"] = float(of_version["normalized_error"].mean())
    return found
