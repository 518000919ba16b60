"""The analyses of variance: human against model, between models, and between stages of one model.

In the published test of human against model, participants and the model that saw the same stimuli are two groups of
participants, so one network counts once for each participant. It is made for the published data, which have no
answers by stimulus. Own participants are compared with the network by ``metamers.compare.min_f``. Metamers of different
models, which the same participants judged, are compared within participants. F, degrees of freedom and effect size come
from pingouin. Permutation p is in ``metamers.compare.permutation_tests``, the correction for unequal variances of
stages in ``metamers.compare.sphericity``. Permutation within participants assumes exchangeable levels: where some
stages vary more than others, it rejects too often, as F itself does, so the corrected p is reported beside it.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import pingouin
import xarray as xr

from metamers.compare.min_f import MIN_F, OVER_PARTICIPANTS, OVER_STIMULI, observer_differences, tests_for_both
from metamers.compare.permutation_tests import (
    MIXED_EFFECTS,
    MODEL_EFFECTS,
    PERMUTED,
    permutation_p,
    permutation_p_models,
    permutation_p_stage,
)
from metamers.compare.sign_flips import sign_flip_both
from metamers.compare.sphericity import (
    CORRECTED,
    group_departures,
    interaction_departures,
    main_departures,
    with_epsilon,
)
from metamers.humans.participants import OBSERVERS, own_stages

logger = logging.getLogger("metamers")

EFFECTS = ("observer", "model", "stage", "interaction")  # coordinate of the file
HUMAN_AGAINST_MODEL, BETWEEN_MODELS, BETWEEN_STAGES = "human against model", "between models", "between stages"
SAME_STIMULI = "new participants, the same stimuli"
# The participants and stimuli for which each kind of test holds; own participants have the three after the first.
AGAINST_NETWORK = {kind: f"{HUMAN_AGAINST_MODEL}, {kind}" for kind in (MIN_F, OVER_STIMULI, OVER_PARTICIPANTS)}
GENERALIZES = {
    HUMAN_AGAINST_MODEL: "the same stimuli; one network counts once for each participant",
    AGAINST_NETWORK[MIN_F]: "new participants and new stimuli",
    AGAINST_NETWORK[OVER_STIMULI]: "new stimuli, the same participants",
    AGAINST_NETWORK[OVER_PARTICIPANTS]: SAME_STIMULI,
    BETWEEN_MODELS: SAME_STIMULI,
    BETWEEN_STAGES: SAME_STIMULI,
}
PUBLISHED_TEST = (
    "human against model of the published experiments is the published test, which counts one network once "
    "for each participant; over new stimuli it finds an effect of observer in up to six tenths of simulated "
    "experiments without one, the more often the fewer stimuli (resources/simulated/anova.csv)"
)
OWN_TEST = (
    "human against model of own participants is tested over participants, over stimuli (mean participant minus "
    "network) and for both by min F′; tests between models and between stages hold for new participants and the same "
    "stimuli"
)

NAMES = {"F": "f", "DF1": "df_effect", "DF2": "df_error", "ddof1": "df_effect", "ddof2": "df_error"}
NAMES |= {"np2": "partial_eta_squared"}
COLUMNS = ["f", "df_effect", "df_error", "partial_eta_squared"]
RESULTS = [*COLUMNS, *CORRECTED, *PERMUTED]
LEVEL = 0.05  # an adjusted p must be able to reach this level; otherwise there are too few permutations


def mixed_anova(scores: np.ndarray) -> pd.DataFrame:
    """Compute the mixed ANOVA of one model in one experiment.

    Parameters
    ----------
    scores
        (participant, stage, observer); each row of each observer is a separate participant.

    Returns
    -------
    pd.DataFrame
        Index ``MIXED_EFFECTS``, columns ``COLUMNS`` and ``CORRECTED``. Epsilon of the effects within participants comes
        from the covariance of stages within the two groups, pooled; that of observer, an effect between participants,
        is 1.
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
    """Compute the repeated-measures ANOVA of several models' stages, with both factors within participants.

    Parameters
    ----------
    scores
        (participant, stage, model).

    Returns
    -------
    pd.DataFrame
        Index ``MODEL_EFFECTS``, columns ``COLUMNS`` and ``CORRECTED``; the error term of each effect is its interaction
        with participants.
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
    """Compute the repeated-measures ANOVA of one model's stages.

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


