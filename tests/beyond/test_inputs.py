"""Input files of the comparisons of the extensions."""

import pytest
import xarray as xr

from metamers.beyond import inputs
from metamers.run import files


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Paths of four files, whose variable ``answer`` has the number of the file."""
    monkeypatch.chdir(tmp_path)
    paths = [f"{number}.nc" for number in range(4)]
    for number, path in enumerate(paths):
        one = xr.Dataset({"answer": number, "metamer": ("sample", [0.0, 1.0])})
        files.save(one, path, title="", source="", step="test", run="small", seed=0, inputs=[])
    return paths


def test_answers_belong_to_the_model_and_recognition_model_of_their_path(saved):
    found = inputs.load_answers(["a", "b"], ["x", "y"], saved)
    numbers = {model: {judge: int(one["answer"]) for judge, one in own.items()} for model, own in found.items()}
    assert numbers == {"a": {"x": 0, "y": 1}, "b": {"x": 2, "y": 3}}


def test_a_missing_file_is_an_error(saved):
    with pytest.raises(ValueError, match="shorter"):
        inputs.load_answers(["a", "b"], ["x", "y"], saved[:3])
    with pytest.raises(ValueError, match="shorter"):
        inputs.load_by_name(["a", "b"], saved[:1])


def test_a_set_is_loaded_without_its_metamers(saved):
    assert list(inputs.load_set(saved[3]).data_vars) == ["answer"]
