"""What the workflow itself costs: of its jobs' time, how much is starting, loading and writing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from metamers.logs import PARTS, read_spent

OVERHEAD = ("start", "loading", "writing")


def rule_of(log: Path, folder: Path) -> str:
    """The rule whose job wrote a log: the first part of its path below the folder of logs."""
    return log.relative_to(folder).parts[0].removesuffix(".log")


def workflow_cost(texts: Mapping[str, Sequence[str]]) -> xr.Dataset:
    """Where the time of a run's jobs went.

    Parameters
    ----------
    texts
        Rule → the logs of its jobs.

    Returns
    -------
    xarray.Dataset
        (rule) → ``jobs``, and ``jobs_unknown`` of them whose log does not say; ``seconds_start``, ``seconds_loading``,
        ``seconds_writing``, ``seconds_total``, sums over jobs of wall time; () → ``overhead_share``: the first three as
        a part of the last.

    Raises
    ------
    ValueError
        When no log says where its job's time went.
    """
    spent = {rule: [read_spent(text) for text in of_rule] for rule, of_rule in texts.items()}
    if not any(one for of_rule in spent.values() for one in of_rule):
        raise ValueError("no log of this run says where its job's time went: the run was made by an older version")
    seconds = {
        part: np.array([sum(one[part] for one in of_rule if one) for of_rule in spent.values()]) for part in PARTS
    }
    return xr.Dataset(
        {
            "jobs": ("rule", [len(of_rule) for of_rule in spent.values()]),
            "jobs_unknown": ("rule", [sum(one is None for one in of_rule) for of_rule in spent.values()]),
            **{f"seconds_{part}": ("rule", values) for part, values in seconds.items()},
            "overhead_share": sum(seconds[part].sum() for part in OVERHEAD) / seconds["total"].sum(),
        },
        coords={"rule": list(spent)},
    )
