"""``stages: auto`` is resolved once, for models that a run uses, and fixed in the lock file beside the registry."""

import subprocess

import pytest
import yaml

from metamers.config import stages as config_stages
from metamers.config.model_lock import lock_path, read_lock
from metamers.models import automatic_stages
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults

INPUT = {"size": 8, "mean": [0.5] * 3, "std": [0.5] * 3}

pytestmark = pytest.mark.usefixtures("in_the_repository")


@pytest.fixture
def builder(root, tmp_path):
    """A file of the user's own with small networks."""
    file = tmp_path / "tiny.py"
    file.write_text((root / "tests" / "networks" / "tiny.py").read_text())
    return file


@pytest.fixture
def registry(builder, tmp_path):
    path = tmp_path / "models.yaml"

    def write(stages="auto", function="convolutional", **changes):
        source = {"python": f"{builder}:{function}", "arguments": {"classes": 1000}}  # as the dataset needs
        entry = {"modality": "vision", "source": source, "weights": {"random": 0}, "input": INPUT, "stages": stages}
        path.write_text(yaml.safe_dump({"mine": entry | changes}, sort_keys=False))
        return path

    return write


def planned(registry, name="mine"):
    settings = {"registry": {"models": ["config/models.yaml", str(registry)]}, "model": name}
    return config.make_plan(merge_defaults(settings))


@pytest.fixture
def never_traced(monkeypatch):
    """From now on, nothing may be traced."""

    def refuse():
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("traced again"))

    return refuse


@pytest.fixture
def _in_this_process(monkeypatch):
    """Networks are traced in this process, which has imported PyTorch already."""

    def run(command, **_):
        automatic_stages.main(*command[-2:])

    monkeypatch.setattr(subprocess, "run", run)


def test_stages_are_traced_once_and_kept_beside_the_registry(registry, never_traced):
    path = registry()
    plan = planned(path)
    stages = {"input": None, "relu": "relu", "block": "block", "pooled": "pool", "logits": "classify"}
    assert plan.models["mine"].stages == stages
    assert plan.models["mine"].parameters["stages"] == stages
    assert plan.automatic_stages == {"mine": list(stages)}
    assert read_lock(lock_path(path))["mine"]["stages"]["found"] == stages
    never_traced()
    assert planned(path).models["mine"].stages == stages


@pytest.mark.usefixtures("_in_this_process")
def test_stages_are_traced_again_if_number_code_or_source_changes(registry, builder):
    path = registry()
    planned(path)
    assert list(planned(registry({"auto": 4})).models["mine"].stages) == ["input", "block", "pooled", "logits"]
    builder.write_text(builder.read_text().replace("self.block", "self.renamed"))
    assert list(planned(path).models["mine"].stages) == ["input", "renamed", "pooled", "logits"]
    assert "project" in planned(registry(function="linear")).models["mine"].stages


def test_a_model_that_the_run_does_not_use_is_not_traced(registry, never_traced):
    never_traced()
    path = registry()
    plan = planned(path, None)
    assert plan.models["mine"].stages == {"input": None}
    assert plan.automatic_stages == {}
    assert not lock_path(path).exists()


@pytest.mark.usefixtures("_in_this_process")
def test_a_network_that_cannot_be_traced_is_an_error_of_the_configuration(registry):
    with pytest.raises(ConfigurationError, match=r"models: mine\.stages: auto: .*differentiable"):
        planned(registry(function="rounding"))
    with pytest.raises(ConfigurationError, match=r"models: mine.*\bconvolutionl\b"):
        planned(registry(function="convolutionl"))


def test_a_builder_that_ends_the_process_is_an_error_of_the_configuration(registry, builder):
    builder.write_text("import os\n\n\ndef build(classes):\n    os._exit(3)\n")
    with pytest.raises(ConfigurationError, match=r"models: mine\.stages: auto: .* code 3\b"):
        planned(registry(function="build"))


@pytest.mark.usefixtures("_in_this_process")
@pytest.mark.parametrize("found", [{"input": None, "x": 3}, "all", {"input": None, "a/b": "first", "a b": "block"}])
def test_a_lock_file_that_was_changed_by_hand_is_checked(registry, found):
    path = registry()
    planned(path)
    lock = read_lock(lock_path(path))
    lock["mine"]["stages"]["found"] = found
    lock_path(path).write_text(yaml.safe_dump(lock, sort_keys=False))
    with pytest.raises(ConfigurationError, match=r"models(\.lock)?\.yaml: mine\.stages"):
        planned(path)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("automatic", "mine.stages"),
        ({"auto": 2}, r"mine\.stages\.auto: 2 .* 3\b"),
        ({"auto": 8, "input": None}, r"mine\.stages: .*auto, input\b"),
        ({"input": None}, r"mine\.stages: .*\binput\b.* input: null\b"),
        ({"input": None, "x": {"module": "first", "output": -1}}, r"mine\.stages\.x\.output: -1\b"),
    ],
)
def test_what_is_wrong_in_stages_is_named(registry, stages, message):
    with pytest.raises(ConfigurationError, match=message):
        planned(registry(stages))


def test_a_preprocessing_of_one_s_own_is_traced_again_after_a_change(tmp_path):
    file = tmp_path / "mine.py"
    entry = {"source": {"torchvision": "resnet18"}, "input": {"preprocessing": {"python": f"{file}:framed"}}}
    wanted = []
    for text in ("a = 1\n", "a = 2\n"):
        file.write_text(text)
        wanted.append(config_stages._wanted(entry, 8))
    assert wanted[0] != wanted[1]
    assert wanted[0].keys() == {"number", "input", "preprocessing_sha256"}
