"""Recognition by chance, from how often a recognition model gives each answer, and Cohen's kappa.

Chance is 1 / number of categories only for an observer that gives every answer equally often. At late stages many
recognition models do not: some give nearly always the same answer. Here chance follows from how often each answer is
given and how often each category is shown, for every generation model, stage and recognition model. Proportions correct
are in ``metamers.compare.recognizability``.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.special
import xarray as xr

from metamers.compare.families import mean_over_families
from metamers.compare.proportions import ENDS, independent_answers

SINGLE_ANSWER_SHARE = 0.75  # share of the metamers from which on the answers count as a single answer
SINGLE_ANSWER_STIMULI = 4  # too few below this number
SHOWN_SHARE = 0.5  # where more metamers than this share have that category, the single answer may be right
ROUNDING = 1e-12
ABSENT = {"most_frequent_answer": "", "single_answer": False}


class Agreement(NamedTuple):
    """Proportion correct, its expectation by chance, and kappa with its 95% interval; NaN where undefined."""

    correct: np.ndarray
    chance: np.ndarray
    kappa: np.ndarray
    low: np.ndarray
    high: np.ndarray


def cohens_kappa(answered: np.ndarray, presented: np.ndarray) -> Agreement:
    """Compute chance agreement and Cohen's kappa between an observer's answers and the categories of the stimuli.

    With p(k) the proportion of answers k and q(k) the proportion of stimuli of category k, chance is Σ p(k) q(k), and
    kappa is (proportion correct - chance) / (1 - chance): 1 for an observer that is always right, 0 for one whose
    answers are right as often as after random assignment to the stimuli, negative where they are right less often.

    The interval is the exact interval of the proportion correct (Clopper and Pearson), transformed to the scale of
    kappa with chance taken as fixed. Means over seeds count as fractions of correct answers. The coverage for few
    stimuli is simulated in ``studies.simulations.chance``: at least 0.95 for an observer that is right at least as
    often as by chance. For a systematic confusion, which makes kappa negative, the coverage is that high only if all
    categories are shown equally often.

    Parameters
    ----------
    answered
        (…, stimulus, category): proportion of a stimulus's metamers (its seeds) with each answer; NaN where a stimulus
        has no metamer, which leaves the stimulus out.
    presented
        (stimulus, category) or of the shape of ``answered``: 1 for the category of the stimulus, else 0.

    Returns
    -------
    Agreement
        (…). Kappa is NaN where fewer than two categories were shown: an observer that always gives one answer is then
        the same as one that is always right (its chance would be 1). All values are NaN without stimuli.

    References
    ----------
    Cohen (1960), Educational and Psychological Measurement 20, 37-46; Clopper & Pearson (1934), Biometrika 26, 404-413.
    """
    answered = np.asarray(answered, float)
    presented = np.broadcast_to(np.asarray(presented, float), answered.shape)
    known = np.isfinite(answered).all(axis=-1, keepdims=True)
    number = known.sum(axis=(-2, -1))
    n = np.where(number > 0, number, np.nan)
    answered, presented = np.where(known, answered, 0), np.where(known, presented, 0)
    right = np.where(known[..., 0], (answered * presented).sum(axis=-1), np.nan)
    correct = np.nansum(right, axis=-1) / n
    categories = presented.sum(axis=-2)
    chance = (answered.sum(axis=-2) * categories).sum(axis=-1) / n**2
    defined = ((categories > 0).sum(axis=-1) > 1) & (chance < 1 - ROUNDING)
    beyond = np.where(defined, 1 - chance, np.nan)
    low, high = _exact_ends(correct, np.where(number > 0, independent_answers(right), np.nan))
    return Agreement(correct, chance, *((value - chance) / beyond for value in (correct, low, high)))


def _exact_ends(mean: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ends of Clopper and Pearson's 95% interval as beta quantiles, which accept fractions of answers."""

    def low(right: np.ndarray) -> np.ndarray:
        quantile = scipy.special.betaincinv(np.maximum(right, ROUNDING), n - right + 1, ENDS[0])
        return np.where(right > n * ROUNDING, quantile, 0 * n)

    return low(mean * n), 1 - low((1 - mean) * n)


