"""The measures of match are those of the library; a wrong key of `null` or `acceptance` is named with what would do."""

import pytest

from metamers.match import NULL_MEASURES
from metamers.plan.steps import configuration_schema
from metamers.run.declared import MEASURE_NAMES
from tests.configurations import change, check_refused


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("null", None, r"null: None is not of type 'object'\. Wanted: a mapping with dataset, pairs"),
        ("null.pair", 5, r"null: unknown key 'pair'\. Did you mean 'pairs'\? Valid: dataset, pairs\."),
        ("null.pairs", "many", r"null\.pairs: 'many' is not of type 'integer'\. Wanted: number of pairs"),
        ("null.pairs", 0, r"null\.pairs: 0 is less than the minimum of 1\. Wanted: number of pairs .* 1 to 10000000"),
        ("null.pairs", 10**7 + 1, r"null\.pairs: 10000001 is greater than .* from 1 to 10000000"),
        ("null.dataset.tactile", "x", r"null\.dataset: unknown key 'tactile'\. .*Valid: vision, audio"),
        ("null.dataset.vision", 3, r"null\.dataset\.vision: 3 is not of type 'string', 'null'\. Wanted: a name"),
        ("null.dataset.vision", "imagenet", r"dataset\.vision: unknown dataset 'imagenet'.*Valid: imagenet_photo"),
        ("null.dataset.audio", "imagenet_photographs", r"null\.dataset\.audio: .* is of modality 'vision'"),
        (
            "acceptance.measures",
            [],
            r"acceptance\.measures: \[\] should be non-empty\. Wanted: the measures of match that must each.*one or more of",
        ),
        ("acceptance.measures", ["rho"], r"measures\.0: 'rho' is not one of \['spearman_rho'.* Wanted: spearman_rho,"),
        ("acceptance.measures", ["snr_db"] * 2, r"acceptance\.measures: .* has non-unique elements"),
        ("acceptance.converged", "no", r"acceptance\.converged: 'no' is not of type 'boolean'\. Wanted: true or false"),
    ],
)
def test_a_wrong_key_is_named_with_what_would_do(settings, path, value, message):
    check_refused(settings, change(path, value), message)


def test_a_dataset_with_a_single_stimulus_has_no_pairs(settings, monkeypatch):
    monkeypatch.setattr("metamers.null.settings.stimuli_of_test_split", lambda *_: [{"split": "test"}])
    message = r"null\.dataset\.vision: 'imagenet_photographs' has 1 stimuli of split test; pairs need two"
    check_refused(settings, change("null.dataset.vision", "imagenet_photographs"), message)


def test_the_measures_are_those_of_the_library():
    measures = configuration_schema()["properties"]["acceptance"]["properties"]["measures"]
    assert list(MEASURE_NAMES) == measures["items"]["enum"] == list(NULL_MEASURES)
    assert set(measures["default"]) == {"spearman_rho", "pearson_r", "snr_db"}  # those of the study decide
