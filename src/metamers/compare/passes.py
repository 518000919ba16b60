"""Test of metamers by participants: are a stage's metamers recognized as natural stimuli are, within their differences?

The test follows the criterion of the NeuroAI Turing test (Feather, Khosla, Murty & Nayebi 2025, arXiv 2502.16238): the
difference between a model and a participant is at most that between two participants. Here, the first is the difference
between a participant's recognition of a stage's metamers and of natural stimuli, and the second, the margin, is the
difference between two participants' recognition of natural stimuli. An equivalence test (two one-sided tests) compares
them, and the stages of a model are tested in processing order up to the first that does not pass. No answer of a model
enters. The margin is a choice, so the verdicts for half and for twice the margin are given too.

``natural_differences`` and ``natural_variance`` summarize participants in two small tables, from which
``passes_dataset`` computes everything else. The leaderboard shows the result (``metamers.leaderboard.ranking``).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.special
import scipy.stats
import xarray as xr
from numpy.typing import ArrayLike

from metamers.humans.participants import own_stages, stage_union
from metamers.humans.trials import trials_per_condition
from metamers.names import INPUT_STAGE, NATURAL

DIFFERENCE_COLUMNS = ["modality", "generation_model", "model_class", "stage", "difference", "sd", "n", "trials"]
NATURAL_COLUMNS = ["modality", "variance", "standard_error", "participants", "experiments", "mean", "trials"]
TEXTS = ("modality", "generation_model", "model_class", "stage")

VALUES = ["natural_difference", "standard_error", "participants", "natural_difference_low", "natural_difference_high"]
VALUES += ["p_equivalence", "p_not_worse", "p_worse", "power_if_equal", "stage_depth"]
DECISIONS = {"passes": "passes_up_to", "not_worse": "not_worse_up_to", "fails": "fails_from"}

LEVEL = 0.05  # of each one-sided test
OTHER_MARGINS = (0.5, 2.0)  # times the margin: the margin is a choice, and a reader sees what depends on it
COMPARED = (
    "participants' recognition of metamers with the same participants' recognition of natural stimuli; "
    "no answer of a model enters"
)
MARGIN_CHOICE = (
    "the margin is a choice: the root mean square difference between two participants' recognition of natural stimuli, "
    "which is larger for a more mixed sample of participants; variables with the dimension margin_factor have the "
    "verdicts "
    "for half and for twice the margin"
)
# Participants miss up to about 6% of stimuli for reasons other than what they perceive (lapses: Wichmann & Hill 2001,
# Perception & Psychophysics 63, 1293-1313), so smaller differences do not show that they perceive anything else.
SMALLEST_MARGIN = 0.05
WANTED_POWER = 0.8
MOST_PARTICIPANTS = 10_000  # largest number of participants that is tried
POWER_NODES = 100  # of the integral over the standard deviation
SIMULATED_MARGINS, MARGIN_GROUPS, MARGIN_SEED = 2000, 40, 0  # fixed: power is a property of the published data


def _human(dataset: xr.Dataset, model: str, stage: str) -> np.ndarray:
    """Return human proportions correct (participant,) at one stage, NaN without answers."""
    return dataset["proportion_correct"].sel(observer="human", generation_model=model, stage=stage).values


def _trials(dataset: xr.Dataset) -> float:
    """Estimate the number of trials of each participant and condition, natural stimuli included."""
    models = map(str, dataset["generation_model"].values)
    conditions = np.stack(
        [_human(dataset, model, stage) for model in models for stage in own_stages(dataset, model)], 1
    )
    return trials_per_condition(conditions[np.isfinite(conditions).all(axis=1)])


def natural_proportions(dataset: xr.Dataset) -> np.ndarray:
    """Return human proportions correct (participant,) for natural stimuli in one experiment.

    All models of an experiment have the same natural stimuli. Participants without answers to them are left out; an
    experiment without natural stimuli has none.
    """
    first = str(dataset["generation_model"].values[0])
    if NATURAL not in own_stages(dataset, first):
        return np.empty(0)
    proportions = _human(dataset, first, NATURAL)
    return proportions[np.isfinite(proportions)]


def variance_beyond_chance(proportions: Sequence[np.ndarray], trials: Sequence[float]) -> tuple[ArrayLike, ArrayLike]:
    """Estimate the variance of participants' probability of a correct answer, and its standard error.

    The variance of proportions within experiments, minus the part by chance, p (1 - p) / (trials - 1) on average. It is
    unbiased for independent answers, and may be negative. The standard error is that of the jackknife over
    participants.

    Parameters
    ----------
    proportions
        Proportions correct (…, participant) of each experiment; experiments with fewer than two participants do not
        count.
    trials
        Number of trials of each participant, for each experiment; at least two.

    Returns
    -------
    variance, standard_error
        (…,) each. NaN without an experiment of two participants; the standard error also with fewer than three.
    """
    counted = [(own, number) for own, number in zip(proportions, trials, strict=True) if own.shape[-1] >= 2]
    freedom = sum(own.shape[-1] - 1 for own, _ in counted)
    if not freedom:
        return np.nan, np.nan
    squares, chance, parts = 0.0, 0.0, []
    for own, number in counted:
        n = own.shape[-1]
        deviations, by_chance = (own - own.mean(axis=-1, keepdims=True)) ** 2, own * (1 - own) / (number - 1)
        squares += deviations.sum(axis=-1)
        chance += (n - 1) * by_chance.mean(axis=-1)
        # What the sums lose without each participant.
        lost_chance = (n - 1) * by_chance.mean(axis=-1, keepdims=True)
        lost_chance = lost_chance - (n - 2) * (by_chance.sum(axis=-1, keepdims=True) - by_chance) / (n - 1)
        parts.append((n, n / (n - 1) * deviations - lost_chance))
    total = squares - chance
    if freedom < 2:
        return total / freedom, np.nan
    left_out = [(n, (total[..., None] - lost) / (freedom - 1)) for n, lost in parts]
    error = sum((n - 1) * values.var(axis=-1) for n, values in left_out)
    return total / freedom, np.sqrt(error)


def natural_variance(experiments: Mapping[str, xr.Dataset], modalities: Mapping[str, str]) -> pd.DataFrame:
    """Estimate how much participants differ in their probability of recognizing natural stimuli.

    Parameters
    ----------
    experiments
        Experiment → result of ``metamers.humans.participants.experiment_dataset``.
    modalities
        Experiment → ``vision`` or ``audio``.

    Returns
    -------
    pd.DataFrame
        ``NATURAL_COLUMNS``, one row for each modality: see ``variance_beyond_chance``; ``participants`` with answers to
        natural stimuli, of ``experiments``; their ``mean`` proportion correct; and the number of ``trials`` of each
        participant that gives the same variance by chance as the numbers of the experiments.
    """
    rows = []
    for modality in dict.fromkeys(modalities[name] for name in experiments):
        own = [data for name, data in experiments.items() if modalities[name] == modality]
        proportions = [natural_proportions(data) for data in own]
        trials = [_trials(data) for data in own]
        sizes = [len(answers) for answers in proportions]
        mean, equal_chance = np.nan, np.nan
        if sum(sizes):
            mean = np.concatenate(proportions).mean()
            equal_chance = 1 + 1 / np.average(1 / (np.array(trials) - 1), weights=sizes)
        variances = variance_beyond_chance(proportions, trials)
        rows.append((modality, *variances, sum(sizes), np.count_nonzero(sizes), mean, equal_chance))
    return pd.DataFrame(rows, columns=NATURAL_COLUMNS)


def natural_differences(experiments: Mapping[str, xr.Dataset], modalities: Mapping[str, str]) -> pd.DataFrame:
    """Compare human recognition of every model's metamers with the same participants' recognition of natural stimuli.

    The difference of a participant is the proportion correct for the metamers of a stage minus that for natural
    stimuli. The participants of all experiments with a model are pooled. Participants without answers to both are left
    out, and so are experiments without natural stimuli.

    Parameters
    ----------
    experiments, modalities
        As for ``natural_variance``.

    Returns
    -------
    pd.DataFrame
        ``DIFFERENCE_COLUMNS``, one row for each model and stage, in processing order: mean and standard deviation of
        the differences over ``n`` participants, and their number of ``trials`` with these metamers, which is estimated
        where a dataset has no ``trials_answered``. Natural stimuli and the input have no row.
    """
    differences: dict[tuple[str, str, str, str], list[tuple[np.ndarray, float]]] = {}
    for name, data in experiments.items():
        trials = None if "trials_answered" in data else _trials(data)
        for model in map(str, data["generation_model"].values):
            stages = own_stages(data, model)
            kind = str(data["model_class"].sel(generation_model=model).values)
            natural = _human(data, model, NATURAL) if NATURAL in stages else np.full(data.sizes["participant"], np.nan)
            for stage in stages:
                if stage in (NATURAL, INPUT_STAGE):
                    continue
                values = _human(data, model, stage) - natural
                both = np.isfinite(values)
                if trials is None:
                    number = float(data["trials_answered"].sel(generation_model=model, stage=stage).values[both].sum())
                else:
                    number = trials * both.sum()
                differences.setdefault((modalities[name], model, kind, stage), []).append((values[both], number))
    rows = []
    for key, parts in differences.items():
        values = np.concatenate([part for part, _ in parts])
        mean = float(values.mean()) if len(values) else np.nan
        deviation = float(values.std(ddof=1)) if len(values) >= 2 else np.nan
        rows.append((*key, mean, deviation, len(values), sum(number for _, number in parts)))
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def margin_of(variance: ArrayLike, standard_error: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Compute the margin, the root mean square difference between two participants, and its standard error.

    Two independent participants with the variance σ² differ by √2 σ. The margin is at least ``SMALLEST_MARGIN``, which
    has no standard error. The estimate of σ² is nearly normal, that of √2 σ is not: it is more often far too small than
    far too large, so √2 σ by the delta method has too small a standard error downwards, the direction that matters. The
    standard error is therefore that of the margin's lower limit: the distance to √2 times the root of the lower limit
    of σ² at ``LEVEL``, over the normal quantile (the method of variance estimates recovery, Zou & Donner 2008).

    Parameters
    ----------
    variance, standard_error
        Result of ``variance_beyond_chance``.
    """
    quantile, squared = scipy.stats.norm.isf(LEVEL), 2 * np.asarray(variance)
    above = squared > SMALLEST_MARGIN**2  # false for NaN
    lowest = squared - 2 * quantile * np.asarray(standard_error)
    estimate, lower = (np.sqrt(np.maximum(value, 0)) for value in (squared, lowest))
    margin, error = np.where(above, estimate, SMALLEST_MARGIN), np.where(above, (estimate - lower) / quantile, 0.0)
    return margin[()], error[()]


