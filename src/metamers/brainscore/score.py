"""Score the models of a run on its benchmarks with the packages of Brain-Score, on this machine.

Brain-Score looks for plugins in its own package only. Without changing the package, a folder of links stands in for it:
everything of the package, and the parts of the plugin.
"""

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from metamers.names import ConfigurationError

logger = logging.getLogger(__name__)
PACKAGE = "brainscore_vision"
PARTS = ("benchmarks", "data", "models")
PLACE = "METAMERS_BRAINSCORE"  # a folder with the packages, instead of the folder that `make .venv/.brainscore` fills


def find_package() -> Path:
    """Find the folder of Brain-Score's package, and make the packages importable.

    Returns
    -------
    Path
        Of the installed package; or of the one in the folder ``METAMERS_BRAINSCORE``, or in the folder ``brainscore``
        of this Python's environment, which ``make .venv/.brainscore`` fills.

    Raises
    ------
    ImportError
        When it is not installed: says how to install it.
    """
    folder = Path(os.environ.get(PLACE) or Path(sys.prefix) / "brainscore")
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: the environment's own packages come first
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ImportError(f"the packages of Brain-Score are not in {folder}: run `make .venv/.brainscore`")
    return Path(spec.origin).parent


def with_plugin(package: Path, plugin: Path, folder: Path) -> None:
    """Fill a folder with a package of links: that of Brain-Score with the parts of a plugin.

    Parameters
    ----------
    package
        Folder of the package ``brainscore_vision``.
    plugin
        Folder of a plugin, with ``benchmarks``, ``data`` and ``models``.
    folder
        An empty folder, which comes first in the import path.
    """
    links = folder / PACKAGE
    links.mkdir()
    for entry in package.iterdir():
        if entry.name not in (*PARTS, "__pycache__"):
            (links / entry.name).symlink_to(entry)
    for part in PARTS:
        (links / part).mkdir()
        for entry in [*(package / part).iterdir(), *(plugin / part).iterdir()]:
            if entry.name != "__pycache__":
                (links / part / entry.name).symlink_to(entry.resolve())


def prepare(plugin: Path, folder: Path) -> None:
    """Let this process import Brain-Score with a plugin. Nothing is downloaded, installed or stored outside ``folder``.

    Parameters
    ----------
    plugin
        Folder of the plugin.
    folder
        An empty folder for links and caches.

    Raises
    ------
    ImportError
        As ``find_package``; when Brain-Score has been imported already.
    """
    if PACKAGE in sys.modules:
        raise ImportError("Brain-Score has been imported already, without the plugin")
    os.environ["BS_INSTALL_DEPENDENCIES"] = "no"  # of plugins
    os.environ["RESULTCACHING_DISABLE"] = "1"
    os.environ["BRAINSCORE_HOME"] = os.environ["BRAINIO_HOME"] = str(folder / "home")
    with_plugin(find_package(), plugin.resolve(), folder)
    sys.path.insert(0, str(folder))


def scores_dataset(
    benchmarks: Mapping[str, str], candidates: Mapping[str, str], scores: Sequence[Sequence[Any]]
) -> xr.Dataset:
    """Join the scores of candidates on benchmarks.

    Parameters
    ----------
    benchmarks
        Name of a published experiment or group of own participants → identifier of its benchmark.
    candidates
        Name of a model → its identifier.
    scores
        For each benchmark and candidate, the result of ``metamers.brainscore.benchmark.HumanRecognizability``, or None
        if the candidate does not know the benchmark's categories.

    Returns
    -------
    xr.Dataset
        (benchmark, candidate) → ``brainscore``, ``brainscore_error``, ``brainscore_r2``; (benchmark) →
        ``brainscore_ceiling``; (point) → ``human_mean``, with coordinates ``participant_group``,
        ``generation_model``, ``stage``; (candidate, point) → ``candidate_mean``. NaN where there is no score.
        Benchmarks and candidates without any score are left out.

    Raises
    ------
    ValueError
        When there are no scores.
    """
    known = np.array([[score is not None for score in row] for row in scores], dtype=bool)
    if not known.any():
        raise ValueError(
            f"no candidate can be scored: benchmarks {', '.join(benchmarks.values()) or 'none'}; candidates "
            f"{', '.join(candidates) or 'none'}"
        )
    scored, able = known.any(axis=1), known.any(axis=0)
    benchmarks = dict(item for item, has in zip(benchmarks.items(), scored, strict=True) if has)
    candidates = dict(item for item, has in zip(candidates.items(), able, strict=True) if has)
    scores = [[row[place] for place in np.flatnonzero(able)] for row, has in zip(scores, scored, strict=True) if has]
    tables = [[None if score is None else score.attrs["recognition"] for score in row] for row in scores]
    first = [next(table for table in row if table is not None) for row in tables]

    def joined(name: str) -> np.ndarray:
        return np.concatenate([table[name].values.astype(str) for table in first])

    def of(observer: str, recognition: Any) -> np.ndarray:
        return recognition.values[list(recognition["observer"].values).index(observer)]

    def candidate_means(place: int) -> np.ndarray:
        rows = zip(tables, first, strict=True)
        return np.concatenate(
            [
                np.full(presented.sizes["presentation"], np.nan) if row[place] is None else of("candidate", row[place])
                for row, presented in rows
            ]
        )

    def values(number: Callable[[Any], Any]) -> list[list[float]]:
        return [[np.nan if score is None else float(number(score)) for score in row] for row in scores]

    ceilings = [next(float(score.attrs["ceiling"]) for score in row if score is not None) for row in scores]
    dims = ("benchmark", "candidate")
    return xr.Dataset(
        {
            "brainscore": (dims, values(float)),
            "brainscore_error": (dims, values(lambda score: score.attrs["error"])),
            "brainscore_r2": (dims, values(lambda score: score.attrs["raw"])),
            "brainscore_ceiling": ("benchmark", ceilings),
            "human_mean": ("point", np.concatenate([of("human", table) for table in first])),
            "candidate_mean": (("candidate", "point"), [candidate_means(place) for place in range(len(candidates))]),
        },
        coords={
            "benchmark": list(benchmarks.values()),
            "candidate": list(candidates),
            "point": np.arange(sum(table.sizes["presentation"] for table in first)),
            "participant_group": (
                "point",
                np.repeat(list(benchmarks), [table.sizes["presentation"] for table in first]),
            ),
            "generation_model": ("point", joined("generation_model")),
            "stage": ("point", joined("stage")),
        },
    )


def score_all(benchmarks: Sequence[str], candidates: Sequence[str]) -> list[list[Any]]:
    """Score candidates on benchmarks, after ``prepare``; one candidate is in memory at a time.

    Returns
    -------
    list
        For each benchmark, the ``Score`` of each candidate, or None where the candidate does not know the benchmark's
        categories; the log says why.
    """
    from brainscore_vision import load_benchmark, load_model

    loaded = [load_benchmark(identifier) for identifier in benchmarks]
    scores: list[list[Any]] = [[] for _ in loaded]
    for identifier in candidates:
        model = load_model(identifier)
        for benchmark, of_benchmark in zip(loaded, scores, strict=True):
            try:
                of_benchmark.append(benchmark(model))
            except ConfigurationError as error:  # of start_task
                logger.warning("%s: not scored: %s", benchmark.identifier, error)
                of_benchmark.append(None)
    return scores
