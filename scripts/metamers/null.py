"""The null distribution of match between different natural stimuli, and which metamers it lets us accept."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from metamers.match import mean_ranks

NULL_MEASURES = ("pearson_r", "spearman_rho", "snr_db")
CHUNK = 1 << 16  # units of activations in float64 at a time
ROUNDING = 1e-9  # correlations that differ by less are equal: the same ranks, summed in another order


def choose_pairs(count: int, pairs: int, seed: int) -> np.ndarray:
    """Pairs (pair, 2) of different stimuli out of ``count``: all of them, or ``pairs`` at random where there are more.

    Order within a pair counts: the first is the one whose power the signal-to-noise ratio refers to.
    """
    number = count * (count - 1)
    chosen = np.arange(number)
    if number > pairs:
        chosen = np.sort(np.random.default_rng(seed).choice(number, size=pairs, replace=False))
    # The n-th pair: its first, and the second counted among all others.
    first, other = np.divmod(chosen, count - 1)
    return np.stack([first, other + (other >= first)], axis=1)


def null_distribution(activations: np.ndarray, pairs: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of match between the activations of different natural stimuli (Feather et al. 2023, Methods).

    Every measure follows from products of (centred, ranked) activations, so each stimulus is ranked once and all pairs
    come out of three products of matrices.

    Parameters
    ----------
    activations
        (stimulus, …) at one stage.
    pairs
        Indices (pair, 2).

    Returns
    -------
    dict
        ``pearson_r``, ``spearman_rho``, ``snr_db`` (dB), each (pair,).
    """
    values = activations.reshape(len(activations), -1)
    a, b = pairs.T
    products = _products(values, np.zeros(len(values)))
    power = np.diag(products)
    error = np.maximum(power[a] + power[b] - 2 * products[a, b], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        measures = {"snr_db": 10 * np.log10(power[a] / error)}
        # Mean ranks are halves, exact in float32 up to 8 million units.
        ranks = np.stack([mean_ranks(row).astype(np.float32) for row in values])
        for name, scores in (("pearson_r", values), ("spearman_rho", ranks)):
            products = _products(scores, scores.mean(axis=1, dtype=np.float64))
            length = np.sqrt(np.diag(products))
            measures[name] = products[a, b] / (length[a] * length[b])
    return measures


def _products(scores: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Products (stimulus, stimulus) of scores (stimulus, unit) less their means, in float64, some units at a time."""
    products = np.zeros((len(scores), len(scores)))
    for start in range(0, scores.shape[1], CHUNK):
        centred = scores[:, start : start + CHUNK] - means[:, None]
        products += centred @ centred.T
    return products


def accept(metamers: xr.Dataset, null: xr.Dataset) -> xr.Dataset:
    """Which metamers are accepted.

    Parameters
    ----------
    metamers
        (stage, stimulus, seed) → measures of match, ``predicted_category``; with coordinate ``category``.
    null
        (stage, pair) → ``spearman_rho``.

    Returns
    -------
    xarray.Dataset
        (stage, stimulus, seed) → ``above_null``: Spearman's rho lies above the whole null distribution of the stage;
        ``category_preserved``: the generation model gives the stimulus's category; ``accepted``: both; and the
        measures. A rho that is not defined (constant activations) is not above.
    """
    highest = null["spearman_rho"].max("pair")
    above_null = metamers["spearman_rho"] > highest.sel(stage=metamers["stage"]) + ROUNDING
    category_preserved = metamers["predicted_category"] == metamers["category"]
    measures: Mapping[str, xr.DataArray] = {
        name: metamers[name] for name in ("normalized_error", "pearson_r", "spearman_rho", "snr_db")
    }
    dims = ("stage", "stimulus", "seed")
    return xr.Dataset(
        {
            "accepted": (above_null & category_preserved).transpose(*dims),
            "above_null": above_null.transpose(*dims),
            "category_preserved": category_preserved.transpose(*dims),
            **{name: values.transpose(*dims) for name, values in measures.items()},
        }
    )
