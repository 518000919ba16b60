"""Simulations of the statistics: does a 95% interval hold the truth in 95% of cases, and how often does a test err?

Each topic is a module ``metamers.simulate_<topic>``. Its function ``simulations(samples, seed, published)`` makes data
of which the truth is known, gives them to the functions that a run uses, and counts: so many data sets of each
condition (a slow simulation takes fewer, and says how many), from that seed; ``published`` is the folder of committed
tables (``resources/published``). ``snakemake simulations`` runs them all; ``resources/simulated/<topic>.csv`` has what
they gave, and the documentation's page of statistics shows it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import xarray as xr

COLUMNS = ["topic", "statistic", "condition", "counted", "found", "standard_error", "at_least", "at_most", "samples"]


@dataclass(frozen=True)
class Simulated:
    """What one simulation gave.

    Attributes
    ----------
    statistic
        What a run reports, in the words of the documentation.
    condition
        Of the simulated data.
    counted
        ``coverage`` of an interval, ``false positives`` of a test, or another proportion or mean, in words.
    found
        Its value.
    standard_error
        Of ``found``, as so many samples give it; 0 where nothing is random.
    at_least, at_most
        Between which values ``found`` must lie.
    samples
        Simulated data sets.
    """

    statistic: str
    condition: str
    counted: str
    found: float
    standard_error: float
    at_least: float
    at_most: float
    samples: int


def proportion(statistic: str, condition: str, counted: str, hits: np.ndarray, low: float, high: float) -> Simulated:
    """How often something happened in simulated data (sample,), with the standard error of that proportion."""
    found = float(np.mean(hits))
    error = float(np.sqrt(found * (1 - found) / len(hits)))
    return Simulated(statistic, condition, counted, found, error, low, high, len(hits))


def table_of(topic: str, found: Iterable[Simulated]) -> pd.DataFrame:
    """``COLUMNS``, a row for each simulation."""
    return pd.DataFrame([{"topic": topic, **asdict(one)} for one in found], columns=COLUMNS)


def as_dataset(table: pd.DataFrame) -> xr.Dataset:
    """(simulation) → the columns of ``table_of``, those that are text as coordinates."""
    texts = ["topic", "statistic", "condition", "counted"]
    return xr.Dataset(
        {
            name: ("simulation", table[name].to_numpy(int if name == "samples" else float))
            for name in COLUMNS
            if name not in texts
        },
        coords={name: ("simulation", table[name].to_numpy(str)) for name in texts},
    )


def outside(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose ``found`` does not lie between ``at_least`` and ``at_most``."""
    return table[(table["found"] < table["at_least"]) | (table["found"] > table["at_most"])]
