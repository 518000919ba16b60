"""Adaptive experiments: the next condition is the most informative one about the question asked.

Recognition of a model's metamers falls with the position of the stage. The proportion correct at position x (0: the
first stage that is shown, 1: the last) is

    p(x) = g + (1 - g - l) / (1 + exp(-(t - x) / w - a)) ,

with the chance level g, the proportion of lapses l, the threshold t (the position at which an average participant's
recognition lies halfway between its levels), the width w and the participant's ability a, normal with mean 0. Natural
stimuli lie before all stages: p = 1 - l. The question is the threshold of one model; or the difference d between two
models in log odds, the same at all positions, with (t - x) / w + d / 2 for the first model and - d / 2 for the second.
Everything else is integrated out. (The difference is not in position: an experiment that stops at a narrow interval of
position stops early where w seems small, and then underestimates.)

All parameters are on a grid, which covers the part of the prior range where the posterior distribution is not
negligible. It becomes finer as answers come, because the answers of a participant to each condition, as numbers of
correct and of all answers, are all that a likelihood needs.

The next condition has the largest mutual information between its answer and the parameter of the question (Lindley
1956, Annals of Mathematical Statistics 27, 986-1005; as in QUEST+, Watson 2017, Journal of Vision 17(3):10, but with
the entropy of this parameter alone). The packages ``questplus`` (2023.1) and ``adopy`` (0.4.1) were not used: both
minimize the entropy of all parameters, neither has participants, whose answers share an ability, and ``adopy`` cannot
be imported with NumPy 1.24 or later. A test compares choices and posterior with those of ``questplus``.

``metamers.experiment.server`` asks for the next stimulus, ``metamers.humans.adaptive`` analyses the answers, and
``studies.simulations.adaptive`` compares the procedure with the fixed design.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from metamers.humans.design import Condition
from metamers.humans.question import MODELS_OF_QUESTION
from metamers.names import NATURAL

THRESHOLD, DIFFERENCE = MODELS_OF_QUESTION

# Range and number of values of each parameter on the grid of a question. At a threshold outside 0..1, recognition falls
# before the first or after the last stage shown. Widths are evenly spaced in their logarithm.
THRESHOLD_RANGE, WIDTH_RANGE = (-0.3, 1.3), (0.03, 0.48)
DIFFERENCE_SD = 1.5  # of the normal prior of a difference, in log odds; its grid has three of them on each side
SIZES = {
    THRESHOLD: {"threshold": 65, "log_width": 13},
    DIFFERENCE: {"difference": 33, "threshold": 25, "log_width": 9},
}
LAPSES = np.array([0.01, 0.05, 0.15])
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()
ENDS = (0.025, 0.975)  # of 95% credible intervals
# A new grid leaves out this share of the posterior distribution at each end of a parameter, and adds a margin.
TAIL, MARGIN, CUT = 1e-5, 0.15, 1e-3
MAX_GRIDS = 16
ENOUGH_SMALLER = 0.8  # a new grid is made if the range of a parameter is at most this part of the present one

Counts = Mapping[Condition, tuple[int, int]]  # condition → numbers of correct answers and of all answers
Range = tuple[float, float]


@dataclass(frozen=True)
class Question:
    """What an adaptive experiment asks.

    Attributes
    ----------
    name
        ``threshold`` of one generation model, in position; or ``difference`` of the first of two models from the
        second, in log odds.
    stages
        Generation model → stages that are shown, in processing order; they count as evenly spaced in position.
    chance
        Probability of guessing the category.
    participant_sd
        Standard deviation of participants' abilities, in log odds.

    Raises
    ------
    ValueError
        When the question is unknown, or asks about another number of models.
    """

    name: str
    stages: Mapping[str, Sequence[str]]
    chance: float
    participant_sd: float

    def __post_init__(self) -> None:
        if len(self.stages) != MODELS_OF_QUESTION.get(self.name):
            expected = " or ".join(
                f"{name} with {number} model{'s' * (number > 1)}" for name, number in MODELS_OF_QUESTION.items()
            )
            raise ValueError(f"question {self.name!r} with {len(self.stages)} models; wanted {expected}")

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions, natural stimuli first."""
        return ("", NATURAL), *((model, stage) for model, own in self.stages.items() for stage in own)

    def prior_ranges(self) -> dict[str, Range]:
        """Parameter → its whole range on the grid, the parameter of the question first."""
        ranges = {
            DIFFERENCE: (-3 * DIFFERENCE_SD, 3 * DIFFERENCE_SD),
            THRESHOLD: THRESHOLD_RANGE,
            "log_width": (math.log(WIDTH_RANGE[0]), math.log(WIDTH_RANGE[1])),
        }
        return {parameter: ranges[parameter] for parameter in SIZES[self.name]}

    def prior_density(self, values: np.ndarray) -> np.ndarray:
        """Prior density of values of the parameter of the question."""
        if self.name == DIFFERENCE:
            return np.exp(-((values / DIFFERENCE_SD) ** 2) / 2) / math.sqrt(2 * math.pi) / DIFFERENCE_SD
        low, high = THRESHOLD_RANGE
        return np.where((values >= low) & (values <= high), 1 / (high - low), 0.0)


