"""Stimuli drawn from an ImageNet folder: as many of each category, the same ones everywhere, none that is excluded."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from metamers import names
from metamers.config import read as config_read
from metamers.config import tables
from metamers.config.datasets import DatasetEntry, check_files_of_dataset
from metamers.names import ConfigurationError, for_each
from metamers.plan import plan as config
from metamers.plan.retrieved import collections
from metamers.plan.steps import merge_defaults
from metamers.stimuli.datasets import read_dataset

CLASSES = {"n01": "dog", "n02": "dog", "n03": "cat", "n04": "bear"}
IMAGES_OF_A_CLASS = 30


@pytest.fixture
def imagenet(tmp_path):
    """A folder laid out as ImageNet's validation images: another random picture in each file."""
    rng = np.random.default_rng(0)
    number = 0
    for wnid in CLASSES:
        folder = tmp_path / "imagenet" / wnid
        folder.mkdir(parents=True)
        for _ in range(IMAGES_OF_A_CLASS):
            picture = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
            picture.save(folder / f"ILSVRC2012_val_{number:08d}.JPEG")
            number += 1
    (folder / ".hidden.JPEG").touch()
    (folder / "notes.txt").touch()
    return tmp_path / "imagenet"


@pytest.fixture
def entry(imagenet, tmp_path):
    """A registry entry that draws 25 of each category."""
    rows = [f"{index}\t{wnid}\t{category}" for index, (wnid, category) in enumerate(CLASSES.items())]
    table = tmp_path / "categories.tsv"
    table.write_text("\n".join(["class_index\twnid\tcategory", *rows]))
    return {
        "modality": "vision",
        "files": {"folder": str(imagenet)},
        "draw": {"per_category": 25, "seed": 517},
        "categories": str(table),
        "vocabulary": "imagenet_1k",
        "size": 8,
    }


def drawn(entry):
    return [row["stimulus"] for row in tables.stimulus_table("mine", entry)]


def test_equally_many_of_each_category_are_drawn_from_all_its_classes(entry):
    rows = tables.stimulus_table("mine", entry)
    assert [row["category"] for row in rows] == ["bear"] * 25 + ["cat"] * 25 + ["dog"] * 25
    for row in rows:
        assert CLASSES[row["label"]] == row["category"]
        assert row["file"] == f"{row['label']}/{row['stimulus']}.JPEG"
        assert row["split"] == "test"
    assert len(set(drawn(entry))) == 75
    assert {row["label"] for row in rows} == set(CLASSES)  # of 60 dogs 25 would hardly be of one class


def test_the_draw_does_not_depend_on_the_order_of_the_listing(entry, monkeypatch):
    once = drawn(entry)
    listing = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: reversed(sorted(listing(folder), key=str)))
    assert drawn(entry) == once


def test_the_draw_depends_on_the_seed(entry):
    assert set(drawn(entry)) != set(drawn(entry | {"draw": {"per_category": 25, "seed": 518}}))


def test_categories_are_drawn_independently(entry, tmp_path):
    kept = [line for line in Path(entry["categories"]).read_text().splitlines() if "bear" not in line]
    fewer = tmp_path / "fewer.tsv"
    fewer.write_text("\n".join(kept))
    assert drawn(entry | {"categories": str(fewer)}) == drawn(entry)[25:]


def excluding(entry, tmp_path, names):
    path = tmp_path / "excluded.txt"
    path.write_text("\n".join([*names, ""]))
    return entry | {"draw": entry["draw"] | {"exclude": str(path)}}


def test_an_excluded_image_is_replaced_and_no_other(entry, tmp_path):
    before = drawn(entry)
    after = drawn(excluding(entry, tmp_path, [f"{before[0]}.JPEG", f"{before[30]}.JPEG"]))
    assert set(before) - set(after) == {before[0], before[30]}
    assert after[:24] == before[1:25]  # the next of the permutation comes last
    assert after[50:] == before[50:]


