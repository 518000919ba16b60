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
        (
            "stimuli.vision",
            {"dataset": "imagenet"},
            r"stimuli\.vision\.dataset: unknown dataset 'imagenet'.*Valid: imagenet_photographs",
        ),
        ("stimuli.vision.number", 21, r"stimuli\.vision\.number: 21, but 'imagenet_photographs' has 20 stimuli"),
        ("stimuli.vision.number", 0, r"stimuli\.vision\.number: 0 is less than"),
        ("stimuli", {}, "stimuli: no dataset for modality 'vision'"),
        (
            "stimuli.audio.dataset",
            "imagenet_photographs",
            r"stimuli\.audio\.dataset: 'imagenet_photographs' is of modality 'vision'",
        ),
    ],
)
def test_a_wrong_key_is_named_with_what_would_do(settings, path, value, message):
    check_refused(settings, change(path, value), message)


@pytest.mark.parametrize(
    ("rows", "categories", "message"),
    [
        ("a.png,dog\nb.png,yeti\n", "0,dog\n", r"category 'yeti' of b\.png has no classes in .*; it has dog"),
        ("a.png,\n", "0,dog\n", "line 2: no category"),
        ("a.png,dog\n", "²,dog\n", "class_index '²' is no index"),
        ("a.png,dog\n", "99999999999999999999,dog\n", "class_index '9+' is no index"),
        ("a.png,dog\n", "0,dog\n", "1 stimuli of split test; a null distribution needs two"),
        ("", "0,dog\n", "has a header but no rows"),
        ("a.png,dog\nx/a.png,dog\n", "0,dog\n", "several files would be stimulus a"),
        ("../a.png,dog\n", "0,dog\n", "must lie in the dataset's folder"),
        ("/a.png,dog\n", "0,dog\n", "must lie in the dataset's folder"),
        (".hidden.png,dog\n", "0,dog\n", "'.hidden.png' names a stimulus.* in a column `stimulus`"),
        ("苹果.png,dog\n", "0,dog\n", "'苹果.png' names a stimulus.* in a column `stimulus`"),
        (
            "Brücke 1.png,dog\nBrucke_1.png,dog\n",
            "0,dog\n",
            r"would be stimulus Brucke_1 \(such as Brücke 1\.png and Brucke_1\.png\); .* a column `stimulus`",
        ),
        ("a.png,dog\n", "0,dog\n0,cat\n", "class 0 belongs to both 'dog' and 'cat'"),
        ("a.png,dog\n", "zero,dog\n", "class_index 'zero' is no index"),
        ("a.png,dog\nb.png,dog\n", "0,dog\n", r"table\.csv names .*a\.png, which is not there"),
    ],
)
def test_a_wrong_dataset_is_named(settings, tmp_path, rows, categories, message):
    entry = {
        "modality": "vision",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "file,category\n" + rows),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n" + categories),
        "size": 16,
    }
    changed = with_registry(settings, tmp_path, "datasets", lambda datasets: datasets.update(mine=entry))
    changed["stimuli"] = {"vision": {"dataset": "mine"}}
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(changed)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.wav,yeti,anna,test\n", r"word 'yeti' of a\.wav has no classes in .*; it has dog, cat"),
        ("a.wav,dog,anna,tset\n", "unknown split 'tset'. Did you mean 'test'"),
        ("a.wav,dog,anna,train\nb.wav,cat,bob,train\n", "0 stimuli of split test"),
        ("a.wav,,anna,test\n", "line 2: no word"),
        ("a.wav,dog,anna,\n", r"no split of a\.wav; wanted train, validation, test"),
    ],
)
def test_a_wrong_table_of_sounds_is_named(settings, tmp_path, rows, message):
    entry = {
        "modality": "audio",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "file,word,speaker,split\n" + rows),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n0,dog\n1,cat\n"),
        "sampling_rate_hz": 20_000,
        "duration_s": 1,
    }
    changed = with_registry(settings, tmp_path, "datasets", lambda datasets: datasets.update(mine=entry))
    changed["stimuli"] = {"audio": {"dataset": "mine"}}
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("spoken_words.speech.splits.test.voices", ["en-us+f99"]), r"spoken_words\.speech\.splits\.test\.voices: unknown voice 'en-us\+f99'. Did you mean"),
        (change("spoken_words.speech.splits.test.voices", ["en-us+f1"]), "'en-us\\+f1' is listed in train already, as"),
        (change("spoken_words.speech.splits.test.voices", ["en-gb+m1"]), "'en-gb\\+m1' is listed in train already, as 'en-us\\+m1'"),
        (change("spoken_words.speech.splits.test.voices", []), "voices: none; wanted one at least"),
        (change("spoken_words.speech.splits.train.per_word", 0), r"splits\.train\.per_word: 0 is less than the minimum"),
        (change("spoken_words.speech.rate_wpm", [200, 100]), "whose low is above its high"),
        (change("spoken_words.size", 100), r"spoken_words: .*Wanted: for sounds sampling_rate_hz and duration_s, and no size"),
        (change("imagenet_photographs.duration_s", 1), r"imagenet_photographs: .*Wanted: for images size, and no key of sounds"),
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
    with pytest.raises(
        ConfigurationError,
        match="class 0 is 'apple' in 'spoken_words', on which the model is trained, but 'wolf' in 'other'",
    ):
        config.make_plan(changed)


def test_models_that_a_run_trains_are_not_asked_for_the_words_of_published_ones(settings):
    settings["stimuli"]["audio"] = {"dataset": "wsj_400", "number": None}
    message = "stimuli: the categories of 'wsj_400' are those of published models; 'cochcnn9_.*', which this run trains"
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(settings)


def test_a_name_is_known_in_part_in_an_archive_only(tmp_path):
    entry = {
        "modality": "vision",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "stimulus,file,category\n0,0_*.png,dog\n"),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n0,dog\n"),
    }
    with pytest.raises(ConfigurationError, match=r"'0_\*\.png': '\*' stands for a part of a name in an archive only"):
        tables.stimulus_table("mine", entry)
    archived = entry | {"files": {"archive": "assets", "folder": "images"}}
    assert [row["stimulus"] for row in tables.stimulus_table("mine", archived)] == ["0"]


def test_a_table_without_its_columns_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="no column category; found file, kind"):
        tables.read_table(table(tmp_path, "t.csv", "file,kind\na,b\n"), ["file", "category"])


def test_the_published_sixteen_categories(root):
    entry = config_read.read_registry("config/datasets.yaml", "datasets")["imagenet_photographs_16"]
    classes = tables.category_classes("imagenet_photographs_16", entry)
    assert len(classes) == 16
    assert sum(len(members) for members in classes.values()) == 207
