"""Photographs of packages: the table says what is taken and under which licence, and only that is taken."""

import bz2
import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from metamers.config.tables import read_table
from studies.benchmark import photographs
from studies.benchmark.photographs import by_archive, download, photograph

LICENCES = ("CC0", "CC-BY", "GPL-3.0", "MIT", "GFDL", "LicenseRef-public-domain", "LicenseRef-unrestricted")


@pytest.fixture
def rows(root):
    return read_table(root / "studies" / "photographs.csv", ["file"])


def test_every_photograph_has_its_source_its_licence_and_where_that_is_stated(root, rows):
    names = [row["file"] for row in rows]
    assert len(names) == len({name.lower() for name in names}) == 43
    classes = {row["category"] for row in read_table(root / "resources/datasets/imagenet_classes.tsv", ["category"])}
    assert len(classes) == 1000
    for row in rows:
        assert row["licence"].startswith(LICENCES), row
        assert row["evidence"], row
        assert row["author"], row
        assert int(row["size"]) >= 224, row
        assert row["category"] in classes, row
    for of_archive in by_archive(rows).values():
        assert len({(row["package"], row["version"], row["archive_sha256"]) for row in of_archive}) == 1


def test_no_two_squares_of_one_picture_overlap(rows):
    for place, row in enumerate(rows):
        for other in rows[:place]:
            if (row["archive"], row["member"]) == (other["archive"], other["member"]):
                apart = [abs(int(row[side]) - int(other[side])) for side in ("left", "top")]
                sizes = [int(first["size"]) for first in (row, other)]
                assert max(apart) >= min(sizes), (row["file"], other["file"])


def picture():
    values = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(values).save(written, "PNG")
    return values, written.getvalue()


ROW = {"file": "a.png", "member": "folder/a.png", "left": "5", "top": "10", "size": "20"}


def test_the_square_is_cut_from_a_wheel_and_from_a_tar_archive(tmp_path):
    values, content = picture()
    with zipfile.ZipFile(tmp_path / "a-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(ROW["member"], content)
    with tarfile.open(tmp_path / "a-1.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(ROW["member"])
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    for name in ("a-1-py3-none-any.whl", "a-1.tar.gz"):
        np.testing.assert_array_equal(photograph(tmp_path / name, ROW), values[10:30, 5:25])
        with pytest.raises(ValueError, match=r"a\.png: .*\b25, 10, 20\b.*\b40\b.*\b30\b"):
            photograph(tmp_path / name, ROW | {"left": "25"})


def test_the_raccoon_of_scipy_is_read_from_its_values(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (768, 1024, 3)).astype(np.uint8)
    with zipfile.ZipFile(tmp_path / "scipy.whl", "w") as wheel:
        wheel.writestr(photographs.FACE, bz2.compress(values.tobytes()))
    found = photograph(tmp_path / "scipy.whl", ROW | {"member": photographs.FACE})
    np.testing.assert_array_equal(found, values[10:30, 5:25])


def test_an_archive_that_pip_does_not_find_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    row = ROW | {"package": "no-such", "version": "1.0", "archive": "no_such-1.0.tar.gz", "archive_sha256": 64 * "0"}
    with pytest.raises(OSError, match=r"a\.png: .*no_such-1\.0\.tar\.gz"):
        download(row, tmp_path)
