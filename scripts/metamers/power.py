"""Power: how many people and trials it takes to tell two models apart by people's recognition of their metamers.

People differ in how much they recognize at all, of one model's metamers more than of another's, and of single stages:
three standard deviations on the scale of log odds, estimated from the published participants, after what the few
answers of each give by chance is taken off. Experiments are then simulated with as many participants and trials as one
asks for, and tested as ``metamers.anova`` tests them afterwards: by permutation of the models within each participant,
which for two models is a test by sign flips of the participants' differences (``metamers.sign_flips``). How far results
hold for new stimuli too is ``metamers.power_stimuli``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr
from scipy.special import expit, logit

from metamers.compare import ENDS
from metamers.humans import LEFT_OUT, own_stages
from metamers.leaderboard import Curve
from metamers.power_stimuli import STIMULUS_COMPONENTS, significant_experiments, stimuli_needed
from metamers.sign_flips import flips_drawn, sign_flip_p

COMPONENTS = ("participant", "model", "stage")
VARIANCE_COLUMNS = ["modality", "component", "sd", "low", "high", "participants"]
VARIANCE_BOOTSTRAP, VARIANCE_SEED = 500, 0  # they belong to the published data, so they are the same in every run

MOST_TRIALS = 60  # of a published condition
EM_STEPS = 200
SPREAD = 10  # of people, as the sum of the beta distribution's parameters: more than the published ones differ
EXTREME = 0.01  # nearest to 0 and 1 that a curve comes: where everybody is right, nothing can be told apart
PEOPLE = 20_000  # simulated, of whom experiments are drawn
BISECTIONS = 60
TEST = "permutation of the two models within each participant: sign flips of the participants' differences"
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


def trials_per_condition(proportions: np.ndarray) -> float:
    """Mean number of trials that proportions correct are of, which the public files do not tell.

    By maximum likelihood (expectation and maximization) over whole numbers: a proportion can be of those numbers only
    that make it a whole number of answers, and which of them it is of goes by how probable so many right answers are,
    of people who differ (beta-binomial).

    Parameters
    ----------
    proportions
        (participant, condition), 0..1.

    Raises
    ------
    ValueError
        When a proportion is of more than ``MOST_TRIALS`` trials.
    """
    numbers = np.arange(1, MOST_TRIALS + 1)[:, None, None]
    right = np.rint(proportions * numbers)
    mean = proportions.mean(axis=0).clip(EXTREME, 1 - EXTREME)
    possible = np.abs(right - proportions * numbers) < 1e-6
    probable = scipy.stats.betabinom.pmf(right, numbers, SPREAD * mean, SPREAD * (1 - mean))
    likelihood = np.where(possible, probable, 0).reshape(MOST_TRIALS, -1)
    if not (likelihood.sum(axis=0) > 0).all():
        raise ValueError(f"a proportion correct is of no whole number of trials up to {MOST_TRIALS}")
    shares = np.full(MOST_TRIALS, 1 / MOST_TRIALS)
    for _ in range(EM_STEPS):
        chosen = shares[:, None] * likelihood
        shares = (chosen / chosen.sum(axis=0)).mean(axis=1)
    return float(shares @ numbers.ravel())


def _answers(dataset: xr.Dataset, modality: str) -> tuple[np.ndarray, np.ndarray]:
    """People's proportions (participant, condition) about one experiment's metamers, and each condition's model."""
    human = dataset["proportion_correct"].sel(observer="human")
    values, models = [], []
    for model in map(str, human["generation_model"].values):
        stages = [stage for stage in own_stages(dataset, model) if stage not in LEFT_OUT[modality]]
        values.append(human.sel(generation_model=model, stage=stages).transpose("participant", "stage").values)
        models += [model] * len(stages)
    return np.concatenate(values, axis=1), np.array(models)