@dataclass(frozen=True)
class Grid:
    """Probabilities of correct answers for all values of the parameters in some ranges.

    Attributes
    ----------
    conditions
        Conditions, natural stimuli first.
    axes
        Parameter → its values; the first is the parameter of the question (value,), and ``nuisance`` has all
        combinations of the other ones and of the lapses, the last one varying fastest.
    log_prior
        (value, nuisance): logarithm of the prior density, up to a constant.
    right
        (condition, value, nuisance, node): probability of a correct answer of a participant whose ability is at a
        node of the Gauss-Hermite quadrature.
    """

    conditions: tuple[Condition, ...]
    axes: Mapping[str, np.ndarray]
    log_prior: np.ndarray
    right: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """Values (value,) of the parameter of the question."""
        return next(iter(self.axes.values()))

    @cached_property
    def log_right(self) -> np.ndarray:
        """Logarithm of ``right``."""
        return np.log(self.right)

    @cached_property
    def log_wrong(self) -> np.ndarray:
        """Logarithm of the probability of a wrong answer."""
        return np.log(1 - self.right)  # lapses keep it far from 0


@dataclass(frozen=True)
class Estimate:
    """What the answers say about the parameter of the question.

    Attributes
    ----------
    mean, low, high
        Posterior mean and 95% credible interval.
    bayes_factor
        Evidence for a difference against no difference, a lower bound if it is very large; NaN for a threshold.
    answers, participants
        Numbers of answers to main trials, and of participants who gave any.
    """

    mean: float
    low: float
    high: float
    bayes_factor: float
    answers: int
    participants: int


def positions(number: int) -> np.ndarray:
    """Positions (stage,) of a number of stages: evenly spaced from 0 to 1."""
    return np.linspace(0, 1, number) if number > 1 else np.zeros(1)


def build_grid(
    question: Question, ranges: Mapping[str, Range] | None = None, dtype: npt.DTypeLike = np.float64
) -> Grid:
    """Build the grid of a question.

    Parameters
    ----------
    question
        The question.
    ranges
        Parameter → ends of its values; None: the whole ranges.
    dtype
        Floating-point type of the probabilities.

    Returns
    -------
    Grid
        Its axes have the numbers of values in ``SIZES``.
    """
    ranges = question.prior_ranges() if ranges is None else ranges
    axes = {parameter: np.linspace(*ranges[parameter], number) for parameter, number in SIZES[question.name].items()}
    *others, log_width = (part.ravel() for part in np.meshgrid(*list(axes.values())[1:], indexing="ij"))
    values = next(iter(axes.values()))[:, None]
    if question.name == DIFFERENCE:
        threshold, shifts = others[0], (values / 2, -values / 2)
    else:
        threshold, shifts = values, (np.zeros((1, 1)),)
    width = np.exp(log_width)
    shape = len(values), len(width)
    abilities = (question.participant_sd * NODES).astype(dtype)
    least, most = question.chance, (1 - LAPSES)[:, None].astype(dtype)
    right = np.empty((len(question.conditions), *shape, len(LAPSES), len(abilities)), dtype)
    right[0] = most
    place = 1
    for own, shift in zip(question.stages.values(), shifts, strict=True):
        for position in positions(len(own)):
            log_odds = (
                np.broadcast_to((threshold - position) / width + shift, shape).astype(dtype)[..., None] + abilities
            )
            right[place] = least + (most - least) * expit(log_odds)[..., None, :]
            place += 1
    right = right.reshape(len(right), len(values), -1, len(abilities))
    # Thresholds, widths and lapses have constant densities.
    log_prior = np.broadcast_to(np.log(question.prior_density(values)), right.shape[1:3])
    return Grid(question.conditions, axes, log_prior, right)


