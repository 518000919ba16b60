"""Comparisons of the extensions: recognition of ensemble and controversial metamers, and of those from other starts.

The synthesis of the metamers does not use the recognition models. Only accepted metamers count: for every matched
model, the deciding measures of match are at least the largest of the null distribution, and the model gives the metamer
the category that it gives the stimulus to match (``metamers.null.acceptance``). The functions take and return Datasets;
``metamers.beyond.synthesize`` makes the metamers.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.beyond.sets import NOISE, TOGETHER
from metamers.compare.families import mean_correct, mean_over_families
from metamers.compare.proportions import difference_interval
from metamers.match import CONVERGED
from metamers.names import NATURAL
from metamers.null.acceptance import above_null

BY_STIMULUS = ("stimulus", "case", "depth")


def acceptance(
    made: xr.Dataset, nulls: Mapping[str, xr.Dataset], measures: Sequence[str], must_converge: bool = True
) -> xr.Dataset:
    """Which metamers are accepted for all members, the models that they match.

    Parameters
    ----------
    made
        Result of ``metamers.beyond.synthesize.set_dataset``.
    nulls
        Member → (stage, measure) → ``largest``, ``undefined_pairs``.
    measures, must_converge
        As for ``metamers.null.acceptance.accept``.

    Returns
    -------
    xarray.Dataset
        (stimulus, case, depth, member) → ``above_null``, ``category_preserved``; (stimulus, case, depth) →
        ``accepted``: both, for every member, and ``converged`` where synthesis had a target.
    """
    dims = (*BY_STIMULUS, "member")
    preserved = (made["predicted_category"] == made["natural_category"]).transpose(*dims)
    values = made[list(measures)].to_array("measure").transpose("measure", *dims)
    above = np.empty(preserved.shape, dtype=bool)
    for depth in range(made.sizes["depth"]):
        for place, member in enumerate(map(str, made["member"].values)):
            stage = str(made["member_stage"].isel(member=place, depth=depth).values)
            which = {"depth": depth, "member": place}
            of_member = values.isel(which).values
            null = nulls[member][["largest", "undefined_pairs"]].sel(stage=stage, measure=list(measures))
            passed, _ = above_null(
                of_member.reshape(len(measures), -1),
                null["largest"].values,
                null["undefined_pairs"].values > 0,
                preserved.isel(which).values.ravel(),
            )
            above[:, :, depth, place] = passed.reshape(of_member.shape[1:])
    kept = above & preserved.values
    if CONVERGED in made and must_converge:
        kept &= made[CONVERGED].transpose(*dims).values.astype(bool)
    return xr.Dataset(
        {
            "above_null": (dims, above),
            "category_preserved": preserved,
            "accepted": (BY_STIMULUS, kept.all(axis=-1)),
        }
    )


def answered(recognition: xr.Dataset, which: str, dims: Sequence[str], families: Mapping[str, str]) -> np.ndarray:
    """Proportion of recognition models that answer with ``category`` or ``other_category``, with these dimensions.

    Each family of models counts once.
    """
    right = recognition["answer"] == recognition[which]
    return mean_over_families(right.astype(float), families).transpose(*dims).values


def of_run(
    recognition: Mapping[str, xr.Dataset],
    accepted: xr.DataArray,
    stages: Sequence[str],
    stimuli: Sequence[str],
    families: Mapping[str, str],
) -> tuple[np.ndarray, np.ndarray]:
    """The ordinary metamers of one model, of the first metamer seed, at some stages.

    Parameters
    ----------
    recognition
        Recognition model → ``correct`` (stage, stimulus, seed).
    accepted
        (stage, stimulus, seed).
    stages, stimuli
        Stages and stimuli of the result.
    families
        Recognition model → family.

    Returns
    -------
    correct
        Proportion of recognition models that are correct, with equal weight of families, (stage, stimulus).
    accepted
        (stage, stimulus), booleans.
    """
    which = {"stage": list(stages), "stimulus": list(stimuli)}
    correct = mean_correct(recognition, families).isel(seed=0).sel(which).transpose("stage", "stimulus")
    return correct.values, accepted.isel(seed=0).sel(which).transpose("stage", "stimulus").values.astype(bool)


def mean_of(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the counted values; NaN without counted values."""
    n = counted.sum(axis=-1)
    total = np.where(counted, values, 0).sum(axis=-1)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def intervals(name: str, values: np.ndarray, counted: np.ndarray) -> dict[str, np.ndarray]:
    """``name``, ``low``, ``high``: the mean of counted differences over the last axis, with its 95% interval."""
    interval = difference_interval(np.where(counted, values, np.nan))
    return {name: interval.value, "low": interval.low, "high": interval.high}


