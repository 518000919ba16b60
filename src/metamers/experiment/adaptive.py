"""Adaptive experiments: the next condition is the one whose answer is expected to tell most about the question asked.

Recognition of a model's metamers falls with the depth of the stage. The proportion correct at depth x (0: the first
stage that is shown, 1: the last) is

    p(x) = g + (1 - g - l) / (1 + exp((x - t) / w - a)) ,

with the chance level g, the proportion of lapses l, the threshold t (the depth at which an average participant's
recognition lies halfway between its levels), the width w and the participant's ability a, normal with mean 0. Natural
stimuli lie before all stages: p = 1 - l. The question is the threshold of one model; or the difference d between two
models in log odds, the same at all depths, with (t - x) / w + d / 2 for the first model and - d / 2 for the second.
Everything else is integrated out, on a grid. (The difference is not in depth: an experiment that stops at a narrow
interval of depth stops early where w seems small, and then underestimates.)

The next condition has the largest mutual information between its answer and the parameter of the question (Lindley
1956, Annals of Mathematical Statistics 27, 986-1005; as in QUEST+, Watson 2017, Journal of Vision 17(3):10, but with
the entropy of this parameter alone). The packages ``questplus`` (2023.1) and ``adopy`` (0.4.1) were not used: both
minimize the entropy of all parameters, neither has participants, whose answers share an ability, and ``adopy`` cannot
be imported with NumPy 1.24 or later. A test compares choices and posterior with those of ``questplus``.

``metamers.experiment.server`` asks for the next stimulus, ``metamers.humans.adaptive`` analyses the answers, and
``metamers.simulations.adaptive`` compares the procedure with the fixed design.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit

from metamers.config.participants import MODELS_OF_QUESTION
from metamers.experiment.design import Condition
from metamers.names import NATURAL

THRESHOLD, DIFFERENCE = MODELS_OF_QUESTION

# The grid. A threshold outside 0..1 means that recognition falls before the first or after the last stage shown.
THRESHOLDS = np.linspace(-0.3, 1.3, 81)
COMMON_THRESHOLDS = np.linspace(-0.3, 1.3, 17)
DIFFERENCES = np.linspace(-4, 4, 81)  # log odds
DIFFERENCE_SD = 1.5  # of the normal prior of a difference
# With two models, one more parameter is integrated out, so the others have fewer values.
WIDTHS = {THRESHOLD: np.geomspace(0.03, 0.48, 9), DIFFERENCE: np.geomspace(0.04, 0.4, 4)}
LAPSES = {THRESHOLD: np.array([0.01, 0.05, 0.15]), DIFFERENCE: np.array([0.02, 0.1])}
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
ENDS = (0.025, 0.975)  # of 95% credible intervals

Counts = Mapping[Condition, tuple[int, int]]  # condition → numbers of correct answers and of all answers


@dataclass(frozen=True)
class Grid:
    """A question with the probabilities of correct answers, for all values of the parameters.

    Attributes
    ----------
    question
        ``threshold`` or ``difference``.
    conditions
        Conditions, natural stimuli first.
    values
        Values (value,) of the parameter that the question asks for.
    prior
        (value, nuisance): prior probabilities; ``nuisance`` has all combinations of the other parameters.
    right
        (condition, value, nuisance, node): probability of a correct answer of a participant whose ability is at a
        node of the Gauss-Hermite quadrature.
    weights
        (node,): weights of the nodes, with sum 1.
    """

    question: str
    conditions: tuple[Condition, ...]
    values: np.ndarray
    prior: np.ndarray
    right: np.ndarray
    weights: np.ndarray

    @cached_property
    def log_right(self) -> np.ndarray:
        """Logarithm of ``right``, which every answer needs."""
        return np.log(self.right)

    @cached_property
    def log_wrong(self) -> np.ndarray:
        """Logarithm of the probability of a wrong answer."""
        return np.log1p(-self.right)


@dataclass(frozen=True)
class Estimate:
    """What the answers say about the parameter of the question.

    Attributes
    ----------
    mean, low, high
        Posterior mean and 95% credible interval.
    bayes_factor
        Evidence for a difference against no difference; NaN for a threshold.
    answers, participants
        Numbers of answers to main trials, and of participants who gave any.
    """

    mean: float
    low: float
    high: float
    bayes_factor: float
    answers: int
    participants: int


def build_grid(question: str, stages: Mapping[str, Sequence[str]], chance: float, participant_sd: float) -> Grid:
    """Build the grid of a question.

    Parameters
    ----------
    question
        ``threshold`` of one generation model, in relative depth; or ``difference`` of the first of two models from
        the second, in log odds.
    stages
        Generation model → stages that are shown, in processing order; they count as evenly spaced in depth.
    chance
        Probability of guessing the category.
    participant_sd
        Standard deviation of participants' abilities, in log odds.

    Raises
    ------
    ValueError
        When the question is unknown or asks about another number of models.
    """
    if len(stages) != MODELS_OF_QUESTION.get(question):
        raise ValueError(f"question {question!r} with {len(stages)} models; wanted {describe_questions()}")
    if question == THRESHOLD:
        values = THRESHOLDS
        prior_of_values = np.full(len(values), 1 / len(values))
        width, lapse = (part.ravel() for part in np.meshgrid(WIDTHS[question], LAPSES[question], indexing="ij"))
        thresholds, shifts = values[:, None], [0]
    else:
        values = DIFFERENCES
        prior_of_values = np.exp(-0.5 * (values / DIFFERENCE_SD) ** 2)
        prior_of_values /= prior_of_values.sum()
        others = np.meshgrid(COMMON_THRESHOLDS, WIDTHS[question], LAPSES[question], indexing="ij")
        thresholds, width, lapse = (part.ravel() for part in others)
        shifts = [values[:, None] / 2, -values[:, None] / 2]
    nodes = participant_sd * NODES
    natural = np.broadcast_to((1 - lapse)[:, None], (len(values), len(width), len(nodes)))
    right, conditions = [natural], [("", NATURAL)]
    for (model, own), shift in zip(stages.items(), shifts, strict=True):
        for stage, depth in zip(own, depths(len(own)), strict=True):
            log_odds = ((thresholds - depth) / width + shift)[..., None] + nodes
            right.append(chance + (1 - chance - lapse)[:, None] * expit(log_odds))
            conditions.append((model, stage))
    prior = np.repeat(prior_of_values[:, None] / len(width), len(width), axis=1)
    return Grid(question, tuple(conditions), values, prior, np.stack(right), NODE_WEIGHTS / NODE_WEIGHTS.sum())


def describe_questions() -> str:
    """Describe the questions for a message, with their numbers of models."""
    return " or ".join(f"{name} with {number} model{'s' * (number > 1)}" for name, number in MODELS_OF_QUESTION.items())


def depths(number: int) -> np.ndarray:
    """Depths (stage,) of a number of stages: evenly spaced from 0 to 1."""
    return np.linspace(0, 1, number) if number > 1 else np.zeros(1)


def log_likelihood(grid: Grid, counts: Counts) -> np.ndarray:
    """Log likelihood (value, nuisance, node) of one participant's answers."""
    found = np.zeros(grid.right.shape[1:])
    for number, condition in enumerate(grid.conditions):
        correct, all_answers = counts.get(condition, (0, 0))
        if correct:
            found += correct * grid.log_right[number]
        if all_answers > correct:
            found += (all_answers - correct) * grid.log_wrong[number]
    return found


