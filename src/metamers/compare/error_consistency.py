"""Error consistency: whether two observers err on the same stimuli more often than their accuracy predicts.

Kappa compares the share of stimuli on which two observers are both right or both wrong with the share that is expected
of observers with the same accuracy whose errors are independent (Geirhos, Meding & Wichmann 2020). It is Cohen's kappa
of right and wrong answers. Agreement between answers and categories is in ``metamers.compare.chance``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.special
import xarray as xr

from metamers.compare.proportions import ENDS
from metamers.humans.own_participants import model_correct
from metamers.humans.participants import stage_union
from metamers.names import NATURAL

ADDED = 3  # stimuli added to the variance, a quarter of them for each outcome: both right, both wrong, one of the two
ROUNDING = 1e-12
PAIRS = ("between_families", "within_family")
OF_PAIR = (
    *("error_consistency", "error_consistency_low", "error_consistency_high"),
    *("observed_agreement", "expected_agreement"),
)


class Consistency(NamedTuple):
    """Error consistency of pairs of observers (…); NaN where undefined.

    ``influence`` (…, stimulus) is the derivative of kappa by the weight of each stimulus, 0 for stimuli that do not
    count. ``added`` (…) is the sum of its squares over the ``ADDED`` stimuli. ``both_vary`` (…) is whether each of the
    two observers is right about some stimuli and wrong about others.
    """

    kappa: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    n: np.ndarray
    influence: np.ndarray
    added: np.ndarray
    both_vary: np.ndarray


def error_consistency(one: np.ndarray, other: np.ndarray) -> Consistency:
    """Compute the error consistency of two observers, or of many pairs.

    With p₁ and p₂ the proportions correct, c_obs the share on which both are right or both wrong, and c_exp = p₁p₂ +
    (1 - p₁)(1 - p₂), kappa is (c_obs - c_exp) / (1 - c_exp). Seeds of one stimulus are averaged first, because they are
    not independent: a stimulus counts once. Kappa is 0 if one of the observers is always right or always wrong, and
    undefined if both are and c_exp is 1.

    Parameters
    ----------
    one, other
        (…, stimulus, seed): 1 if the observer is right, 0 if wrong, NaN where there is no answer or the metamer does
        not count; of shapes that broadcast. A metamer counts if both observers have answered it.

    References
    ----------
    Geirhos, Meding & Wichmann (2020), Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and humans by
    measuring error consistency, Advances in Neural Information Processing Systems 33, 13890-13902.
    """
    one, other = np.broadcast_arrays(np.asarray(one, float), np.asarray(other, float))
    known = np.isfinite(one) & np.isfinite(other)
    seeds = known.sum(axis=-1)
    counted = seeds > 0
    n = counted.sum(axis=-1)
    right = [
        np.where(known, values, 0).sum(axis=-1) / np.maximum(seeds, 1)
        for values in (np.broadcast_to(one, known.shape), other, one * other)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q, both = (values.sum(axis=-1) / n for values in right)
        expected = p * q + (1 - p) * (1 - q)
        beyond = np.where(1 - expected > ROUNDING, 1 - expected, np.nan)
        kappa = 2 * (both - p * q) / beyond

    def influence(first: np.ndarray, second: np.ndarray, product: np.ndarray) -> np.ndarray:
        a, b, k, scale = (values[..., None] for values in (p, q, kappa, beyond))
        centred = product - a * second - b * first + a * b
        return 2 * centred / scale - k - k * ((1 - 2 * b) * (first - a) + (1 - 2 * a) * (second - b)) / scale

    outcomes = np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 0, 1]), np.array([0.0, 0, 0, 1])
    return Consistency(
        kappa,
        1 - p - q + 2 * both,
        expected,
        n,
        np.where(counted, influence(*right), 0),
        ADDED / 4 * (influence(*outcomes) ** 2).sum(axis=-1),
        (p * (1 - p) > ROUNDING) & (q * (1 - q) > ROUNDING),
    )


def consistency_interval(
    kappa: np.ndarray, influence: np.ndarray, added: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ends of the 95% interval of kappa, or of a mean of kappas, over stimuli.

    With u the influence of a stimulus on kappa, n stimuli and t the quantile of Student's distribution with n - 1
    degrees of freedom, the ends are kappa ± t sqrt(S / (N (N - 1))), within -1..1, where N = n + ``ADDED`` and S is the
    sum of u² over the stimuli and the added ones. Without these, the interval has no width where two observers always
    agree, and it is too narrow where a few stimuli decide (see docs/explanation/error_consistency.md).

    Parameters
    ----------
    kappa, added, n
        (…): as of ``Consistency``, or means over pairs. There is no interval (NaN) for fewer than two stimuli.
    influence
        (…, stimulus).
    """
    whole = np.where(n > 1, n, np.nan) + ADDED
    error = np.sqrt(((influence**2).sum(axis=-1) + added) / (whole * (whole - 1)))
    half = scipy.special.stdtrit(np.maximum(n - 1, 1), ENDS[1]) * error
    return (kappa - half).clip(-1, 1), (kappa + half).clip(-1, 1)