def log_likelihood(grid: Grid, counts: Counts) -> np.ndarray:
    """Log likelihood (value, nuisance, node) of one participant's answers."""
    likelihood = np.zeros(grid.right.shape[1:], grid.right.dtype)
    for number, condition in enumerate(grid.conditions):
        correct, all_answers = counts.get(condition, (0, 0))
        if correct:
            likelihood += correct * grid.log_right[number]
        if all_answers > correct:
            likelihood += (all_answers - correct) * grid.log_wrong[number]
    return likelihood


def log_marginal(grid: Grid, counts: Counts) -> np.ndarray:
    """Log likelihood (value, nuisance) of one participant's answers, with the ability integrated out."""
    likelihood = log_likelihood(grid, counts)
    top = np.maximum.reduce(np.moveaxis(likelihood, -1, 0))
    return top + np.log(np.exp(likelihood - top[..., None]) @ NODE_WEIGHTS.astype(likelihood.dtype))


def normalized(log_weights: np.ndarray) -> np.ndarray:
    """Probabilities with sum 1, from logarithms of weights."""
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def log_posterior(grid: Grid, participants: Sequence[Counts]) -> np.ndarray:
    """Log posterior (value, nuisance), up to a constant, given the answers of some participants."""
    return sum((log_marginal(grid, counts) for counts in participants), start=grid.log_prior)


def joint_posterior(grid: Grid, others: np.ndarray, counts: Counts) -> np.ndarray:
    """Posterior probabilities (value, nuisance, node) of all parameters and of one participant's ability.

    Parameters
    ----------
    grid
        The grid.
    others
        Result of ``log_posterior`` for all other participants.
    counts
        The participant's own answers.
    """
    log_weights = others[..., None] + np.log(NODE_WEIGHTS) + log_likelihood(grid, counts)
    return normalized(log_weights).astype(grid.right.dtype)


def narrowed_ranges(question: Question, grid: Grid, posterior: np.ndarray) -> dict[str, Range]:
    """Find the ranges of the parameters outside which the posterior distribution is negligible.

    Parameters
    ----------
    question
        The question.
    grid
        The present grid.
    posterior
        (value, nuisance): posterior probabilities on it.

    Returns
    -------
    dict
        Parameter → ends, within the whole ranges.
    """
    joint = posterior.reshape(*(len(values) for values in grid.axes.values()), len(LAPSES))
    ranges = {}
    for place, ((parameter, values), whole) in enumerate(
        zip(grid.axes.items(), question.prior_ranges().values(), strict=True)
    ):
        others = tuple(axis for axis in range(joint.ndim) if axis != place)
        shares = joint.sum(axis=others)
        low, high = quantiles(values, shares, (TAIL, 1 - TAIL))
        margin = max(values[1] - values[0], MARGIN * (high - low))
        # A range that cuts the distribution off is too small by more than the margin.
        below, above = (values[-1] - values[0] if share > CUT else margin for share in (shares[0], shares[-1]))
        ranges[parameter] = max(whole[0], low - below), min(whole[1], high + above)
    return ranges


def fitted_grid(
    question: Question, participants: Sequence[Counts], start: Grid | None = None
) -> tuple[Grid, np.ndarray]:
    """Build the grid that is as fine as the answers allow.

    Parameters
    ----------
    question
        The question.
    participants
        The answers of each participant.
    start
        A grid of fewer answers, to begin with; None: of the whole ranges.

    Returns
    -------
    Grid
        The grid.
    numpy.ndarray
        Result of ``log_posterior`` on it.
    """
    grid = build_grid(question) if start is None else start
    for _ in range(MAX_GRIDS):
        posterior = log_posterior(grid, participants)
        ranges = narrowed_ranges(question, grid, normalized(posterior))
        sizes = [
            (high - low) / (values[-1] - values[0])
            for (low, high), values in zip(ranges.values(), grid.axes.values(), strict=True)
        ]
        # Also if the distribution has moved to an end of the present ranges.
        if min(sizes) > ENOUGH_SMALLER and max(sizes) <= 1 + 1e-9:
            return grid, posterior
        grid = build_grid(question, ranges)
    return grid, log_posterior(grid, participants)