class Equivalence(NamedTuple):
    """Result of an equivalence test.

    Attributes
    ----------
    low, high
        Ends of the interval, of confidence 1 - 2 ``LEVEL``, for the difference, widened by the error of the margin. The
        difference is equivalent if both are within the margin.
    p_equivalence
        p of the hypothesis that the absolute difference is at least the margin.
    p_not_worse
        p of the hypothesis that the difference is at most minus the margin.
    p_worse
        p of the hypothesis that the difference is at least minus the margin.
    """

    low: np.ndarray
    high: np.ndarray
    p_equivalence: np.ndarray
    p_not_worse: np.ndarray
    p_worse: np.ndarray


def standard_error(sd: ArrayLike, n: ArrayLike, trials: ArrayLike) -> np.ndarray:
    """Compute the standard error of mean differences of participants.

    It is at least that of equal participants of whom one gave one other answer, 1 / trials, so that a few participants
    without errors do not show equivalence. NaN where ``sd`` is.
    """
    return np.maximum(np.asarray(sd) / np.sqrt(np.maximum(n, 1)), 1 / np.maximum(trials, 1))


def equivalence(
    difference: ArrayLike, error: ArrayLike, n: ArrayLike, margin: ArrayLike, margin_error: ArrayLike
) -> Equivalence:
    """Test whether mean differences are within a margin, by two one-sided t tests (Schuirmann 1987).

    The margin is estimated too. Its error is added to that of the difference, as in the synthesis method for
    non-inferiority trials (Rothmann et al. 2003): t = (margin - |difference|) / √(error² + margin_error²), with n - 1
    degrees of freedom. Simulated false positives are in ``studies.simulations.passes``.

    Parameters
    ----------
    difference, error, n
        Mean difference over participants, its standard error, and the number of participants. All results are NaN with
        fewer than two participants.
    margin, margin_error
        Result of ``margin_of``.
    """
    difference, freedom = np.asarray(difference, float), np.asarray(n, float) - 1
    freedom = np.where(freedom >= 1, freedom, np.nan)
    whole = np.hypot(error, margin_error)
    above = scipy.stats.t.sf((margin + difference) / whole, freedom)
    below = scipy.stats.t.sf((margin - difference) / whole, freedom)
    half = scipy.stats.t.isf(LEVEL, freedom) * whole
    return Equivalence(difference - half, difference + half, np.maximum(above, below), above, 1 - above)


