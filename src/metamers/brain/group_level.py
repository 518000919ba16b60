"""From values of voxels to results over participants: medians, the choice of a stage, intervals, and p of shuffles."""

import numpy as np

INTERVAL = 0.95


def best_stage_left_out(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose the stage that predicts the other participants best, and return the participant's own value there.

    The stage with the highest mean over all other participants is chosen, so that the choice does not profit from the
    noise of the reported values (Feather et al. 2023, Methods, fMRI analysis).

    Parameters
    ----------
    values
        (participant, stage); NaN where a participant has no value. NaN is left out of the means and is never chosen.

    Returns
    -------
    own
        (participant,): the participant's own value at the chosen stage; NaN where the participant has none.
    chosen
        (participant,): index of the chosen stage; the earlier stage where means are equal.

    Raises
    ------
    ValueError
        When there are fewer than two participants, or no other participant has a value.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) < 2 or not values.shape[1]:
        raise ValueError(f"values of shape {values.shape}; wanted (participant, stage) of two participants or more")
    known = np.isfinite(values)
    others = known.sum(axis=0) - known
    total = np.where(known, values, 0).sum(axis=0) - np.where(known, values, 0)
    means = np.divide(total, others, out=np.full(values.shape, -np.inf), where=others > 0)
    if (means == -np.inf).all(axis=1).any():
        raise ValueError("no other participant has a value: no stage can be chosen")
    chosen = means.argmax(axis=1)
    return values[np.arange(len(values)), chosen], chosen


def medians_by_participant(values: np.ndarray, participant: np.ndarray) -> np.ndarray:
    """Take the median over each participant's voxels: (…, voxel) → (…, participant), in order of first appearance."""
    names = dict.fromkeys(participant)
    return np.stack([np.median(values[..., participant == one], axis=-1) for one in names], axis=-1)


def interval_half_width(values: np.ndarray, of_splits: np.ndarray, stimuli: int) -> float:
    """Compute half the width of the 95% interval of a mean over participants who had the same stimuli.

    The variance is the sum of that over participants, s²/n, and that over stimuli. The latter is estimated from the
    random halves as the variance of the J splits' values times 1/J + n_test/n_train (Nadeau & Bengio 2003). Student's t
    has n - 1 degrees of freedom.

    Parameters
    ----------
    values
        (participant,), not clipped: values that are all clipped at 1 would hide their variance.
    of_splits
        (split,): mean over participants in each split, not clipped. With a single split the result is NaN.
    stimuli
        Number of stimuli that were split.

    References
    ----------
    Nadeau & Bengio (2003), Machine Learning 52, 239-281.
    """
    import scipy.stats  # slow to import, and most importers of this module do not need it

    if len(of_splits) < 2:
        return np.nan
    trained = -(-stimuli // 2)
    variance = values.var(ddof=1) / len(values)
    variance += (1 / len(of_splits) + (stimuli - trained) / trained) * of_splits.var(ddof=1)
    return float(scipy.stats.t.ppf((1 + INTERVAL) / 2, len(values) - 1) * np.sqrt(variance))


def shuffle_p(value: np.ndarray, shuffled: np.ndarray) -> np.ndarray:
    """Compute p of values (…) against those of S shuffles (shuffle, …).

    p is (b + 1) / (S + 1), where b shuffles have a value at least as high.

    References
    ----------
    Phipson & Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9, 39.
    """
    return (1 + (shuffled >= value).sum(axis=0)) / (1 + len(shuffled))
