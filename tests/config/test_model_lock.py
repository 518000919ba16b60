"""The lock file of a registry of models keeps what was resolved, for as long as the entry's source stays the same."""

import threading

import pytest

from metamers.config.model_lock import lock_path, locked_part, read_lock, update_lock
from metamers.names import ConfigurationError

SOURCE = {"timm": "resnet18.a1_in1k"}


@pytest.fixture
def path(tmp_path):
    return lock_path(tmp_path / "models.yaml")


def test_the_lock_file_is_beside_its_registry(tmp_path):
    assert lock_path(tmp_path / "models.yaml") == tmp_path / "models.lock.yaml"
    assert lock_path("mine/my.models.yml").as_posix() == "mine/my.models.lock.yaml"


def test_without_a_file_nothing_is_locked(path):
    assert read_lock(path) == {}
    path.write_text("# only a comment\n")
    assert read_lock(path) == {}


def test_values_come_back_as_they_were_written(path):
    weights = {"revision": "1" * 40, "files": [{"name": "model.safetensors", "sha256": "0123456789" * 6 + "0123"}]}
    input_ = {"size": 224, "mean": [0.485, 1e-7], "std": [0.229, 1.0]}
    update_lock(path, "a", SOURCE, "weights", weights)
    update_lock(path, "a", SOURCE, "input", input_)
    update_lock(path, "b", {"python": "übung.py:f"}, "stages", {"input": None, "late": "blocks.1"})
    lock = read_lock(path)
    assert lock["a"] == {"source": SOURCE, "weights": weights, "input": input_}
    assert locked_part(lock, "a", SOURCE, "weights") == weights
    assert list(lock["b"]["stages"].items()) == [("input", None), ("late", "blocks.1")]
    assert "übung.py" in path.read_text(encoding="utf-8")


def test_a_part_of_another_source_is_neither_used_nor_kept(path):
    update_lock(path, "a", SOURCE, "weights", {"files": []})
    other = {"timm": "resnet18.a2_in1k"}
    assert locked_part(read_lock(path), "a", other, "weights") is None
    assert locked_part(read_lock(path), "b", other, "weights") is None
    update_lock(path, "a", other, "stages", {"input": None})
    assert read_lock(path)["a"] == {"source": other, "stages": {"input": None}}


def test_processes_that_write_at_once_lose_nothing(path):
    names = [f"model{number}" for number in range(12)]
    threads = [threading.Thread(target=update_lock, args=(path, name, SOURCE, "input", {})) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_lock(path)) == sorted(names)
    assert {one.name for one in path.parent.iterdir()} <= {path.name, f".{path.name}.lock"}


@pytest.mark.parametrize("text", ["[1, 2]", "a: 3", "a: {weights: {}}", "a: {source: {timm: x}, wieghts: {}}", "a: {"])
def test_a_file_that_the_program_did_not_write_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"models\.lock\.yaml: "):
        read_lock(path)
    with pytest.raises(ConfigurationError):
        update_lock(path, "b", SOURCE, "input", {})
    assert path.read_text() == text


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"file/models\.lock\.yaml: .*'a'"):
        update_lock(tmp_path / "file" / "models.lock.yaml", "a", SOURCE, "input", {})