def kappa_by_stage(answer: xr.DataArray, accepted: xr.DataArray) -> xr.Dataset:
    """Compute chance, kappa and the most frequent answer of one recognition model to one model's metamers, by stage.

    Only accepted metamers count, and all natural stimuli. Seeds of one stimulus are averaged first.

    Parameters
    ----------
    answer
        (stage, stimulus, seed), categories, with the coordinate ``category`` (stimulus) and with the stage ``natural``,
        which needs no acceptance.
    accepted
        (stage, stimulus, seed), booleans, without the stage ``natural``.

    Returns
    -------
    xr.Dataset
        (stage) → ``chance_agreement``, and ``cohens_kappa`` with ``_low`` and ``_high``, from the function
        ``cohens_kappa``; ``most_frequent_answer``, the alphabetically first of equally frequent ones, and
        ``most_frequent_answer_share``, its proportion ("" and NaN where nothing is accepted); ``single_answer``:
        whether this share is at least ``SINGLE_ANSWER_SHARE``, with at least ``SINGLE_ANSWER_STIMULI`` stimuli, of
        which at most ``SHOWN_SHARE`` have that category.
    """
    dims = ("stage", "stimulus", "seed")
    answers = answer.transpose(*dims).values.astype(str)
    counts = accepted.reindex(stage=answer["stage"], fill_value=True).astype(bool).transpose(*dims).values
    shown_names = answer["category"].values.astype(str)
    names, codes = np.unique(np.concatenate([answers.ravel(), shown_names]), return_inverse=True)
    codes, presented = codes[: answers.size].reshape(answers.shape), np.eye(len(names))[codes[answers.size :]]
    rows = []
    for of_stage, counted in zip(codes, counts, strict=True):  # stage by stage, to save memory with many categories
        seeds = counted.sum(axis=1)
        one_hot = np.zeros((len(of_stage), len(names)))
        np.add.at(one_hot, (np.arange(len(of_stage))[:, None], of_stage), counted)
        answered = one_hot / np.where(seeds > 0, seeds, np.nan)[:, None]
        agreement, kept = cohens_kappa(answered, presented), seeds > 0
        n = int(kept.sum())
        shares = answered[kept].sum(axis=0) / n if n else np.full(len(names), np.nan)
        most = int(np.argmax(shares > shares.max() - ROUNDING)) if n else 0
        single = n >= SINGLE_ANSWER_STIMULI and shares[most] > SINGLE_ANSWER_SHARE - ROUNDING
        single = single and presented[kept, most].mean() <= SHOWN_SHARE
        rows.append((*agreement[1:], names[most] if n else "", shares[most], bool(single)))
    columns = ["chance_agreement", "cohens_kappa", "cohens_kappa_low", "cohens_kappa_high", "most_frequent_answer"]
    columns += ["most_frequent_answer_share", "single_answer"]
    return xr.Dataset(
        {name: ("stage", np.array(values)) for name, values in zip(columns, zip(*rows, strict=True), strict=True)},
        coords={"stage": answer["stage"].values},
    )


def with_chance(
    recognizable: xr.Dataset,
    acceptance: Mapping[str, xr.Dataset],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Add the chance of each recognition model to recognizability.

    Parameters
    ----------
    recognizable
        Result of ``metamers.compare.recognizability.recognizability`` for the same models.
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    recognition
        Generation model → recognition model → ``answer`` (stage, stimulus, seed), stage ``natural`` first.
    families
        Model → family.

    Returns
    -------
    xr.Dataset
        ``recognizable``, with (generation_model, stage, recognition_model) → variables of ``kappa_by_stage``; NaN, ""
        and False where a model has no such stage or was not tested; and (generation_model, stage) →
        ``other_models_chance``: mean of ``chance_agreement`` over the recognition models except the generation model,
        each family counted once.
    """
    recognition_models, stages = (recognizable[name].values for name in ("recognition_model", "stage"))
    of_models = []
    for model in map(str, recognizable["generation_model"].values):
        tested = recognition[model]
        by_model = [kappa_by_stage(one["answer"], acceptance[model]["accepted"]) for one in tested.values()]
        of_model = xr.concat(by_model, "recognition_model").assign_coords(recognition_model=list(tested))
        others = of_model["chance_agreement"].sel(recognition_model=[name for name in tested if name != model])
        of_model = of_model.reindex(stage=stages, recognition_model=recognition_models, fill_value={**ABSENT})
        mean = mean_over_families(others, families) if others.size else others.mean("recognition_model")
        of_models.append(of_model.assign(other_models_chance=mean.reindex(stage=stages)))
    whole = xr.concat(of_models, "generation_model").transpose("generation_model", "stage", "recognition_model")
    whole["most_frequent_answer"] = whole["most_frequent_answer"].astype(str)
    return recognizable.assign(whole.drop_vars(["stage", "recognition_model"]).data_vars)
