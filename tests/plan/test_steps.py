"""The table of steps: what a step declares of its keys and files is whole, and is what the references show."""

import itertools
from collections import Counter

import pytest

from metamers.config.fields import Settings, schema_of
from metamers.config.settings import RunSettings
from metamers.names import ConfigurationError
from metamers.null.settings import AcceptanceSettings, NullSettings
from metamers.plan.steps import (
    STEPS,
    configuration_schema,
    default_configuration,
    merge_defaults,
    read_settings,
)
from metamers.run.declared import SHARED, files_of
from studies import files as files_of_studies

MODULES = [*(step.files for step in STEPS.values() if step.files), files_of_studies]


def test_every_variable_has_a_meaning_in_one_place_that_of_its_step_or_if_several_have_it_of_all():
    names = [{name for file in files_of(module) for name in file.described} for module in MODULES]
    own = [getattr(module, "MEANINGS", {}).keys() for module in MODULES]
    assert max(Counter(itertools.chain(SHARED, *own)).values()) == 1
    assert all(described <= present for described, present in zip(own, names, strict=True))
    number = Counter(itertools.chain(*names))
    assert all(number[name] > 1 for name in SHARED)


def test_the_default_configuration_passes_its_own_schema_and_is_that_of_the_steps():
    default = default_configuration()
    assert read_settings(default).parameters == default
    assert default["null"] == {"dataset": {"vision": None, "audio": None}, "pairs": 1000}
    assert read_settings(merge_defaults({"null": {"pairs": 5}})).null.pairs == 5


def test_a_number_stays_as_the_configuration_has_it():
    read = read_settings(merge_defaults({"training": {"attack": {"sizes": [1, 0.5, 2.0]}}}))
    assert list(map(repr, read.training.attack.sizes)) == ["1", "0.5", "2.0"]


def test_every_key_of_the_schema_has_its_section_in_a_step_or_in_the_run():
    sections = {key.split(".")[0] for step in STEPS.values() for key in step.settings}
    assert {*configuration_schema()["properties"]} == {*RunSettings.model_fields, *sections}


def test_a_configuration_without_a_section_of_a_step_has_its_default():
    default = default_configuration()
    del default["acceptance"]
    assert read_settings(default).acceptance == AcceptanceSettings()


def test_a_section_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        NullSettings().pairs = 5


def test_a_key_may_have_the_name_of_a_word_of_the_schema():
    class Section(Settings):
        """a section"""

        title: str = "a"

    assert schema_of(Section)["properties"] == {"title": {"default": "a", "type": "string"}}


def test_text_that_is_no_unicode_is_named_with_its_key():
    with pytest.raises(ConfigurationError, match=r"^configuration: preregistration\.file: .*unicode"):
        read_settings(merge_defaults({"preregistration": {"file": "\ud800.nc"}}))


def test_every_page_of_a_step_has_a_template_and_a_rule_that_writes_it(root):
    rules = "".join(path.read_text() for path in (root / "workflow" / "rules").glob("*.smk"))
    pages = {name for step in STEPS.values() for name in step.pages}
    assert {"beyond", "leaderboard"} <= pages
    for name in pages:
        assert (root / "src/metamers/report/site" / f"{name}.html.j2").is_file()
        assert f'"results/<run>/report/{name}.html"' in rules
