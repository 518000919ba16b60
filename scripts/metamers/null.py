"""The null distribution of match between different natural stimuli, and which metamers it lets us accept."""

import itertools
from collections.abc import Mapping

import numpy as np
import xarray as xr
from scipy.stats import rankdata

NULL_MEASURES = ("pearson_r", "spearman_rho", "snr_db")


def choose_pairs(count: int, pairs: int, seed: int) -> np.ndarray:
    """Pairs (pair, 2) of different stimuli out of ``count``: all of them, or ``pairs`` at random where there are more.

    Order within a pair counts: the first is the one whose power the signal-to-noise ratio refers to.
    """
    every = np.array(list(itertools.permutations(range(count), 2)), dtype=int).reshape(-1, 2)
    if len(every) <= pairs:
        return every
    chosen = np.random.default_rng(seed).choice(len(every), size=pairs, replace=False)
    return every[np.sort(chosen)]


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
    values = activations.reshape(len(activations), -1).astype(np.float64)
    a, b = pairs.T
    products = values @ values.T
    power = np.diag(products)
    error = np.maximum(power[a] + power[b] - 2 * products[a, b], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr_db = 10 * np.log10(power[a] / error)
    correlations = {}
    for name, scores in (("pearson_r", values), ("spearman_rho", rankdata(values, axis=1))):
        centred = scores - scores.mean(axis=1, keepdims=True)
        gram = centred @ centred.T
        length = np.sqrt(np.diag(gram))
        with np.errstate(divide="ignore", invalid="ignore"):
            correlations[name] = gram[a, b] / (length[a] * length[b])
    return {**correlations, "snr_db": snr_db}


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
    above_null = metamers["spearman_rho"] > highest.sel(stage=metamers["stage"])
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
