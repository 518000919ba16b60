"""Simulations of the statistics: the coverage of intervals and the error rates of tests in data with known truth.

Each topic is a module ``studies.simulations.<topic>``. Its function ``simulations(samples, seed, published)``
simulates ``samples`` data sets of each condition (fewer where a simulation is slow), analyzes them with the functions
that a run uses, and counts how often the result is correct; ``published`` is the folder of committed tables
(``resources/published``). ``make simulations`` runs all topics. ``resources/simulated/<topic>.csv`` holds their
results, which the page on statistics in the documentation shows.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare.proportions import INTERVAL

MOST = 0.98  # largest accepted coverage of an interval of estimates that are not discrete
ROUNDING = 1e-9

COLUMNS = [
    *("topic", "statistic", "condition", "counted", "found", "standard_error", "at_least", "at_most", "samples"),
    *("width", "power"),
]


@dataclass(frozen=True)
class Simulated:
    """The result of one simulation.

    Attributes
    ----------
    statistic
        The simulated statistic, in the words of the documentation.
    condition
        Description of the simulated data.
    counted
        ``coverage`` of an interval, ``false positives`` of a test, or another proportion or mean, in words.
    found
        Its value.
    standard_error
        Standard error of ``found`` for this number of samples; 0 where nothing is random.
    at_least, at_most
        Bounds that ``found`` must respect.
    samples
        Number of simulated data sets.
    width
        Mean width of the interval whose coverage was counted; NaN where there is no interval.
    power
        Proportion of data sets in which the same test or interval finds the difference that ``condition`` names, or
        excludes 0 at that difference; NaN where there is no such difference.
    """

    statistic: str
    condition: str
    counted: str
    found: float
    standard_error: float
    at_least: float
    at_most: float
    samples: int
    width: float = np.nan
    power: float = np.nan


def proportion(
    statistic: str,
    condition: str,
    counted: str,
    hits: np.ndarray,
    low: float,
    high: float,
    width: float = np.nan,
    power: float = np.nan,
) -> Simulated:
    """Compute how often an event occurred in simulated data (sample,), with the standard error of that proportion.

    The other arguments are attributes of the result.
    """
    found = float(np.mean(hits))
    error = float(np.sqrt(found * (1 - found) / len(hits)))
    return Simulated(statistic, condition, counted, found, error, low, high, len(hits), width, power)


def coverage(
    statistic: str,
    condition: str,
    estimate: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    truth: float | np.ndarray,
    low: float,
    power: bool = False,
    most: float | None = None,
    counted: str = "coverage",
) -> Simulated:
    """Count how often an interval contains the true value, with its mean width.

    Parameters
    ----------
    statistic, condition, counted
        Attributes of the result.
    estimate
        (sample,): the estimates.
    ends
        Low and high ends of their intervals, each (sample,).
    truth
        True value, one or (sample,).
    low
        Smallest accepted coverage.
    power
        Whether to count how often the interval excludes 0.
    most
        Largest accepted coverage; by default that of ``most_coverage``.
    """
    covered = (ends[0] <= truth + ROUNDING) & (truth - ROUNDING <= ends[1])
    width = float(np.nanmean(ends[1] - ends[0]))
    excluded = float(np.mean((ends[0] > ROUNDING) | (ends[1] < -ROUNDING))) if power else np.nan
    high = most_coverage(estimate, truth) if most is None else most
    return proportion(statistic, condition, counted, covered, low, high, width, excluded)


def most_coverage(estimate: np.ndarray, truth: float | np.ndarray) -> float:
    """Compute the largest coverage that a 95% interval needs, ``MOST`` or more.

    An interval around discrete estimates must often cover more than 95%. The exact interval is estimate ± c, where c is
    the smallest distance that at least 95% of the estimates keep to the true value. If its coverage exceeds 95%, the
    largest accepted coverage exceeds ``MOST`` by as much, up to 1.
    """
    distance = np.abs(estimate - truth)
    smallest = np.quantile(distance, INTERVAL, method="higher")
    exact = float(np.mean(distance <= smallest + ROUNDING))
    return min(round(MOST + exact - INTERVAL, 2), 1.0)


def results_table(topic: str, found: Iterable[Simulated]) -> pd.DataFrame:
    """Make a table of ``COLUMNS``, one row per simulation."""
    return pd.DataFrame([{"topic": topic, **asdict(one)} for one in found], columns=COLUMNS)


def results_dataset(table: pd.DataFrame) -> xr.Dataset:
    """Turn a result of ``results_table`` into a Dataset: (simulation) → columns, with texts as coordinates."""
    texts = ["topic", "statistic", "condition", "counted"]
    return xr.Dataset(
        {
            name: ("simulation", table[name].to_numpy(int if name == "samples" else float))
            for name in COLUMNS
            if name not in texts
        },
        coords={name: ("simulation", table[name].to_numpy(str)) for name in texts},
    )


def out_of_bounds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose ``found`` does not lie between ``at_least`` and ``at_most``."""
    return table[(table["found"] < table["at_least"]) | (table["found"] > table["at_most"])]
