"""The published analyses of variance and their permutation tests: human against model, model against model, stages.

Human participants and the models that saw the same stimuli count as separate participants of two groups; metamers of
different models, which the same people recognized, are compared within participants. F, degrees of freedom and effect
size come from pingouin; the permutation tests need F thousands of times, so they have their own.

Permutation within participants assumes that the levels could be exchanged. Where some stages vary more than others, it
rejects too often, as F itself does; Greenhouse and Geisser's correction of the degrees of freedom stands beside it.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import pingouin
import scipy.stats
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
CORRECTED = ["epsilon", "p_greenhouse_geisser"]
PERMUTED = ["p_permutation", "p_permutation_plus_one"]
RESULTS = [*COLUMNS, *CORRECTED, *PERMUTED]
LEVEL = 0.05  # of a test after Holm's correction, for the warning that there are too few permutations

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
        Index ``MIXED_EFFECTS``, columns ``COLUMNS`` and ``CORRECTED``: epsilon of the effects within participants is
        that of the covariance of stages within the two groups, pooled; that of observer, between them, is 1.
    """
    participant, stage, observer = np.indices(scores.shape).reshape(3, -1)
    subject = participant + len(scores) * observer
    table = pd.DataFrame({"score": scores.ravel(), "stage": stage, "observer": observer, "subject": subject})
    factors = {"within": "stage", "between": "observer", "subject": "subject"}
    result = pingouin.mixed_anova(table, dv="score", **factors, correction=False)
    result = result.set_index("Source").rename(index={"Interaction": "interaction"}, columns=NAMES)
    within = group_departures(scores.transpose(2, 0, 1).reshape(-1, scores.shape[1]))
    return with_epsilon(result.loc[list(MIXED_EFFECTS), COLUMNS], {"stage": within, "interaction": within})


def repeated_anova(scores: np.ndarray) -> pd.DataFrame:
    """Repeated-measures ANOVA of several models' stages, both factors within participants.

    Parameters
    ----------
    scores
        (participant, stage, model).

    Returns
    -------
    pd.DataFrame
        Index ``MODEL_EFFECTS``, columns ``COLUMNS`` and ``CORRECTED``; the error of each effect is its interaction with
        participants.
    """
    participant, stage, model = np.indices(scores.shape).reshape(3, -1)
    table = pd.DataFrame({"score": scores.ravel(), "stage": stage, "model": model, "participant": participant})
    factors = {"within": ["stage", "model"], "subject": "participant"}
    result = pingouin.rm_anova(table, dv="score", **factors, correction=False, effsize="np2")
    result = result.set_index("Source").rename(index={"stage * model": "interaction"}, columns=NAMES)
    departures = {
        "model": main_departures(scores.mean(axis=1)),
        "stage": main_departures(scores.mean(axis=2)),
        "interaction": interaction_departures(scores),
    }
    return with_epsilon(result.loc[list(MODEL_EFFECTS), COLUMNS], departures)


def stage_anova(scores: np.ndarray) -> pd.DataFrame:
    """Repeated-measures ANOVA of one model's stages.

    Parameters
    ----------
    scores
        (participant, stage).

    Returns
    -------
    pd.DataFrame
        Index ``stage``, columns ``COLUMNS`` and ``CORRECTED``.
    """
    participant, stage = np.indices(scores.shape).reshape(2, -1)
    table = pd.DataFrame({"score": scores.ravel(), "stage": stage, "participant": participant})
    factors = {"within": "stage", "subject": "participant"}
    result = pingouin.rm_anova(table, dv="score", **factors, correction=False, effsize="np2")
    result = result.set_index("Source").rename(columns=NAMES).loc[["stage"], COLUMNS]
    return with_epsilon(result, {"stage": main_departures(scores)})


def main_departures(scores: np.ndarray) -> np.ndarray:
    """Scores (…, participant, level) without each participant's own mean."""
    return scores - scores.mean(axis=-1, keepdims=True)


def interaction_departures(scores: np.ndarray) -> np.ndarray:
    """What remains of (…, participant, stage, model) without a participant's means of stages and of models.

    Returns (…, participant, cell).
    """
    departures = scores - scores.mean(axis=-2, keepdims=True)
    departures = departures - departures.mean(axis=-1, keepdims=True)
    return departures.reshape(*scores.shape[:-2], -1)


