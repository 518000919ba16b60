"""Brain: how well the stages of a model predict measured responses to natural stimuli, voxel by voxel.

Time-averaged activations, cross-validated ridge regression, the correction for noise, the choice of a stage, and a
simulated brain of which the answer is known. The published regressions are read in ``metamers.paper_brain``.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

# Ridge parameters that leave-one-out chooses from, as in the study's analysis (not verified).
RIDGE_PARAMETERS = 10.0 ** np.arange(-40, 40)
CHANCE = 0.05  # p of a correlation that is the least reliability by which a variance is divided


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
    median = np.median(pairs, axis=0)
    # Spearman-Brown has a pole at -1 / (number - 1); whatever is below chance counts as chance.
    least = least_reliability(len(repeated))
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
    from sklearn.linear_model import RidgeCV

    # Ridge regression does not change under a rotation, so it is done in the span of the training features, which has
    # fewer dimensions than there are stimuli: a stage can have a million units.
    mean = train.mean(axis=0)
    left, lengths, directions = np.linalg.svd(train - mean, full_matrices=False)
    spanned = lengths > lengths[0] * max(train.shape) * np.finfo(train.dtype).eps
    inside, outside = left[:, spanned] * lengths[spanned], (test - mean) @ directions[spanned].T
    if not spanned.any():  # features that do not vary predict the mean
        inside, outside = np.zeros((len(train), 1)), np.zeros((len(test), 1))
    # The largest first, as in the study's analysis (not verified). The smallest can divide by 0, and are not chosen.
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = RidgeCV(alphas=RIDGE_PARAMETERS[::-1], alpha_per_target=True, gcv_mode="eigen").fit(inside, responses)
    return fitted.predict(outside), fitted.alpha_


def corrected_r2(
    train: np.ndarray, test: np.ndarray, measured: np.ndarray, is_train: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of measured responses that a stage explains, corrected for noise (Feather et al. 2023, Methods).

    r²(v, v̂) / (r_v · r_v̂), with v the mean response over repetitions and v̂ its prediction for test stimuli; r_v the
    reliability of responses to training stimuli; r_v̂ that of predictions for test stimuli, each learned from one
    repetition.

    Parameters
    ----------
    train, test
        Features of the stage (stimulus, unit), of the training and of the test stimuli.
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
    predicted, parameters = ridge(train, whole[is_train].reshape(is_train.sum(), -1), test)
    predicted = predicted.reshape(-1, voxels, 1 + repetitions)
    explained = correlate(predicted[:, :, 0], whole[~is_train][:, :, 0]) ** 2
    noise = reliability(measured[is_train]) * reliability(predicted[:, :, 1:])
    return explained / noise, parameters.reshape(voxels, 1 + repetitions)[:, 0]


def splits(number: int, count: int, seed: int) -> np.ndarray:
    """Random halves of stimuli (split, stimulus), true for training; of 165 sounds 83 (published)."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros((count, number), dtype=bool)
    for row in chosen:
        row[rng.permutation(number)[: -(-number // 2)]] = True
    return chosen


def regression(activations: xr.Dataset, measured: xr.DataArray, count: int, seed: int) -> xr.Dataset:
    """How well each stage of a model predicts each voxel.

    Parameters
    ----------
    activations
        What ``joined`` gives.
    measured
        Responses (stimulus, voxel, repetition), with ``participant`` of each voxel; stimuli in any order.
    count, seed
        Random splits of the stimuli (published: 10), and their seed.

    Returns
    -------
    xarray.Dataset
        (stage, voxel, split) → ``r2_corrected``, ``ridge_parameter``. (participant, stage) → ``voxels_r2``: the median
        over the participant's voxels of their median over splits. (participant) → ``best_stage``: the stage of the
        highest mean over all other participants, ``best_stage_r2``: the participant's own there.

    Raises
    ------
    ValueError
        When stimuli are missing, a response is not finite, or there are too few repetitions or participants.
    """
    names = activations["stimulus"].values
    check_responses(measured, names)
    measured = measured.sel(stimulus=names).transpose("stimulus", "voxel", "repetition")
    train = splits(len(names), count, seed)
    stages = by_stage(activations)
    r2, parameters = np.empty((2, len(stages), measured.sizes["voxel"], count))
    for n, values in enumerate(stages.values()):
        for split, chosen in enumerate(train):
            r2[n, :, split], parameters[n, :, split] = corrected_r2(
                values[chosen], values[~chosen], measured.values, chosen
            )
    who = measured["participant"].values
    participants = list(dict.fromkeys(who))
    middle = np.median(r2, axis=2)
    voxels_r2 = np.array([np.median(middle[:, who == one], axis=1) for one in participants])
    own, chosen = best_stage_left_out(voxels_r2)
    dims = ("stage", "voxel", "split")
    return xr.Dataset(
        {
            "r2_corrected": (dims, r2),
            "ridge_parameter": (dims, parameters),
            "voxels_r2": (("participant", "stage"), voxels_r2),
            "best_stage": ("participant", np.array(list(stages))[chosen]),
            "best_stage_r2": ("participant", own),
        },
        coords={"stage": list(stages), "participant": participants, "voxel_participant": ("voxel", who)},
    )


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
        ``response`` (stimulus, voxel, repetition), with ``participant`` of each voxel.
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
        coords={"stimulus": list(stimuli), "participant": ("voxel", names)},
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
    return dataset["response"].assign_coords(participant=dataset["participant"])
