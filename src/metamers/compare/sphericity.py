"""Greenhouse and Geisser's correction of an ANOVA for levels that do not vary alike within participants.

Each effect has its departures: what remains of the scores when all other components are subtracted. Their covariance
gives epsilon, by which both degrees of freedom are multiplied.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.stats

CORRECTED = ["epsilon", "p_greenhouse_geisser"]


def main_departures(scores: np.ndarray) -> np.ndarray:
    """Subtract each participant's mean from scores (…, participant, level)."""
    return scores - scores.mean(axis=-1, keepdims=True)


def interaction_departures(scores: np.ndarray) -> np.ndarray:
    """Subtract each participant's means of stages and of models from scores (…, participant, stage, model).

    Returns (…, participant, cell).
    """
    departures = scores - scores.mean(axis=-2, keepdims=True)
    departures = departures - departures.mean(axis=-1, keepdims=True)
    return departures.reshape(*scores.shape[:-2], scores.shape[-2] * scores.shape[-1])


def group_departures(rows: np.ndarray) -> np.ndarray:
    """Subtract each participant's mean and each group's profile over stages from the scores of two groups.

    Parameters
    ----------
    rows
        (…, participant, stage); the first half of the participants is one group, the second half the other.
    """
    groups = main_departures(rows).reshape(*rows.shape[:-2], 2, -1, rows.shape[-1])
    return (groups - groups.mean(axis=-2, keepdims=True)).reshape(rows.shape)


def greenhouse_geisser(departures: np.ndarray, df_effect: int) -> np.ndarray:
    """Compute Greenhouse and Geisser's epsilon: how close the covariance of an effect is to sphericity.

    With S the covariance of the departures, ε = (tr S)² / (df tr S²): 1 where all contrasts of the effect have equal
    variance, 1/df where only one contrast varies. S is not inverted, so it may be singular, for example with fewer
    participants than levels. (The covariance of departures has the eigenvalues of that of orthonormal contrasts, and
    zeros.)

    Parameters
    ----------
    departures
        (…, participant, cell): result of ``main_departures``, ``interaction_departures`` or ``group_departures``. Their
        mean over participants is the effect, which is subtracted.
    df_effect
        Degrees of freedom of the effect.

    Returns
    -------
    np.ndarray
        (…): from 1/df to 1.

    References
    ----------
    Greenhouse & Geisser (1959), Psychometrika 24, 95-112; with groups, Huynh (1978), Psychometrika 43, 161-175.
    """
    errors = departures - departures.mean(axis=-2, keepdims=True)
    covariance = np.swapaxes(errors, -1, -2) @ errors
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    return np.minimum(trace**2 / (df_effect * (covariance**2).sum(axis=(-2, -1))), 1)


def corrected_p(f: np.ndarray, df_effect: np.ndarray, df_error: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
    """Compute p of the F distribution with both degrees of freedom multiplied by epsilon."""
    return scipy.stats.f.sf(f, epsilon * df_effect, epsilon * df_error)


def with_epsilon(table: pd.DataFrame, departures: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Add ``CORRECTED`` to a table of effects with ``COLUMNS``; an effect without departures has an epsilon of 1."""
    table = table.astype(float)
    estimates = {effect: greenhouse_geisser(own, table.loc[effect, "df_effect"]) for effect, own in departures.items()}
    epsilon = pd.Series(estimates).reindex(table.index, fill_value=1.0)
    p = corrected_p(table["f"], table["df_effect"], table["df_error"], epsilon)
    return table.assign(epsilon=epsilon, p_greenhouse_geisser=p)