def consistency_by_stage(
    correct: xr.DataArray, accepted: xr.DataArray, generation_model: str, families: Mapping[str, str]
) -> xr.Dataset:
    """Compute the error consistency of every pair of recognition models, and means over pairs, stage by stage.

    Parameters
    ----------
    correct
        (recognition_model, stage, stimulus, seed), booleans, with the stage ``natural``, which needs no acceptance.
    accepted
        (stage, stimulus, seed), booleans, without the stage ``natural``.
    generation_model
        Generation model of the metamers.
    families
        Model → family.

    Returns
    -------
    xr.Dataset
        (stage, recognition_model, other_model) → ``error_consistency`` with ``_low`` and ``_high``,
        ``observed_agreement``, ``expected_agreement`` and ``n``; NaN and 0 for a model with itself. (stage) → for each
        of ``PAIRS`` the mean over pairs of models other than the generation model, in which every pair of families, or
        every family, counts once; ``_low`` and ``_high`` over stimuli; and ``_pairs``, the number of pairs of models.
        Pairs with a model that is always right or always wrong do not count: their kappa is 0 whatever the answers.
    """
    counts = accepted.reindex(stage=correct["stage"], fill_value=True).astype(bool)
    values = correct.astype(float).where(counts).transpose("stage", "recognition_model", "stimulus", "seed").values
    names = list(map(str, correct["recognition_model"].values))
    family = np.array([families[name] for name in names])
    other = np.array(names) != generation_model
    candidates = np.triu(other[:, None] & other, 1)
    same, itself = family[:, None] == family, np.eye(len(names), dtype=bool)
    families_of_pair = np.sort(np.stack(np.broadcast_arrays(family[:, None], family), axis=-1), axis=-1)
    rows: list[dict[str, np.ndarray]] = []
    for of_stage in values:  # stage by stage, to save memory with many models
        pairs = error_consistency(of_stage[:, None], of_stage)
        ends = consistency_interval(pairs.kappa, pairs.influence, pairs.added, pairs.n)
        numbers = (pairs.kappa, *ends, pairs.observed, pairs.expected)
        row = dict(zip(OF_PAIR, [np.where(itself, np.nan, number) for number in numbers], strict=True))
        row["n"] = np.where(itself, 0, pairs.n)
        for kind, chosen in zip(PAIRS, (candidates & ~same, candidates & same), strict=True):
            at = chosen & pairs.both_vary
            weights = _equal_shares(families_of_pair[at])
            mean, influence, added = (
                np.tensordot(weights, part[at], 1) if at.any() else np.full(part.shape[2:], np.nan)
                for part in (pairs.kappa, pairs.influence, pairs.added)
            )
            row[kind] = mean
            row[f"{kind}_low"], row[f"{kind}_high"] = consistency_interval(mean, influence, added, pairs.n[0, 0])
            row[f"{kind}_pairs"] = at.sum()
        rows.append(row)
    dims = ("stage", "recognition_model", "other_model")
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return xr.Dataset(
        {name: (dims[: column.ndim], column) for name, column in columns.items()},
        coords={"stage": correct["stage"].values, "recognition_model": names, "other_model": names},
    )


