"""Equivalence: whether metamers of a run's procedure are recognized as those of the published one, at an equal match.

The analysis of a balanced design: every other recognition model answers to the metamers of every stimulus, stage and
version. A metamer is recognized if the recognition model gives it the category that it gives the natural stimulus.
Differences from the published procedure are paired by stimulus, recognition model and stage. Stimuli are a random
sample; models and stages are those of the run, so that an interval holds for them. The synthesis and the search for the
equal match are in ``studies.benchmark.match``, the answers in ``studies.benchmark.versions``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.special
import scipy.stats
import xarray as xr

from metamers.compare.sphericity import greenhouse_geisser, main_departures
from studies.benchmark.match import equal_match

ALPHA = 0.05  # level of each one-sided test, and of the two-sided test of a difference
PUBLISHED = "published"
DEFAULT = "default"  # the run's procedure, at its target
LOOSER = "looser"  # the same at a looser match: a difference that must be found
ALL = "all"  # in the table, in the place of a stage or a model
FEWEST_RECOGNITION_MODELS = 3  # with which recognition models can be random: two have one degree of freedom
MEASURES = {"correct": "proportion recognized", "log_odds": "log odds"}
# From the table to a sentence: factor, decimals and unit.
UNITS = {"correct": (100.0, 1, " points"), "log_odds": (1.0, 2, " (log odds)")}
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
    and of its interactions with recognition model and stage.

    Answers are 0 or 1. Where all stimuli have equal differences, which is common near 0 and 1, their spread is 0
    although the next stimulus could differ. The square of one changed answer of one stimulus is therefore added to the
    sum of squares.

    Parameters
    ----------
    differences
        (stimulus, …): paired differences, for all recognition models, stages and models.
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


def effect_over_stimuli_and_models(differences: np.ndarray, margin: float, one_answer: float = 0.0) -> Effect:
    """The mean difference, with stimuli and recognition models as crossed random factors.

    With n stimuli, J models and the mean squares of stimuli, models and their interaction, MS_s, MS_j and MS_r, the
    variance of the mean is (MS_s + MS_j − MS_r) / (n J), with Satterthwaite's degrees of freedom. Where MS_j is at most
    MS_r, the variance between models is estimated as 0, and the result is that of ``effect_over_stimuli``.

    Parameters
    ----------
    differences
        (stimulus, recognition model, …): paired differences, for all stages.
    margin, one_answer
        As of ``effect_over_stimuli``.

    Returns
    -------
    Effect
        Without tests and interval (NaN) for fewer than ``FEWEST_RECOGNITION_MODELS`` or a single stimulus.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Clark (1973), Journal of Verbal Learning and Verbal Behavior
    12, 335-359.
    """
    differences = np.asarray(differences, float)
    n, recognition_models = differences.shape[:2]
    if recognition_models < FEWEST_RECOGNITION_MODELS or n < 2:
        return equivalence_tests(differences.mean() if differences.size else np.nan, np.nan, np.nan, margin)
    cells = differences.reshape(n, recognition_models, -1).mean(axis=2)
    mean = cells.mean()
    stimulus, recognition_model = cells.mean(axis=1) - mean, cells.mean(axis=0) - mean
    added = (one_answer * recognition_models / differences[0].size) ** 2 / recognition_models
    mean_square_stimuli = (recognition_models * (stimulus**2).sum() + added) / (n - 1)
    mean_square_models = n * (recognition_model**2).sum() / (recognition_models - 1)
    residual = cells - mean - stimulus[:, None] - recognition_model
    mean_square_rest = (residual**2).sum() / ((n - 1) * (recognition_models - 1))
    if mean_square_models <= mean_square_rest:
        return effect_over_stimuli(differences, margin, one_answer)
    variance = mean_square_stimuli + mean_square_models - mean_square_rest
    terms = (
        (mean_square_stimuli, n - 1),
        (mean_square_models, recognition_models - 1),
        (mean_square_rest, (n - 1) * (recognition_models - 1)),
    )
    df = variance**2 / sum(square**2 / count for square, count in terms)
    return equivalence_tests(mean, np.sqrt(variance / (n * recognition_models)), df, margin)


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
        Log odds of the natural stimulus's category for the published procedure's metamers, of any shape.
    margin
        Change of the probability, between 0 and 1.
    """
    p = scipy.special.expit(log_odds).mean()
    return float(margin / (p * scipy.special.expit(-np.asarray(log_odds)).mean()))


def decision(effect: Effect) -> str:
    """What the tests say: ``equivalent``, ``different`` (from 0, not shown to be within the margin) or ``undecided``.

    ``not tested`` is an effect without p values: of a single stimulus, of fewer than ``FEWEST_RECOGNITION_MODELS`` as a
    random sample, or of values that are not finite.
    """
    if not np.isfinite(effect.p_equivalence):
        return "not tested"
    if effect.p_equivalence < ALPHA:
        return "equivalent"
    return "different" if effect.p_difference < ALPHA else "undecided"


