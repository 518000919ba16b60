"""The published permutation tests of the analyses of variance, with F computed for many permutations at once."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from metamers.compare.sphericity import interaction_departures, main_departures

MIXED_EFFECTS = ("observer", "stage", "interaction")
MODEL_EFFECTS = ("model", "stage", "interaction")
PERMUTED = ["p_permutation", "p_permutation_plus_one"]
CHUNK = 500  # permutations held in memory at a time
ROUNDING = 1e-9  # relative: F values that differ only by the order of summation are ties


def f_observer(means: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Compute F of the main effect of observer.

    Parameters
    ----------
    means
        (participant,): scores averaged over stages.
    first
        (permutation, participant): true for the half of the participants that is the first group.

    Returns
    -------
    np.ndarray
        (permutation,): F with 1 and participants - 2 degrees of freedom.
    """
    size = means.size // 2
    total = ((means - means.mean()) ** 2).sum()
    # The means of the two groups are equally far from the overall mean, so one group gives the effect of both.
    effect = 2 * size * (first @ (means - means.mean()) / size) ** 2
    return effect / ((total - effect) / (2 * size - 2))


def f_within(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute F of the main effect of stage and of the interaction of observer and stage.

    Parameters
    ----------
    scores
        (permutation, participant, stage); the first half of the participants is one group, the second half the other.

    Returns
    -------
    stage, interaction
        (permutation,) each: F with stages - 1 and (participants - 2) (stages - 1) degrees of freedom.
    """
    permutations, participants, stages = scores.shape
    size = participants // 2
    within = scores - scores.mean(axis=2, keepdims=True)
    # Scores without the participants' means consist of the stage profile, the group's departure from it, and error.
    groups = within.reshape(permutations, 2, size, stages).mean(axis=2)
    profile = groups.mean(axis=1)
    stage = participants * (profile**2).sum(axis=1)
    interaction = size * ((groups - profile[:, None]) ** 2).sum(axis=(1, 2))
    error = ((within**2).sum(axis=(1, 2)) - stage - interaction) / (participants - 2)  # (stages - 1) cancels
    return stage / error, interaction / error


def f_repeated(scores: np.ndarray) -> np.ndarray:
    """Compute F of a factor within participants.

    Parameters
    ----------
    scores
        (permutation, participant, level).

    Returns
    -------
    np.ndarray
        (permutation,): F with levels - 1 and (participants - 1) (levels - 1) degrees of freedom.
    """
    return f_departures(main_departures(scores))


def f_interaction(scores: np.ndarray) -> np.ndarray:
    """Compute F of the interaction of two factors within participants.

    Parameters
    ----------
    scores
        (permutation, participant, stage, model).

    Returns
    -------
    np.ndarray
        (permutation,): F with (stages - 1) (models - 1) and (participants - 1) (stages - 1) (models - 1) degrees of
        freedom.
    """
    return f_departures(interaction_departures(scores))


def f_departures(departures: np.ndarray) -> np.ndarray:
    """Compute F as the mean departure over participants against its variation (permutation, participant, cell)."""
    participants = departures.shape[1]
    effect = participants * (departures.mean(axis=1) ** 2).sum(axis=1)
    error = ((departures**2).sum(axis=(1, 2)) - effect) / (participants - 1)  # the effect's own degrees cancel
    return effect / error


def _permutation_p(
    observed: Mapping[str, float], permuted: Callable[[int], Mapping[str, np.ndarray]], permutations: int
) -> pd.DataFrame:
    """Compute ``PERMUTED`` of each effect: max(b, 1)/P and (b + 1)/(P + 1).

    b of the P permutations have an F at least as large as that of the data. The second p counts the data as one of the
    permutations. Without that, a test at the level 1/P would reject twice as often as it should (Phipson & Smyth 2010,
    Statistical Applications in Genetics and Molecular Biology 9, 39).
    """
    if not all(np.isfinite(f) for f in observed.values()):
        raise ValueError("the scores do not vary between participants and stages: an analysis of variance needs that")
    exceeding = dict.fromkeys(observed, 0)
    for start in range(0, permutations, CHUNK):
        values = permuted(min(CHUNK, permutations - start))
        for effect, f in observed.items():
            exceeding[effect] += int((values[effect] >= f * (1 - ROUNDING)).sum())
    counts = pd.Series(exceeding)
    both = (counts.clip(lower=1) / permutations, (counts + 1) / (permutations + 1))
    return pd.DataFrame(dict(zip(PERMUTED, both, strict=True)))


def _permute_last_axis(values: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Permute the last axis, each row independently: (number, *values.shape)."""
    return rng.permuted(np.broadcast_to(values, (number, *values.shape)), axis=values.ndim)


def permutation_p(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> pd.DataFrame:
    """Run the published permutation test of a mixed ANOVA.

    Main effect of observer: the labels human and model are permuted over the participants' scores averaged over stages.
    Main effect of stage: stages are permuted independently within each participant. Interaction: both are permuted.

    Parameters
    ----------
    scores
        (participant, stage, observer).
    permutations
        Number of permutations.
    rng
        Random generator of the permutations.

    Returns
    -------
    pd.DataFrame
        Index ``MIXED_EFFECTS``, columns ``PERMUTED``: the proportion of permutations whose F is at least that of the
        data, but not less than 1/permutations, and the same with the data counted as a permutation.

    Raises
    ------
    ValueError
        When the participants' scores do not vary, so that F is not defined.
    """
    participants, stages, observers = scores.shape
    rows = scores.transpose(2, 0, 1).reshape(observers * participants, stages)
    means = rows.mean(axis=1)
    labels = np.arange(len(rows)) < participants
    if np.ptp(means) == 0 or np.ptp(rows - means[:, None]) == 0:
        raise ValueError("the scores do not vary between participants and stages: an analysis of variance needs that")
    stage, interaction = f_within(rows[None])
    observed = {"observer": f_observer(means, labels[None])[0], "stage": stage[0], "interaction": interaction[0]}

    def permuted(number: int) -> dict[str, np.ndarray]:
        first = rng.permuted(np.broadcast_to(labels, (number, len(rows))), axis=1)
        shuffled = _permute_last_axis(rows, number, rng)
        # Rows sorted by the permuted labels, so that the new first group comes first.
        relabelled = np.take_along_axis(shuffled, np.argsort(~first, axis=1, kind="stable")[..., None], axis=1)
        return {
            "observer": f_observer(means, first),
            "stage": f_within(shuffled)[0],
            "interaction": f_within(relabelled)[1],
        }

    return _permutation_p(observed, permuted, permutations)


def permutation_p_models(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> pd.DataFrame:
    """Run the published permutation test of a comparison between models.

    Main effect of model: models are permuted independently within each participant, in scores averaged over stages.
    Interaction: models and stages are permuted together. The main effect of stage, which the study does not test here,
    is tested like that of model. (Where F of a permutation equals that of the data, the study does not count it here,
    but counts it in its other tests; all tests count it here. Such a tie is rare.)

    Parameters
    ----------
    scores
        (participant, stage, model).
    permutations
        Number of permutations.
    rng
        Random generator of the permutations.

    Returns
    -------
    pd.DataFrame
        Index ``MODEL_EFFECTS``, columns ``PERMUTED``: the proportion of permutations whose F is at least that of the
        data, but not less than 1/permutations, and the same with the data counted as a permutation.

    Raises
    ------
    ValueError
        When participants do not differ in an effect, so that F is not defined.
    """
    models, stages = scores.mean(axis=1), scores.mean(axis=2)
    cells = scores.reshape(len(scores), -1)
    if np.ptp(cells) == 0 or np.ptp(models - models[:, :1]) == 0 or np.ptp(stages - stages[:, :1]) == 0:
        raise ValueError("the scores do not vary between models and stages: an analysis of variance needs that")
    observed = {
        "model": f_repeated(models[None])[0],
        "stage": f_repeated(stages[None])[0],
        "interaction": f_interaction(scores[None])[0],
    }

    def permuted(number: int) -> dict[str, np.ndarray]:
        return {
            "model": f_repeated(_permute_last_axis(models, number, rng)),
            "stage": f_repeated(_permute_last_axis(stages, number, rng)),
            "interaction": f_interaction(_permute_last_axis(cells, number, rng).reshape(number, *scores.shape)),
        }

    return _permutation_p(observed, permuted, permutations)


def permutation_p_stage(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> pd.DataFrame:
    """Run the published permutation test of stage alone: stages are permuted independently within each participant.

    Parameters
    ----------
    scores
        (participant, stage).
    permutations
        Number of permutations.
    rng
        Random generator of the permutations.

    Returns
    -------
    pd.DataFrame
        Index ``stage``, columns ``PERMUTED``.

    Raises
    ------
    ValueError
        When participants do not differ in the effect of stage, so that F is not defined.
    """
    if np.ptp(scores - scores[:, :1]) == 0:
        raise ValueError("the scores do not vary between stages: an analysis of variance needs that")
    observed = {"stage": f_repeated(scores[None])[0]}
    return _permutation_p(
        observed, lambda number: {"stage": f_repeated(_permute_last_axis(scores, number, rng))}, permutations
    )
