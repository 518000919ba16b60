"""Configurations from which tests of the plan and of the settings of steps begin, and how files of tests are checked."""

import pytest

from metamers.foreign import hdf5
from metamers.plan.steps import merge_defaults


@pytest.fixture(autouse=True)
def _structures_are_checked_in_this_process(request, monkeypatch):
    """A process for each file takes most of the time of saving and loading. Hostile files still have one."""
    if "foreign" not in request.path.parts and not any(map(request.node.get_closest_marker, ("hostile", "slow"))):
        monkeypatch.setattr(hdf5, "call_isolated", lambda check, *arguments: check(*arguments))


@pytest.fixture
def in_the_repository(root, monkeypatch):
    monkeypatch.chdir(root)


@pytest.fixture
def default(in_the_repository):
    return merge_defaults({})


@pytest.fixture
def settings(default):
    """The default run's, with more models and all stages of most, and a known number of steps."""
    default["synthesis"]["quality"] = "quick"
    default["generation_models"] = [
        *("efficientnet_lite0", "efficientnet_lite1", "cochcnn9_standard", "cochcnn9_adversarial", "cochcnn9_random"),
        {"model": "cochresnet50_standard", "stages": ["cochleagram", "layer2", "final"]},
        {"model": "spectemp", "stages": ["cochleagram", "spectempfilter_power", "avgpool"]},
    ]
    default["recognition_models"] += ["cochcnn9_random", "spectemp"]
    default["comparison"]["contrasts"].append(["cochcnn9_random", "cochcnn9_standard"])
    return default
