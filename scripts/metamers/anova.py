"""The published analyses of variance and their permutation tests: human against model, model against model, stages.

Human participants and the models that saw the same stimuli count as separate participants of two groups; metamers of
different models, which the same people recognized, are compared within participants. F, degrees of freedom and effect
size come from pingouin; the permutation tests need F thousands of times, so they have their own. F is not corrected for
departures from sphericity: the permutations, not the F distribution, give p.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pingouin
import xarray as xr

from metamers.humans import OBSERVERS, own_stages

logger = logging.getLogger("metamers")

EFFECTS = ("observer", "model", "stage", "interaction")  # of a file
MIXED_EFFECTS = ("observer", "stage", "interaction")
MODEL_EFFECTS = ("model", "stage", "interaction")
HUMAN_AGAINST_MODEL, BETWEEN_MODELS, BETWEEN_STAGES = "human against model", "between models", "between stages"

NAMES = {"F": "f", "DF1": "df_effect", "DF2": "df_error", "ddof1": "df_effect", "ddof2": "df_error"}
NAMES |= {"np2": "partial_eta_squared"}
COLUMNS = ["f", "df_effect", "df_error", "partial_eta_squared"]

CHUNK = 500  # permutations held in memory at a time
ROUNDING = 1e-9  # relative: the same F, summed in another order, is a tie


def mixed_anova(scores: np.ndarray) -> pd.DataFrame:
    """Mixed ANOVA of one model in one experiment.

    Parameters
    ----------
    scores
        (participant, stage, observer), each row of each observer a participant of its own.

    Returns
    -------
    pd.DataFrame
        Index ``MIXED_EFFECTS``, columns ``COLUMNS``.
    """
    participant, stage, observer = np.indices(scores.shape).reshape(3, -1)
    subject = participant + len(scores) * observer
    table = pd.DataFrame({"score": scores.ravel(), "stage": stage, "observer": observer, "subject": subject})
    factors = {"within": "stage", "between": "observer", "subject": "subject"}
    result = pingouin.mixed_anova(table, dv="score", **factors, correction=False)
    result = result.set_index("Source").rename(index={"Interaction": "interaction"}, columns=NAMES)
    return result.loc[list(MIXED_EFFECTS), COLUMNS]


def repeated_anova(scores: np.ndarray) -> pd.DataFrame:
    """Repeated-measures ANOVA of several models' stages, both factors within participants.

    Parameters
    ----------
    scores
        (participant, stage, model).

    Returns
    -------
    pd.DataFrame
        Index ``MODEL_EFFECTS``, columns ``COLUMNS``; the error of each effect is its interaction with participants.
    """
    participant, stage, model = np.indices(scores.shape).reshape(3, -1)
    table = pd.DataFrame({"score": scores.ravel(), "stage": stage, "model": model, "participant": participant})
    factors = {"within": ["stage", "model"], "subject": "participant"}
    result = pingouin.rm_anova(table, dv="score", **factors, correction=False, effsize="np2")
    result = result.set_index("Source").rename(index={"stage * model": "interaction"}, columns=NAMES)
    return result.loc[list(MODEL_EFFECTS), COLUMNS]


def stage_anova(scores: np.ndarray) -> pd.DataFrame:
    """Repeated-measures ANOVA of one model's stages.

    Parameters
    ----------
    scores
        (participant, stage).

    Returns
    -------
    pd.DataFrame
        Index ``stage``, columns ``COLUMNS``.
    """
    participant, stage = np.indices(scores.shape).reshape(2, -1)
    table = pd.DataFrame({"score": scores.ravel(), "stage": stage, "participant": participant})
    factors = {"within": "stage", "subject": "participant"}
    result = pingouin.rm_anova(table, dv="score", **factors, correction=False, effsize="np2")
    return result.set_index("Source").rename(columns=NAMES).loc[["stage"], COLUMNS]


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


def f_repeated(scores: np.ndarray) -> np.ndarray:
    """F of a factor within participants.

    Parameters
    ----------
    scores
        (permutation, participant, level).

    Returns
    -------
    np.ndarray
        (permutation,): F with levels - 1 and (participants - 1) (levels - 1) degrees of freedom.
    """
    return _f_departures(scores - scores.mean(axis=2, keepdims=True))


def f_interaction(scores: np.ndarray) -> np.ndarray:
    """F of the interaction of two factors within participants.

    Parameters
    ----------
    scores
        (permutation, participant, stage, model).

    Returns
    -------
    np.ndarray
        (permutation,): F with (stages - 1) (models - 1) and (participants - 1) times as many degrees of freedom.
    """
    departures = scores - scores.mean(axis=2, keepdims=True)
    departures = departures - departures.mean(axis=3, keepdims=True)
    return _f_departures(departures.reshape(*scores.shape[:2], -1))


def _f_departures(departures: np.ndarray) -> np.ndarray:
    """F of what participants' departures (permutation, participant, cell) have in common, against where they differ."""
    participants = departures.shape[1]
    effect = participants * (departures.mean(axis=1) ** 2).sum(axis=1)
    error = ((departures**2).sum(axis=(1, 2)) - effect) / (participants - 1)  # the effect's own degrees cancel
    return effect / error


