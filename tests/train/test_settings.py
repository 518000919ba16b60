"""A model that cannot be trained, or whose readout cannot, is named before the first job."""

from types import SimpleNamespace

import pytest

from metamers.config.datasets import DatasetEntry
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.train.settings import check_vocabulary
from tests.configurations import change, table, with_registry

ENCODER = {
    "modality": "audio",
    "source": {"metamers": "coch_cnn9"},
    "weights": {"random": 0},
    "input": {"sampling_rate_hz": 20_000, "duration_s": 1},
    "classes": False,
    "stages": {"input": None, "relu1": "relu1", "relu4": "relu4"},
}


def with_encoder(settings, tmp_path, readout, **changed):
    """The settings with a network without classes, and its readout, among the recognition models."""
    settings["recognition_models"].append("encoder")
    entry = ENCODER | {"readout": readout} | changed
    return with_registry(settings, tmp_path, "models", change("encoder", entry))


def test_a_readout_is_that_of_the_last_stage_and_trained_on_the_run_s_dataset(settings, tmp_path):
    plan = config.make_plan(with_encoder(settings, tmp_path, "linear"))
    expected = {"stage": "relu4", "dataset": "spoken_words", "features": None, "times_chance": 2.0}
    assert plan.readouts["encoder"].parameters == expected
    assert "readout" not in plan.models["encoder"].parameters  # on which its metamers depend
    assert "encoder" in plan.recognition_models_of("cochcnn9_standard")
    assert "encoder" not in plan.beyond.sets


@pytest.mark.parametrize(
    ("readout", "message"),
    [
        ("logistic", r"encoder\.readout: .*logistic"),
        ({"stage": "relu5"}, r"encoder\.readout\.stage: .*'relu5'.*relu1, relu4"),
        ({"stage": "input"}, r"encoder\.readout\.stage: .*'input'"),
        ({"dataset": "words"}, r"encoder\.readout\.dataset: .*'words'"),
        ({"dataset": "imagenet_photographs"}, r"encoder\.readout\.dataset: 'imagenet_photographs' .*'vision'"),
        ({"dataset": "wsj_400"}, r"encoder\.readout\.dataset: 'wsj_400' .*train, validation"),
        ({"times_chance": 0.5}, r"encoder\.readout.*0\.5"),
        ({"times_chance": 24}, r"encoder\.readout\.times_chance: .* 144 .* 0\.97.* 24 .* 23.39"),
    ],
)  # fmt: skip
def test_a_readout_that_cannot_be_trained_is_refused(settings, tmp_path, readout, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_encoder(settings, tmp_path, readout))


def test_a_network_with_classes_has_no_readout(settings, tmp_path):
    with pytest.raises(ConfigurationError, match=r"encoder\.readout: "):
        config.make_plan(with_encoder(settings, tmp_path, "linear", classes=True))


def test_a_network_without_classes_and_readout_recognizes_nothing(settings, tmp_path):
    changed = with_encoder(settings, tmp_path, "linear")
    changed = with_registry(changed, tmp_path, "models", lambda entries: entries["encoder"].pop("readout"))
    with pytest.raises(ConfigurationError, match=r"'encoder' .*readout"):
        config.make_plan(changed)


@pytest.mark.parametrize(
    ("rows", "dataset", "message"),
    [
        ("a.wav,dog,train\nb.wav,dog,validation\nc.wav,cat,test\nd.wav,dog,test\n", "mine", "'mine' .* cat .*train"),
        ("c.wav,cat,test\nd.wav,dog,test\n", "spoken_words", "'spoken_words' .* cat .*'mine'"),
    ],
)  # fmt: skip
def test_a_readout_knows_every_category_that_it_may_have_to_name(settings, tmp_path, rows, dataset, message):
    for name in "abcd":
        (tmp_path / f"{name}.wav").touch()
    entry = {
        "modality": "audio",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "file,word,split\n" + rows),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n0,dog\n1,cat\n"),
        "sampling_rate_hz": 20_000,
        "duration_s": 1,
    }
    changed = with_registry(settings, tmp_path, "datasets", lambda datasets: datasets.update(mine=entry))
    changed |= {"stimuli": {"audio": {"dataset": "mine"}}, "generation_models": ["encoder"], "recognition_models": []}
    changed["comparison"]["contrasts"] = []
    changed["analyses"] = dict.fromkeys(("vulnerability", "brain", "similarity"))
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_encoder(changed, tmp_path, {"dataset": dataset}))


def test_a_trained_network_is_compared_with_the_table_that_it_is_asked_with(tmp_path):
    """The dataset of the test has a further table for the vocabulary of the training."""
    for name, classes in {"learned": "0,cat\n1,dog\n", "same": "0,cat\n1,dog\n", "reversed": "0,dog\n1,cat\n"}.items():
        (tmp_path / f"{name}.csv").write_text(f"class_index,category\n{classes}")
    tables = {name: str(tmp_path / f"{name}.csv") for name in ("learned", "same", "reversed")}
    learned = DatasetEntry(modality="vision", categories=tables["learned"], vocabulary="words")
    training, dataset_of = {"net": SimpleNamespace(dataset="learned")}, {"net": "tested"}

    def check(main, further):
        tested = DatasetEntry(
            modality="vision",
            categories=tables[main],
            vocabulary="others",
            other_vocabularies={"words": tables[further]},
        )
        check_vocabulary(training, {"learned": learned, "tested": tested}, dataset_of)

    check("reversed", "same")
    with pytest.raises(ConfigurationError, match=r"class 0 .*'cat' .*'learned'.*'dog' .*'tested'"):
        check("same", "reversed")
