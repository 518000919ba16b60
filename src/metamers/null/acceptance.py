"""Acceptance: the metamers that match their natural stimulus at least as well as any two different stimuli match.

The rule of acceptance is that of the study's code (``optimization_analysis_scripts.py``): the model gives the metamer
the same category as the natural stimulus, right or wrong, and each measure of match is at least the largest of its null
distribution at the stage. tests/null/test_acceptance.py compares it with that code's decisions. For a model without
classes, the match alone decides. The null distribution itself is measured in ``metamers.null.distribution``.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.match import CONVERGED, MEASURES, NATURAL_CATEGORY, NULL_MEASURES, PREDICTED, PRESERVED

logger = logging.getLogger("metamers")

STUDY_MEASURE_COUNT = 3  # number of measures that the study's code tests
IF_THERE = (PREDICTED, NATURAL_CATEGORY, CONVERGED)  # variables of metamers of some models or procedures only


def deciding_measures(values: np.ndarray, undefined: np.ndarray, preserved: np.ndarray) -> np.ndarray:
    """The measures that can refuse metamers of a stage, by the rule of the study's code for undefined values.

    With ``STUDY_MEASURE_COUNT`` or more, a measure refuses no metamer if it is undefined for a pair of the null
    distribution, or for a metamer that the other measures accept. With fewer measures, each of them decides, and a
    metamer for which one is undefined is refused.

    Parameters
    ----------
    values
        (measure, metamer).
    undefined
        (measure,), whether the measure is undefined for a pair of the null distribution.
    preserved
        (metamer,), whether the category is that of the natural stimulus.

    Returns
    -------
    numpy.ndarray
        (measure,), booleans.
    """
    if len(values) < STUDY_MEASURE_COUNT:
        return np.ones(len(values), dtype=bool)
    return ~undefined & ~np.isnan(values[:, preserved]).any(axis=1)


def above_null(
    values: np.ndarray, largest: np.ndarray, undefined: np.ndarray, preserved: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Metamers of a stage whose every deciding measure is at least the null distribution's largest.

    Parameters
    ----------
    values, undefined, preserved
        As for ``deciding_measures``.
    largest
        (measure,), over the pairs of the null distribution for which the measure is defined.

    Returns
    -------
    above
        (metamer,), booleans.
    decides
        (measure,), the result of ``deciding_measures``.
    """
    decides = np.zeros(len(values), dtype=bool)
    kept = preserved
    while True:
        # A metamer that one measure has refused no longer keeps another measure from deciding.
        before, decides = decides, deciding_measures(values, undefined, kept)
        above = (~decides[:, None] | (values >= largest[:, None])).all(axis=0)
        kept = preserved & above
        if (decides == before).all():
            return above, decides


def judged(metamers: xr.Dataset) -> xr.Dataset:
    """The variables of a file of metamers that acceptance needs."""
    return metamers[[*MEASURES, *(name for name in IF_THERE if name in metamers)]]


def of_all_stages(batches: Mapping[str, Sequence[xr.Dataset]]) -> xr.Dataset:
    """Combine the files of metamers of one model for ``accept``.

    Parameters
    ----------
    batches
        Stage → results of ``judged``, one of each metamer file.

    Raises
    ------
    ValueError
        When stages have metamers of different stimuli.
    """
    whole = {stage: xr.concat(of_stage, "stimulus") for stage, of_stage in batches.items()}
    # The model's category of the natural stimulus is the same in the files of all stages.
    first = next(iter(whole.values()))
    called = [NATURAL_CATEGORY] if NATURAL_CATEGORY in first else []
    by_stage = [one.drop_vars(called).expand_dims(stage=[stage]) for stage, one in whole.items()]
    return xr.concat(by_stage, "stage", join="exact").assign({key: first[key] for key in called})


