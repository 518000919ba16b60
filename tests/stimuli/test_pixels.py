"""Datasets of one file with an image in each line: the images, their splits, and files that are refused."""

import gzip

import numpy as np
import pytest

from metamers.config.tables import pixel_table, stimulus_table
from metamers.names import ConfigurationError
from metamers.stimuli.datasets import read_dataset

SIZE, CATEGORIES = 8, ("zero", "one")
PER_CATEGORY = {"train": 3, "validation": 1, "test": 2}


@pytest.fixture
def images():
    """Six images of each class, in mixed order, and their labels."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, SIZE, SIZE)), np.tile([1, 0], 6)


def entry_of(folder, values, labels, **changed):
    lines = [",".join(map(str, [*image.ravel(), label])) for image, label in zip(values, labels, strict=True)]
    (folder / "images.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "categories.tsv").write_text("class_index\tcategory\n0\tzero\n1\tone\n")
    entry = {
        "modality": "vision",
        "files": {"folder": str(folder)},
        "pixels": {"file": "images.csv.gz", "per_category": PER_CATEGORY},
        "categories": str(folder / "categories.tsv"),
        "size": SIZE,
    }
    return entry | changed


def test_every_split_has_the_next_images_of_each_category_in_turn(images, tmp_path):
    values, labels = images
    found = read_dataset("own", entry_of(tmp_path, values, labels), tmp_path, 0)
    assert found["stimulus"].values.tolist()[:4] == ["zero_0000", "one_0000", "zero_0001", "one_0001"]
    for split, places in (("train", [0, 1, 2]), ("validation", [3]), ("test", [4, 5])):
        of_split = found.sel(stimulus=found["split"] == split)
        assert of_split["category"].values.tolist() == list(CATEGORIES) * len(places)
        for label, category in enumerate(CATEGORIES):
            read = of_split["stimulus_value"].sel(stimulus=of_split["category"] == category).values
            wanted = values[labels == label][places] / 255
            np.testing.assert_allclose(read, np.repeat(wanted[:, None], 3, axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(",", ";"), r"images\.csv\.gz: .* 8×8 .* 0 to 255"),
        (lambda text: "\n".join(line.partition(",")[2] for line in text.split("\n")), r"images\.csv\.gz: 64 values"),
        (lambda text: "256" + text[text.index(","):], "0 to 255"),
        (lambda text: "0.5" + text[text.index(","):], "0 to 255"),
        (lambda text: "nan" + text[text.index(","):], "0 to 255"),
        (lambda text: "\n".join(text.split("\n")[:-2]), r"5 .*'zero'.* per_category"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_have_the_images_is_refused(images, tmp_path, change, message):
    entry = entry_of(tmp_path, *images)
    file = tmp_path / "images.csv.gz"
    file.write_bytes(gzip.compress(change(gzip.decompress(file.read_bytes()).decode()).encode()))
    with pytest.raises(ValueError, match=message):
        read_dataset("own", entry, tmp_path, 0)


# With a fixed time in the file's header: the names of tests must be the same in every process.
@pytest.mark.parametrize(
    "content", [b"", b"no gzip", gzip.compress(b"1,2\n" * 999, mtime=0)[:-20]], ids=["empty", "no gzip", "cut off"]
)
def test_a_damaged_file_is_refused_by_name(images, tmp_path, content):
    entry = entry_of(tmp_path, *images)
    (tmp_path / "images.csv.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"images\.csv\.gz: .*8×8"):
        read_dataset("own", entry, tmp_path, 0)


@pytest.mark.parametrize("categories", [["one", "óne"], ["猫", "one"]])
def test_categories_without_a_name_for_files_of_their_own_are_refused(categories):
    with pytest.raises(ConfigurationError, match=r"datasets: own\.categories: "):
        pixel_table(categories, {"file": "a.csv", "per_category": {"test": 1}}, "datasets: own")


def test_a_file_outside_the_folder_is_refused(images, tmp_path):
    entry = entry_of(tmp_path, *images)
    entry["pixels"] = entry["pixels"] | {"file": "../a.csv"}
    with pytest.raises(ConfigurationError, match=r"datasets: own\.pixels\.file: '\.\./a\.csv'"):
        stimulus_table("own", entry)