def group_departures(rows: np.ndarray) -> np.ndarray:
    """What remains of two groups' scores without each participant's mean and each group's profile of stages.

    Parameters
    ----------
    rows
        (…, participant, stage); the first half of the participants is one group, the rest the other.
    """
    groups = main_departures(rows).reshape(*rows.shape[:-2], 2, -1, rows.shape[-1])
    return (groups - groups.mean(axis=-2, keepdims=True)).reshape(rows.shape)


def greenhouse_geisser(departures: np.ndarray, df_effect: int) -> np.ndarray:
    """Greenhouse and Geisser's epsilon: how far the covariance of an effect within participants is from sphericity.

    With S the covariance of the departures, ε = (tr S)² / (df tr S²): 1 where all contrasts of the effect vary alike,
    1/df where one contrast varies alone. S is not inverted, so that it may be singular, as with fewer participants
    than levels. (S of departures has the eigenvalues of S of orthonormal contrasts, and 0 besides.)

    Parameters
    ----------
    departures
        (…, participant, cell), as ``main_departures``, ``interaction_departures`` and ``group_departures`` give them.
        Their mean over participants is the effect, and is left out.
    df_effect
        Degrees of freedom of the effect.

    Returns
    -------
    np.ndarray
        (…): from 1/df to 1.

    References
    ----------
    Greenhouse & Geisser (1959), Psychometrika 24, 95-112; with groups, Huynh (1978), Psychometrika 43, 161-175.
    """
    errors = departures - departures.mean(axis=-2, keepdims=True)
    covariance = np.swapaxes(errors, -1, -2) @ errors
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    return np.minimum(trace**2 / (df_effect * (covariance**2).sum(axis=(-2, -1))), 1)