def accept(
    metamers: xr.Dataset,
    null: xr.Dataset,
    measures: Sequence[str] = tuple(NULL_MEASURES),
    must_converge: bool = True,
) -> xr.Dataset:
    """Which metamers of a model are accepted.

    Parameters
    ----------
    metamers
        (stage, stimulus, seed) → measures of match, ``predicted_category``; (stimulus) → ``natural_category``, the
        category that the model gives the natural stimulus, right or wrong; both are absent for a model without classes.
        Where synthesis had a target, also (stage, stimulus, seed) → ``converged``, whether the metamer has reached it.
    null
        (stage, measure) → ``largest``, ``undefined_pairs``.
    measures
        The measures that decide, from ``NULL_MEASURES``.
    must_converge
        Whether a metamer must have converged where synthesis had a target; False: the published rule.

    Returns
    -------
    xarray.Dataset
        (stage, stimulus, seed) → ``above_null`` (each of ``measures`` is at least the null distribution's largest at
        the stage), ``category_preserved`` (the category equals that of the natural stimulus; absent without classes),
        ``converged`` where synthesis had a target, ``accepted`` (all of these), and the measures of match; (stage,
        measure) → ``largest``, ``refused``, the number of metamers that the measure alone would refuse, and
        ``decides``; (stimulus) → ``natural_category`` with classes.

    Raises
    ------
    ValueError
        When fewer than ``STUDY_MEASURE_COUNT`` are chosen, and one of them is undefined for every pair of a stage.
    """
    dims = ("stage", "stimulus", "seed")
    metamers = metamers.transpose(*dims, missing_dims="ignore")
    shape = metamers["normalized_error"].transpose(*dims).shape
    answered = {}
    if PREDICTED in metamers:
        answered[PRESERVED] = (metamers[PREDICTED] == metamers[NATURAL_CATEGORY]).transpose(*dims)
    preserved = answered[PRESERVED].values if answered else np.ones(shape, bool)
    largest = null["largest"].sel(stage=metamers["stage"], measure=list(NULL_MEASURES))
    values = metamers[list(NULL_MEASURES)].to_array("measure").transpose("stage", "measure", ...).values
    values = values.reshape(*values.shape[:2], -1)
    undefined = null["undefined_pairs"].sel(stage=metamers["stage"], measure=list(NULL_MEASURES)).values > 0
    used = np.isin(list(NULL_MEASURES), list(measures))
    if used.sum() < STUDY_MEASURE_COUNT and (nowhere := np.isnan(largest.values[:, used]).any(axis=1)).any():
        raise ValueError(
            f"acceptance.measures: {', '.join(measures)}: at stage {str(largest['stage'].values[nowhere][0])!r} one is "
            "not defined for any pair of natural stimuli; choose another measure, or three"
        )
    above = np.empty(shape, dtype=bool)
    decides = np.zeros(largest.shape, dtype=bool)
    for place, stage in enumerate(map(str, metamers["stage"].values)):
        kept = preserved[place].ravel()
        of_stage = (one[place][used] for one in (values, largest.values, undefined))
        passed, decides[place, used] = above_null(*of_stage, kept)
        above[place] = passed.reshape(above.shape[1:])
        for name in np.array(list(NULL_MEASURES))[used & ~decides[place]]:
            logger.warning("%s: %s is not defined for a pair or a metamer, so it refuses no metamer", stage, name)
    below = values < largest.values[..., None]
    converged = {CONVERGED: metamers[CONVERGED]} if CONVERGED in metamers else {}
    reached = metamers[CONVERGED].values.astype(bool) if converged and must_converge else True
    return xr.Dataset(
        {
            "accepted": (dims, above & preserved & reached),
            "above_null": (dims, above),
            **answered,
            **converged,
            **{name: metamers[name] for name in MEASURES},
            **({NATURAL_CATEGORY: metamers[NATURAL_CATEGORY]} if answered else {}),
            "largest": largest,
            "refused": (("stage", "measure"), below.sum(axis=-1)),
            "decides": (("stage", "measure"), decides),
        }
    )
