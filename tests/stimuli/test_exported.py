"""Exported stimuli are read in the order of the given names, and so are their labels."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from metamers.modalities import MODALITIES
from metamers.stimuli.exported import Decoded, labels_of, read_exported
from metamers.stimuli.formats import FORMATS


def test_images_are_read_in_the_order_of_the_names(tmp_path):
    shown = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), np.uint8)
    for name, one in zip("abc", shown, strict=True):
        Image.fromarray(one).save(tmp_path / f"{name}.png")
    found = read_exported(tmp_path, ["c", "a"], "vision")
    np.testing.assert_allclose(found, shown[[2, 0]].transpose(0, 3, 1, 2) / 255, atol=1e-6)
    with pytest.raises(ValueError, match=r"none\.png: "):
        read_exported(tmp_path, ["none"], "vision")


def test_labels_are_in_the_order_of_the_given_names(tmp_path):
    labels = {"category": ("stimulus", ["dog", "cat", "dog"]), "label": ("stimulus", ["x", "y", "z"])}
    path = tmp_path / "stimuli.nc"
    xr.Dataset(coords={"stimulus": ["a", "b", "c"], **labels}).to_netcdf(path)
    found = labels_of(path, ["c", "b"])
    assert {name: values.tolist() for name, (_, values) in found.items()} == {
        "category": ["dog", "cat"],
        "label": ["z", "y"],
    }


@pytest.mark.parametrize("modality", ["vision", "audio"])
def test_a_file_is_decoded_once_and_has_the_same_values_each_time(tmp_path, monkeypatch, modality):
    shape, read = {"vision": (3, 8, 8), "audio": (50,)}[modality], []
    values = np.random.default_rng(0).random((3, *shape), dtype=np.float32) * (2 if modality == "audio" else 1) - (
        modality == "audio"
    )
    form, suffix = FORMATS[modality], MODALITIES[modality].suffix
    sampling = dict.fromkeys(MODALITIES[modality].sampling, 8000)
    for folder in ("block", "final"):
        for name, value in zip("abc", values, strict=True):
            form.write(value, tmp_path / folder / f"{name}{suffix}", **sampling)
    monkeypatch.setitem(FORMATS, modality, replace(form, read=lambda path: read.append(path.name) or form.read(path)))
    decoded = Decoded("abc", modality)
    for folder in ("block", "final", "block", "final"):
        np.testing.assert_array_equal(decoded(tmp_path / folder), form.as_exported(values))
        assert decoded(tmp_path / folder).dtype == np.float32
    assert read == 2 * [f"{name}{suffix}" for name in "abc"]