def test_excluding_what_was_not_drawn_changes_nothing(entry, imagenet, tmp_path):
    left = sorted({path.stem for path in (imagenet / "n03").glob("*")} - set(drawn(entry)))
    assert drawn(excluding(entry, tmp_path, [f"{left[0]}.JPEG"])) == drawn(entry)


def test_stimuli_are_made_of_the_drawn_images(entry):
    stimuli = read_dataset("mine", entry, entry["files"]["folder"], 0, splits=["test"])
    assert stimuli["stimulus_value"].sizes == {"stimulus": 75, "channel": 3, "row": 8, "column": 8}
    assert list(stimuli["stimulus"].values) == drawn(entry)
    assert set(stimuli["label"].values) == set(CLASSES)


@pytest.fixture
def settings(root, monkeypatch):
    """The default configuration."""
    monkeypatch.chdir(root)
    return merge_defaults({})


def resolve(settings, entry, tmp_path):
    """What the workflow does first with a configuration whose images are the entry's."""
    registry = tmp_path / "datasets.yaml"
    registry.write_text(yaml.safe_dump(config_read.read_yaml("config/datasets.yaml") | {"mine": entry}))
    stimuli = settings["stimuli"] | {"vision": {"dataset": "mine", "number": None}}
    registries = settings["registry"] | {"datasets": str(registry)}
    return config.make_plan(settings | {"registry": registries, "stimuli": stimuli})


def test_a_run_takes_its_stimuli_from_the_draw(settings, entry, tmp_path):
    plan = resolve(settings, entry, tmp_path)
    assert [row["stimulus"] for row in plan.stimuli["mine"]] == drawn(entry)
    assert "datasets/mine" not in collections(plan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": {"folder": "/no/such"}}, r"mine\.files\.folder: .*/no/such\b"),
        ({"draw": {"per_category": 31, "seed": 1}}, r"mine\.draw\.per_category: 31\b.*'bear' .*\b30 images"),
        ({"draw": {"per_category": 0, "seed": 1}}, r"mine\.draw\.per_category: 0 .* 1\b"),
        ({"draw": {"per_category": 25}}, r"mine\.draw: 'seed'"),
        ({"draw": {"per_category": 2, "seed": 1, "exclude": "none.txt"}}, r"mine\.draw\.exclude: none\.txt\b"),
        ({"files": {"package": "foolbox", "folder": "foolbox/data"}}, r"mine\.files: .*\{folder\}"),
        ({"table": "table.csv"}, r"mine: .* files: \{folder\}, .*\btable\b"),
        ({"modality": "audio"}, r"mine: .*\bsize\b.*\bdraw\b.*\bpixels\b"),
    ],
)  # fmt: skip
def test_a_wrong_draw_is_named(settings, entry, tmp_path, change, message):
    with pytest.raises(ConfigurationError, match=message):
        resolve(settings, entry | change, tmp_path)


def test_a_class_without_a_folder_is_named(settings, entry, imagenet, tmp_path):
    (imagenet / "n02").rename(imagenet / "elsewhere")
    with pytest.raises(ConfigurationError, match=r"mine\.files\.folder: .*\bn02\b.*'dog'"):
        resolve(settings, entry, tmp_path)


def test_excluding_an_image_that_there_is_not_is_an_error(settings, entry, tmp_path):
    with pytest.raises(ConfigurationError, match=r"mine\.draw\.exclude: .*'ILSVRC2012_val_99\.JPEG'"):
        resolve(settings, excluding(entry, tmp_path, ["ILSVRC2012_val_99.JPEG"]), tmp_path)


def test_too_few_images_are_left_after_exclusion(settings, entry, imagenet, tmp_path):
    names = sorted(path.name for path in (imagenet / "n03").iterdir())[:6]
    with pytest.raises(ConfigurationError, match=r"mine\.draw\.per_category: 25\b.*'cat' .*\b24 images"):
        resolve(settings, excluding(entry, tmp_path, names), tmp_path)