def significant_in_order(p: np.ndarray) -> np.ndarray:
    """Decide which tests (stage,) of a sequence are significant: those before the first p above ``LEVEL``, or NaN.

    Testing in an order that is fixed beforehand keeps the probability of any false positive at ``LEVEL``, without
    correction of the single tests (Maurer, Hothorn & Lehmacher 1995).
    """
    return np.logical_and.accumulate(np.asarray(p) <= LEVEL)


def decide(tests: Equivalence, stages: Sequence[str]) -> dict[str, tuple[np.ndarray, str]]:
    """Decide which stages of a model pass, are not worse, and fail.

    Parameters
    ----------
    tests
        Result of ``equivalence`` for the stages, in processing order.
    stages
        Their names.

    Returns
    -------
    dict
        Key of ``DECISIONS`` → whether it holds (stage,), and the stage that its value names, empty if there is none.
    """
    decided = {
        "passes": significant_in_order(tests.p_equivalence),
        "not_worse": significant_in_order(tests.p_not_worse),
        "fails": significant_in_order(tests.p_worse[::-1])[::-1],
    }
    ends = {}
    for name, holds in decided.items():
        which = np.flatnonzero(holds)
        ends[name] = holds, stages[which[0] if name == "fails" else which[-1]] if len(which) else ""
    return ends