def log_marginal(grid: Grid, counts: Counts) -> np.ndarray:
    """Log likelihood (value, nuisance) of one participant's answers, with the ability integrated out."""
    found = log_likelihood(grid, counts)
    top = found.max(axis=-1)
    return top + np.log(np.exp(found - top[..., None]) @ grid.weights)


def _normalized(log_weights: np.ndarray) -> np.ndarray:
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def log_posterior(grid: Grid, participants: Iterable[Counts]) -> np.ndarray:
    """Log posterior (value, nuisance), up to a constant, given the answers of some participants."""
    return sum((log_marginal(grid, counts) for counts in participants), start=np.log(grid.prior))


def joint_posterior(grid: Grid, others: np.ndarray, counts: Counts) -> np.ndarray:
    """Posterior probabilities (value, nuisance, node) of all parameters and of one participant's ability.

    Parameters
    ----------
    grid
        The question.
    others
        Result of ``log_posterior`` for all other participants.
    counts
        The participant's own answers.
    """
    return _normalized(others[..., None] + np.log(grid.weights) + log_likelihood(grid, counts))


def _entropy(probability: np.ndarray) -> np.ndarray:
    """Entropy of a binary answer, in bits."""
    inside = np.clip(probability, 1e-12, 1 - 1e-12)
    return -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))