def corrected_p(f: np.ndarray, df_effect: np.ndarray, df_error: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
    """p of the F distribution, both degrees of freedom multiplied by epsilon."""
    return scipy.stats.f.sf(f, epsilon * df_effect, epsilon * df_error)


def with_epsilon(table: pd.DataFrame, departures: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """A table of effects, ``COLUMNS``, with ``CORRECTED``; an effect without departures has epsilon 1."""
    table = table.astype(float)
    found = {effect: greenhouse_geisser(own, table.loc[effect, "df_effect"]) for effect, own in departures.items()}
    epsilon = pd.Series(found).reindex(table.index, fill_value=1.0)
    p = corrected_p(table["f"], table["df_effect"], table["df_error"], epsilon)
    return table.assign(epsilon=epsilon, p_greenhouse_geisser=p)


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
    return _f_departures(main_departures(scores))


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
    return _f_departures(interaction_departures(scores))


def _f_departures(departures: np.ndarray) -> np.ndarray:
    """F of what participants' departures (permutation, participant, cell) have in common, against where they differ."""
    participants = departures.shape[1]
    effect = participants * (departures.mean(axis=1) ** 2).sum(axis=1)
    error = ((departures**2).sum(axis=(1, 2)) - effect) / (participants - 1)  # the effect's own degrees cancel
    return effect / error


def _exceeding(
    found: Mapping[str, float], permuted: Callable[[int], Mapping[str, np.ndarray]], permutations: int
) -> pd.DataFrame:
    """Effect → ``PERMUTED``, of b permutations among P whose F is at least the data's: max(b, 1)/P, (b + 1)/(P + 1).

    The second counts the data among the permutations, without which a test at level 1/P
    would reject twice as often as it should (Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular
    Biology 9, 39).
    """
    if not all(np.isfinite(f) for f in found.values()):
        raise ValueError("the scores do not vary between participants and stages: an analysis of variance needs that")
    exceeding = dict.fromkeys(found, 0)
    for start in range(0, permutations, CHUNK):
        values = permuted(min(CHUNK, permutations - start))
        for effect, f in found.items():
            exceeding[effect] += int((values[effect] >= f * (1 - ROUNDING)).sum())
    counts = pd.Series(exceeding)
    both = (counts.clip(lower=1) / permutations, (counts + 1) / (permutations + 1))
    return pd.DataFrame(dict(zip(PERMUTED, both, strict=True)))


def _shuffled(values: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """(number, *values.shape): the last axis permuted, each row by itself."""
    return rng.permuted(np.broadcast_to(values, (number, *values.shape)), axis=values.ndim)


def permutation_p(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> pd.DataFrame:
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
    pd.DataFrame
        Index ``MIXED_EFFECTS``, columns ``PERMUTED``: the proportion of permutations whose F is at least the data's, no
        less than 1/permutations, and the same with the data among the permutations.

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


def permutation_p_models(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> pd.DataFrame:
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
    pd.DataFrame
        Index ``MODEL_EFFECTS``, columns ``PERMUTED``: the proportion of permutations whose F is at least the data's, no
        less than 1/permutations, and the same with the data among the permutations.

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


def permutation_p_stage(scores: np.ndarray, permutations: int, rng: np.random.Generator) -> pd.DataFrame:
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
    pd.DataFrame
        Index ``stage``, columns ``PERMUTED``.

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
    permutation: Callable[[np.ndarray, int, np.random.Generator], pd.DataFrame],
    scores: np.ndarray,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """One test: effect → ``RESULTS``; none, with a warning, where the scores do not allow it.

    As with a few people of one's own, who all answer alike: that is no reason to leave the other tests out.
    """
    try:
        p = permutation(scores, permutations, _rng(seed, test))
    except ValueError as error:
        logger.warning("%s: not tested: %s", test, error)
        return pd.DataFrame(columns=RESULTS, dtype=float)
    return anova(scores).join(p)


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
            for name in RESULTS
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


def holm(p: np.ndarray) -> np.ndarray:
    """p of a family of tests (test,), adjusted by Holm's procedure for their number.

    The tests at level α whose adjusted p is at most α hold a true null hypothesis among them with probability α at
    most, however the tests depend on each other (Holm 1979, Scandinavian Journal of Statistics 6, 65-70).
    """
    return pingouin.multicomp(p, method="holm")[1]


def with_holm(tested: xr.Dataset, own: Collection[str], permutations: int) -> xr.Dataset:
    """Tests with ``p_holm``: ``p_permutation_plus_one`` adjusted for the number of tests in its family.

    A family is every effect of every test of one ``comparison`` in the published experiments; one's own experiments
    form separate families, so they do not change the p of the published ones.

    Parameters
    ----------
    tested
        (test, effect) → ``p_permutation_plus_one``, with coordinates ``comparison`` and ``experiment``.
    own
        Experiments that are not published.
    permutations
        How many there were. So few that no adjusted p can reach 0.05 are warned of.
    """
    p = tested["p_permutation_plus_one"].transpose("test", "effect").values
    adjusted = np.full(p.shape, np.nan)
    is_own = np.isin(tested["experiment"].values, list(own))
    for comparison in dict.fromkeys(tested["comparison"].values):
        for group in (False, True):
            family = ((tested["comparison"].values == comparison) & (is_own == group))[:, None] & np.isfinite(p)
            number = int(family.sum())
            if not number:
                continue
            adjusted[family] = holm(p[family])
            if number / (permutations + 1) > LEVEL:
                logger.warning(
                    "comparison.permutations: with %d, and Holm's correction for %d tests (%s), no adjusted p is below "
                    "%.2g; %d would do",
                    *(permutations, number, comparison, min(number / (permutations + 1), 1), number / LEVEL),
                )
    return tested.assign(p_holm=(("test", "effect"), adjusted))


def published_tests(
    experiments: Mapping[str, xr.Dataset],
    comparisons: Mapping[str, Mapping[str, Sequence[str]]],
    stage_effects: Mapping[str, Mapping[str, Sequence[str]]],
    permutations: int,
    seed: int,
    own: Collection[str] = (),
) -> xr.Dataset:
    """Every analysis of variance of the published experiments.

    The participants are those of the public data, from which the study had excluded whoever did not pass its checks;
    their numbers are the paper's. (In its web experiments people went on to the main part after at least 7 of 12
    demonstration trials of the visual task, and met 16 catch trials; excluded data are not public.)

    Parameters
    ----------
    experiments, comparisons, stage_effects, permutations, seed
        As ``human_against_model``, ``between_models`` and ``between_stages`` take them.
    own
        Which of the experiments are not published ones.

    Returns
    -------
    xr.Dataset
        (test, effect) → ``f``, ``df_effect``, ``df_error``, ``partial_eta_squared``; ``p_permutation`` and
        ``p_permutation_plus_one``, by permutation; ``epsilon`` and ``p_greenhouse_geisser``, by the F distribution
        with corrected degrees of freedom; ``p_holm``, as ``with_holm`` gives it. NaN where a
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
    return with_holm(xr.concat(made, dim="test"), own, permutations)
