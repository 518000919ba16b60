"""Human against model for new participants and for new stimuli: tests over participants, over stimuli, and min F′.

A network gives one answer to a stimulus, however many participants judge it. A test that counts the network once
for each participant therefore takes differences between the network and participants that single stimuli cause for
effects (Clark 1973, The language-as-fixed-effect fallacy, Journal of Verbal Learning and Verbal Behavior 12, 335-359).
Here, participants are compared with the network's answers to the same stimuli: F1 by participant, which holds for new
participants and the same stimuli; F2 by stimulus, for new stimuli and the same participants; and Clark's min F′ of
both, for new participants and new stimuli.
"""

from typing import NamedTuple

import numpy as np

from metamers.compare.permutation_tests import MIXED_EFFECTS, ROUNDING, f_departures
from metamers.compare.sphericity import corrected_p, greenhouse_geisser, interaction_departures, main_departures

OVER_PARTICIPANTS, OVER_STIMULI, MIN_F = "over participants", "over stimuli", "min F′"


class FTest(NamedTuple):
    """An F test of each experiment.

    Attributes
    ----------
    f
        (experiment,), NaN where scores do not vary or where there are fewer than two units.
    df_effect, df_error
        Degrees of freedom; those of the error may differ between experiments.
    epsilon
        (experiment,): factor of both degrees of freedom, after Greenhouse and Geisser.
    """

    f: np.ndarray
    df_effect: int
    df_error: np.ndarray | int
    epsilon: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """P of the F distribution with corrected degrees of freedom (experiment,)."""
        return corrected_p(self.f, self.df_effect, self.df_error, self.epsilon)

    def row(self) -> dict[str, float]:
        """Describe the test of a single experiment, in the names of ``comparison/anova.nc``."""
        f, df_error, epsilon, p = (np.ravel(value)[0] for value in (self.f, self.df_error, self.epsilon, self.p))
        row = {"f": f, "df_effect": self.df_effect, "df_error": df_error, "epsilon": epsilon, "p_greenhouse_geisser": p}
        return row if np.isfinite(f) else dict.fromkeys(row, np.nan)


def observer_means(scores: np.ndarray) -> np.ndarray:
    """Average scores over stages.

    Where a unit has no answers at some stages, it is compared with the mean of the other units at the stages that it
    has, so that easy stages give it no advantage.

    Parameters
    ----------
    scores
        (…, unit, stage, observer), NaN without answers; each unit has answers at one stage or more. Stages without
        answers do not count.

    Returns
    -------
    np.ndarray
        (…, unit, observer).
    """
    scores = scores[..., np.isfinite(scores).any(axis=(*range(scores.ndim - 2), -1)), :]
    if not scores.size:
        return np.full((*scores.shape[:-2], scores.shape[-1]), np.nan)
    of_stage = np.nanmean(scores, axis=-3, keepdims=True)
    return np.nanmean(scores - of_stage, axis=-2) + of_stage.mean(axis=-2)


def observer_differences(scores: np.ndarray) -> np.ndarray:
    """Compute the difference of participants and network (experiment, unit) over stages, for units with answers.

    The scores are those of ``tests_over_units``.
    """
    answered = np.isfinite(scores).all(axis=-1).any(axis=(0, 2))
    return -np.diff(observer_means(scores[:, answered]), axis=-1)[..., 0]


def tests_over_units(scores: np.ndarray) -> dict[str, FTest]:
    """Test observer, stage and their interaction, all within units: the error is the variation between units.

    Parameters
    ----------
    scores
        (experiment, unit, stage, observer): proportions correct of participants and of the network, where a unit is a
        participant or a stimulus, and both observers have the same stimuli. NaN without answers. Units without answers
        at some stage, of any experiment, count only for the effect of observer.

    Returns
    -------
    dict
        Effect of ``MIXED_EFFECTS`` → test.
    """
    differences = observer_differences(scores)
    complete = scores[:, np.isfinite(scores).all(axis=(0, 2, 3))]
    # F of two levels is that of their differences, as levels ±d/2.
    observers, stages = np.stack([differences, -differences], axis=-1) / 2, complete.mean(axis=-1)
    freedom = scores.shape[2] - 1
    return {
        "observer": _test(main_departures(observers), 1),
        "stage": _test(main_departures(stages), freedom),
        "interaction": _test(interaction_departures(complete), freedom),
    }


def _test(departures: np.ndarray, df_effect: int) -> FTest:
    """Test an effect by its departures (experiment, unit, cell).

    F without variation between units, up to rounding, is NaN.
    """
    experiments, units, _ = departures.shape
    f = epsilon = np.full(experiments, np.nan)
    if units > 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            f, epsilon = f_departures(departures), greenhouse_geisser(departures, df_effect)
    return FTest(np.where(f < 1 / ROUNDING, f, np.nan), df_effect, df_effect * (units - 1), epsilon)


def min_f(over_participants: FTest, over_stimuli: FTest) -> FTest:
    """Compute Clark's min F′, a lower limit of the F whose error has the variation of participants and of stimuli.

    min F′ = F1 F2 / (F1 + F2). With n1 and n2 degrees of freedom of the errors of F1 and F2, those of its error are
    (F1 + F2)² / (F1² / n2 + F2² / n1). Where both F are 0, it is 0. The smaller epsilon of both tests corrects it.
    """
    one, two = over_participants, over_stimuli
    none = (one.f == 0) & (two.f == 0)
    f1, f2 = np.where(none, 1, one.f), np.where(none, 1, two.f)
    with np.errstate(divide="ignore"):  # without degrees of freedom there is no F
        df_error = (f1 + f2) ** 2 / (f1**2 / two.df_error + f2**2 / one.df_error)
    f = np.where(none, 0, f1 * f2 / (f1 + f2))
    return FTest(f, one.df_effect, df_error, np.minimum(one.epsilon, two.epsilon))


def tests_for_both(by_participant: np.ndarray, by_stimulus: np.ndarray) -> dict[str, dict[str, FTest]]:
    """Test each effect over participants, over stimuli, and for both by min F′.

    Parameters
    ----------
    by_participant, by_stimulus
        (experiment, participant, stage, observer) and (experiment, stimulus, stage, observer), as in
        ``tests_over_units``.

    Returns
    -------
    dict
        ``OVER_PARTICIPANTS``, ``OVER_STIMULI`` and ``MIN_F`` → effect of ``MIXED_EFFECTS`` → test.
    """
    first, second = tests_over_units(by_participant), tests_over_units(by_stimulus)
    both = {effect: min_f(first[effect], second[effect]) for effect in MIXED_EFFECTS}
    return {OVER_PARTICIPANTS: first, OVER_STIMULI: second, MIN_F: both}