def _moments(proportions: np.ndarray, models: np.ndarray, trials: float) -> np.ndarray:
    """Sums (2, component) whose ratios are the variances of log odds that conditions share.

    Of conditions of different models, of different conditions of one model, and of a condition with itself. By the
    delta method a covariance of proportions is that of log odds times p (1 - p) of both; the ratios are least squares.
    (Of deviations of 0.5 it finds about nine tenths, of 1 about eight.)
    """
    mean = proportions.mean(axis=0)
    slope = np.outer(mean * (1 - mean), mean * (1 - mean))
    covariance = np.cov(proportions.T)
    by_chance = (proportions * (1 - proportions)).mean(axis=0) / (trials - 1)
    covariance[np.diag_indices_from(covariance)] -= by_chance
    same_model, same = models[:, None] == models, np.eye(len(models), dtype=bool)
    pairs = (~same_model, same_model & ~same, same)
    return len(proportions) * np.array(
        [[(part * slope)[which].sum() for which in pairs] for part in (covariance, slope)]
    )


def participant_variance(experiments: Sequence[xr.Dataset], modality: str) -> pd.DataFrame:
    """How much people differ, as standard deviations of the log odds of being right.

    Parameters
    ----------
    experiments
        What ``metamers.humans.experiment_dataset`` gives, all of one modality, of two participants or more each.
    modality
        ``vision`` or ``audio``.

    Returns
    -------
    pd.DataFrame
        ``VARIANCE_COLUMNS``, a row for each of ``COMPONENTS``: ``sd`` between participants in all they judge, in one
        model's metamers, in one stage's; ``low`` and ``high``: 95% interval over participants drawn with replacement.
        What is estimated below 0 is 0.
    """
    answers = [_answers(dataset, modality) for dataset in experiments]
    trials = [trials_per_condition(proportions) for proportions, _ in answers]

    def deviations(drawn: Iterable[np.ndarray]) -> np.ndarray:
        parts = zip(answers, trials, drawn, strict=True)
        sums = sum(_moments(values[people], models, number) for (values, models), number, people in parts)
        shared = np.divide(sums[0], sums[1], out=np.zeros(len(COMPONENTS)), where=sums[1] > 0)
        return np.sqrt(np.diff(shared.clip(0), prepend=0).clip(0))

    rng = np.random.default_rng(VARIANCE_SEED)
    sizes = [len(proportions) for proportions, _ in answers]
    found = deviations([np.arange(size) for size in sizes])
    samples = [deviations([rng.integers(size, size=size) for size in sizes]) for _ in range(VARIANCE_BOOTSTRAP)]
    low, high = np.quantile(samples, ENDS, axis=0)
    columns = [[modality] * len(COMPONENTS), COMPONENTS, found, low, high, [sum(sizes)] * len(COMPONENTS)]
    return pd.DataFrame(dict(zip(VARIANCE_COLUMNS, columns, strict=True)))


def typical_curve(curves: Iterable[Curve], stages: int) -> np.ndarray:
    """Recognizability (stage,) of a model like the published ones: their mean at so many relative depths, 0 to 1.

    Parameters
    ----------
    curves
        What ``metamers.leaderboard.measured_curves`` gives, of one modality.
    stages
        Number of stages, two or more.
    """
    depth = np.linspace(0, 1, stages)
    return np.mean([np.interp(depth, curve["depth"], curve["mean"]) for curve in curves], axis=0)


def apart(curve: np.ndarray, difference: float) -> np.ndarray:
    """Curves (2, stage) of two models whose mean recognizability differs by so much: the given one and a lower one.

    The log odds of all stages are lowered alike, so that stages of which nearly all or nearly nothing is recognized
    differ least.

    Raises
    ------
    ValueError
        When the given curve's mean is not above the difference.
    """
    first = curve.clip(EXTREME, 1 - EXTREME)
    if not 0 <= difference < first.mean():
        raise ValueError(f"a difference of {difference} from a mean recognizability of {first.mean():.2f}")
    shift = _root(lambda x: expit(logit(first) - x).mean(), first.mean() - difference, 0, 40)
    return np.stack([first, expit(logit(first) - shift)])


