"""Power: how many participants and trials distinguish two models by human recognition of their metamers.

Participants differ in how much they recognize overall, of one model's metamers, and at single stages. These three
standard deviations, on the scale of log odds, are estimated from the published participants, after subtraction of the
sampling variance of their few answers. Experiments with given numbers of participants and trials are then simulated and
tested as ``metamers.compare.anova`` tests them: models are permuted within each participant, which for two models is a
test by sign flips of the participants' differences (``metamers.compare.sign_flips``). Generalization to new stimuli is
in ``metamers.power.stimuli``, and power for the models of a run in ``metamers.power.pairs``.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit, logit

from metamers.compare.proportions import ENDS
from metamers.compare.sign_flips import flips_drawn, sign_flip_p
from metamers.humans.participants import own_stages
from metamers.humans.published import PUBLISHED
from metamers.humans.trials import trials_per_condition
from metamers.leaderboard.curves import Curve
from metamers.power.stimuli import STIMULUS_COMPONENTS, significant_experiments, stimuli_needed

COMPONENTS = ("participant", "model", "stage")
VARIANCE_COLUMNS = ["modality", "component", "sd", "low", "high", "participants"]
VARIANCE_BOOTSTRAP, VARIANCE_SEED = 500, 0  # fixed: the variance is a property of the data, the same in every run

EXTREME = 0.01  # smallest distance of a curve from 0 and 1, where models cannot be distinguished
SIMULATED_PARTICIPANTS = 20_000  # population from which the participants of simulated experiments are drawn
BISECTIONS = 60
TEST = "permutation of the two models within each participant: sign flips of the participants' differences"
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


def _human_proportions(dataset: xr.Dataset, modality: str) -> tuple[np.ndarray, np.ndarray]:
    """Return human proportions correct (participant, condition) in one experiment, and the model of each condition."""
    human = dataset["proportion_correct"].sel(observer="human")
    values, models = [], []
    for model in map(str, human["generation_model"].values):
        stages = [stage for stage in own_stages(dataset, model) if stage not in PUBLISHED[modality].left_out_stages]
        values.append(human.sel(generation_model=model, stage=stages).transpose("participant", "stage").values)
        models += [model] * len(stages)
    return np.concatenate(values, axis=1), np.array(models)


def _moments(proportions: np.ndarray, models: np.ndarray, trials: float) -> np.ndarray:
    """Compute sums (2, component) whose ratios are the variances of log odds that conditions share.

    The components are pairs of conditions of different models, pairs of different conditions of one model, and a
    condition with itself. By the delta method, a covariance of proportions is that of log odds times p (1 - p) of both
    conditions; the ratios are least-squares estimates. (They find about nine tenths of standard deviations of 0.5, and
    about eight tenths of 1.)
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
    """Estimate how much participants differ, as standard deviations of the log odds of a correct answer.

    Parameters
    ----------
    experiments
        Results of ``metamers.humans.participants.experiment_dataset``, all of one modality, with at least two
        participants each.
    modality
        ``vision`` or ``audio``.

    Returns
    -------
    pd.DataFrame
        ``VARIANCE_COLUMNS``, one row for each of ``COMPONENTS``: ``sd`` between participants over all metamers, over
        one model's metamers, and over one stage's; ``low`` and ``high``: 95% interval over participants drawn with
        replacement. Estimates below 0 are set to 0.
    """
    answers = [_human_proportions(dataset, modality) for dataset in experiments]
    trials = [trials_per_condition(proportions) for proportions, _ in answers]

    def deviations(drawn: Iterable[np.ndarray]) -> np.ndarray:
        parts = zip(answers, trials, drawn, strict=True)
        sums = sum(_moments(values[chosen], models, number) for (values, models), number, chosen in parts)
        shared = np.divide(sums[0], sums[1], out=np.zeros(len(COMPONENTS)), where=sums[1] > 0)
        return np.sqrt(np.diff(shared.clip(0), prepend=0).clip(0))

    rng = np.random.default_rng(VARIANCE_SEED)
    sizes = [len(proportions) for proportions, _ in answers]
    estimates = deviations([np.arange(size) for size in sizes])
    samples = [deviations([rng.integers(size, size=size) for size in sizes]) for _ in range(VARIANCE_BOOTSTRAP)]
    low, high = np.quantile(samples, ENDS, axis=0)
    columns = [[modality] * len(COMPONENTS), COMPONENTS, estimates, low, high, [sum(sizes)] * len(COMPONENTS)]
    return pd.DataFrame(dict(zip(VARIANCE_COLUMNS, columns, strict=True)))


def typical_curve(curves: Iterable[Curve], stages: int) -> np.ndarray:
    """Average the curves of published models at equally spaced positions, 0 to 1: recognizability (stage,).

    Parameters
    ----------
    curves
        Results of ``metamers.leaderboard.curves.measured_curves``, of one modality.
    stages
        Number of stages, at least two.
    """
    position = np.linspace(0, 1, stages)
    return np.mean([np.interp(position, curve["depth"], curve["mean"]) for curve in curves], axis=0)


