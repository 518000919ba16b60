"""A benchmark, and the packages of Brain-Score with what they say of a plugin's metadata; without them, tests are skipped."""

import subprocess
import sys

import pandas as pd
import pytest

from metamers.brainscore.plugin import STIMULUS_COLUMNS, BenchmarkGroup, human_recognition
from metamers.brainscore.score import find_package
from tests.brainscore.people import POINTS, experiment
from tests.needs import without

DOMAIN = ["--domain", "vision"]
CONTRACT = "from brainscore_core.metadata import cli; cli.main()"  # in version 2.5.0, `python -m` does not call it
# GitHub's answers about a proposal that adds one file, for `brainscore_core.metadata.review`.
PULL_REQUEST = """
import base64, sys
from pathlib import Path
from brainscore_core.metadata import review

path, name = sys.argv.pop(1), "brainscore_vision/models/model_metamers/metadata.yaml"


def api(address):
    repository, commit = {"full_name": "brain-score/vision"}, "0" * 40
    if "/contents/" in address:
        content = Path(path).read_bytes()
        return {"type": "file", "size": len(content), "encoding": "base64", "content": base64.b64encode(content)}
    if "/files" in address:
        return [{"filename": name, "status": "added"}]
    return {"base": {"repo": repository, "sha": commit}, "head": {"repo": repository, "sha": commit}}


review.api = api
review.main()
"""
# The database is a stand-in: `handle_metadata` imports its packages, but opens it only with `--db-connection`.
WITHOUT_DATABASE = """
import sys
from unittest.mock import MagicMock

sys.modules["brainscore_core.submission.endpoints"] = MagicMock()
from brainscore_core.plugin_management import handle_metadata

handle_metadata.main()
"""


@pytest.fixture
def group():
    recognition = human_recognition(experiment(), ["dog", "cat"])
    rows = [(f"{m}_{s}", f"{m}/{s}.png", "dog", f"{m}/{s}", m, s, "a", "0" * 64) for m, s in POINTS]
    return BenchmarkGroup(
        "ours", "metamers_run", recognition, pd.DataFrame(rows, columns=STIMULUS_COLUMNS), "exported", ""
    )


@pytest.fixture(scope="session")
def package():
    before = list(sys.path)
    try:
        return find_package()
    except ImportError:
        pytest.skip(without("brainscore"))
    finally:
        sys.path[:] = before


@pytest.fixture(scope="session")
def review(package, tmp_path_factory):
    """What Brain-Score's three programs print of a plugin's metadata, by program; and whether all of them accept it."""
    folder = tmp_path_factory.mktemp("review")

    def run(*arguments):
        ran = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            env={"PYTHONPATH": str(package.parent), "PATH": ""},  # no git
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode == 0, ran.stdout + ran.stderr

    def review(plugin):
        models, benchmarks = (plugin / part / "model_metamers" for part in ("models", "benchmarks"))
        proposal = ["--repository", "brain-score/vision", "--pr", "1", "--model-root", "brainscore_vision/models"]
        return {
            "contract": run("-c", CONTRACT, models / "metadata.yaml", *DOMAIN),
            "proposal": run("-c", PULL_REQUEST, models / "metadata.yaml", *proposal, *DOMAIN),
            "models": run("-c", WITHOUT_DATABASE, "--plugin-dir", models, "--plugin-type", "models"),
            "benchmarks": run("-c", WITHOUT_DATABASE, "--plugin-dir", benchmarks, "--plugin-type", "benchmarks"),
        }

    return review