def pass_probability(
    sd: float, n: int, margin: ArrayLike, margin_error: ArrayLike = 0.0, difference: float = 0.0
) -> float:
    """Compute the probability that a stage passes, given the true difference: the power of the equivalence test.

    The differences of participants are normal. Given their standard deviation s in the sample, the stage passes if the
    mean is at most the margin minus t √(s²/n + margin_error²); the probability of this is averaged over s, whose square
    has a χ² distribution, and over the given margins.

    Parameters
    ----------
    sd
        Standard deviation of the differences between participants.
    n
        Number of participants; with fewer than two the result is NaN.
    margin, margin_error
        Result of ``margin_of``, or of ``simulated_margins`` (margin,): the margin is estimated from participants, and
        varies from study to study.
    difference
        True mean difference.
    """
    if n < 2:
        return np.nan
    middle = (np.arange(POWER_NODES) + 0.5) / POWER_NODES
    sample = sd**2 * scipy.stats.chi2.ppf(middle, n - 1) / (n - 1)
    margins, errors = np.atleast_1d(margin)[:, None], np.atleast_1d(margin_error)[:, None]
    room = margins - scipy.stats.t.isf(LEVEL, n - 1) * np.sqrt(sample / n + errors**2)
    error = sd / np.sqrt(n)
    inside = scipy.special.ndtr((room - difference) / error) - scipy.special.ndtr((-room - difference) / error)
    return float(np.clip(inside, 0, None).mean())