def curves_apart(curve: np.ndarray, difference: float) -> np.ndarray:
    """Make curves (2, stage) of two models whose mean recognizability differs by a given amount.

    The first is the given curve. The second has lower log odds, by the same amount at all stages, so that stages with a
    recognizability near 0 or 1 differ least.

    Raises
    ------
    ValueError
        When the mean of the given curve is not above the difference.
    """
    first = curve.clip(EXTREME, 1 - EXTREME)
    if not 0 <= difference < first.mean():
        raise ValueError(
            f"the mean recognizability {first.mean():.2f} cannot be lowered by a difference of {difference}"
        )
    shift = _bisect(lambda x: expit(logit(first) - x).mean(), first.mean() - difference, 0, 40)
    return np.stack([first, expit(logit(first) - shift)])


def _bisect(
    falling: Callable[[np.ndarray], np.ndarray], target: np.ndarray | float, low: float, high: float
) -> np.ndarray:
    """Find where a decreasing function has the wanted value, by bisection, independently for each element."""
    low, high = np.full(np.shape(target), low), np.full(np.shape(target), high)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = falling(middle) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def median_log_odds(mean: np.ndarray, deviation: float) -> np.ndarray:
    """Compute the median log odds of participants, from their mean proportion correct and normal deviation."""

    def right(negative):
        return expit(-negative[..., None] + deviation * NODES) @ WEIGHTS / WEIGHTS.sum()

    return -_bisect(right, np.asarray(mean), -60, 60)


def simulated_scores(
    curves: np.ndarray, deviations: Sequence[float], trials: int, number: int, rng: np.random.Generator
) -> np.ndarray:
    """Simulate proportions correct (participant, model, stage).

    Parameters
    ----------
    curves
        (2, stage): mean probability of a correct answer, 0..1.
    deviations
        Standard deviations between participants, in log odds: over all metamers, over a model's, over a stage's.
    trials
        Number of trials of each participant, model and stage.
    number
        Number of participants.
    """
    middle = median_log_odds(curves.clip(EXTREME, 1 - EXTREME), np.hypot.reduce(deviations))
    shapes = ((number, 1, 1), (number, 2, 1), (number, *curves.shape))
    odds = middle + sum(size * rng.standard_normal(shape) for size, shape in zip(deviations, shapes, strict=True))
    return rng.binomial(trials, expit(odds)) / trials


def simulated_differences(
    curves: np.ndarray, deviations: Sequence[float], trials: int, number: int, rng: np.random.Generator
) -> np.ndarray:
    """Simulate differences (participant,) between two models in a participant's proportion correct over all stages.

    The parameters are those of ``simulated_scores``.
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
    """Compute the share of experiments that distinguish the models, for each number of participants, 0..1.

    All experiments have the same stimuli. The test is ``metamers.compare.sign_flips.sign_flip_p``.

    Parameters
    ----------
    differences
        (participant,): differences of a large population, from which the participants of experiments are drawn.
    participants
        Numbers of participants; with fewer than ``metamers.power.settings.min_number``, no experiment can be
        significant.
    alpha
        Level of the two-sided test.
    simulations
        Number of experiments for each number of participants.
    flips
        Number of random flips, where flips are not enumerated.
    """
    shares = []
    for number in participants:
        drawn = differences[rng.integers(len(differences), size=(simulations, number))]
        shares.append(np.mean(sign_flip_p(drawn, flips, rng) <= alpha))
    return np.array(shares)


def fewest_participants(power: np.ndarray, participants: Sequence[int], target: float) -> np.ndarray:
    """Find the smallest number of participants (…,) from which on power (…, participants) is as high as wanted.

    NaN where it never is.
    """
    lasting = np.minimum.accumulate(power[..., ::-1] >= target, axis=-1)[..., ::-1]
    fewest = np.array(participants, float)[lasting.argmax(axis=-1)]
    return np.where(lasting.any(axis=-1), fewest, np.nan)


def power_of_curves(
    pair: np.ndarray,
    deviations: Sequence[float],
    settings: Mapping[str, Any],
    permutations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Compute the power (trials, participants) of experiments with two models that have given curves.

    Parameters
    ----------
    pair
        (2, stage): mean probability of a correct answer, 0..1.
    deviations
        As for ``simulated_scores``.
    settings, permutations
        As for ``published_power``.
    """
    flips = flips_drawn(settings["alpha"], permutations)
    population = (
        simulated_differences(pair, deviations, number, SIMULATED_PARTICIPANTS, rng) for number in settings["trials"]
    )
    return np.stack(
        [
            power(each, settings["participants"], settings["alpha"], settings["simulations"], flips, rng)
            for each in population
        ]
    )


