"""Mixed analysis of variance (observer between, stage within participants) and its permutation test, as published.

Human participants and the models that saw the same stimuli count as separate participants of two groups. F, degrees of
freedom and effect size come from pingouin; the permutation test needs F thousands of times, so it has its own, for
equally large groups.
"""

import numpy as np
import pandas as pd
import pingouin
import xarray as xr

from metamers.humans import OBSERVERS, own_stages

EFFECTS = ("observer", "stage", "interaction")
CHUNK = 500  # permutations held in memory at a time


def mixed_anova(scores: np.ndarray) -> pd.DataFrame:
    """Mixed ANOVA of one model in one experiment.

    Parameters
    ----------
    scores
        (participant, stage, observer), each row of each observer a participant of its own.

    Returns
    -------
    pd.DataFrame
        Index ``EFFECTS``, columns ``f``, ``df_effect``, ``df_error``, ``partial_eta_squared``.
    """
    participant, stage, observer = np.indices(scores.shape).reshape(3, -1)
    subject = participant + len(scores) * observer
    table = pd.DataFrame({"score": scores.ravel(), "stage": stage, "observer": observer, "subject": subject})
    factors = {"within": "stage", "between": "observer", "subject": "subject"}
    result = pingouin.mixed_anova(table, dv="score", **factors, correction=False)
    result = result.set_index("Source").rename(index={"Interaction": "interaction"}).loc[list(EFFECTS)]
    names = {"F": "f", "DF1": "df_effect", "DF2": "df_error", "np2": "partial_eta_squared"}
    return result[list(names)].rename(columns=names)


def f_observer(means: np.ndarray, first: np.ndarray) -> np.ndarray:
    """F of the main effect of observer.

    Parameters
    ----------
    means
        (participant,): scores averaged over stages.
    first
        (permutation, participant): which half of the participants is the first group, as booleans.

    Returns
    -------
    np.ndarray
        (permutation,): F with 1 and participants - 2 degrees of freedom.
    """
    size = means.size // 2
    total = ((means - means.mean()) ** 2).sum()
    effect = 2 * size * (first @ (means - means.mean()) / size) ** 2  # the groups' means lie equally far on both sides
    return effect / ((total - effect) / (2 * size - 2))


def f_within(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F of the main effect of stage and of the interaction of observer and stage.

    Parameters
    ----------
    scores
        (permutation, participant, stage); the first half of the participants is one group, the rest the other.

    Returns
    -------
    stage, interaction
        (permutation,) each: F with stages - 1 and (participants - 2) (stages - 1) degrees of freedom.
    """
    permutations, participants, stages = scores.shape
    size = participants // 2
    within = scores - scores.mean(axis=2, keepdims=True)
    # Without participants' own means, what is left is the stage's profile, the group's departure from it, and error.
    groups = within.reshape(permutations, 2, size, stages).mean(axis=2)
    profile = groups.mean(axis=1)
    stage = participants * (profile**2).sum(axis=1)
    interaction = size * ((groups - profile[:, None]) ** 2).sum(axis=(1, 2))
    error = ((within**2).sum(axis=(1, 2)) - stage - interaction) / (participants - 2)  # (stages - 1) cancels
    return stage / error, interaction / error


def permutation_p(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> dict[str, float]:
    """The published permutation test of a mixed ANOVA.

    Main effect of observer: the labels human and model are permuted over the participants' scores averaged over
    stages. Main effect of stage: stages are permuted independently within each participant. Interaction: both.

    Parameters
    ----------
    scores
        (participant, stage, observer).
    permutations
        How many.
    rng
        Source of the permutations.

    Returns
    -------
    dict
        Effect → p, the proportion of permutations whose F is at least the data's, and no less than 1/permutations.

    Raises
    ------
    ValueError
        When the participants' scores do not vary: F is not defined then.
    """
    participants, stages, observers = scores.shape
    rows = scores.transpose(2, 0, 1).reshape(observers * participants, stages)
    means = rows.mean(axis=1)
    labels = np.arange(len(rows)) < participants
    if np.ptp(means) == 0 or np.ptp(rows - means[:, None]) == 0:
        raise ValueError("the scores do not vary between participants and stages: an analysis of variance needs that")
    found = dict(zip(EFFECTS, (f_observer(means, labels[None]), *f_within(rows[None])), strict=True))
    exceeding = dict.fromkeys(EFFECTS, 0)
    for start in range(0, permutations, CHUNK):
        number = min(CHUNK, permutations - start)
        first = rng.permuted(np.broadcast_to(labels, (number, len(rows))), axis=1)
        shuffled = rng.permuted(np.broadcast_to(rows, (number, *rows.shape)), axis=2)
        # Rows in the order of the permuted labels: the new first group comes first.
        relabelled = np.take_along_axis(shuffled, np.argsort(~first, axis=1, kind="stable")[..., None], axis=1)
        permuted = {
            "observer": f_observer(means, first),
            "stage": f_within(shuffled)[0],
            "interaction": f_within(relabelled)[1],
        }
        for effect in EFFECTS:
            exceeding[effect] += int((permuted[effect] >= found[effect]).sum())
    return {effect: max(count, 1) / permutations for effect, count in exceeding.items()}


def human_against_model(experiments: dict[str, xr.Dataset], permutations: int, seed: int) -> xr.Dataset:
    """Mixed ANOVA of human against model for every model of every experiment, over all stages and natural stimuli.

    Parameters
    ----------
    experiments
        Experiment → what ``metamers.humans.experiment_dataset`` gives.
    permutations
        Of the permutation test.
    seed
        Of the permutations; a test does not depend on which others are made.

    Returns
    -------
    xr.Dataset
        (test, effect) → ``f``, ``df_effect``, ``df_error``, ``p_permutation``, ``partial_eta_squared``; coordinates
        ``experiment`` and ``generation_model`` (test).
    """
    tests = [(name, str(model)) for name, data in experiments.items() for model in data["generation_model"].values]
    tables = []
    for experiment, model in tests:
        data = experiments[experiment]
        own = data["proportion_correct"].sel(
            generation_model=model, stage=own_stages(data, model), observer=list(OBSERVERS)
        )
        scores = own.transpose("participant", "stage", "observer").values
        rng = np.random.default_rng([seed, *f"{experiment}: {model}".encode()])
        table = mixed_anova(scores)
        tables.append(table.assign(p_permutation=pd.Series(permutation_p(scores, permutations, rng))))
    return xr.Dataset(
        {
            name: (("test", "effect"), np.array([table[name] for table in tables]))
            for name in ("f", "df_effect", "df_error", "p_permutation", "partial_eta_squared")
        },
        coords={
            "test": [f"{experiment}: {model}" for experiment, model in tests],
            "effect": list(EFFECTS),
            "experiment": ("test", [experiment for experiment, _ in tests]),
            "generation_model": ("test", [model for _, model in tests]),
        },
    )