class Stages(NamedTuple):
    """How much the differences of single stages differ, and how large the largest of them may be.

    Attributes
    ----------
    f, df, df_error, p
        Test of equal differences at all stages: the F ratio of stages and of their interaction with stimuli, its
        degrees of freedom after Greenhouse and Geisser, and p. NaN for a single stage or stimulus.
    root_mean_square
        Root mean square of the true differences of single stages, estimated: the mean square of the measured ones less
        the mean of their squared standard errors, 0 if that is negative.
    single_within
        The smallest limit within which the differences of all single stages are, each by two one-sided tests: the
        largest end of their 90% intervals. The test of all of them together, by the largest p, needs no correction for
        their number (Berger 1982).

    References
    ----------
    Greenhouse & Geisser (1959), Psychometrika 24, 95-112; Berger (1982), Technometrics 24, 295-300.
    """

    f: float
    df: float
    df_error: float
    p: float
    root_mean_square: float
    single_within: float


def effects_of_stages(differences: Sequence[np.ndarray], margin: float, one_answer: float = 0.0) -> Stages:
    """Compare the differences of single stages.

    Parameters
    ----------
    differences
        For each stage paired differences (stimulus, recognition model).
    margin, one_answer
        As of ``effect_over_stimuli``.
    """
    effects = [effect_over_stimuli(of_stage, margin, one_answer) for of_stage in differences]
    cells = np.stack([of_stage.mean(axis=1) for of_stage in differences], axis=1)  # (stimulus, stage)
    (n, stages), means = cells.shape, cells.mean(axis=0)
    squares = np.mean([effect.difference**2 - effect.standard_error**2 for effect in effects])
    f = df = df_error = p = np.nan
    if n > 1 and stages > 1 and np.isfinite(cells).all():
        departures = main_departures(cells)
        rest = ((departures - departures.mean(axis=0)) ** 2).sum() / ((n - 1) * (stages - 1))
        between = n * ((means - means.mean()) ** 2).sum() / (stages - 1)
        epsilon = float(greenhouse_geisser(departures, stages - 1)) if rest > 0 else 1.0
        df, df_error = epsilon * (stages - 1), epsilon * (stages - 1) * (n - 1)
        f = between / rest if rest > 0 else (np.inf if between > 0 else 0.0)
        p = float(scipy.stats.f.sf(f, df, df_error))
    return Stages(
        float(f),
        float(df),
        float(df_error),
        p,
        float(np.sqrt(np.maximum(squares, 0))),
        float(np.abs([(effect.low, effect.high) for effect in effects]).max()),
    )


def verdict(mean: str, stages: Stages, margin: float, measure: str) -> str:
    """What a row over several stages says: of the mean, and of single stages.

    Parameters
    ----------
    mean
        The ``decision`` about the mean.
    stages
        The single stages.
    margin
        The margin of the mean.
    measure
        ``correct`` or ``log_odds``.
    """
    if not np.isfinite(stages.single_within):
        return "not tested"
    factor, decimals, unit = UNITS[measure]
    limit = np.ceil(10**decimals * factor * stages.single_within) / 10**decimals  # a smaller one is not shown
    single = f"single stages within {limit:.{decimals}f}{unit}"
    single += f" (root mean square {factor * stages.root_mean_square:.{decimals}f})"
    sentence = {
        "equivalent": f"equal on average within {factor * margin:.{decimals}f}{unit}, {single}",
        "different": f"different on average, {single}",
    }.get(mean, f"equality on average not shown, {single}")
    return f"{sentence}; stages differ" if stages.p < ALPHA else sentence