def published_power(
    variance: pd.DataFrame,
    curves: Mapping[str, Sequence[Curve]],
    settings: Mapping[str, Any],
    permutations: int,
    seed: int,
) -> xr.Dataset:
    """Compute the power of experiments with two models like the published ones.

    Parameters
    ----------
    variance
        ``VARIANCE_COLUMNS``: rows of ``participant_variance`` for each modality.
    curves
        Modality → curves of ``metamers.leaderboard.curves.measured_curves``.
    settings
        ``comparison.power`` of the configuration.
    permutations
        Number of permutations in the analysis of variance: ``comparison.permutations`` of the configuration.
    seed
        Random seed of the simulations.

    Returns
    -------
    xr.Dataset
        ``power`` (modality, difference, trials, participants): for a model with the mean recognizability of the
        published ones against one with a recognizability lower by ``difference``. ``participants_needed`` for the
        wanted power; ``sd_…`` (modality). All of these are for the same stimuli. ``stimuli_needed`` (trials): number of
        distinct stimuli with which a participant meets each stimulus once. Where ``settings`` has numbers of
        ``stimuli``, also the variables of ``power_over_stimuli``. The attributes name the simulated test, and have the
        ``random_state`` with which ``metamers.power.pairs`` goes on.
    """
    rng = np.random.default_rng(seed)
    deviations = {
        modality: rows.set_index("component")["sd"].reindex(COMPONENTS).to_list()
        for modality, rows in variance.groupby("modality", sort=False)
    }
    trials, participants, alpha = list(settings["trials"]), list(settings["participants"]), settings["alpha"]
    typical = {modality: typical_curve(curves[modality], settings["stages"]) for modality in deviations}
    by_difference = np.stack(
        [
            [
                power_of_curves(
                    curves_apart(typical[modality], difference), deviations[modality], settings, permutations, rng
                )
                for difference in settings["differences"]
            ]
            for modality in deviations
        ]
    )
    dims = ("modality", "difference", "trials", "participants")
    result = xr.Dataset(
        {
            "power": (dims, by_difference),
            "participants_needed": (dims[:-1], fewest_participants(by_difference, participants, settings["wanted"])),
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
        flips = flips_drawn(alpha, permutations)
        result = result.merge(
            power_over_stimuli(typical, deviations, settings, flips, rng), combine_attrs="no_conflicts"
        )
    return result.assign_attrs(random_state=json.dumps(rng.bit_generator.state))


def power_over_stimuli(
    typical: Mapping[str, np.ndarray],
    deviations: Mapping[str, Sequence[float]],
    settings: Mapping[str, Any],
    flips: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Compute power and false alarms of experiments that have new stimuli each.

    Parameters
    ----------
    typical
        Modality → recognizability (stage,) of a typical published model.
    deviations
        Modality → standard deviations between participants.
    settings
        ``comparison.power`` of the configuration.
    flips
        Number of random flips for each test, where flips are not enumerated.
    rng
        Random generator of the experiments.

    Returns
    -------
    xr.Dataset
        ``power_over_stimuli`` (modality, difference, stimuli, trials, participants): share of experiments with a
        significant difference over participants and over stimuli; ``participants_needed_over_stimuli``.
        ``false_alarms_over_stimuli`` (modality, stimuli, trials, participants): the same share where both models are
        equally recognizable; ``false_alarms_fixed_stimuli``: the share that is then significant over participants
        alone.
    """
    trials, participants, stimuli = list(settings["trials"]), list(settings["participants"]), list(settings["stimuli"])
    assumed = [settings["stimulus_sd"][component] for component in STIMULUS_COMPONENTS]

    # Every difference and number of trials has the same stimuli, so that comparisons between them have less noise.
    seeds = rng.integers(2**32, size=len(stimuli))

    def shares(pair: np.ndarray, modality: str) -> np.ndarray:
        """(fixed or random, stimuli, trials, participants): how often an experiment is significant."""
        odds = median_log_odds(pair.clip(EXTREME, 1 - EXTREME), np.hypot.reduce([*deviations[modality], *assumed]))
        by_stimuli = [
            significant_experiments(
                *(odds, deviations[modality], assumed, number, items, participants),
                *(settings["stimulus_simulations"], settings["alpha"], flips, rng),
                np.random.default_rng(seed),
            ).mean(axis=2)
            for items, seed in zip(stimuli, seeds, strict=True)
            for number in trials
        ]
        return np.stack(by_stimuli, axis=1).reshape(2, len(stimuli), len(trials), len(participants))

    alike = np.stack([shares(np.stack([curve, curve]), modality) for modality, curve in typical.items()])
    significant = np.stack(
        [
            [shares(curves_apart(curve, difference), modality)[1] for difference in settings["differences"]]
            for modality, curve in typical.items()
        ]
    )
    dims = ("modality", "stimuli", "trials", "participants")
    with_difference = ("modality", "difference", *dims[1:])
    return xr.Dataset(
        {
            "power_over_stimuli": (with_difference, significant),
            "participants_needed_over_stimuli": (
                with_difference[:-1],
                fewest_participants(significant, participants, settings["wanted"]),
            ),
            "false_alarms_over_stimuli": (dims, alike[:, 1]),
            "false_alarms_fixed_stimuli": (dims, alike[:, 0]),
            "sd_of_stimuli": ("stimulus_component", assumed),
        },
        coords={"stimuli": stimuli, "stimulus_component": list(STIMULUS_COMPONENTS)},
    )