def ensemble(
    made: xr.Dataset,
    accepted: xr.DataArray,
    recognition: xr.Dataset,
    run: Mapping[str, Mapping[str, xr.Dataset]],
    run_acceptance: Mapping[str, xr.Dataset],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Whether metamers of several models together are recognized better than those of each model alone.

    All metamers are of the same stimuli, with the same recognition models. A stimulus counts if all its metamers are
    accepted.

    Parameters
    ----------
    made
        As for ``acceptance``.
    accepted
        Accepted metamers of the set, (stimulus, case, depth).
    recognition
        ``answer`` (recognition_model, stimulus, case, depth).
    run
        Member → recognition model → the ordinary ``correct`` (stage, stimulus, seed), with stage ``natural``.
    run_acceptance
        Member → the ordinary ``accepted`` (stage, stimulus, seed).
    families
        Recognition model → family; each family counts once.

    Returns
    -------
    xarray.Dataset
        ``generation_model`` is each member, then all members, joined by " + ". (generation_model, depth, stimulus) →
        ``recognized``, the proportion of recognition models that are correct, ``accepted``; (generation_model, depth) →
        ``stage``, ``proportion_correct``; (depth) → ``n``, the number of stimuli that count; (stimulus) →
        ``natural_recognized``. (depth, member) → ``difference``, all members minus that member alone, ``low``, ``high``
        (95% interval over stimuli, NaN for fewer than two); (depth, member, stimulus) → ``normalized_error`` of the
        metamers of all members.
    """
    stimuli, members = made["stimulus"].values, [str(member) for member in made["member"].values]
    stages = made["member_stage"].transpose("member", "depth").values
    dims = ("depth", "stimulus")
    together = answered(recognition.sel(case=TOGETHER), "category", dims, families)
    accepted_together = accepted.sel(case=TOGETHER).transpose(*dims).values
    of_each = [
        of_run(run[member], run_acceptance[member]["accepted"], of_member, stimuli, families)
        for member, of_member in zip(members, stages, strict=True)
    ]
    correct, kept = (np.stack(one) for one in zip(*of_each, (together, accepted_together), strict=True))
    counted = kept.all(axis=0)
    apart = intervals("difference", (correct[-1] - correct[:-1]).swapaxes(0, 1), counted[:, None])
    errors = made["normalized_error"].sel(case=TOGETHER)
    natural = mean_correct(run[members[0]], families).isel(seed=0).sel(stage=NATURAL, stimulus=stimuli)
    each, by_depth = ("generation_model", "depth", "stimulus"), ("generation_model", "depth")
    return xr.Dataset(
        {
            "recognized": (each, correct),
            "accepted": (each, kept),
            "proportion_correct": (by_depth, mean_of(correct, counted)),
            "n": ("depth", counted.sum(axis=-1)),
            "natural_recognized": ("stimulus", natural.values),
            "normalized_error": (
                ("depth", "member", "stimulus"),
                errors.transpose("depth", "member", "stimulus").values,
            ),
            **{name: (("depth", "member"), values) for name, values in apart.items()},
        },
        coords={
            "generation_model": [*members, " + ".join(members)],
            "member": members,
            "depth": made["depth"].values,
            "stimulus": stimuli,
            "stage": (by_depth, [*stages.tolist(), [" + ".join(of_depth) for of_depth in stages.T]]),
            "category": ("stimulus", made["category"].values),
        },
    )


def controversial(
    made: xr.Dataset, accepted: xr.DataArray, recognition: xr.Dataset, families: Mapping[str, str]
) -> xr.Dataset:
    """How recognition models answer to controversial metamers, which match another stimulus for one of the members.

    Parameters
    ----------
    made
        As for ``acceptance``; a case is the member that matches another stimulus.
    accepted
        Accepted metamers of the set, (stimulus, case, depth).
    recognition
        ``answer`` (recognition_model, stimulus, case, depth).
    families
        Recognition model → family; each family counts once.

    Returns
    -------
    xarray.Dataset
        (case, depth, stimulus) → ``answered_own``, ``answered_other``: proportion of recognition models that answer
        with the category of the stimulus, and of the other stimulus; ``accepted``. (case, depth) → ``proportion_own``,
        ``proportion_other``: their means over accepted stimuli; ``n``, the number of these; ``preference``, own minus
        other, ``low``, ``high`` (95% interval over stimuli, NaN for fewer than two). (case, depth, member, stimulus) →
        ``normalized_error``, ``other_error``; (case, member) → ``matches_other``; (member, depth) → ``member_stage``.
    """
    dims = ("case", "depth", "stimulus")
    own, other = (answered(recognition, which, dims, families) for which in ("category", "other_category"))
    kept = accepted.transpose(*dims).values
    errors = made[["normalized_error", "other_error"]].transpose("case", "depth", "member", "stimulus")
    errors["member_stage"] = made["member_stage"].transpose("member", "depth")
    return errors.assign(
        {
            "answered_own": (dims, own),
            "answered_other": (dims, other),
            "accepted": (dims, kept),
            "proportion_own": (dims[:2], mean_of(own, kept)),
            "proportion_other": (dims[:2], mean_of(other, kept)),
            "n": (dims[:2], kept.sum(axis=-1)),
            **{name: (dims[:2], values) for name, values in intervals("preference", own - other, kept).items()},
        }
    )


def starts(
    made: Mapping[str, xr.Dataset],
    accepted: Mapping[str, xr.DataArray],
    recognition: Mapping[str, xr.Dataset],
    run: Mapping[str, Mapping[str, xr.Dataset]],
    run_acceptance: Mapping[str, xr.Dataset],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Whether recognition depends on the start of the synthesis.

    Parameters
    ----------
    made, accepted, recognition
        Generation model → its set, whose cases are kinds of start; its accepted metamers (stimulus, case, depth); and
        ``answer`` (recognition_model, stimulus, case, depth). Stimuli, cases and positions are the same for all models.
    run, run_acceptance
        Generation model → recognition model → the ordinary ``answer``, ``correct`` (stage, stimulus, seed); the
        ordinary ``accepted``.
    families
        Recognition model → family; each family counts once.

    Returns
    -------
    xarray.Dataset
        ``start`` is ``noise``, the ordinary metamers, then the cases. (generation_model, start, depth, stimulus) →
        ``recognized``, the proportion of recognition models that are correct; ``answered_other``, the proportion that
        answer with the category of the other stimulus, from which the case ``stimulus`` starts; ``accepted``.
        (generation_model, start, depth) → ``proportion_correct``, ``proportion_other``: means over accepted stimuli;
        ``n``, the number of these. (generation_model, depth) → ``stage``.
    """
    dims = ("start", "depth", "stimulus")
    by_model = []
    for name, own in made.items():
        stimuli, stages = own["stimulus"].values, own["member_stage"].isel(member=0).values
        noise = of_run(run[name], run_acceptance[name]["accepted"], stages, stimuli, families)
        said = xr.concat(
            [answers["answer"].isel(seed=0) for answers in run[name].values()],
            xr.DataArray(list(run[name]), dims="recognition_model", name="recognition_model"),
        ).sel(stage=list(stages), stimulus=stimuli)
        of_other = (said == own["other_category"]).transpose("recognition_model", "stage", "stimulus").astype(float)
        cases = ("case", *dims[1:])
        # First the ordinary metamers, then those from other starts.
        recognized, other, kept = (
            np.concatenate([first[None], rest])
            for first, rest in (
                (noise[0], answered(recognition[name], "category", cases, families)),
                (
                    mean_over_families(of_other, families).values,
                    answered(recognition[name], "other_category", cases, families),
                ),
                (noise[1], accepted[name].transpose(*cases).values),
            )
        )
        by_model.append(
            xr.Dataset(
                {
                    "recognized": (dims, recognized),
                    "answered_other": (dims, other),
                    "accepted": (dims, kept),
                    "proportion_correct": (dims[:2], mean_of(recognized, kept)),
                    "proportion_other": (dims[:2], mean_of(other, kept)),
                    "n": (dims[:2], kept.sum(axis=-1)),
                },
                coords={
                    "start": [NOISE, *own["case"].values],
                    "depth": own["depth"].values,
                    "stimulus": stimuli,
                    "stage": ("depth", stages),
                    **{key: ("stimulus", own[key].values) for key in ("category", "other_stimulus", "other_category")},
                },
            )
        )
    models = xr.DataArray(list(made), dims="generation_model", name="generation_model")
    return xr.concat(by_model, models, coords=["stage"], compat="equals", join="exact")