def _root(
    falling: Callable[[np.ndarray], np.ndarray], wanted: np.ndarray | float, low: float, high: float
) -> np.ndarray:
    """Where a falling function has the wanted value, by bisection, each element for itself."""
    low, high = np.full(np.shape(wanted), low), np.full(np.shape(wanted), high)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = falling(middle) > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def median_log_odds(mean: np.ndarray, deviation: float) -> np.ndarray:
    """Log odds about which people vary normally by so much, when on average they are right as often as ``mean``."""

    def right(negative):
        return expit(-negative[..., None] + deviation * NODES) @ WEIGHTS / WEIGHTS.sum()

    return -_root(right, np.asarray(mean), -60, 60)


def simulated_scores(
    curves: np.ndarray, deviations: Sequence[float], trials: int, number: int, rng: np.random.Generator
) -> np.ndarray:
    """Proportions correct (participant, model, stage) of simulated participants.

    Parameters
    ----------
    curves
        (2, stage): how often people on average are right, 0..1.
    deviations
        Between participants, of log odds: in all they judge, in a model's metamers, in a stage's.
    trials
        Of each participant, model and stage.
    number
        Of participants.
    """
    middle = median_log_odds(curves.clip(EXTREME, 1 - EXTREME), np.hypot.reduce(deviations))
    shapes = ((number, 1, 1), (number, 2, 1), (number, *curves.shape))
    odds = middle + sum(size * rng.standard_normal(shape) for size, shape in zip(deviations, shapes, strict=True))
    return rng.binomial(trials, expit(odds)) / trials


def simulated_differences(
    curves: np.ndarray, deviations: Sequence[float], trials: int, number: int, rng: np.random.Generator
) -> np.ndarray:
    """Differences (participant,) between two models in a participant's proportion correct over all stages.

    Parameters are those of ``simulated_scores``.
    """
    correct = simulated_scores(curves, deviations, trials, number, rng)
    return correct[:, 0].mean(axis=1) - correct[:, 1].mean(axis=1)


