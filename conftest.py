"""What several tests need."""

import datetime
import fcntl
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
import xarray as xr

from metamers import retrieve
from metamers.config import experiments as plan_experiments
from metamers.config import tables
from metamers.experiment.folder import install_jspsych
from metamers.humans import participants as published
from metamers.repository import environment_with
from metamers.run.hashes import sha256_of
from tests.sample import drawn

QUIET = [
    *("--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"),
]
ROOT = Path(__file__).resolve().parent
# Processes that tests start import the library of this repository, whichever is installed.
os.environ["PYTHONPATH"] = environment_with(ROOT / "src")["PYTHONPATH"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sample", type=int, default=1, metavar="N", help="every Nth file of slow tests, others each day")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out files of slow tests that are not in the sample, and put whole runs of the workflow first.

    Whole runs take longest: at the end all but one worker would wait for them.
    """
    slow = {item: str(item.path.relative_to(ROOT)) for item in items if item.get_closest_marker("slow")}
    sampled = drawn(slow.values(), config.getoption("sample"), datetime.datetime.now(datetime.UTC).toordinal())
    left_out = [item for item in items if slow.get(item) not in {None, *sampled}]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if slow.get(item) in {None, *sampled}]
    items.sort(key=lambda item: "workflow" not in item.path.relative_to(ROOT).parts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write one line for each reason of skipped tests: what is missing, and how to have it."""
    skipped = terminalreporter.getreports("skipped")
    for reason, number in Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped).most_common():
        terminalreporter.write_line(f"{number} skipped: {reason}")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def registry() -> dict:
    """The registry of the published experiments, as jobs take it."""
    study = plan_experiments.read_experiments(ROOT / "config" / "experiments.yaml")
    parts = {"experiments": study.experiments, "recognition_models": study.judgements, "brains": study.brains}
    return {
        "source": study.source,
        "comparisons": study.comparisons,
        "stage_effects": study.stage_effects,
        **{part: {name: entry.parameters for name, entry in entries.items()} for part, entries in parts.items()},
    }


def fill_mirror(folder: Path, source: plan_experiments.PublishedSource) -> None:
    """Download every public file of the study that is not there yet; skip the test where there is no network."""
    url = source.url
    rows = tables.read_table(ROOT / source.files, ["path", "sha256"])
    missing = [row for row in rows if not (folder / retrieve.mirror_path(f"{url}/{row['path']}")).is_file()]
    if not missing:
        return
    try:
        requests.head(f"{url}/{missing[0]['path']}", timeout=10).raise_for_status()
    except requests.RequestException:
        pytest.skip("no public files of the study (their mirror folder: METAMERS_MIRROR, or a network)")
    store = folder / "store"
    store.mkdir(exist_ok=True)
    for row in missing:
        target = folder / retrieve.mirror_path(f"{url}/{row['path']}")
        target.parent.mkdir(parents=True, exist_ok=True)
        retrieve.download(f"{url}/{row['path']}", store, {"sha256": row["sha256"]}).replace(target)


@pytest.fixture(scope="session")
def mirror(registry, pytestconfig) -> Path:
    """A folder laid out as <host>/<path> with the study's public files.

    METAMERS_MIRROR, else ``../shared/mirror`` beside the repository, else downloaded once into pytest's cache.
    """
    if named := os.environ.get("METAMERS_MIRROR"):
        return Path(named)
    if (beside := ROOT.parent / "shared" / "mirror").is_dir():
        return beside
    folder = pytestconfig.cache.mkdir("mirror")
    fill_mirror(folder, registry["source"])
    return folder


@pytest.fixture(scope="session")
def public(mirror, registry) -> Path:
    """The folder of the study's repository in the mirror."""
    return mirror / retrieve.mirror_path(registry["source"].url)


@pytest.fixture(scope="module")
def browser():
    """Chromium, which asks nobody for anything on its own; where there is none, a reason to skip."""
    if (program := shutil.which("chromium")) is None:
        pytest.skip("no Chromium (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def jspsych(root, pytestconfig) -> Path:
    """jsPsych's files, fetched once and kept in pytest's cache; where npm can fetch nothing, a reason to skip."""
    lock = root / "experiment" / "package-lock.json"
    folder = Path(pytestconfig.cache.mkdir(f"jspsych-{sha256_of(lock)[:16]}")) / "files"
    if not folder.is_dir():
        partial = folder.with_name(f"{os.getpid()}.partial")
        try:
            install_jspsych(lock, partial)
        except RuntimeError:
            pytest.skip("no jsPsych (npm, and a network)")
        with suppress(OSError):  # another process was first
            partial.rename(folder)
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id) -> Callable[[str, Callable[[], Any]], Any]:
    """Function: make a result in the first process of the tests that needs it; the others read a copy."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    def result(name: str, make: Callable[[], Any]) -> Any:
        path = shared / f"{name}.pickle"
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                path.write_bytes(pickle.dumps(make()))
        return pickle.loads(path.read_bytes())

    return result


@pytest.fixture(scope="session")
def published_participants(once, registry, public) -> dict[str, xr.Dataset]:
    """Experiment → its published participants; only to be read."""
    entries = registry["experiments"]
    return once("participants", lambda: {name: published.experiment_dataset(e, public) for name, e in entries.items()})


@pytest.fixture(scope="session")
def published_judgements(once, registry, public) -> dict[str, pd.DataFrame]:
    """Modality → published answers of its recognition models; only to be read."""
    entries = registry["recognition_models"]
    return once("judgements", lambda: {name: published.judgements(e, public) for name, e in entries.items()})