def distinct_metamers(recognized: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The data of several models with each set of metamers once, for the first model that has it.

    Metamers of a stage that models have in common, such as a cochleagram, are the same. They are known by the equal
    errors of all stimuli. A model without a stage of its own is left out.

    Parameters
    ----------
    recognized
        Model → (stage, version, stimulus) → ``normalized_error``, with further variables.
    """
    known: list[np.ndarray] = []
    kept = {}
    for model, one in recognized.items():
        errors = one["normalized_error"].transpose("stage", "version", "stimulus").values
        own = [not any(np.array_equal(stage, other) for other in known) for stage in errors]
        known += list(errors)
        if any(own):
            kept[model] = one.isel(stage=np.flatnonzero(own))
    return kept


def _paired(recognized: xr.Dataset, version: str, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """Differences of a version from the published procedure, and its values (stimulus, recognition model, stage)."""
    values = recognized[measure].astype(float).transpose("version", "stimulus", "recognition_model", "stage")
    published = values.sel(version=PUBLISHED).values
    return values.sel(version=version).values - published, published


def _tests(recognized: Sequence[xr.Dataset], version: str, measure: str, margin: float) -> dict[str, Any]:
    """The columns of ``equivalence_table`` that follow from the answers for one or several models."""
    pairs = [_paired(one, version, measure) for one in recognized]
    differences, published = (
        np.concatenate([values.reshape(len(values), -1) for values in part], axis=1)
        for part in zip(*pairs, strict=True)
    )
    used = margin if measure == "correct" else log_odds_margin(published, margin)
    effect = effect_over_stimuli(differences, used, ONE_ANSWER[measure])
    # Recognition models are crossed with stimuli and stages only within a model, which does not recognize its own.
    of_model = pairs[0][0] if len(pairs) == 1 else np.empty((len(differences), 0))
    random = effect_over_stimuli_and_models(of_model, used, ONE_ANSWER[measure])
    single = [of_model[:, :, place] for of_model, _ in pairs for place in range(of_model.shape[2])]
    row = {
        "measure": MEASURES[measure],
        "stimuli": len(differences),
        "judges": len({str(name) for one in recognized for name in one["recognition_model"].values}),
        "stages": len(single),
        "published": published.mean(),
        **effect._asdict(),
        "margin": used,
        "low_random_judges": random.low,
        "high_random_judges": random.high,
        "decision": (decided := decision(effect)),
    }
    if len(single) > 1:
        stages = effects_of_stages(single, used, ONE_ANSWER[measure])
        row |= {f"stages_{name}": value for name, value in stages._asdict().items()}
        row["verdict"] = verdict(decided, stages, used, measure)
    return row


def equivalence_table(
    recognized: Mapping[str, xr.Dataset], modalities: Mapping[str, str], margin: float
) -> pd.DataFrame:
    """One row for each version and measure: at each stage, for each model over stages, for each modality over models.

    Rows over stages have all stages, whether or not the match is equal at each, and rows over models have metamers that
    models have in common once (``distinct_metamers``).

    Parameters
    ----------
    recognized
        Generation model → (recognition_model, stage, version, stimulus) → ``correct`` (0 or 1) and ``log_odds``;
        (stage, version, stimulus) → ``normalized_error``, ``steps``.
    modalities
        Generation model → its modality.
    margin
        Largest difference in the proportion recognized that counts as equivalent.

    Returns
    -------
    pandas.DataFrame
        ``modality``, ``model``, ``stage`` (``all`` in rows over models or stages), ``version``, ``measure``; numbers of
        ``stimuli``, ``judges`` and ``stages``; ``published``, the mean of the published procedure; the fields of
        ``Effect``, version minus published; ``margin``; ``low_random_judges``, ``high_random_judges``: the interval
        with random recognition models, NaN over models and with fewer than ``FEWEST_RECOGNITION_MODELS``; ``decision``;
        in rows over stages the fields of ``Stages`` with ``stages_`` before their names, and ``verdict``; in rows of
        one stage ``published_steps``, ``steps``, ``published_error`` and ``error``, means over stimuli, and
        ``equal_match``.
    """
    rows = []
    for modality in dict.fromkeys(modalities[model] for model in recognized):
        of_modality = {model: one for model, one in recognized.items() if modalities[model] == modality}
        pooled = list(distinct_metamers(of_modality).values())
        versions = next(iter(of_modality.values()))["version"].values
        for version in (str(name) for name in versions if name != PUBLISHED):
            for measure in MEASURES:
                given = {"modality": modality, "version": version}
                for model, one in of_modality.items():
                    for place, stage in enumerate(one["stage"].values):
                        at_stage = one.isel(stage=[place])
                        found = _tests([at_stage], version, measure, margin)
                        row = {"model": model, "stage": str(stage)} | found | _synthesis(at_stage, version)
                        rows.append(given | row)
                    rows.append(given | {"model": model, "stage": ALL} | _tests([one], version, measure, margin))
                rows.append(given | {"model": ALL, "stage": ALL} | _tests(pooled, version, measure, margin))
    first = ["modality", "model", "stage", "version", "measure"]
    table = pd.DataFrame(rows)
    return table[first + [name for name in table.columns if name not in first]]


def answers_table(recognized: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Every answer: one row for each model, stage, stimulus, recognition model and version.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``stage``, ``stimulus``, ``recognition_model``, ``version``, ``recognized`` (0 or 1), ``log_odds``.
    """
    tables = []
    for model, one in recognized.items():
        table = one[list(MEASURES)].to_dataframe().reset_index()
        table = table.assign(model=model, correct=table["correct"].astype(int))
        tables.append(table.rename(columns={"correct": "recognized"}))
    columns = ["model", "stage", "stimulus", "recognition_model", "version", "recognized", "log_odds"]
    return pd.concat(tables)[columns].sort_values(columns[:5], kind="stable", ignore_index=True)


def _synthesis(at_stage: xr.Dataset, version: str) -> dict[str, float]:
    """Mean numbers of steps and mean errors of both procedures at one stage, and whether the match is equal."""
    found = {}
    for prefix, name in (("published_", PUBLISHED), ("", version)):
        of_version = at_stage.sel(version=name).isel(stage=0)
        found[f"{prefix}steps"] = float(of_version["steps"].mean())
        found[f"{prefix}error"] = float(of_version["normalized_error"].mean())
    error = at_stage["normalized_error"].isel(stage=0)
    return found | {"equal_match": bool(equal_match(error.sel(version=version), error.sel(version=PUBLISHED)))}