def _test_rng(seed: int, test: str) -> np.random.Generator:
    """Return the random generator of one test, which does not depend on the other tests."""
    return np.random.default_rng([seed, *test.encode()])


def _run_test(
    test: str,
    anova: Callable[[np.ndarray], pd.DataFrame],
    permutation: Callable[[np.ndarray, int, np.random.Generator], pd.DataFrame],
    scores: np.ndarray,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Run one test: effect → ``RESULTS``; without rows, and with a warning, where the scores do not allow the test.

    A few own participants may all give the same answers. Their test is left out, and the others are still made.
    """
    try:
        p = permutation(scores, permutations, _test_rng(seed, test))
    except ValueError as error:
        logger.warning("%s: not tested: %s", test, error)
        return pd.DataFrame(columns=RESULTS, dtype=float)
    return anova(scores).join(p)


def _tests_dataset(comparison: str, tables: Mapping[tuple[str, str, Sequence[str]], pd.DataFrame]) -> xr.Dataset:
    """Make a Dataset of (test, experiment, generation models) → results; NaN for effects that a test does not have.

    Without tables the result has no tests, but the same dimensions and types.
    """
    tests = list(tables)
    values = {key: table.reindex(EFFECTS) for key, table in tables.items()}
    shape = (len(tests), len(EFFECTS))
    texts = {
        "test": [test for test, _, _ in tests],
        "comparison": [comparison] * len(tests),
        "generalizes_to": [GENERALIZES[comparison]] * len(tests),
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
            # NumPy makes an empty list an array of numbers.
            **{name: ("test", np.array(content, dtype=str)) for name, content in texts.items()},
        },
    )


def human_against_model(experiments: Mapping[str, xr.Dataset], permutations: int, seed: int) -> xr.Dataset:
    """Compute the published mixed ANOVA of human against model for every model of every experiment.

    It includes all stages and natural stimuli. One network counts once for each participant, so the
    test holds for no new stimuli: it finds effects that single stimuli cause (``metamers.compare.min_f``).

    Parameters
    ----------
    experiments
        Experiment → result of ``metamers.humans.participants.experiment_dataset``.
    permutations
        Number of permutations.
    seed
        Random seed of the permutations; a test does not depend on which other tests are made.

    Returns
    -------
    xr.Dataset
        As for ``published_tests``; a test is named ``<experiment>: <model>``.
    """
    tables = {}
    for experiment, data in experiments.items():
        for model in map(str, data["generation_model"].values):
            own = data["proportion_correct"].sel(
                generation_model=model, stage=own_stages(data, model), observer=list(OBSERVERS)
            )
            scores = own.transpose("participant", "stage", "observer").values
            test = f"{experiment}: {model}"
            tables[test, experiment, (model,)] = _run_test(test, mixed_anova, permutation_p, scores, permutations, seed)
    return _tests_dataset(HUMAN_AGAINST_MODEL, tables)


def participants_against_network(experiments: Mapping[str, xr.Dataset], permutations: int, seed: int) -> xr.Dataset:
    """Compare own participants with the network whose metamers they judged, for new participants and new stimuli.

    All effects are within units: the network has answered the stimuli that each participant met, and each stimulus that
    participants met. The test by stimulus compares the mean participant with the network.

    Parameters
    ----------
    experiments
        Experiment → result of ``metamers.humans.own_participants.proportions_correct``.
    permutations
        Number of sign flips of the effect of observer; up to ``metamers.compare.sign_flips.EXACT`` participants or
        stimuli, all are used. Stage and interaction have no p by permutation.
    seed
        As for ``human_against_model``.

    Returns
    -------
    xr.Dataset
        As for ``published_tests``; a test is named ``<experiment>: <model>`` for min F′, and otherwise with ``, over
        participants`` or ``, over stimuli``.
    """
    tables: dict[str, dict[tuple[str, str, Sequence[str]], pd.DataFrame]] = {kind: {} for kind in AGAINST_NETWORK}
    for experiment, data in experiments.items():
        for model in map(str, data["generation_model"].values):
            test = f"{experiment}: {model}"
            own = data.sel(generation_model=model, stage=own_stages(data, model), observer=list(OBSERVERS))
            if own["proportion_correct"].sel(observer="model").isnull().all():
                continue  # a model without classes
            scores = {
                kind: own[name].transpose(unit, "stage", "observer").values[None]
                for kind, name, unit in (
                    (OVER_PARTICIPANTS, "proportion_correct", "participant"),
                    (OVER_STIMULI, "correct_by_stimulus", "stimulus"),
                )
            }
            for kind, by_effect in tests_for_both(*scores.values()).items():
                rows = {effect: tested.row() for effect, tested in by_effect.items()}
                table = pd.DataFrame(rows).T.reindex(columns=RESULTS)
                if kind in scores:  # min F′ has no sums of squares, and no permutations
                    effect = table["f"] * table["df_effect"]
                    table["partial_eta_squared"] = effect / (effect + table["df_error"])
                if kind in scores and np.isfinite(table.loc["observer", "f"]):
                    rng = _test_rng(seed, f"{test}, {kind}")
                    table.loc["observer", PERMUTED] = sign_flip_both(
                        observer_differences(scores[kind]), permutations, rng
                    )
                for effect in table.index[table["f"].isna()]:
                    logger.warning("%s, %s: %s: not tested: too few with answers, or no variation", test, kind, effect)
                tables[kind][test if kind == MIN_F else f"{test}, {kind}", experiment, (model,)] = table
    return xr.concat([_tests_dataset(AGAINST_NETWORK[kind], made) for kind, made in tables.items()], dim="test")


def _human_scores(data: xr.Dataset, model: str, left_out: Sequence[str] = ()) -> np.ndarray:
    """Return the human proportions correct on a model's metamers: (participant, stage), in processing order."""
    stages = [stage for stage in own_stages(data, model) if stage not in left_out]
    own = data["proportion_correct"].sel(generation_model=model, stage=stages, observer="human")
    return own.transpose("participant", "stage").values


def between_models(
    experiments: Mapping[str, xr.Dataset],
    comparisons: Mapping[str, Mapping[str, Sequence[str]]],
    permutations: int,
    seed: int,
) -> xr.Dataset:
    """Compute the repeated-measures ANOVA of human recognition of several models' metamers.

    It includes all stages and natural stimuli. Stages of different models are matched by their position in the
    processing order, whatever their names. Natural stimuli are the same for all models of an experiment.

    Parameters
    ----------
    experiments
        Experiment → result of ``metamers.humans.participants.experiment_dataset``.
    comparisons
        Experiment → name of the comparison → models, with equal numbers of stages.
    permutations, seed
        As for ``human_against_model``.

    Returns
    -------
    xr.Dataset
        As for ``published_tests``; a test is named ``<experiment>: <name of the comparison>``.
    """
    tables = {}
    for experiment, named in comparisons.items():
        for name, models in named.items():
            scores = np.stack([_human_scores(experiments[experiment], model) for model in models], axis=2)
            test = f"{experiment}: {name}"
            analysed = _run_test(test, repeated_anova, permutation_p_models, scores, permutations, seed)
            tables[test, experiment, tuple(models)] = analysed
    return _tests_dataset(BETWEEN_MODELS, tables)


def between_stages(
    experiments: Mapping[str, xr.Dataset],
    stage_effects: Mapping[str, Mapping[str, Sequence[str]]],
    permutations: int,
    seed: int,
) -> xr.Dataset:
    """Compute the repeated-measures ANOVA of human recognition of one model's metamers of different stages.

    The study uses it for the classical models, which give no answers themselves.

    Parameters
    ----------
    experiments
        Experiment → result of ``metamers.humans.participants.experiment_dataset``.
    stage_effects
        Experiment → model → stages to leave out; natural stimuli are included.
    permutations, seed
        As for ``human_against_model``.

    Returns
    -------
    xr.Dataset
        As for ``published_tests``; a test is named ``<experiment>: <model>, people``.
    """
    tables = {}
    for experiment, of_models in stage_effects.items():
        for model, left_out in of_models.items():
            scores = _human_scores(experiments[experiment], model, left_out)
            test = f"{experiment}: {model}, people"
            analysed = _run_test(test, stage_anova, permutation_p_stage, scores, permutations, seed)
            tables[test, experiment, (model,)] = analysed
    return _tests_dataset(BETWEEN_STAGES, tables)


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust the p of a family of tests (test,) for their number by Holm's procedure.

    Among the tests with an adjusted p of at most α, the probability that any has a true null hypothesis is at most α,
    for any dependence between the tests (Holm 1979, Scandinavian Journal of Statistics 6, 65-70).
    """
    return pingouin.multicomp(p, method="holm")[1]


def with_holm(tested: xr.Dataset, own: Collection[str], permutations: int) -> xr.Dataset:
    """Add ``p_holm``: the p of each effect, adjusted for the number of tests in the family.

    It is ``p_permutation_plus_one``, or ``p_greenhouse_geisser`` for tests without permutation.

    A family consists of all effects of all tests of one ``comparison`` in the published experiments. Experiments with
    own participants form separate families, so they do not change the p of the published ones.

    Parameters
    ----------
    tested
        (test, effect) → ``p_permutation_plus_one`` and ``p_greenhouse_geisser``, with coordinates ``comparison`` and
        ``experiment``.
    own
        Experiments with own participants.
    permutations
        Number of permutations. A warning is logged if it is so small that no adjusted p can reach 0.05.
    """
    permuted = tested["p_permutation_plus_one"].transpose("test", "effect")
    p = permuted.fillna(tested["p_greenhouse_geisser"]).values
    adjusted = np.full(p.shape, np.nan)
    is_own = np.isin(tested["experiment"].values, list(own))
    for comparison in dict.fromkeys(tested["comparison"].values):
        for group in (False, True):
            family = ((tested["comparison"].values == comparison) & (is_own == group))[:, None] & np.isfinite(p)
            number = int(family.sum())
            if not number:
                continue
            adjusted[family] = holm(p[family])
            if np.isfinite(permuted.values[family]).any() and number / (permutations + 1) > LEVEL:
                logger.warning(
                    "comparison.permutations: with %d permutations, and Holm's correction for %d tests (%s), no "
                    "adjusted p is below %.2g; %d permutations are enough",
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
    """Compute every analysis of variance of the published experiments, and of those with own participants.

    The published participants are those of the public data, from which the study had excluded participants who failed
    its checks; their numbers are those of the paper. (In its web experiments, participants continued to the main part
    after at least 7 of 12 correct demonstration trials of the visual task, and met 16 catch trials; the excluded data
    are not public.)

    Parameters
    ----------
    experiments, comparisons, stage_effects, permutations, seed
        As for ``human_against_model``, ``between_models`` and ``between_stages``.
    own
        Experiments with own participants, for whom ``participants_against_network`` takes the place of
        ``human_against_model``.

    Returns
    -------
    xr.Dataset
        (test, effect) → ``f``, ``df_effect``, ``df_error``, ``partial_eta_squared``; ``p_permutation`` and
        ``p_permutation_plus_one``, by permutation; ``epsilon`` and ``p_greenhouse_geisser``, by the F distribution with
        corrected degrees of freedom; ``p_holm`` of ``with_holm``. NaN where a test has no such effect, or the scores do
        not vary enough for it. Coordinates (test): ``comparison``: ``human against model``, for own participants a
        value of ``AGAINST_NETWORK`` (effects observer, stage, interaction), ``between models`` (model, stage,
        interaction) or ``between stages`` (stage); ``generalizes_to``: ``GENERALIZES``; ``experiment``;
        ``generation_model``, several joined by commas. Attributes say what the tests of human against model mean.

    References
    ----------
    Feather et al. (2023), Methods, "Statistical tests"; matlab_statistics_functions in its repository.
    """
    by_own = {name: data for name, data in experiments.items() if name in own}
    published = {name: data for name, data in experiments.items() if name not in own}
    made = [
        human_against_model(published, permutations, seed),
        participants_against_network(by_own, permutations, seed),
        between_models(experiments, comparisons, permutations, seed),
        between_stages(experiments, stage_effects, permutations, seed),
    ]
    tested = with_holm(xr.concat(made, dim="test"), own, permutations)
    return tested.assign_attrs(published_test=PUBLISHED_TEST, own_test=OWN_TEST)