def simulated_margins(natural: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Simulate the margins (margin,) that studies like the published ones would find, and their standard errors.

    In each study, participants whose probability of recognizing natural stimuli has a beta distribution, with the
    estimated mean and variance, answer as many natural stimuli as the published participants. ``margin_of`` is applied
    to the means of ``MARGIN_GROUPS`` groups of studies with similar variances, which gives the same power as all
    studies.

    Parameters
    ----------
    natural
        A row of ``natural_variance``. Without natural stimuli, the only margin is ``margin_of`` of the row.
    """
    variance, mean = natural["variance"], natural["mean"]
    if not np.isfinite(variance):
        margin, error = margin_of(variance, natural["standard_error"])
        return np.atleast_1d(margin), np.atleast_1d(error)
    rng = np.random.default_rng(MARGIN_SEED)
    experiments = int(natural["experiments"])
    shape = (SIMULATED_MARGINS, round(natural["participants"] / experiments))
    trials, concentration = round(natural["trials"]), mean * (1 - mean) / variance - 1 if variance > 0 else np.inf
    answers = []
    for _ in range(experiments):
        probabilities = rng.beta(mean * concentration, (1 - mean) * concentration, shape) if variance > 0 else mean
        answers.append(rng.binomial(trials, probabilities, shape) / trials)
    variances = np.stack(variance_beyond_chance(answers, [trials] * experiments))
    groups = variances[:, np.argsort(variances[0])].reshape(2, MARGIN_GROUPS, -1).mean(axis=2)
    return margin_of(*groups)


def fewest_participants(sd: float, margin: ArrayLike, margin_error: ArrayLike) -> float:
    """Find the number of participants below which no stage passes, even without any difference in the sample.

    It is the smallest n ≥ 2 with t √(sd²/n + margin_error²) ≤ margin; NaN above ``MOST_PARTICIPANTS``.
    """
    n = np.arange(2, MOST_PARTICIPANTS + 1)
    enough = scipy.stats.t.isf(LEVEL, n - 1) * np.sqrt(sd**2 / n + margin_error**2) <= margin
    return float(n[enough.argmax()]) if enough.any() else np.nan


def participants_needed(sd: float, margin: ArrayLike, margin_error: ArrayLike) -> float:
    """Find the number of participants with which a stage without a true difference passes with ``WANTED_POWER``.

    NaN above ``MOST_PARTICIPANTS``. The parameters are those of ``pass_probability``.
    """

    def enough(n: int) -> bool:
        return pass_probability(sd, n, margin, margin_error) >= WANTED_POWER

    low, high = 2, MOST_PARTICIPANTS  # power rises with n: bisection
    if not enough(high):
        return np.nan
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return float(low)


def passes_dataset(differences: pd.DataFrame, variance: pd.DataFrame, depths: pd.DataFrame) -> xr.Dataset:
    """Test every stage of every model.

    Parameters
    ----------
    differences
        Result of ``natural_differences``.
    variance
        Result of ``natural_variance``, for all modalities of ``differences``.
    depths
        Result of ``metamers.leaderboard.depth.published_depths``.

    Returns
    -------
    xr.Dataset
        (generation_model, stage), NaN where a model has no such stage: ``natural_difference``, its ``standard_error``,
        ``participants``, and the results of ``equivalence``: ``natural_difference_low``, ``natural_difference_high``,
        ``p_equivalence``, ``p_not_worse``, ``p_worse``; ``passes`` and ``not_worse``: whether the first two are at most
        ``LEVEL`` for the stage and all stages before it; ``fails``: whether the third is, for the stage and all stages
        after it; ``power_if_equal``: probability that the stage alone passes if participants recognize its metamers as
        often as natural stimuli, in a study whose margin is estimated anew; ``stage_depth``; ``stage_number``.

        (generation_model) → ``passes_up_to``, ``not_worse_up_to``, ``fails_from``: last, last and first stage for which
        this holds, empty if there is none; with coordinates ``model_class`` and ``model_modality``. The same with
        ``_by_margin`` (generation_model, margin_factor) for a margin ``OTHER_MARGINS`` times as large.

        (modality) → ``natural_sd`` (between participants, beyond chance; 0 if the estimate of the variance is
        negative), ``natural_participants``, ``margin``, ``margin_standard_error``; for the median standard deviation of
        the differences, ``fewest_participants`` and ``participants_needed``. Attributes say what is compared, and that
        the margin is a choice.
    """
    differences, variance = (  # an empty cell of a table is a missing number
        table.assign(**{name: pd.to_numeric(table[name]) for name in columns if name not in TEXTS})
        for table, columns in ((differences, DIFFERENCE_COLUMNS), (variance, NATURAL_COLUMNS))
    )
    by_modality = variance.set_index("modality")
    margins = {name: margin_of(row.variance, row.standard_error) for name, row in by_modality.iterrows()}
    drawn = {name: simulated_margins(row) for name, row in by_modality.iterrows()}
    by_model = {str(model): rows for model, rows in differences.groupby("generation_model", sort=False)}
    stages = {model: list(map(str, rows["stage"])) for model, rows in by_model.items()}
    placed = depths.set_index(["generation_model", "stage"])["depth"].to_dict()
    union, stage_number = stage_union(stages)
    shape = (len(stages), len(union))
    values = {name: np.full(shape, np.nan) for name in VALUES}
    decisions = {name: np.zeros(shape, bool) for name in DECISIONS}
    ends: dict[str, list[str]] = {name: [] for name in DECISIONS.values()}
    by_margin: dict[str, list[list[str]]] = {f"{name}_by_margin": [] for name in DECISIONS.values()}
    for row, (model, rows) in enumerate(by_model.items()):
        modality, n = rows["modality"].iloc[0], rows["n"].to_numpy()
        margin = np.array(margins[modality])
        difference = rows["difference"].to_numpy()
        error = standard_error(rows["sd"], n, rows["trials"].to_numpy())
        tests = equivalence(difference, error, n, *margin)
        power = [
            pass_probability(sd, number, *drawn[modality]) for sd, number in zip(error * np.sqrt(n), n, strict=True)
        ]
        depth = [placed.get((model, stage), np.nan) for stage in stages[model]]
        place = [union.index(stage) for stage in stages[model]]
        for name, column in zip(VALUES, (difference, error, n, *tests, power, depth), strict=True):
            values[name][row, place] = column
        for name, (decided, end) in decide(tests, stages[model]).items():
            decisions[name][row, place] = decided
            ends[DECISIONS[name]].append(end)
        others = [
            decide(equivalence(difference, error, n, *(factor * margin)), stages[model]) for factor in OTHER_MARGINS
        ]
        for name, end in DECISIONS.items():
            by_margin[f"{end}_by_margin"].append([other[name][1] for other in others])
    typical = differences.groupby("modality", sort=False)["sd"].median()
    dims = ("generation_model", "stage")
    of_modality = [
        (
            np.sqrt(max(by_modality["variance"][name], 0)),
            by_modality["participants"][name],
            *margins[name],
            fewest_participants(typical[name], *margins[name]),
            participants_needed(typical[name], *drawn[name]),
        )
        for name in typical.index
    ]
    of_modality_names = ["natural_sd", "natural_participants", "margin", "margin_standard_error"]
    of_modality_names += ["fewest_participants", "participants_needed"]
    return xr.Dataset(
        {
            **{name: (dims, content) for name, content in (values | decisions).items()},
            **{name: ("generation_model", np.array(stage, dtype=str)) for name, stage in ends.items()},
            **{
                name: (("generation_model", "margin_factor"), np.array(stage, dtype=str))
                for name, stage in by_margin.items()
            },
            **{
                name: ("modality", np.array(column, float))
                for name, column in zip(of_modality_names, zip(*of_modality, strict=True), strict=True)
            },
            "stage_number": stage_number,
        },
        coords={
            "modality": list(typical.index),
            "margin_factor": list(OTHER_MARGINS),
            "model_class": ("generation_model", [rows["model_class"].iloc[0] for rows in by_model.values()]),
            "model_modality": ("generation_model", [rows["modality"].iloc[0] for rows in by_model.values()]),
        },
        attrs={
            "compared": COMPARED,
            "margin_choice": MARGIN_CHOICE,
            "level": LEVEL,
            "smallest_margin": SMALLEST_MARGIN,
            "wanted_power": WANTED_POWER,
        },
    )


def passes_lines(tested: xr.Dataset) -> list[str]:
    """Describe a result of ``passes_dataset``: one line for each modality, and for each model."""
    lines = []
    for modality in tested["modality"].values:
        own = tested.sel(modality=modality)
        lines.append(
            f"{modality}: margin {own['margin'].item():.3f} ± {own['margin_standard_error'].item():.3f}; below "
            f"{own['fewest_participants'].item():.0f} participants no stage can pass"
        )
    for model in tested["generation_model"].values:
        own = tested.sel(generation_model=model)
        up_to, not_worse, fails = (own[name].item() or "no stage" for name in DECISIONS.values())
        lines.append(f"{model}: passes up to {up_to}, not worse up to {not_worse}, fails from {fails}")
    return lines