@pytest.mark.parametrize(
    ("modality", "header", "noun", "called"),
    [
        ("vision", "category", None, "category"),
        ("vision", "category", "object", "object"),
        ("vision", "object", "object", "object"),
        ("audio", "word", None, "word"),
        ("audio", "category", None, "category"),
        ("audio", "category", "pitch", "pitch"),
        ("audio", "pitch", "pitch", "pitch"),
        ("audio", "word", "instrument", "instrument"),
    ],
)
def test_a_dataset_says_what_its_categories_are_called(tmp_path, modality, header, noun, called):
    (tmp_path / "table.csv").write_text(f"file,{header}\na.x,low\nb.x,high\n")
    (tmp_path / "categories.csv").write_text("class_index,category\n0,low\n1,high\n")
    entry = {"modality": modality, "files": {"folder": "x"}, "table": str(tmp_path / "table.csv")}
    entry |= {"categories": str(tmp_path / "categories.csv")} | ({"category_noun": noun} if noun else {})
    assert [row["category"] for row in tables.stimulus_table("own", entry)] == ["low", "high"]
    assert tables.category_noun(entry) == called


def test_a_table_without_a_column_of_categories_is_told_their_names(tmp_path):
    (tmp_path / "table.csv").write_text("file,note\na.wav,low\n")
    entry = {
        "modality": "audio",
        "files": {"folder": "x"},
        "table": str(tmp_path / "table.csv"),
        "category_noun": "pitch",
    }
    with pytest.raises(ConfigurationError, match=r"table\.csv: .*\bpitch or word or category; .*\bfile, note"):
        tables.stimulus_table("own", entry)


@pytest.mark.parametrize(
    ("noun", "plural"),
    [("category", "categories"), ("word", "words"), ("pitch", "pitches"), ("key", "keys"), ("species", "species"), ("glass", "glasses")],
)  # fmt: skip
def test_nouns_have_a_plural(noun, plural):
    assert names.plural(noun) == plural


@pytest.mark.parametrize(
    ("stem", "name"),
    [("Brücke im Nebel", "Brucke_im_Nebel"), ("größe (2)", "grosse_2"), ("a.b-c+d_E", "a.b-c+d_E"), ("élève 01", "eleve_01"), ("苹果", "")],
)  # fmt: skip
def test_stimuli_are_named_after_files_of_any_name(stem, name):
    assert tables.stimulus_name(stem) == name


def test_files_with_spaces_capitals_and_umlauts_are_read(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("Brücke im Nebel.PNG", "Turm.Png"):
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), np.uint8)).save(tmp_path / name, format="PNG")
    (tmp_path / "table.csv").write_text("file,category\nBrücke im Nebel.PNG,bridge\nTurm.Png,tower\n")
    (tmp_path / "categories.csv").write_text("class_index,category\n0,bridge\n1,tower\n")
    entry = {"modality": "vision", "files": {"folder": str(tmp_path)}, "size": 16, "category_noun": "building"}
    entry |= {key: str(tmp_path / f"{key}.csv") for key in ("table", "categories")}
    made = read_dataset("own", entry, tmp_path, 0)
    assert made["stimulus"].values.tolist() == ["Brucke_im_Nebel", "Turm"]
    assert made.attrs["category_noun"] == "building"


def images_in(folder):
    """An entry for the images of a folder, with their table and categories."""
    return DatasetEntry(
        vocabulary="categories.csv",
        modality="vision",
        files={"folder": str(folder)},
        table=str(folder / "table.csv"),
        categories=str(folder / "categories.csv"),
        size=16,
    )


def test_a_file_of_nearly_the_name_is_proposed(tmp_path):
    (tmp_path / unicodedata.normalize("NFD", "Brücke.PNG")).touch()
    for given in ("Brücke.PNG", "brücke.png", "Brcke.PNG"):
        (tmp_path / "table.csv").write_text(f"file,category\n{given},bridge\n")
        (tmp_path / "categories.csv").write_text("class_index,category\n0,bridge\n")
        entry = images_in(tmp_path)
        with pytest.raises(ConfigurationError, match=r"'Bru"):
            check_files_of_dataset("own", entry)