def _entropy(probability: np.ndarray) -> np.ndarray:
    """Entropy of a binary answer, in bits."""
    inside = np.clip(probability, 1e-12, 1 - 1e-12)
    return -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))


def information(grid: Grid, joint: np.ndarray) -> np.ndarray:
    """Mutual information of the next answer and the parameter of the question.

    Parameters
    ----------
    grid
        The grid.
    joint
        Result of ``joint_posterior`` for the participant who answers.

    Returns
    -------
    numpy.ndarray
        (condition,), in bits.
    """
    of_value = joint.sum(axis=(1, 2))  # (value,)
    size = len(of_value)
    both = np.vecdot(grid.right.reshape(len(grid.conditions), size, -1), joint.reshape(size, -1))
    conditional = np.divide(both, of_value, out=np.zeros_like(both), where=of_value > 0)
    return _entropy(both.sum(axis=1)) - _entropy(conditional) @ of_value


def estimate(question: Question, participants: Sequence[Counts]) -> Estimate:
    """Estimate the parameter of the question from the answers of all participants."""
    grid, log_weights = fitted_grid(question, participants)
    return estimate_on(question, grid, normalized(log_weights).sum(axis=1), [*map(number_of_answers, participants)])


def number_of_answers(counts: Counts) -> int:
    """Number of all answers of a participant."""
    return sum(number for _, number in counts.values())


def estimate_on(question: Question, grid: Grid, shares: np.ndarray, answers: Sequence[int]) -> Estimate:
    """Summarize a posterior distribution.

    Parameters
    ----------
    question
        The question.
    grid
        The grid.
    shares
        (value,): posterior probabilities of the parameter's values.
    answers
        Number of answers of each participant.
    """
    low, high = quantiles(grid.values, shares, ENDS)
    factor = math.nan
    if question.name == DIFFERENCE:
        # Savage-Dickey ratio: prior against posterior density of no difference.
        prior = float(question.prior_density(np.zeros(1))[0])
        factor = prior / density_at(grid.values, shares, 0.0)
    mean = float(shares @ grid.values)
    return Estimate(mean, low, high, factor, sum(answers), sum(number > 0 for number in answers))


def density_at(values: np.ndarray, shares: np.ndarray, value: float) -> float:
    """Density of a distribution on evenly spaced values, by linear interpolation of its logarithm.

    Outside the values it is that of the nearest one, which is more than it can be.
    """
    step = values[1] - values[0]
    logarithms = np.log(np.maximum(shares, np.finfo(float).tiny))
    return float(np.exp(np.interp(value, values, logarithms)) / step)


def quantiles(values: np.ndarray, shares: np.ndarray, levels: Range) -> Range:
    """Quantiles of a distribution on evenly spaced values, each of which is a bin around it."""
    step = values[1] - values[0]
    edges = np.concatenate((values - step / 2, [values[-1] + step / 2]))
    low, high = np.interp(levels, np.concatenate(([0.0], np.cumsum(shares))), edges)
    return float(low), float(high)


def should_stop(estimate: Estimate, interval: float | None, bayes_factor: float | None, participants: int) -> bool:
    """Whether the answers suffice.

    Parameters
    ----------
    estimate
        The present estimate.
    interval
        Largest width of the credible interval, or None.
    bayes_factor
        Evidence for or against a difference that suffices, above 1, or None.
    participants
        Smallest number of participants.

    Returns
    -------
    bool
        True if there are enough participants, and the interval or the evidence suffices.
    """
    precise = interval is not None and estimate.high - estimate.low <= interval
    decided = bayes_factor is not None and (
        estimate.bayes_factor >= bayes_factor or estimate.bayes_factor <= 1 / bayes_factor
    )
    return estimate.participants >= participants and (precise or decided)
