"""How close two activations are: normalized error, Pearson r, Spearman rho, signal-to-noise ratio.

Measured on metamers against their stimuli, and on pairs of different natural stimuli for the null distribution.
"""

import numpy as np
import pandas as pd

MEASURES = ("normalized_error", "pearson_r", "spearman_rho", "snr_db")
ROUNDING = 1e-12


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (value,) from 1, float64, of finite values (value,); ties share their mean rank.

    As scipy.stats.rankdata's, whose import takes a job half a second more than that of pandas, which xarray brings.
    """
    return pd.Series(values).rank().to_numpy()


def as_correlation(values: np.ndarray | float) -> np.ndarray:
    """Correlations, ±1 where they are within ``ROUNDING`` of it, so that perfect ones compare equal."""
    return np.where(np.abs(values) > 1 - ROUNDING, np.sign(values), values)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a = a - a.mean()
    b = b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    # Of a constant the correlation is not defined.
    return float(as_correlation(a @ b / norm)) if norm > 0 else np.nan


def match(natural: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Measures of match between one stimulus's activations and another's at the same stage.

    Parameters
    ----------
    natural, other
        Of the same shape, any; finite. Computed in float64.

    Returns
    -------
    dict
        ``normalized_error`` ‖a−a'‖/‖a‖; ``pearson_r``; ``spearman_rho`` (ties share their mean rank);
        ``snr_db`` 10·log10(‖a‖²/‖a−a'‖²) in dB, infinite for equal activations. Feather et al. 2023, Methods.

    Raises
    ------
    ValueError
        When shapes differ, a value is not finite, or the natural activations are all zero.
    """
    if natural.shape != other.shape:
        raise ValueError(f"activations of different shapes: {natural.shape} and {other.shape}")
    a = np.asarray(natural, dtype=np.float64).ravel()
    b = np.asarray(other, dtype=np.float64).ravel()
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("activations have NaN or infinite values")
    power = a @ a
    if power == 0:
        raise ValueError("all activations of the natural stimulus are zero: nothing can be matched at this stage")
    difference = a - b
    error = difference @ difference
    return {
        "normalized_error": float(np.sqrt(error / power)),
        "pearson_r": _correlation(a, b),
        "spearman_rho": _correlation(mean_ranks(a), mean_ranks(b)),
        "snr_db": float(10 * np.log10(power / error)) if error > 0 else np.inf,
    }