def information(grid: Grid, joint: np.ndarray) -> np.ndarray:
    """Mutual information (condition,) of the next answer and the parameter of the question, in bits.

    Parameters
    ----------
    grid
        The question.
    joint
        Result of ``joint_posterior`` for the participant who answers.
    """
    of_value = joint.sum(axis=(1, 2))  # (value,)
    size = len(grid.values)
    together = np.einsum("cvk,vk->cv", grid.right.reshape(len(grid.conditions), size, -1), joint.reshape(size, -1))
    given = np.divide(together, of_value, out=np.zeros_like(together), where=of_value > 0)
    return _entropy(together.sum(axis=1)) - _entropy(given) @ of_value


def estimate(grid: Grid, participants: Sequence[Counts]) -> Estimate:
    """Estimate the parameter of the question from the answers of all participants."""
    return estimate_from_log(grid, log_posterior(grid, participants), participants)


def estimate_from_log(grid: Grid, log_weights: np.ndarray, participants: Sequence[Counts]) -> Estimate:
    """Summarize a result of ``log_posterior``, given the same answers."""
    answers = [sum(number for _, number in counts.values()) for counts in participants]
    shares = _normalized(log_weights).sum(axis=1)
    return estimate_from(grid, shares, sum(answers), sum(number > 0 for number in answers))


def estimate_from(grid: Grid, shares: np.ndarray, answers: int, participants: int) -> Estimate:
    """Summarize a posterior distribution.

    Parameters
    ----------
    grid
        The question.
    shares
        (value,): posterior probabilities of the parameter's values.
    answers, participants
        Numbers of answers, and of participants who gave any.
    """
    low, high = credible_interval(grid.values, shares)
    factor = math.nan
    if grid.question == DIFFERENCE:
        # Savage-Dickey ratio: the prior against the posterior probability of no difference.
        none = int(np.abs(grid.values).argmin())
        factor = float(grid.prior[none].sum() / max(shares[none], np.finfo(float).tiny))
    return Estimate(float(shares @ grid.values), low, high, factor, answers, participants)


def credible_interval(values: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    """Return the central 95% interval of a distribution on evenly spaced values, each of which is a bin around it."""
    step = values[1] - values[0]
    edges = np.append(values - step / 2, values[-1] + step / 2)
    cumulative = np.append(0, np.cumsum(shares))
    low, high = np.interp(ENDS, cumulative, edges)
    return float(low), float(high)


def reached(found: Estimate, interval: float | None, bayes_factor: float | None, participants: int) -> bool:
    """Whether the answers suffice.

    Parameters
    ----------
    found
        The present estimate.
    interval
        Largest width of the credible interval, or None.
    bayes_factor
        Evidence for or against a difference that suffices, above 1, or None.
    participants
        Smallest number of participants.
    """
    precise = interval is not None and found.high - found.low <= interval
    decided = bayes_factor is not None and (
        found.bayes_factor >= bayes_factor or found.bayes_factor <= 1 / bayes_factor
    )
    return found.participants >= participants and (precise or decided)
