"""Brain: how well the stages of a model predict measured responses to natural stimuli, voxel by voxel.

Time-averaged activations, cross-validated ridge regression, the correction for noise, the choice of a stage, a baseline
of shuffled stimuli, and a simulated brain of which the answer is known. The published regressions are read in
``metamers.paper_brain``.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

# Ridge parameters that leave-one-out chooses from, as in the study's analysis (not verified).
RIDGE_PARAMETERS = 10.0 ** np.arange(-40, 40)
# The same for signed values, in units of the largest squared singular value of the features: beyond these, predictions
# no longer differ from those without a penalty, or from the mean.
RELATIVE_PARAMETERS = 10.0 ** np.arange(4, -9, -1)
CHANCE = 0.05  # p of a correlation that is the least reliability by which a variance is divided
INTERVAL = 0.95
TIE = 1e-12  # a smaller parameter must lower the error of leave-one-out by more than this part of it
CONSTANT = 1e-12  # a series whose deviations are below this part of its largest value does not vary
BLOCK = 2**21  # numbers of shuffled responses that are worked on together
SIMULATED_RESPONSE = "noiseless_response"


def best_stage_left_out(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stage that predicts best, chosen on the other participants, and what each participant has there.

    For each participant the stage with the highest mean over all others is chosen, so that the choice does not profit
    from the noise of the values that are reported (Feather et al. 2023, Methods, fMRI analysis).

    Parameters
    ----------
    values
        (participant, stage), NaN where a participant has no value, which then counts neither in a mean nor as a choice.

    Returns
    -------
    own, chosen
        (participant,): the participant's own value at the stage chosen for it (NaN where it has none), and that
        stage's place. Of equal means the earlier stage is chosen.

    Raises
    ------
    ValueError
        When there are fewer than two participants, or nobody else has a value.
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


def features(activations: np.ndarray, modality: str) -> np.ndarray:
    """Activations (stimulus, …) as features (stimulus, unit): of sounds averaged over time where they have it.

    A measured response lasts longer than a sound, so the study averages what is (channel, frequency, time) over time
    (Feather et al. 2023, Methods, fMRI analysis).
    """
    averaged = activations.mean(axis=3) if modality == "audio" and activations.ndim == 4 else activations
    return averaged.reshape(len(averaged), -1)


def joined(by_stage: Mapping[str, np.ndarray], stimuli: Sequence[str]) -> xr.Dataset:
    """Features of all stages in one Dataset.

    Parameters
    ----------
    by_stage
        Stage → (stimulus, unit).
    stimuli
        Their names.

    Returns
    -------
    xarray.Dataset
        (stimulus, unit) → ``activation``; (unit) → ``unit_stage``: the place in ``stage`` of each unit's stage.
    """
    return xr.Dataset(
        {
            "activation": (("stimulus", "unit"), np.concatenate(list(by_stage.values()), axis=1)),
            "unit_stage": ("unit", np.repeat(np.arange(len(by_stage)), [v.shape[1] for v in by_stage.values()])),
        },
        coords={"stimulus": list(stimuli), "stage": list(by_stage)},
    )


def by_stage(activations: xr.Dataset) -> dict[str, np.ndarray]:
    """The features of each stage, stage → (stimulus, unit), out of what ``joined`` gives."""
    values, place = activations["activation"].values, activations["unit_stage"].values
    return {str(stage): values[:, place == n] for n, stage in enumerate(activations["stage"].values)}


def least_reliability(number: int) -> float:
    """The correlation that two random series of that length exceed with p 0.05, one-sided.

    Of 83 sounds 0.182, of 82 0.183: what the study divides by at least, where a reliability is lower (after Huth et al.
    2016).
    """
    import scipy.stats  # here, since most who import this module do no such statistics

    t = scipy.stats.t.isf(CHANCE, number - 2)
    return float(t / np.sqrt(number - 2 + t**2))


def correlate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation over the first axis; 0 where one does not vary, as in the study's analysis (not verified)."""
    import scipy.stats  # here, since most who import this module do no such statistics

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.stats.ConstantInputWarning)
        warnings.simplefilter("ignore", scipy.stats.NearConstantInputWarning)
        return np.nan_to_num(scipy.stats.pearsonr(a, b, axis=0).statistic)