def power(
    differences: np.ndarray,
    participants: Sequence[int],
    alpha: float,
    simulations: int,
    flips: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """How often an experiment with so many participants tells the models apart (participants,), 0..1.

    The stimuli are the same in all experiments. The test is that of ``metamers.sign_flips.sign_flip_p``.

    Parameters
    ----------
    differences
        (person,): of many people, of whom the experiments' participants are drawn.
    participants
        Numbers of participants; with fewer than ``metamers.config_power.fewest`` none is ever significant.
    alpha
        Level of the two-sided test.
    simulations
        Experiments of each number.
    flips
        Drawn for each number, where not all are tried.
    """
    found = []
    for number in participants:
        drawn = differences[rng.integers(len(differences), size=(simulations, number))]
        found.append(np.mean(sign_flip_p(drawn, flips, rng) <= alpha))
    return np.array(found)


def needed(found: np.ndarray, participants: Sequence[int], wanted: float) -> np.ndarray:
    """The fewest participants (…,) from which on power (…, participants) stays as wanted; NaN where it never does."""
    lasting = np.minimum.accumulate(found[..., ::-1] >= wanted, axis=-1)[..., ::-1]
    fewest = np.array(participants, float)[lasting.argmax(axis=-1)]
    return np.where(lasting.any(axis=-1), fewest, np.nan)


def pairs_of(
    predicted: xr.Dataset, modalities: Mapping[str, str]
) -> tuple[list[tuple[str, str, list[str]]], list[tuple[str, str]]]:
    """Pairs of a run's models of one modality, with the stages that are predicted of both; and pairs without two such.

    Parameters
    ----------
    predicted
        What ``metamers.predicted.predicted_human`` gives; stages without a prediction do not count.
    modalities
        Generation model → ``vision`` or ``audio``.

    Returns
    -------
    pairs
        The two models, and two or more stages.
    left_out
        Pairs of one modality that share fewer than two predicted stages.
    """
    inside = predicted["predicted"].notnull()
    stages = {
        model: [
            stage
            for stage in own_stages(predicted, model)
            if stage not in LEFT_OUT[modalities[model]] and inside.sel(generation_model=model, stage=stage)
        ]
        for model in map(str, predicted["generation_model"].values)
    }
    pairs, left_out = [], []
    for one, other in combinations(stages, 2):
        if modalities[one] != modalities[other]:
            continue
        shared = [stage for stage in stages[one] if stage in stages[other]]
        if len(shared) >= 2:
            pairs.append((one, other, shared))
        else:
            left_out.append((one, other))
    return pairs, left_out


def power_dataset(
    variance: pd.DataFrame,
    curves: Mapping[str, Sequence[Curve]],
    predicted: xr.Dataset | None,
    modalities: Mapping[str, str],
    settings: Mapping[str, Any],
    permutations: int,
    seed: int,
) -> xr.Dataset:
    """The power of experiments with two models, such as the published ones and of this run.

    Parameters
    ----------
    variance
        ``VARIANCE_COLUMNS``: rows of ``participant_variance`` for each modality.
    curves
        Modality → curves of ``metamers.leaderboard.measured_curves``.
    predicted
        What ``metamers.predicted.predicted_human`` gives of the run's models, or None.
    modalities
        Generation model of the run → ``vision`` or ``audio``.
    settings
        The configuration's ``comparison.power``.
    permutations
        Of the analysis of variance: the configuration's ``comparison.permutations``.
    seed
        Of the simulations.

    Returns
    -------
    xr.Dataset
        ``power`` (modality, difference, trials, participants): of a model that is recognized as the published ones are
        on average against one that is recognized less by ``difference``. ``contrast_power`` (contrast, trials,
        participants): of two of the run's models, if they are recognized as predicted, with ``model``, ``reference``,
        ``contrast_difference``, ``contrast_stages``. ``participants_needed`` and ``contrast_participants_needed`` for
        the power that is wanted; ``sd_…`` (modality). All for the same stimuli. ``stimuli_needed`` (trials) and
        ``contrast_stimuli_needed`` (contrast, trials): distinct stimuli, where a participant meets each once. Where
        ``settings`` has numbers of ``stimuli``, also what ``over_stimuli`` gives. Attributes say which test was
        simulated, and which pairs of the run's models are left out.
    """
    rng = np.random.default_rng(seed)
    deviations = {
        modality: rows.set_index("component")["sd"].reindex(COMPONENTS).to_list()
        for modality, rows in variance.groupby("modality", sort=False)
    }
    trials, participants, alpha = list(settings["trials"]), list(settings["participants"]), settings["alpha"]
    flips = flips_drawn(alpha, permutations)

    def of_curves(pair: np.ndarray, modality: str) -> np.ndarray:
        people = (simulated_differences(pair, deviations[modality], number, PEOPLE, rng) for number in trials)
        return np.stack([power(each, participants, alpha, settings["simulations"], flips, rng) for each in people])

    typical = {modality: typical_curve(curves[modality], settings["stages"]) for modality in deviations}
    found = np.stack(
        [
            [of_curves(apart(typical[modality], difference), modality) for difference in settings["differences"]]
            for modality in deviations
        ]
    )
    dims = ("modality", "difference", "trials", "participants")
    result = xr.Dataset(
        {
            "power": (dims, found),
            "participants_needed": (dims[:-1], needed(found, participants, settings["wanted"])),
            "stimuli_needed": ("trials", [stimuli_needed(number, settings["stages"]) for number in trials]),
            **{
                f"sd_{component}": ("modality", [deviations[modality][index] for modality in deviations])
                for index, component in enumerate(COMPONENTS)
            },
        },
        coords={
            "modality": list(deviations),
            "difference": list(settings["differences"]),
            "trials": trials,
            "participants": participants,
        },
        attrs={"alpha": alpha, "wanted": settings["wanted"], "stages": settings["stages"], "test": TEST},
    )
    if settings["stimuli"]:
        result = result.merge(over_stimuli(typical, deviations, settings, flips, rng), combine_attrs="no_conflicts")
    pairs, left_out = pairs_of(predicted, modalities) if predicted is not None else ([], [])
    result.attrs["left_out"] = ", ".join(f"{one} - {other}" for one, other in left_out)
    if not pairs:
        return result
    both = [predicted["predicted"].sel(generation_model=list(models), stage=shared) for *models, shared in pairs]
    both = [values.transpose("generation_model", "stage").values for values in both]
    found = np.stack([of_curves(pair, modalities[one]) for pair, (one, _, _) in zip(both, pairs, strict=True)])
    distinct = [[stimuli_needed(number, len(shared)) for number in trials] for _, _, shared in pairs]
    return result.assign(
        contrast_power=(("contrast", "trials", "participants"), found),
        contrast_participants_needed=(("contrast", "trials"), needed(found, participants, settings["wanted"])),
        contrast_stimuli_needed=(("contrast", "trials"), distinct),
        contrast_difference=("contrast", [float(np.diff(pair[::-1].mean(axis=1))[0]) for pair in both]),
        contrast_stages=("contrast", [", ".join(shared) for _, _, shared in pairs]),
    ).assign_coords(
        contrast=[f"{one} - {other}" for one, other, _ in pairs],
        model=("contrast", [one for one, _, _ in pairs]),
        reference=("contrast", [other for _, other, _ in pairs]),
    )


def over_stimuli(
    typical: Mapping[str, np.ndarray],
    deviations: Mapping[str, Sequence[float]],
    settings: Mapping[str, Any],
    flips: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Power, and false alarms, of experiments with new stimuli each.

    Parameters
    ----------
    typical
        Modality → recognizability (stage,) of a model like the published ones.
    deviations
        Modality → deviations between participants.
    settings
        The configuration's ``comparison.power``.
    flips
        Drawn for each test, where not all are tried.
    rng
        Source of the experiments.

    Returns
    -------
    xr.Dataset
        ``power_over_stimuli`` (modality, difference, stimuli, trials, participants): share of experiments in which the
        models are told apart over participants and over stimuli; ``participants_needed_over_stimuli``.
        ``false_alarms_over_stimuli`` (modality, stimuli, trials, participants): the same where both models are
        recognized alike; ``false_alarms_fixed_stimuli``: there, the share significant over participants alone.
    """
    trials, participants, stimuli = list(settings["trials"]), list(settings["participants"]), list(settings["stimuli"])
    assumed = [settings["stimulus_sd"][component] for component in STIMULUS_COMPONENTS]

    # The same stimuli for every difference and number of trials, so that these are compared with less noise.
    seeds = rng.integers(2**32, size=len(stimuli))

    def shares(pair: np.ndarray, modality: str) -> np.ndarray:
        """(fixed or random, stimuli, trials, participants): how often an experiment is significant."""
        odds = median_log_odds(pair.clip(EXTREME, 1 - EXTREME), np.hypot.reduce([*deviations[modality], *assumed]))
        found = [
            significant_experiments(
                *(odds, deviations[modality], assumed, number, items, participants),
                *(settings["stimulus_simulations"], settings["alpha"], flips, rng),
                np.random.default_rng(seed),
            ).mean(axis=2)
            for items, seed in zip(stimuli, seeds, strict=True)
            for number in trials
        ]
        return np.stack(found, axis=1).reshape(2, len(stimuli), len(trials), len(participants))

    alike = np.stack([shares(np.stack([curve, curve]), modality) for modality, curve in typical.items()])
    found = np.stack(
        [
            [shares(apart(curve, difference), modality)[1] for difference in settings["differences"]]
            for modality, curve in typical.items()
        ]
    )
    dims = ("modality", "stimuli", "trials", "participants")
    with_difference = ("modality", "difference", *dims[1:])
    return xr.Dataset(
        {
            "power_over_stimuli": (with_difference, found),
            "participants_needed_over_stimuli": (with_difference[:-1], needed(found, participants, settings["wanted"])),
            "false_alarms_over_stimuli": (dims, alike[:, 1]),
            "false_alarms_fixed_stimuli": (dims, alike[:, 0]),
            "sd_of_stimuli": ("stimulus_component", assumed),
        },
        coords={"stimuli": stimuli, "stimulus_component": list(STIMULUS_COMPONENTS)},
    )