def _exceeding(
    found: Mapping[str, float], permuted: Callable[[int], Mapping[str, np.ndarray]], permutations: int
) -> dict[str, float]:
    """Effect → p: the proportion of permutations whose F is at least the data's, and no less than 1/permutations."""
    if not all(np.isfinite(f) for f in found.values()):
        raise ValueError("the scores do not vary between participants and stages: an analysis of variance needs that")
    exceeding = dict.fromkeys(found, 0)
    for start in range(0, permutations, CHUNK):
        values = permuted(min(CHUNK, permutations - start))
        for effect, f in found.items():
            exceeding[effect] += int((values[effect] >= f * (1 - ROUNDING)).sum())
    return {effect: max(count, 1) / permutations for effect, count in exceeding.items()}


def _shuffled(values: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """(number, *values.shape): the last axis permuted, each row by itself."""
    return rng.permuted(np.broadcast_to(values, (number, *values.shape)), axis=values.ndim)


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
    stage, interaction = f_within(rows[None])
    found = {"observer": f_observer(means, labels[None])[0], "stage": stage[0], "interaction": interaction[0]}

    def permuted(number: int) -> dict[str, np.ndarray]:
        first = rng.permuted(np.broadcast_to(labels, (number, len(rows))), axis=1)
        shuffled = _shuffled(rows, number, rng)
        # Rows in the order of the permuted labels: the new first group comes first.
        relabelled = np.take_along_axis(shuffled, np.argsort(~first, axis=1, kind="stable")[..., None], axis=1)
        return {
            "observer": f_observer(means, first),
            "stage": f_within(shuffled)[0],
            "interaction": f_within(relabelled)[1],
        }

    return _exceeding(found, permuted, permutations)


def permutation_p_models(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> dict[str, float]:
    """The published permutation test of a comparison between models.

    Main effect of model: models are permuted independently within each participant, in scores averaged over stages.
    Interaction: models and stages together are. The main effect of stage, which the study does not test here, goes like
    that of model. (Where F of a permutation is the data's own, the study does not count it here, but does in its other
    tests; here all do. It hardly ever happens.)

    Parameters
    ----------
    scores
        (participant, stage, model).
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
        When participants do not differ in an effect: F is not defined then.
    """
    models, stages = scores.mean(axis=1), scores.mean(axis=2)
    cells = scores.reshape(len(scores), -1)
    if np.ptp(cells) == 0 or np.ptp(models - models[:, :1]) == 0 or np.ptp(stages - stages[:, :1]) == 0:
        raise ValueError("the scores do not vary between models and stages: an analysis of variance needs that")
    found = {
        "model": f_repeated(models[None])[0],
        "stage": f_repeated(stages[None])[0],
        "interaction": f_interaction(scores[None])[0],
    }

    def permuted(number: int) -> dict[str, np.ndarray]:
        return {
            "model": f_repeated(_shuffled(models, number, rng)),
            "stage": f_repeated(_shuffled(stages, number, rng)),
            "interaction": f_interaction(_shuffled(cells, number, rng).reshape(number, *scores.shape)),
        }

    return _exceeding(found, permuted, permutations)


def permutation_p_stage(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> dict[str, float]:
    """The published permutation test of stage alone: stages are permuted independently within each participant.

    Parameters
    ----------
    scores
        (participant, stage).
    permutations
        How many.
    rng
        Source of the permutations.

    Returns
    -------
    dict
        ``stage`` → p, the proportion of permutations whose F is at least the data's, and no less than 1/permutations.

    Raises
    ------
    ValueError
        When participants do not differ in the effect of stage: F is not defined then.
    """
    if np.ptp(scores - scores[:, :1]) == 0:
        raise ValueError("the scores do not vary between stages: an analysis of variance needs that")
    found = {"stage": f_repeated(scores[None])[0]}
    return _exceeding(found, lambda number: {"stage": f_repeated(_shuffled(scores, number, rng))}, permutations)


def _rng(seed: int, test: str) -> np.random.Generator:
    """Of one test's permutations, whichever other tests are made."""
    return np.random.default_rng([seed, *test.encode()])


def _tested(
    test: str,
    anova: Callable[[np.ndarray], pd.DataFrame],
    permutation: Callable[[np.ndarray, int, np.random.Generator], dict[str, float]],
    scores: np.ndarray,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """One test: effect → ``COLUMNS`` and ``p_permutation``; none, with a warning, where the scores do not allow it.

    As with a few people of one's own, who all answer alike: that is no reason to leave the other tests out.
    """
    try:
        p = permutation(scores, permutations, _rng(seed, test))
    except ValueError as error:
        logger.warning("%s: not tested: %s", test, error)
        return pd.DataFrame(columns=[*COLUMNS, "p_permutation"], dtype=float)
    return anova(scores).assign(p_permutation=pd.Series(p))


def _tests(comparison: str, tables: Mapping[tuple[str, str, Sequence[str]], pd.DataFrame]) -> xr.Dataset:
    """(test, experiment, generation models) → results, as a Dataset; NaN for effects that a test does not have.

    No tables give a Dataset of no tests, with the same dimensions and types.
    """
    tests = list(tables)
    values = {key: table.reindex(EFFECTS) for key, table in tables.items()}
    shape = (len(tests), len(EFFECTS))
    texts = {
        "test": [test for test, _, _ in tests],
        "comparison": [comparison] * len(tests),
        "experiment": [experiment for _, experiment, _ in tests],
        "generation_model": [", ".join(models) for _, _, models in tests],
    }
    return xr.Dataset(
        {
            name: (("test", "effect"), np.array([values[key][name] for key in tests], dtype=float).reshape(shape))
            for name in ("f", "df_effect", "df_error", "p_permutation", "partial_eta_squared")
        },
        coords={
            "effect": list(EFFECTS),
            # NumPy takes an empty list for numbers.
            **{name: ("test", np.array(content, dtype=str)) for name, content in texts.items()},
        },
    )


def human_against_model(experiments: Mapping[str, xr.Dataset], permutations: int, seed: int) -> xr.Dataset:
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
        As ``published_tests``; a test is named ``<experiment>: <model>``.
    """
    tables = {}
    for experiment, data in experiments.items():
        for model in map(str, data["generation_model"].values):
            own = data["proportion_correct"].sel(
                generation_model=model, stage=own_stages(data, model), observer=list(OBSERVERS)
            )
            scores = own.transpose("participant", "stage", "observer").values
            test = f"{experiment}: {model}"
            tables[test, experiment, (model,)] = _tested(test, mixed_anova, permutation_p, scores, permutations, seed)
    return _tests(HUMAN_AGAINST_MODEL, tables)


def _human(data: xr.Dataset, model: str, left_out: Sequence[str] = ()) -> np.ndarray:
    """(participant, stage): people's proportions correct of a model's metamers, in processing order."""
    stages = [stage for stage in own_stages(data, model) if stage not in left_out]
    own = data["proportion_correct"].sel(generation_model=model, stage=stages, observer="human")
    return own.transpose("participant", "stage").values


def between_models(
    experiments: Mapping[str, xr.Dataset],
    comparisons: Mapping[str, Mapping[str, Sequence[str]]],
    permutations: int,
    seed: int,
) -> xr.Dataset:
    """Repeated-measures ANOVA of people's recognition of several models' metamers, over all stages and natural stimuli.

    Stages of models are matched by their place in the models' order, whatever they are called. Natural stimuli are the
    same for all models of an experiment.

    Parameters
    ----------
    experiments
        Experiment → what ``metamers.humans.experiment_dataset`` gives.
    comparisons
        Experiment → name of the comparison → models, with equally many stages.
    permutations, seed
        As for ``human_against_model``.

    Returns
    -------
    xr.Dataset
        As ``published_tests``; a test is named ``<experiment>: <name of the comparison>``.
    """
    tables = {}
    for experiment, named in comparisons.items():
        for name, models in named.items():
            scores = np.stack([_human(experiments[experiment], model) for model in models], axis=2)
            test = f"{experiment}: {name}"
            analysed = _tested(test, repeated_anova, permutation_p_models, scores, permutations, seed)
            tables[test, experiment, tuple(models)] = analysed
    return _tests(BETWEEN_MODELS, tables)


def between_stages(
    experiments: Mapping[str, xr.Dataset],
    stage_effects: Mapping[str, Mapping[str, Sequence[str]]],
    permutations: int,
    seed: int,
) -> xr.Dataset:
    """Repeated-measures ANOVA of people's recognition of one model's metamers of different stages.

    The study does so with the classical models, which recognize nothing themselves.

    Parameters
    ----------
    experiments
        Experiment → what ``metamers.humans.experiment_dataset`` gives.
    stage_effects
        Experiment → model → stages that are left out; natural stimuli are not.
    permutations, seed
        As for ``human_against_model``.

    Returns
    -------
    xr.Dataset
        As ``published_tests``; a test is named ``<experiment>: <model>, people``.
    """
    tables = {}
    for experiment, of_models in stage_effects.items():
        for model, left_out in of_models.items():
            scores = _human(experiments[experiment], model, left_out)
            test = f"{experiment}: {model}, people"
            analysed = _tested(test, stage_anova, permutation_p_stage, scores, permutations, seed)
            tables[test, experiment, (model,)] = analysed
    return _tests(BETWEEN_STAGES, tables)


def published_tests(
    experiments: Mapping[str, xr.Dataset],
    comparisons: Mapping[str, Mapping[str, Sequence[str]]],
    stage_effects: Mapping[str, Mapping[str, Sequence[str]]],
    permutations: int,
    seed: int,
) -> xr.Dataset:
    """Every analysis of variance of the published experiments.

    The participants are those of the public data, from which the study had excluded whoever did not pass its checks;
    their numbers are the paper's. (In its web experiments people went on to the main part after at least 7 of 12
    demonstration trials of the visual task, and met 16 catch trials; excluded data are not public.)

    Parameters
    ----------
    experiments, comparisons, stage_effects, permutations, seed
        As ``human_against_model``, ``between_models`` and ``between_stages`` take them.

    Returns
    -------
    xr.Dataset
        (test, effect) → ``f``, ``df_effect``, ``df_error``, ``p_permutation``, ``partial_eta_squared``, NaN where a
        test has no such effect, or the scores do not vary enough for it. Coordinates (test): ``comparison``, which of
        the three it is (``human against model`` has effects observer, stage, interaction; ``between models`` model,
        stage, interaction; ``between stages`` stage); ``experiment``; ``generation_model``, several joined by commas.

    References
    ----------
    Feather et al. (2023), Methods, "Statistical tests"; matlab_statistics_functions in its repository.
    """
    made = [
        human_against_model(experiments, permutations, seed),
        between_models(experiments, comparisons, permutations, seed),
        between_stages(experiments, stage_effects, permutations, seed),
    ]
    return xr.concat(made, dim="test")