def _equal_shares(groups: np.ndarray) -> np.ndarray:
    """Weights of the rows of (row, name), which sum to 1 and give the same share to all rows that are equal."""
    different, place, number = np.unique(groups, axis=0, return_inverse=True, return_counts=True)
    return 1 / (len(different) * number[place.ravel()])


def error_consistency_dataset(
    acceptance: Mapping[str, xr.Dataset],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Compute error consistency for every generation model, stage and pair of recognition models of a run.

    Parameters
    ----------
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed), stage ``natural`` first.
    families
        Model → family, of every generation and recognition model.

    Returns
    -------
    xr.Dataset
        Variables of ``consistency_by_stage`` with the dimension ``generation_model`` first; NaN and 0 where a model has
        no such stage or was not tested. ``stage_number`` of ``metamers.humans.participants.stage_union``.
    """
    by_model = {
        model: consistency_by_stage(
            xr.concat([one["correct"] for one in of_models.values()], "recognition_model").assign_coords(
                recognition_model=list(of_models)
            ),
            acceptance[model]["accepted"],
            model,
            families,
        )
        for model, of_models in recognition.items()
    }
    stages, stage_number = stage_union({model: list(map(str, d["stage"].values)) for model, d in by_model.items()})
    names = list(dict.fromkeys(name for of_models in recognition.values() for name in of_models))
    nothing = {"n": 0} | {f"{kind}_pairs": 0 for kind in PAIRS}
    whole = xr.concat(
        [
            one.reindex(stage=stages, recognition_model=names, other_model=names, fill_value=nothing)
            for one in by_model.values()
        ],
        "generation_model",
    ).assign_coords(generation_model=list(by_model))
    whole = whole.transpose("generation_model", "stage", "recognition_model", "other_model")
    return whole.assign(stage_number=stage_number)


def participants_consistency(
    right: np.ndarray, models: np.ndarray, stimuli: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the error consistency of participants with each of several models, averaged over participants.

    The mean weights each participant's kappa by 1 - c_exp, so that few answers with nearly no errors do not dominate.
    Participants count if they and the model are each right about some exhibits and wrong about others: otherwise kappa
    is 0 or undefined, whatever the other one answers. The interval is over participants and stimuli: the variance is
    that of the sums over participants, plus that of the sums over stimuli, minus that of single answers; at least the
    larger of the first two, and at least that of the added stimuli of each participant, as in ``consistency_interval``.
    Student's quantile is that of the smaller number minus 1.

    Parameters
    ----------
    right
        (participant, exhibit): 1 if the participant is right, 0 if wrong, NaN without an answer.
    models
        (model, exhibit): whether each model is right.
    stimuli
        (exhibit): names of their stimuli.

    Returns
    -------
    tuple
        (model): the mean, and the ends of its 95% interval; NaN without a participant who counts.

    References
    ----------
    Cameron, Gelbach & Miller (2011), Journal of Business & Economic Statistics 29, 238-249.
    """
    pairs = error_consistency(right[:, None, :, None], models[None, :, :, None])
    defined = pairs.both_vary
    weight = np.where(defined, 1 - pairs.expected, 0)
    kappa = np.where(defined, pairs.kappa, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = np.where(defined.any(axis=0), weight.sum(axis=0), np.nan)
        mean = (weight * kappa).sum(axis=0) / whole
        answered = np.isfinite(right)[:, None, :]
        each = np.where(defined[..., None], pairs.influence, 0) + (kappa - mean)[..., None]
        each = np.where(answered, each * (weight / whole / np.maximum(pairs.n, 1))[..., None], 0)
        of_stimulus = each.sum(axis=0) @ (stimuli[:, None] == np.unique(stimuli))  # (model, stimulus)
        of_participant = each.sum(axis=-1)
        numbers = defined.sum(axis=0), len(np.unique(stimuli[answered.any(axis=(0, 1))]))
        by_participant = (of_participant**2).sum(axis=0) * numbers[0] / (numbers[0] - 1)
        by_stimulus = (of_stimulus**2).sum(axis=-1) * numbers[1] / (numbers[1] - 1)
        both = by_participant + by_stimulus - (each**2).sum(axis=(0, 2))
        size = pairs.n + ADDED
        added = ((weight / whole) ** 2 * np.where(defined, pairs.added, 0) / (size * (size - 1))).sum(axis=0)
        error = np.sqrt(np.max([both, by_participant, by_stimulus, added], axis=0))
    df = np.minimum(*numbers) - 1
    half = np.where(df > 0, scipy.special.stdtrit(np.maximum(df, 1), ENDS[1]) * error, np.nan)
    return mean, (mean - half).clip(-1, 1), (mean + half).clip(-1, 1)


def participants_dataset(
    groups: Sequence[tuple[xr.Dataset, xr.Dataset]],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    stages: Mapping[str, Sequence[str]],
) -> xr.Dataset:
    """Compute the error consistency of own participants and each recognition model, for the exhibits that they judged.

    Parameters
    ----------
    groups
        Of each group of participants, ``humans/<own_participants>.nc`` and what they were shown
        (``metamers.humans.design``).
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed), stage ``natural`` first.
    stages
        Generation model → stages that were shown.

    Returns
    -------
    xr.Dataset
        (generation_model, stage, recognition_model) → ``participant_consistency`` with ``_low`` and ``_high``, from
        ``participants_consistency``, and ``participants``: the number with an answer; ``stage_number``.
    """
    union, stage_number = stage_union({model: [NATURAL, *own] for model, own in stages.items()})
    names = list(dict.fromkeys(name for model in stages for name in recognition[model]))
    values = np.full((3, len(stages), len(union), len(names)), np.nan)
    counts = np.zeros(values.shape[1:], int)
    for at_model, (model, own) in enumerate(stages.items()):
        at_names = [names.index(name) for name in recognition[model]]
        own_groups = [(answers, design) for answers, design in groups if model in design["generation_model"].values]
        for stage in [NATURAL, *own]:
            rights, models, stimuli = [], [], []
            for answers, design in own_groups:
                of_stage = (design["kind"] == "main") & (design["stage"] == stage)
                judged = of_stage & design["generation_model"].isin(["", model])
                judged &= np.isin(design["exhibit"].values.astype(str), answers["exhibit"].values.astype(str))
                exhibits = design.isel(exhibit=judged.values)
                rights.append(answers["correct_by_exhibit"].sel(exhibit=exhibits["exhibit"].values.astype(str)).values)
                models.append(np.array([model_correct(one, exhibits) for one in recognition[model].values()], float))
                stimuli.append(exhibits["stimulus"].values.astype(str))
            right = _block_diagonal(rights)
            consistency = participants_consistency(right, np.concatenate(models, axis=1), np.concatenate(stimuli))
            values[:, at_model, union.index(stage), at_names] = np.array(consistency)
            counts[at_model, union.index(stage), at_names] = np.isfinite(right).any(axis=1).sum()
    dims = ("generation_model", "stage", "recognition_model")
    columns = dict(zip(("", "_low", "_high"), values, strict=True))
    return xr.Dataset(
        {f"participant_consistency{end}": (dims, column) for end, column in columns.items()}
        | {"participants": (dims, counts), "stage_number": stage_number},
        coords={"generation_model": list(stages), "stage": union, "recognition_model": names},
    )


def _block_diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Join (participant, exhibit) of several groups; NaN for exhibits of another group."""
    whole = np.full(np.sum([block.shape for block in blocks], axis=0), np.nan)
    row = column = 0
    for block in blocks:
        whole[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return whole
