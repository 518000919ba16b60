"""The noise ceiling of human means: the R² that a perfect predictor of participants would reach, and its uncertainty.

``noise_ceiling`` splits participants into random halves, as is usual. ``reliability`` is its limit over all splits in
closed form, from which the interval over participants follows.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from metamers.humans.summary import CEILING_COLUMNS

SPLITS = 1000  # random halves of the participants for the noise ceiling
SPLIT_SEED = 0  # fixed: the ceiling is a property of the data, the same in every run
QUANTILE = 0.975  # of the ends of a 95% interval


def _human_answers(
    experiments: Sequence[xr.Dataset], points: Sequence[tuple[str, str]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each experiment's human answers (participant, point), 0 where absent, and the points it has (point,)."""
    answers = []
    for dataset in experiments:
        human = dataset["proportion_correct"].sel(observer="human")
        models = set(map(str, human["generation_model"].values))
        asked = np.array([model in models for model, _ in points])
        values = np.zeros((human.sizes["participant"], len(points)))
        for index in np.flatnonzero(asked):
            model, stage = points[index]
            values[:, index] = human.sel(generation_model=model, stage=stage)
        answers.append((values, asked))
    return answers


def noise_ceiling(
    experiments: Sequence[xr.Dataset], points: Sequence[tuple[str, str]], splits: int = SPLITS, seed: int = SPLIT_SEED
) -> tuple[float, float, float]:
    """Compute the split-half reliability of the human means, which is the largest R² that a predictor can reach.

    The participants of every experiment are split into random halves, each participant with all answers. (The files of
    one experiment have the same participant names, which are assumed to be the same persons.) Each half is pooled over
    experiments and averaged at every point. The correlation r between the halves' averages, corrected for the halved
    number of participants by the Spearman-Brown formula 2 r / (1 + r), is the reliability of the averages over all
    participants. In classical test theory, noise-free predictions correlate with these averages by the square root of
    the reliability, so the reliability itself is the ceiling of R².

    Parameters
    ----------
    experiments
        Results of ``metamers.humans.participants.experiment_dataset``, all of one modality.
    points
        (generation model, stage) of every point.
    splits
        Number of random splits.
    seed
        Random seed of the splits.

    Returns
    -------
    ceiling, low, high
        Mean and 95% range over the splits. The range shows the influence of the random split only; the uncertainty over
        participants is ``noise_ceiling_interval``.
    """
    rng = np.random.default_rng(seed)
    sums = np.zeros((2, splits, len(points)))
    counts = np.zeros((2, 1, len(points)))
    for values, asked in _human_answers(experiments, points):
        participants = len(values)
        first = rng.permuted(np.tile(np.arange(participants), (splits, 1)), axis=1) < participants // 2
        for half, members in enumerate((first, ~first)):
            sums[half] += members.astype(float) @ values
            counts[half] += members[0].sum() * asked
    halves = sums / counts
    halves -= halves.mean(axis=2, keepdims=True)
    r = (halves[0] * halves[1]).sum(axis=1) / np.sqrt((halves**2).sum(axis=2).prod(axis=0))
    reliability = 2 * r / (1 + r)
    low, high = np.quantile(reliability, [0.025, 0.975])
    return float(reliability.mean()), float(low), float(high)


def reliability(answers: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Compute the reliability of the human means from the variance between participants, without splits.

    It is the limit of ``noise_ceiling`` for many splits: 1 minus the sampling variance of the points' means divided by
    the variance of these means. Both exclude the component that all points have in common.

    Parameters
    ----------
    answers
        For each experiment: answers (participant, point), and whether it has answers at a point (point,).
    """
    counts = sum(len(values) * asked for values, asked in answers)
    means, error = np.zeros(len(counts)), 0.0
    for values, _ in answers:
        shares = values / counts
        means += shares.sum(axis=0)
        differences = shares - shares.mean(axis=0)
        differences -= differences.mean(axis=1, keepdims=True)
        error += len(values) / (len(values) - 1) * (differences**2).sum()
    return float(1 - error / ((means - means.mean()) ** 2).sum())


def reliability_interval(answers: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Compute the 95% interval of ``reliability`` over participants.

    Each participant is left out in turn, with all answers (jackknife). With u the logarithm of 1 - reliability, its
    variance is the sum over experiments of (n - 1)/n Σ (u_i - mean u)², and the ends of the interval are u ± t s, where
    t is Student's quantile with the number of participants minus the number of experiments as its degrees of freedom.
    (Bootstrap samples contain some participants twice, who agree with themselves; a bootstrap interval is too high and
    too narrow.)

    Parameters
    ----------
    answers
        As for ``reliability``.

    Returns
    -------
    low, high
        Between 0 and 1; NaN where an experiment has fewer than three participants, or where participants do not differ.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 11; on the logarithm, Feldt (1965),
    Psychometrika 30, 357-370.
    """
    from scipy.special import stdtrit  # slow to import, and most importers of this module do not need it

    numbers = [len(values) for values, _ in answers]
    if not numbers or min(numbers) < 3:
        return np.nan, np.nan
    variance = 0.0
    for place, (values, asked) in enumerate(answers):
        others = [*answers[:place], *answers[place + 1 :]]
        left = np.array([1 - reliability([*others, (np.delete(values, i, axis=0), asked)]) for i in range(len(values))])
        if not (left > np.finfo(float).eps).all():
            return np.nan, np.nan
        variance += (len(values) - 1) * np.log(left).var()
    half = stdtrit(sum(numbers) - len(numbers), QUANTILE) * np.sqrt(variance)
    noise = 1 - reliability(answers)
    return float(max(1 - noise * np.exp(half), 0)), float(1 - noise * np.exp(-half))


def noise_ceiling_interval(experiments: Sequence[xr.Dataset], points: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Compute the 95% interval of the noise ceiling over participants (``reliability_interval``).

    Parameters
    ----------
    experiments, points
        As for ``noise_ceiling``.
    """
    return reliability_interval([one for one in _human_answers(experiments, points) if one[1].any()])


def noise_ceilings(points: pd.DataFrame, experiments: Mapping[str, Sequence[xr.Dataset]]) -> pd.DataFrame:
    """Compute the noise ceiling of each modality, with its range over splits and its interval over participants.

    Parameters
    ----------
    points
        Result of ``metamers.humans.summary.pooled_points``.
    experiments
        Modality → results of ``metamers.humans.participants.experiment_dataset``.

    Returns
    -------
    pd.DataFrame
        ``metamers.humans.summary.CEILING_COLUMNS``, one row per modality.
    """
    rows = []
    for modality, data in experiments.items():
        of_modality = points.loc[points["modality"] == modality, ["generation_model", "stage"]]
        known = list(of_modality.itertuples(index=False, name=None))
        rows.append((modality, *noise_ceiling(data, known), *noise_ceiling_interval(data, known)))
    return pd.DataFrame(rows, columns=CEILING_COLUMNS)
