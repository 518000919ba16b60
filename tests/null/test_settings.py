"""The measures of match are those of the library, and the dataset of pairs is one of the modality."""

import pytest

from metamers.match import NULL_MEASURES
from metamers.plan.steps import configuration_schema
from metamers.run.declared import MEASURE_NAMES
from tests.configurations import change, check_refused


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("null.dataset.vision", "imagenet", r"null\.dataset\.vision: .*'imagenet'.*imagenet_photo"),
        ("null.dataset.audio", "imagenet_photographs", r"null\.dataset\.audio: 'imagenet_photographs' .*'vision'"),
        ("acceptance.measures", ["snr_db"] * 2, r"acceptance\.measures: \['snr_db', 'snr_db'\]"),
    ],
)
def test_a_dataset_is_known_and_of_its_modality_and_a_measure_named_once(settings, path, value, message):
    check_refused(settings, change(path, value), message)


def test_a_dataset_with_a_single_stimulus_has_no_pairs(settings, monkeypatch):
    monkeypatch.setattr("metamers.null.settings.stimuli_of_test_split", lambda *_: [{"split": "test"}])
    message = r"null\.dataset\.vision: 'imagenet_photographs' "
    check_refused(settings, change("null.dataset.vision", "imagenet_photographs"), message)


def test_the_measures_are_those_of_the_library():
    measures = configuration_schema()["properties"]["acceptance"]["properties"]["measures"]
    assert list(MEASURE_NAMES) == measures["items"]["enum"] == list(NULL_MEASURES)
    assert set(measures["default"]) == {"spearman_rho", "pearson_r", "snr_db"}  # those of the study decide