def reliability(repeated: np.ndarray) -> np.ndarray:
    """Reliability of the mean of repeated series: the median correlation of pairs, Spearman-Brown corrected.

    Parameters
    ----------
    repeated
        (observation, voxel, repetition), two repetitions or more.

    Returns
    -------
    numpy.ndarray
        (voxel,), at least ``least_reliability`` of so many observations.
    """
    number = repeated.shape[2]
    first, second = np.triu_indices(number, 1)
    pairs = [correlate(repeated[:, :, i], repeated[:, :, j]) for i, j in zip(first, second, strict=True)]
    return _of_the_mean(np.median(pairs, axis=0), number, len(repeated))


def _of_the_mean(median: np.ndarray, number: int, observations: int) -> np.ndarray:
    """Spearman and Brown's reliability of a mean of so many series, from the median correlation of pairs."""
    # Spearman-Brown has a pole at -1 / (number - 1); whatever is below chance counts as chance.
    least = least_reliability(observations)
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = number * median / (1 + (number - 1) * median)
    return np.where(median > 0, np.maximum(corrected, least), least)


def ridge(train: np.ndarray, responses: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predictions by ridge regression, its parameter chosen for each response by leave-one-out on what it learns from.

    Parameters
    ----------
    train, test
        Features (stimulus, unit).
    responses
        (stimulus of ``train``, response).

    Returns
    -------
    predicted, parameters
        (stimulus of ``test``, response); (response,), of ``RIDGE_PARAMETERS``.
    """
    return _published_ridge(*spanned(train, test), responses)


def spanned(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (stimulus, unit) of training and test stimuli in the span of those of the training stimuli.

    Ridge regression does not change under a rotation. The span has fewer dimensions than there are training stimuli,
    where a stage can have a million units.

    Returns
    -------
    inside, outside
        (stimulus of ``train``, dimension), (stimulus of ``test``, dimension); of features that do not vary one
        dimension of zeros.
    """
    mean = train.mean(axis=0)
    left, lengths, directions = np.linalg.svd(train - mean, full_matrices=False)
    kept = lengths > lengths[0] * max(train.shape) * np.finfo(train.dtype).eps
    if not kept.any():
        return np.zeros((len(train), 1)), np.zeros((len(test), 1))
    return left[:, kept] * lengths[kept], (test - mean) @ directions[kept].T


def _published_ridge(inside: np.ndarray, outside: np.ndarray, responses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What ``ridge`` gives, of features in the span."""
    from sklearn.linear_model import RidgeCV

    # The largest first, as in the study's analysis (not verified). The smallest can divide by 0, and are not chosen.
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = RidgeCV(alphas=RIDGE_PARAMETERS[::-1], alpha_per_target=True, gcv_mode="eigen").fit(inside, responses)
    return fitted.predict(outside), fitted.alpha_


def corrected_r2(
    inside: np.ndarray, outside: np.ndarray, measured: np.ndarray, is_train: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of measured responses that a stage explains, corrected for noise (Feather et al. 2023, Methods).

    A negative correlation counts as a positive one, so that a stage that predicts nothing does not read 0: see
    ``signed_r2`` for the value without this.

    r²(v, v̂) / (r_v · r_v̂), with v the mean response over repetitions and v̂ its prediction for test stimuli; r_v the
    reliability of responses to training stimuli; r_v̂ that of predictions for test stimuli, each learned from one
    repetition.

    Parameters
    ----------
    inside, outside
        What ``spanned`` gives of the stage.
    measured
        (stimulus, voxel, repetition).
    is_train
        (stimulus,): which of them are for training; all others are for testing.

    Returns
    -------
    r2, parameters
        (voxel,): can exceed 1 where the reliability is estimated too low; ridge parameter of the mean response.
    """
    _, voxels, repetitions = measured.shape
    whole = np.concatenate([measured.mean(axis=2, keepdims=True), measured], axis=2)
    predicted, parameters = _published_ridge(inside, outside, whole[is_train].reshape(is_train.sum(), -1))
    predicted = predicted.reshape(-1, voxels, 1 + repetitions)
    explained = correlate(predicted[:, :, 0], whole[~is_train][:, :, 0]) ** 2
    noise = reliability(measured[is_train]) * reliability(predicted[:, :, 1:])
    return explained / noise, parameters.reshape(voxels, 1 + repetitions)[:, 0]


class Span(NamedTuple):
    """Training features as left singular vectors (training stimulus, dimension) and singular values (dimension,), and
    test features (test stimulus, dimension) in the same directions."""

    left: np.ndarray
    lengths: np.ndarray
    outside: np.ndarray


def decomposed(inside: np.ndarray, outside: np.ndarray) -> Span:
    """What ``spanned`` gives, decomposed once for all responses, in double precision."""
    inside = inside.astype(np.float64)
    mean = inside.mean(axis=0)
    left, lengths, directions = np.linalg.svd(inside - mean, full_matrices=False)
    kept = lengths > lengths[0] * len(inside) * np.finfo(np.float64).eps
    return Span(left[:, kept], lengths[kept], (outside - mean) @ directions[kept].T)


def chosen_gains(span: Span, mean: np.ndarray) -> np.ndarray:
    """What ridge regression multiplies each direction by, with the parameter that leave-one-out chooses.

    The error of leave-one-out is that of the hat matrix, e / (1 - h) (Allen 1974). Parameters are
    ``RELATIVE_PARAMETERS``, and infinity, with which the mean is predicted.

    Parameters
    ----------
    span
        The features.
    mean
        Mean responses (stimulus of training, response).

    Returns
    -------
    numpy.ndarray
        (dimension, response): σ / (σ² + λ).

    References
    ----------
    Allen (1974), Technometrics 16, 125-127.
    """
    left, lengths, _ = span
    number = len(left)
    mean = mean - mean.mean(axis=0)
    least = np.square(mean * (number / (number - 1))).sum(axis=0)
    chosen = np.zeros(mean.shape[1], dtype=int)
    parameters = RELATIVE_PARAMETERS * lengths.max(initial=0) ** 2
    for place, parameter in enumerate(parameters, 1):
        shrunk = lengths**2 / (lengths**2 + parameter)
        own = 1 - 1 / number - np.square(left) @ shrunk
        errors = (mean - (left * shrunk) @ (left.T @ mean)) / own[:, None]
        squares = np.einsum("ij,ij->j", errors, errors)
        better = squares < least * (1 - TIE)
        least, chosen = np.where(better, squares, least), np.where(better, place, chosen)
    gains = np.zeros((1 + len(parameters), len(lengths)))
    gains[1:] = lengths / (lengths**2 + parameters[:, None])
    return gains[chosen].T


def predictions(span: Span, responses: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Predictions by ridge regression, of every repetition with the parameter chosen for their mean.

    With one parameter the prediction from the mean response is the mean of the predictions from single repetitions,
    which is what a reliability of a mean (Spearman and Brown) is about.

    Parameters
    ----------
    span
        The features.
    responses
        (stimulus of training, repetition, response).
    gains
        What ``chosen_gains`` gives (dimension, response).

    Returns
    -------
    numpy.ndarray
        (test stimulus, repetition, response), without the mean over training stimuli.
    """
    left, lengths, outside = span
    responses = responses - responses.mean(axis=0)
    weights = (left.T @ responses.reshape(len(left), -1)).reshape(-1, *responses.shape[1:]) * gains[:, None]
    return (outside @ weights.reshape(len(lengths), -1)).reshape(-1, *responses.shape[1:])


def _standardized(series: np.ndarray) -> np.ndarray:
    """Series less their mean over the first axis, of length 1; 0 where one does not vary."""
    largest = np.abs(series).max(axis=0)
    series = series - series.mean(axis=0)
    length = np.sqrt(np.einsum("i...,i...->...", series, series))
    return np.divide(series, length, out=np.zeros_like(series), where=length > CONSTANT * largest)


def _correlated(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Correlation over the first axis of what ``_standardized`` gives, (…, response) → (response,)."""
    return np.einsum("ij,ij->j", one, other)


def signed_r2(span: Span, responses: np.ndarray, wanted: np.ndarray, reliability_of: np.ndarray) -> np.ndarray:
    """Signed variance of measured responses that a stage explains, corrected for noise.

    r·|r| / (r_v · r_v̂), with r the correlation of v and v̂ over test stimuli: a stage that predicts nothing reads 0 on
    average, since its correlations are as often below 0 as above. Where a reliability is estimated too low the value is
    beyond -1 or 1: ``signed_regression`` clips it.

    Parameters
    ----------
    span
        The features.
    responses
        (stimulus of training, repetition, response).
    wanted
        (stimulus of testing, response): the mean over repetitions.
    reliability_of
        (response,): r_v, reliability of the mean response over all stimuli.
    """
    predicted = predictions(span, responses, chosen_gains(span, responses.mean(axis=1)))
    r = _correlated(_standardized(predicted.mean(axis=1)), _standardized(wanted))
    alone = _standardized(predicted)
    first, second = np.triu_indices(predicted.shape[1], 1)
    pairs = [_correlated(alone[:, i], alone[:, j]) for i, j in zip(first, second, strict=True)]
    repeated = _of_the_mean(np.median(pairs, axis=0), predicted.shape[1], len(predicted))
    return r * np.abs(r) / (reliability_of * repeated)


def shuffled_r2(
    span: Span, measured: np.ndarray, is_train: np.ndarray, orders: np.ndarray, reliability_of: np.ndarray
) -> np.ndarray:
    """``signed_r2`` of responses whose stimuli are put into other orders, all voxels' and repetitions' into the same.

    The features and their decomposition are those of every order, so that one order more costs little.

    Parameters
    ----------
    span
        Features of the training and test stimuli of ``is_train``.
    measured
        (stimulus, repetition, voxel).
    is_train
        (stimulus,).
    orders
        (order, stimulus): places of stimuli.
    reliability_of
        (voxel,).

    Returns
    -------
    numpy.ndarray
        (order, voxel).
    """
    stimuli, repetitions, voxels = measured.shape
    together = max(1, BLOCK // measured.size)
    found = []
    for start in range(0, len(orders), together):
        block = measured[orders[start : start + together]]  # order, stimulus, repetition, voxel
        block = block.transpose(1, 2, 0, 3).reshape(stimuli, repetitions, -1)
        repeated = np.tile(reliability_of, block.shape[2] // voxels)
        found.append(signed_r2(span, block[is_train], block[~is_train].mean(axis=1), repeated).reshape(-1, voxels))
    return np.concatenate(found)


def splits(number: int, count: int, seed: int) -> np.ndarray:
    """Random halves of stimuli (split, stimulus), true for training; of 165 sounds 83 (published)."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros((count, number), dtype=bool)
    for row in chosen:
        row[rng.permutation(number)[: -(-number // 2)]] = True
    return chosen


def orders(number: int, count: int, seed: int) -> np.ndarray:
    """The stimuli's own order, and so many random ones (order, stimulus)."""
    rng = np.random.default_rng([seed, 1])
    return np.stack([np.arange(number), *(rng.permutation(number) for _ in range(count))])


def by_participant(values: np.ndarray, participant: np.ndarray) -> np.ndarray:
    """Median over each participant's voxels (…, voxel) → (…, participant), participants in their order."""
    names = dict.fromkeys(participant)
    return np.stack([np.median(values[..., participant == one], axis=-1) for one in names], axis=-1)


def half_interval(values: np.ndarray, of_splits: np.ndarray, stimuli: int) -> float:
    """Half the width of the 95% interval of a mean over participants that were given the same stimuli.

    The variance is that over participants, s²/n, and that over stimuli, of which random halves tell: the variance of
    the J splits' values times 1/J + n_test/n_train (Nadeau & Bengio 2003). Student's t has n - 1 degrees of freedom.

    Parameters
    ----------
    values
        (participant,), not clipped: of values that are all clipped at 1 nothing tells how far off they are.
    of_splits
        (split,): the mean over participants in each split, not clipped. Of one split there is no interval, but NaN.
    stimuli
        How many were split.

    References
    ----------
    Nadeau & Bengio (2003), Machine Learning 52, 239-281.
    """
    import scipy.stats  # here, since most who import this module do no such statistics

    if len(of_splits) < 2:
        return np.nan
    trained = -(-stimuli // 2)
    variance = values.var(ddof=1) / len(values)
    variance += (1 / len(of_splits) + (stimuli - trained) / trained) * of_splits.var(ddof=1)
    return float(scipy.stats.t.ppf((1 + INTERVAL) / 2, len(values) - 1) * np.sqrt(variance))


def exceeded(value: np.ndarray, shuffled: np.ndarray) -> np.ndarray:
    """p of values (…) among those of shuffled stimuli (shuffle, …): (b + 1) / (S + 1), b of S being at least as high.

    References
    ----------
    Phipson & Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9, 39.
    """
    return (1 + (shuffled >= value).sum(axis=0)) / (1 + len(shuffled))


Halves = Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]]


def in_halves(stages: Mapping[str, np.ndarray], train: np.ndarray) -> Halves:
    """Stage → for each split of ``train`` (split, stimulus) what ``spanned`` gives of its features (stimulus, unit)."""
    return {stage: [spanned(values[chosen], values[~chosen]) for chosen in train] for stage, values in stages.items()}


def signed_regression(
    halves: Halves,
    measured: np.ndarray,
    participant: np.ndarray,
    train: np.ndarray,
    shuffles: int,
    seed: int,
) -> xr.Dataset:
    """How well each stage predicts, signed, with a baseline of shuffled stimuli, and intervals.

    Parameters
    ----------
    halves
        What ``in_halves`` gives.
    measured
        Responses (stimulus, voxel, repetition).
    participant
        (voxel,).
    train
        (split, stimulus): what ``splits`` gives.
    shuffles, seed
        Random orders of the stimuli, and their seed.

    Returns
    -------
    xarray.Dataset
        The signed variables of ``regression``.
    """
    repeated = measured.transpose(0, 2, 1)
    reliability_of = reliability(measured)
    drawn = orders(len(measured), shuffles, seed)
    places = list(dict.fromkeys(participant))
    singles = np.empty((len(halves), measured.shape[1], len(train)))
    every = np.empty((1 + shuffles, len(places), len(halves)))
    for n, of_splits in enumerate(halves.values()):
        found = np.stack(
            [
                shuffled_r2(decomposed(*half), repeated, chosen, drawn, reliability_of)
                for half, chosen in zip(of_splits, train, strict=True)
            ]
        )  # split, order, voxel
        singles[n] = found[:, 0].T
        every[..., n] = by_participant(np.median(found, axis=0), participant)
    own, shuffled = every[0].clip(-1, 1), every[1:].clip(-1, 1)
    at_best, best = best_stage_left_out(own)
    means, best_mean = own.mean(axis=0), at_best.mean()
    chance_at_best = np.array([best_stage_left_out(one)[0].mean() for one in shuffled])
    in_split = by_participant(singles.transpose(0, 2, 1), participant)  # stage, split, participant
    stimuli, who = len(measured), np.arange(len(best))
    half = np.array([half_interval(every[0, :, n], in_split[n].mean(axis=1), stimuli) for n in range(len(halves))])
    best_half = half_interval(every[0, who, best], in_split[best, :, who].mean(axis=0), stimuli)
    names = list(halves)
    return xr.Dataset(
        {
            "voxel_reliability": ("voxel", reliability_of),
            "signed_r2_corrected": (("stage", "voxel", "split"), singles.clip(-1, 1)),
            "voxels_signed_r2": (("participant", "stage"), own),
            "signed_r2": ("stage", means),
            "signed_r2_low": ("stage", (means - half).clip(-1, 1)),
            "signed_r2_high": ("stage", (means + half).clip(-1, 1)),
            "shuffled_voxels_signed_r2": (("shuffle", "participant", "stage"), shuffled),
            "p_shuffled": ("stage", exceeded(means, shuffled.mean(axis=1))),
            "signed_best_stage": ("participant", np.array(names)[best]),
            "signed_best_stage_r2": ("participant", at_best),
            "best_signed_r2": best_mean,
            "best_signed_r2_low": np.clip(best_mean - best_half, -1, 1),
            "best_signed_r2_high": np.clip(best_mean + best_half, -1, 1),
            "shuffled_best_signed_r2": ("shuffle", chance_at_best),
            "best_p_shuffled": exceeded(best_mean, chance_at_best),
            "unreliable_voxels": int((reliability_of <= least_reliability(len(measured))).sum()),
            "training_stimuli": int(train[0].sum()),
        },
        coords={"stage": names, "participant": places},
    )


def noiseless_r2(
    halves: Halves, measured: np.ndarray, clean: np.ndarray, participant: np.ndarray, train: np.ndarray
) -> np.ndarray:
    """What each stage reads where noise is left out of a simulated brain: (participant, stage).

    r·|r| of the responses without noise and of what the regressions, with the ridge parameters of the measured
    responses, predict for them from responses without noise. It is what ``signed_r2`` estimates. Even the stage that
    voxels are made from does not reach 1: weights of many units are not known from few training stimuli.

    Parameters
    ----------
    halves, measured, participant, train
        As for ``signed_regression``.
    clean
        Responses without noise (stimulus, voxel).
    """
    mean = measured.mean(axis=2)
    found = np.empty((len(halves), len(train), len(participant)))
    for n, of_splits in enumerate(halves.values()):
        for split, (half, chosen) in enumerate(zip(of_splits, train, strict=True)):
            span = decomposed(*half)
            predicted = predictions(span, clean[chosen][:, None], chosen_gains(span, mean[chosen]))[:, 0]
            r = _correlated(_standardized(predicted), _standardized(clean[~chosen]))
            found[n, split] = r * np.abs(r)
    return by_participant(np.median(found, axis=1), participant).T


def regression(activations: xr.Dataset, measured: xr.DataArray, count: int, shuffles: int, seed: int) -> xr.Dataset:
    """How well each stage of a model predicts each voxel.

    Parameters
    ----------
    activations
        What ``joined`` gives.
    measured
        Responses (stimulus, voxel, repetition), with ``participant`` of each voxel, and of a simulated brain also
        ``noiseless_response`` (stimulus, voxel); stimuli in any order.
    count, shuffles, seed
        Random splits of the stimuli (published: 10), random orders of the stimuli that the baseline is made of, and the
        seed of both.

    Returns
    -------
    xarray.Dataset
        Squared (``corrected_r2``): (stage, voxel, split) → ``r2_corrected``, ``ridge_parameter``; (participant, stage)
        → ``voxels_r2``: the median over the participant's voxels of their median over splits; (participant) →
        ``best_stage``: the stage of the highest mean over all other participants, ``best_stage_r2``: the participant's
        own there.

        Signed (``signed_r2``, clipped at -1 and 1): (stage, voxel, split) → ``signed_r2_corrected``; (participant,
        stage) → ``voxels_signed_r2``; (participant) → ``signed_best_stage``, ``signed_best_stage_r2``. Means over
        participants: (stage) → ``signed_r2``, and of the stages that were chosen ``best_signed_r2``, each with ``_low``
        and ``_high`` (``half_interval``). Of shuffled stimuli: (shuffle, participant, stage) →
        ``shuffled_voxels_signed_r2``, (shuffle) → ``shuffled_best_signed_r2``; (stage) → ``p_shuffled``, and
        ``best_p_shuffled``: see ``exceeded``. (voxel) → ``voxel_reliability``, over all stimuli; ``unreliable_voxels``:
        how many are no more reliable than chance; ``training_stimuli``. Of a simulated brain also (participant, stage)
        → ``noiseless_voxels_r2``.

    Raises
    ------
    ValueError
        When stimuli are missing, a response is not finite, or there are too few repetitions or participants.
    """
    names = activations["stimulus"].values
    check_responses(measured, names)
    measured = measured.sel(stimulus=names).transpose("stimulus", "voxel", "repetition")
    train = splits(len(names), count, seed)
    halves = in_halves(by_stage(activations), train)
    r2, parameters = np.empty((2, len(halves), measured.sizes["voxel"], count))
    for n, of_splits in enumerate(halves.values()):
        for split, (half, chosen) in enumerate(zip(of_splits, train, strict=True)):
            r2[n, :, split], parameters[n, :, split] = corrected_r2(*half, measured.values, chosen)
    who = measured["participant"].values
    voxels_r2 = by_participant(np.median(r2, axis=2), who).T
    own, chosen = best_stage_left_out(voxels_r2)
    dims = ("stage", "voxel", "split")
    published = {
        "r2_corrected": (dims, r2),
        "ridge_parameter": (dims, parameters),
        "voxels_r2": (("participant", "stage"), voxels_r2),
        "best_stage": ("participant", np.array(list(halves))[chosen]),
        "best_stage_r2": ("participant", own),
    }
    found = signed_regression(halves, measured.values, who, train, shuffles, seed).assign(published)
    if SIMULATED_RESPONSE in measured.coords:
        clean = measured[SIMULATED_RESPONSE].transpose("stimulus", "voxel").values
        found["noiseless_voxels_r2"] = (
            ("participant", "stage"),
            noiseless_r2(halves, measured.values, clean, who, train),
        )
    return found.assign_coords(voxel_participant=("voxel", who))


def check_responses(measured: xr.DataArray, stimuli: Sequence[str]) -> None:
    """Make sure that responses are what ``regression`` needs.

    Raises
    ------
    ValueError
        Saying what is missing.
    """
    if missing := [str(name) for name in stimuli if name not in measured["stimulus"].values]:
        raise ValueError(
            f"responses: none to {len(missing)} of {len(stimuli)} stimuli: {', '.join(missing[:5])}; their `stimulus` "
            "must name the stimuli of the dataset (its files without folder and ending)"
        )
    if not np.isfinite(measured.values).all():
        raise ValueError("responses: a value is NaN or infinite; leave out voxels that were not always measured")
    if measured.sizes["repetition"] < 2:
        raise ValueError("responses: one repetition; the correction for noise needs two at least")
    if len(set(measured["participant"].values)) < 2:
        raise ValueError("responses: one participant; the choice of a stage needs two at least")


def simulated(
    values: np.ndarray,
    stimuli: Sequence[str],
    participants: int,
    voxels: int,
    repetitions: int,
    noise: float,
    seed: int,
) -> xr.DataArray:
    """A brain that nobody has: voxels that are noisy linear functions of features, for which the answer is known.

    Parameters
    ----------
    values
        Features (stimulus, unit) of the stage that the voxels are made from.
    stimuli
        Their names.
    participants, voxels, repetitions
        How many participants, voxels of each, and repetitions of each stimulus.
    noise
        Standard deviation of each repetition's noise, where that of a voxel's response over stimuli is 1.
    seed
        Of weights and noise.

    Returns
    -------
    xarray.DataArray
        ``response`` (stimulus, voxel, repetition), with ``participant`` of each voxel, and ``noiseless_response``
        (stimulus, voxel).
    """
    rng = np.random.default_rng(seed)
    varying = values - values.mean(axis=0)
    clean = varying @ rng.standard_normal((values.shape[1], participants * voxels))
    clean /= clean.std(axis=0)
    response = clean[..., None] + noise * rng.standard_normal((*clean.shape, repetitions))
    names = [f"simulated_{n + 1}" for n in range(participants) for _ in range(voxels)]
    return xr.DataArray(
        response.astype(np.float32),
        dims=("stimulus", "voxel", "repetition"),
        coords={
            "stimulus": list(stimuli),
            "participant": ("voxel", names),
            SIMULATED_RESPONSE: (("stimulus", "voxel"), clean.astype(np.float32)),
        },
        name="response",
    )


def read_responses(dataset: xr.Dataset) -> xr.DataArray:
    """Responses as ``regression`` takes them, out of a file's Dataset.

    Raises
    ------
    ValueError
        When it has no ``response`` (stimulus, voxel, repetition) with ``stimulus`` names and ``participant`` (voxel).
    """
    found = {name: dataset[name].dims for name in ("response", "stimulus", "participant") if name in dataset.variables}
    wanted = {"response": {"stimulus", "voxel", "repetition"}, "stimulus": {"stimulus"}, "participant": {"voxel"}}
    if {name: set(dims) for name, dims in found.items()} != wanted:
        raise ValueError(
            f"responses: found {found or 'none of the variables'}; wanted response (stimulus, voxel, repetition), and "
            "as coordinates stimulus (stimulus), their names, and participant (voxel)"
        )
    response = dataset["response"].reset_coords(drop=True).assign_coords(participant=dataset["participant"])
    if SIMULATED_RESPONSE in dataset.variables and set(dataset[SIMULATED_RESPONSE].dims) == {"stimulus", "voxel"}:
        return response.assign_coords({SIMULATED_RESPONSE: dataset[SIMULATED_RESPONSE]})
    return response
