"""The table of steps: what a step declares of its keys and files is whole, and is what the references show."""

import itertools
from collections import Counter

import pytest

from metamers.config.fields import Settings, schema_of
from metamers.config.read import read_schema
from metamers.match import NULL_MEASURES
from metamers.names import ConfigurationError
from metamers.plan.steps import (
    SETTINGS,
    STEPS,
    configuration_schema,
    default_configuration,
    merge_defaults,
    read_settings,
)
from metamers.run.declared import MEASURES, SHARED, files_of
from studies import files as files_of_studies

MODULES = [*(step.files for step in STEPS.values() if step.files), files_of_studies]


def test_every_variable_has_a_meaning_in_one_place_that_of_its_step_or_if_several_have_it_of_all():
    names = [{name for file in files_of(module) for name in file.described} for module in MODULES]
    own = [getattr(module, "MEANINGS", {}).keys() for module in MODULES]
    assert max(Counter(itertools.chain(SHARED, *own)).values()) == 1
    assert all(described <= present for described, present in zip(own, names, strict=True))
    number = Counter(itertools.chain(*names))
    assert all(number[name] > 1 for name in SHARED)


def test_the_keys_of_steps_are_not_in_the_table_of_the_others():
    assert not SETTINGS.keys() & read_schema("config")["properties"].keys()
    assert SETTINGS.keys() <= configuration_schema()["properties"].keys()


def test_the_default_configuration_passes_its_own_schema_and_each_section_is_its_default():
    default = default_configuration()
    assert read_settings(default) == {key: section() for key, section in SETTINGS.items()}
    assert default["null"] == {"dataset": {"vision": None, "audio": None}, "pairs": 1000}
    assert read_settings(merge_defaults({"null": {"pairs": 5}}))["null"].pairs == 5


def test_a_configuration_without_a_section_of_a_step_has_its_default():
    default = default_configuration()
    del default["acceptance"]
    assert read_settings(default)["acceptance"].measures == [*MEASURES]


def test_a_section_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        SETTINGS["null"]().pairs = 5


def test_a_key_may_have_the_name_of_a_word_of_the_schema():
    class Section(Settings):
        """a section"""

        title: str = "a"

    assert schema_of(Section)["properties"] == {"title": {"default": "a", "type": "string"}}


def test_the_measures_are_those_of_the_library():
    assert set(MEASURES) == set(NULL_MEASURES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"null": {"pairs": 0}},
            r"null\.pairs: 0 is less than the minimum of 1\. Wanted: number of pairs .* 1 to 10000000",
        ),
        ({"null": {"pairs": "many"}}, r"null\.pairs: 'many' is not of type 'integer'\. Wanted: number of pairs"),
        ({"null": {"pair": 5}}, r"null: unknown key 'pair'\. Did you mean 'pairs'\? Valid: dataset, pairs\."),
        (
            {"null": {"dataset": {"vision": 3}}},
            r"null\.dataset\.vision: 3 is not of type 'string', 'null'\. Wanted: a name",
        ),
        ({"null": {"dataset": {"tactile": "x"}}}, r"null\.dataset: unknown key 'tactile'\. .*Valid: vision, audio"),
        ({"null": None}, r"null: None is not of type 'object'\. Wanted: a mapping: of which natural stimuli"),
        (
            {"acceptance": {"measures": []}},
            r"acceptance\.measures: \[\] should be non-empty\. Wanted: .*one or more of",
        ),
        ({"acceptance": {"measures": ["rho"]}}, r"acceptance\.measures\.0: 'rho' is not one of \['spearman_rho'"),
        ({"acceptance": {"measures": ["snr_db"] * 2}}, r"acceptance\.measures: .* has non-unique elements"),
        (
            {"acceptance": {"converged": "yes"}},
            r"acceptance\.converged: 'yes' is not of type 'boolean'\. Wanted: true or",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_would_do(given, message):
    with pytest.raises(ConfigurationError, match=message):
        read_settings(merge_defaults(given))


def test_text_that_is_no_unicode_is_named_with_its_key():
    with pytest.raises(ConfigurationError, match=r"^configuration: preregistration\.file: .*unicode"):
        read_settings(merge_defaults({"preregistration": {"file": "\ud800.nc"}}))
