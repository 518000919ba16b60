"""A wrong dataset is named before the first job: its table, its categories, its files."""

import pytest

from metamers.config import read as config_read
from metamers.config import tables
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from tests.configurations import change, check_refused, table, with_registry

pytestmark = pytest.mark.usefixtures("in_the_repository")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("stimuli.vision", {"dataset": "imagenet"}, r"stimuli\.vision\.dataset: .*'imagenet'.*imagenet_photographs"),
        ("stimuli.vision.number", 21, r"stimuli\.vision\.number: 21.*'imagenet_photographs' .*20"),
        ("stimuli", {}, "stimuli: .*'vision'"),
        ("stimuli.audio.dataset", "imagenet_photographs", r"stimuli\.audio\.dataset: .*photographs' .*'vision'"),
    ],
)
def test_a_dataset_that_does_not_fit_is_named(settings, path, value, message):
    check_refused(settings, change(path, value), message)


def plan_of_own(settings, tmp_path, rows, categories, fields):
    """The plan of a run whose stimuli are those of a table in a folder."""
    own = {
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", rows),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n" + categories),
    }
    changed = with_registry(settings, tmp_path, "datasets", lambda datasets: datasets.update(mine=own | fields))
    return config.make_plan(changed | {"stimuli": {fields["modality"]: {"dataset": "mine"}}})


@pytest.mark.parametrize(
    ("rows", "categories", "message"),
    [
        ("a.png,dog\nb.png,yeti\n", "0,dog\n", r"'yeti' .*b\.png .*dog"),
        ("a.png,\n", "0,dog\n", r"table\.csv.*line 2"),
        ("a.png,dog\n", "²,dog\n", "class_index '²'"),
        ("a.png,dog\n", "99999999999999999999,dog\n", "class_index '9+'"),
        ("a.png,dog\n", "0,dog\n", "1 .*split test"),
        ("", "0,dog\n", r"table\.csv"),
        ("a.png,dog\nx/a.png,dog\n", "0,dog\n", "stimulus a "),
        ("../a.png,dog\n", "0,dog\n", r"'\.\./a\.png'"),
        ("/a.png,dog\n", "0,dog\n", r"'/a\.png'"),
        (".hidden.png,dog\n", "0,dog\n", r"'\.hidden\.png' .*`stimulus`"),
        ("苹果.png,dog\n", "0,dog\n", "'苹果.png' .*`stimulus`"),
        (
            "Brücke 1.png,dog\nBrucke_1.png,dog\n",
            "0,dog\n",
            r"stimulus Brucke_1 .*Brücke 1\.png .*Brucke_1\.png.*`stimulus`",
        ),
        ("a.png,dog\n", "0,dog\n0,cat\n", "class 0 .*'dog' .*'cat'"),
        ("a.png,dog\nb.png,dog\n", "0,dog\n", r"table\.csv .*a\.png"),
    ],
)
def test_a_wrong_dataset_is_named(settings, tmp_path, rows, categories, message):
    images = {"modality": "vision", "size": 16}
    with pytest.raises(ConfigurationError, match=message):
        plan_of_own(settings, tmp_path, "file,category\n" + rows, categories, images)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.wav,yeti,anna,test\n", r"'yeti' .*a\.wav .*dog, cat"),
        ("a.wav,dog,anna,tset\n", "'tset'.*'test'"),
        ("a.wav,dog,anna,train\nb.wav,cat,bob,train\n", "0 .*split test"),
        ("a.wav,,anna,test\n", r"table\.csv.*line 2.* word"),
        ("a.wav,dog,anna,\n", r"split .*a\.wav.*train, validation, test"),
    ],
)
def test_a_wrong_table_of_sounds_is_named(settings, tmp_path, rows, message):
    sounds = {"modality": "audio", "sampling_rate_hz": 20_000, "duration_s": 1}
    with pytest.raises(ConfigurationError, match=message):
        plan_of_own(settings, tmp_path, "file,word,speaker,split\n" + rows, "0,dog\n1,cat\n", sounds)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("spoken_words.speech.splits.test.voices", ["en-gb+m1"]), r"spoken_words\.speech\.splits\.test\.voices: 'en-gb\+m1' .*train.* 'en-us\+m1'"),
        (change("spoken_words.size", 100), r"spoken_words: .*size"),
        (change("imagenet_photographs.duration_s", 1), r"imagenet_photographs: .*duration_s"),
    ],
)  # fmt: skip
def test_a_wrong_dataset_of_speech_is_named(settings, tmp_path, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, "datasets", changed))


def test_models_are_asked_for_the_classes_that_they_learn(settings, tmp_path):
    def add(datasets):
        other = table(tmp_path, "other.csv", "class_index,category\n0,wolf\n1,bird\n")
        datasets["other"] = datasets["spoken_words"] | {"categories": other}

    changed = with_registry(settings, tmp_path, "datasets", add)
    changed["stimuli"]["audio"] = {"dataset": "other", "number": 2}
    with pytest.raises(ConfigurationError, match=r"class 0 .*'apple' .*'spoken_words', .*'wolf' .*'other'"):
        config.make_plan(changed)


def test_models_that_a_run_trains_are_not_asked_for_the_words_of_published_ones(settings):
    settings["stimuli"]["audio"] = {"dataset": "wsj_400", "number": None}
    with pytest.raises(ConfigurationError, match=r"stimuli: .*'wsj_400' .*'cochcnn9_.*'"):
        config.make_plan(settings)


def test_a_name_is_known_in_part_in_an_archive_only(tmp_path):
    entry = {
        "modality": "vision",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "stimulus,file,category\n0,0_*.png,dog\n"),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n0,dog\n"),
    }
    with pytest.raises(ConfigurationError, match=r"'0_\*\.png'"):
        tables.stimulus_table("mine", entry)
    archived = entry | {"files": {"archive": "assets", "folder": "images"}}
    assert [row["stimulus"] for row in tables.stimulus_table("mine", archived)] == ["0"]


def test_a_table_without_its_columns_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"t\.csv: .*category.*file, kind"):
        tables.read_table(table(tmp_path, "t.csv", "file,kind\na,b\n"), ["file", "category"])


def test_the_published_sixteen_categories(root):
    entry = config_read.read_registry("config/datasets.yaml", "datasets")["imagenet_photographs_16"]
    classes = tables.category_classes("imagenet_photographs_16", entry)
    assert len(classes) == 16
    assert sum(len(members) for members in classes.values()) == 207
