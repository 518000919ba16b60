"""Own participants of an adaptive experiment: the posterior distribution of what the experiment asks.

All answers of participants who are not excluded count, wherever the participant stopped: the procedure chooses a
stimulus from earlier answers alone, so the choice does not change the likelihood (Berger & Wolpert 1988, The Likelihood
Principle, IMS). Mean proportions correct by stage do not have this property. They are given for comparison with the
fitted curve, and no test of the fixed design is made with them.
"""

import numpy as np
import xarray as xr

from metamers.humans.adaptive_model import (
    DIFFERENCE,
    ENDS,
    NODE_WEIGHTS,
    estimate_on,
    fitted_grid,
    normalized,
    number_of_answers,
    positions,
)
from metamers.humans.design import QUESTION
from metamers.humans.exclusion import EXCLUSIONS, ExclusionRule
from metamers.humans.own_participants import Answers
from metamers.humans.participants import stage_union
from metamers.humans.stimulus_selector import answers_suffice, counts_of, main_exhibits, question_of
from metamers.names import NATURAL


def adaptive_dataset(answers: Answers, design: xr.Dataset, at_least: dict[str, int]) -> xr.Dataset:
    """Analyse the answers to an adaptive experiment.

    Parameters
    ----------
    answers
        Result of ``metamers.humans.own_participants.read_answers``.
    design
        ``experiment/<modality>.nc``, with the attributes of
        ``metamers.humans.stimulus_selector.adaptive_attributes``.
    at_least
        ``headphones``, ``practice``, ``catch`` → smallest number of correct answers.

    Returns
    -------
    xr.Dataset
        ``value_prior`` and ``value_posterior`` (value), densities of the parameter: a threshold in position, or a
        difference in log odds; ``estimate`` with ``estimate_low`` and ``estimate_high`` (95% credible interval),
        ``estimate_bayes_factor`` (only of a difference) and ``answers_suffice``. By (generation_model, stage):
        ``condition_depth``, ``answers_correct``, ``answers_given``, and ``fitted_proportion`` with ``fitted_low`` and
        ``fitted_high``; natural stimuli are the same for all models. ``participants_included``, ``excluded``
        (exclusion), ``answered_after_reload``, ``rows_set_aside``, ``files_set_aside``. The attribute ``question``
        names the parameter.

    Raises
    ------
    ValueError
        When no participant is left.
    """
    question, exhibits, rule = question_of(design), main_exhibits(design), ExclusionRule(design, at_least)
    reasons = {name: rule.exclusion(steps) for name, steps in answers.given.items()}
    excluded = [sum(excluded_for == reason for excluded_for in reasons.values()) for reason in EXCLUSIONS]
    included = {name: steps for name, steps in answers.given.items() if reasons[name] is None}
    if not included:
        details = [f"{reason}: {count}" for reason, count in zip(EXCLUSIONS, excluded, strict=True) if count]
        details += [f"rows set aside: {answers.rows_set_aside}"] if answers.rows_set_aside else []
        raise ValueError(
            f"none of {len(reasons)} participants is left ({', '.join(details) or 'no answers'}); wanted at least one"
        )
    counts = [counts_of(steps.values(), exhibits) for steps in included.values()]
    grid, log_weights = fitted_grid(question, counts)
    weights = normalized(log_weights)
    shares = weights.sum(axis=1)
    estimate = estimate_on(question, grid, shares, [*map(number_of_answers, counts)])
    stages, step = question.stages, grid.values[1] - grid.values[0]
    union, stage_number = stage_union({model: [NATURAL, *own] for model, own in stages.items()})
    shape = len(stages), len(union)
    columns = {
        name: np.full(shape, np.nan) for name in ("condition_depth", "fitted_proportion", "fitted_low", "fitted_high")
    }
    numbers = {name: np.zeros(shape, int) for name in ("answers_correct", "answers_given")}
    for number, (model, stage) in enumerate(grid.conditions):
        mean = grid.right[number] @ NODE_WEIGHTS  # (value, nuisance), over participants
        low, high = weighted_quantiles(mean.ravel(), weights.ravel(), ENDS)
        right, answered = (sum(each) for each in zip(*(one.get((model, stage), (0, 0)) for one in counts), strict=True))
        for own in stages if stage == NATURAL else [model]:
            at = list(stages).index(own), union.index(stage)
            columns["fitted_proportion"][at], columns["fitted_low"][at] = (mean * weights).sum(), low
            columns["fitted_high"][at] = high
            numbers["answers_correct"][at], numbers["answers_given"][at] = right, answered
            if stage != NATURAL:
                columns["condition_depth"][at] = positions(len(stages[own]))[stages[own].index(stage)]
    dims = ("generation_model", "stage")
    bayes_factor = {"estimate_bayes_factor": estimate.bayes_factor} if question.name == DIFFERENCE else {}
    main = [answer for steps in included.values() for answer in steps.values() if answer.exhibit in exhibits]
    return xr.Dataset(
        {
            "value_prior": ("value", question.prior_density(grid.values)),
            "value_posterior": ("value", shares / step),
            "estimate": estimate.mean,
            "estimate_low": estimate.low,
            "estimate_high": estimate.high,
            **bayes_factor,
            "answers_suffice": int(answers_suffice(estimate, design)),
            **{name: (dims, values) for name, values in (columns | numbers).items()},
            "stage_number": stage_number,
            "participants_included": len(included),
            "excluded": ("exclusion", excluded),
            "answered_after_reload": sum(answer.already for answer in main),
            "rows_set_aside": answers.rows_set_aside,
            "files_set_aside": answers.files_set_aside,
        },
        coords={
            "value": ("value", grid.values),
            "generation_model": list(stages),
            "stage": union,
            "exclusion": list(EXCLUSIONS),
        },
        attrs={QUESTION: question.name},
    )


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: tuple[float, float]) -> tuple[float, float]:
    """Return the smallest values (sample,) below or at which the given shares of the weights (sample,) lie."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    places = np.searchsorted(cumulative, np.asarray(levels) * cumulative[-1]).clip(max=len(values) - 1)
    low, high = values[order][places]
    return float(low), float(high)