@pytest.mark.parametrize(
    ("rows", "messages"),
    [
        ("../a.png,dog,test\nb.png,dog,tset\nc.png,dog,test\n", ["../a.png", "'tset'"]),
        ("a.png,cow,test\nb.png,dog,test\nc.png,hen,test\n", ["'cow' of a.png", "'hen' of c.png"]),
        ("a.png,,test\n,dog,test\n", ["line 3"]),
        ("a.png,,test\nb.png,,test\n", ["line 2", "line 3"]),
        ("a.png,dog,test\nb.png,dog,test\n", ["a.png", "b.png"]),
    ],
)
def test_every_wrong_row_of_a_table_of_stimuli_is_named(tmp_path, rows, messages):
    (tmp_path / "table.csv").write_text(f"file,category,split\n{rows}")
    (tmp_path / "categories.csv").write_text("class_index,category\n0,dog\n")
    entry = images_in(tmp_path)
    with pytest.raises(ConfigurationError) as error:
        check_files_of_dataset("own", entry)
    lines = str(error.value).splitlines()
    assert len(lines) == (1 if len(messages) == 1 else len(messages) + 1)
    assert all(message in line for message, line in zip(messages, lines[-len(messages) :], strict=True))


@pytest.mark.hostile("a sound called `.raw`; a FLAC …")
def test_sounds_that_no_reader_can_take_are_named_before_the_first_job(tmp_path):
    stream = b"fLaC\0\0\0\x22" + bytes(10) + b"\x03\xe8\0\xf0" + bytes(4)
    files = {"a.raw": b"RIFF", "b.flac": stream, "c.flac": stream[:-1] + b"\1", "d.wav": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "table.csv").write_text("file,category\n" + "".join(f"{name},dog\n" for name in files))
    (tmp_path / "categories.csv").write_text("class_index,category\n0,dog\n")
    entry = replace(images_in(tmp_path), modality="audio", size=None, sampling_rate_hz=16_000, duration_s=1)
    with pytest.raises(ConfigurationError) as error:
        check_files_of_dataset("own", entry)
    first, second = str(error.value).splitlines()[1:]
    assert f"datasets: own: {tmp_path}/a.raw: " in first
    assert f"datasets: own: {tmp_path}/b.flac: " in second


@pytest.mark.parametrize("items", [[b"\xff"], [b"a", b"\xff", b"\xfe"]])
def test_errors_of_any_kind_of_value_error_are_put_together(items):
    with pytest.raises(ValueError, match="0xff"):
        for_each(bytes.decode, items)


@pytest.mark.hostile("the largest table or archive …")
def test_a_table_is_read_once_until_its_file_changes(entry, tmp_path, monkeypatch):
    read, reads = tables.read_table, []
    monkeypatch.setattr(
        tables, "read_table", lambda path, columns: reads.append(Path(path).name) or read(path, columns)
    )
    table = tmp_path / "table.csv"
    table.write_text("file,category\na.png,dog\nb.png,cat\n")
    listed = {key: entry[key] for key in ("modality", "categories", "size")} | {"table": str(table)}
    first = tables.stimulus_table("mine", listed)
    assert tables.stimulus_table("mine", dict(listed)) == first
    assert tables.category_noun(listed) == "category"
    assert reads == ["table.csv", "categories.tsv"]
    table.write_text("file,category\na.png,dog\nother.png,cat\n")
    assert [row["file"] for row in tables.stimulus_table("mine", listed)] == ["a.png", "other.png"]
    first.clear()
    assert len(tables.stimulus_table("mine", listed)) == 2  # what a caller does with its list stays there


def test_an_image_that_is_added_to_a_folder_is_drawn(entry, imagenet):
    entry["draw"]["per_category"] = IMAGES_OF_A_CLASS
    before = drawn(entry)
    (imagenet / "n03" / "new.JPEG").touch()
    assert drawn(entry) != before
