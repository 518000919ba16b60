"""Exported stimuli are read in the order of the given names, and so are their labels."""

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from metamers.stimuli.exported import labels_of, read_exported


def test_images_are_read_in_the_order_of_the_names(tmp_path):
    shown = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), np.uint8)
    for name, one in zip("abc", shown, strict=True):
        Image.fromarray(one).save(tmp_path / f"{name}.png")
    found = read_exported(tmp_path, ["c", "a"], "vision")
    np.testing.assert_allclose(found, shown[[2, 0]].transpose(0, 3, 1, 2) / 255, atol=1e-6)
    with pytest.raises(ValueError, match=r"none\.png: there is no such file"):
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
