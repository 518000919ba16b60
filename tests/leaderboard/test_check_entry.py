"""The check of an entry from outside: whatever is edited, damaged, repeated or hostile is refused, and said."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml

from metamers import __main__ as command
from metamers.compare.passes import equivalence, margin_of
from metamers.leaderboard.check_entry import (
    MAX_BYTES,
    added_entry,
    check_entry,
    duplicate_faults,
    entry_faults,
    read_entries,
    read_entry,
    run_faults,
    without_duplicates,
)
from metamers.leaderboard.entry import TESTED, VARIABLES, file_name, normalized_entry
from metamers.leaderboard.files import ENTRY
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION
from metamers.repository import ROOT
from metamers.run import files
from metamers.run.files import fingerprint
from tests.leaderboard.entries import board, entry, people, predicted, published, recognizable, sha256, write
from tests.leaderboard.installed import PACKAGES, installed
from tests.made_up_run import OF_ANY_STEP

TEMPLATE = ROOT / "resources" / "leaderboard" / "leaderboard.yml"


def faults_of(made: xr.Dataset) -> list[str]:
    """What is wrong with an entry that has the units, the hash and the name that it would have in a valid file."""
    made = made.copy().assign_attrs(content_sha256=files.content_sha256(made))
    for name, variable in made.variables.items():
        if units := ENTRY.described.get(name, ("", ""))[1]:
            variable.attrs["units"] = units
    return [str(fault) for fault in entry_faults(made, file_name(made), published())]


def assert_named(found: list[str], variables: str, values: str) -> None:
    """These variables have faults and no others, and a fault has these values."""
    assert [fault.split(": ")[0] for fault in found] == variables.split(), found
    assert any(all(value in fault for value in values.split(" … ")) for fault in found), found


def at(made: xr.Dataset, name: str, stage: str, value: object) -> xr.Dataset:
    """The entry with another value at one stage."""
    changed = made[name].copy(deep=True)
    changed.loc[{"stage": stage}] = value
    return made.assign({name: changed})


def at_all(made: xr.Dataset, names: Iterable[str], stage: str, value: object) -> xr.Dataset:
    """The entry with another value of several variables at one stage."""
    for name in names:
        made = at(made, name, stage, value)
    return made


def item(made: xr.Dataset, kind: str, value: str) -> xr.Dataset:
    """The entry with another fingerprint of the first item of a kind."""
    values = made["fingerprint"].values.astype(object)
    values[made["item_kind"].values.tolist().index(kind)] = value
    return made.assign(fingerprint=("item", values.astype(str)))


def registered(made: xr.Dataset, text: str) -> xr.Dataset:
    """The entry with another entry of the registry, and its fingerprint."""
    return item(made.assign(registry_entry=text), "model", sha256(text))


def with_item(made: xr.Dataset, kind: str, name: str) -> xr.Dataset:
    """The entry with one more item."""
    values = {"item_kind": kind, "item_name": name, "fingerprint": sha256(name)}
    one = made.isel(item=[0]).assign({variable: ("item", [value]) for variable, value in values.items()})
    return xr.concat([made, one], "item", data_vars="minimal")


def named(made: xr.Dataset, name: str) -> xr.Dataset:
    """The entry with another name of the model."""
    names = made["item_name"].values.astype(object)
    names[made["item_kind"].values == "model"] = name
    return made.assign(generation_model=name, item_name=("item", names.astype(str)))


@pytest.mark.parametrize("given", [("ear", PREDICTION), ("eye", PREDICTION), ("eye", OWN_PARTICIPANTS)])
def test_an_entry_as_it_was_made_has_no_fault(given, tmp_path):
    assert faults_of(entry(*given)) == []
    path = write(entry(*given), tmp_path)
    found, faults = check_entry(path, tmp_path, published())
    assert faults == []
    assert found.drop_attrs(deep=True).equals(entry(*given))


def test_an_entry_of_participants_without_natural_stimuli_has_the_published_scale():
    made = untested(entry("eye", OWN_PARTICIPANTS))
    assert faults_of(rescaled(made, published().natural["vision"])) == []


def test_another_group_may_have_judged_other_stages():
    made = second_group(entry("eye", OWN_PARTICIPANTS))
    assert faults_of(made) == []
    assert faults_of(rescaled(made, 0.8)) == []


# An entry that was edited by somebody who also computes its hash and its name

# Edit, the variables that are named, and values that the message has, separated by "…".
FORGED: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str, str]] = {
    "a better area": (lambda e: e.assign(normalized_area=0.9, normalized_area_high=0.95), "normalized_area normalized_area_high", "0.9"),
    "a narrower interval": (lambda e: e.assign(normalized_area_low=e["normalized_area"] - 0.01), "normalized_area_low", ""),
    "an area outside its interval": (lambda e: e.assign(normalized_area_low=0.99), "normalized_area", "0.99"),
    "no missing depth": (lambda e: e.assign(missing_depth=0.0), "missing_depth", "0 … 0.1"),
    "a better prediction": (lambda e: at(at(e, "recognizability", "late", 0.9), "recognizability_high", "late", 0.99), "recognizability recognizability_high normalized_area normalized_area_high", "0.9 … 'late'"),
    "a value outside its interval": (lambda e: at(e, "recognizability", "late", 0.999), "recognizability", "0.999 … 'late'"),
    "a proportion above 1": (lambda e: at(e, "recognizability", "late", 1.2), "recognizability", "1.2 … 'late'"),
    "a negative proportion": (lambda e: at(e, "other_models", "early", -0.1), "other_models", "-0.1 … 'early'"),
    "an infinite proportion": (lambda e: at(e, "recognizability", "late", np.inf), "recognizability", "inf … 'late'"),
    "a missing value of a stage": (lambda e: at(e, "recognizability", "late", np.nan), "recognizability recognizability", "'late'"),
    "a prediction without an error": (lambda e: at(e, "other_models_standard_error", "late", np.nan), "other_models_standard_error", "'late'"),
    "a missing area": (lambda e: e.assign(normalized_area=np.nan), "normalized_area", ""),
    "an unknown depth": (lambda e: at(e, "stage_depth", "late", np.nan), "stage_depth", "'late'"),
    "a depth that decreases": (lambda e: at(e, "stage_depth", "late", 0.1), "stage_depth", "'late'"),
    "another depth": (lambda e: at(e, "stage_depth", "late", 0.95), "normalized_area normalized_area_low normalized_area_high missing_depth", ""),
    "a value of a stage that is not listed": (lambda e: at(e, "listed", "late", False), "recognizability", "'late'"),
    "one stage": (lambda e: e.isel(stage=[0, 2]), "recognizability", "1"),
    "the input as a stage": (lambda e: e.assign_coords(stage=["input", "late", "last"]), "stage", "'input, late, last'"),
    "a stage twice": (lambda e: e.assign_coords(stage=["early", "late", "late"]), "stage", "'early, late, late'"),
    "another scale": (lambda e: e.assign(natural_correct=0.99), "natural_correct normalized_area normalized_area_low normalized_area_high", "0.99"),
    "natural stimuli below guessing": (lambda e: e.assign(natural_correct=0.0), "natural_correct", "0"),
    "another chance": (lambda e: e.assign(guessing=0.2), "guessing normalized_area normalized_area_low normalized_area_high", "0.2"),
    "participants of a prediction": (lambda e: at(e, "participants", "late", 20), "participants", "20 … 'late'"),
    "a verdict without a test": (lambda e: e.assign(passes_up_to="late", passes_depth=0.9), "passes_depth passes_up_to", "0.9"),
    "a test of a prediction": (lambda e: at(e, "p_equivalence", "late", 0.01), "p_equivalence", "0.01 … 'late'"),
    "measured without participants": (lambda e: e.assign(basis=OWN_PARTICIPANTS), "participants", "0 … 'early'"),
    "an unknown basis": (lambda e: e.assign(basis="people"), "basis", "'people'"),
    "an unknown modality": (lambda e: e.assign(entry_modality="touch"), "entry_modality", "'touch'"),
    "an unknown family": (lambda e: e.assign(published_as="ResNet9000"), "published_as", "'ResNet9000'"),
    "one category": (lambda e: e.assign(categories=1), "categories", "1 … 2"),
    "another form": (lambda e: e.assign(entry_format=1), "entry_format", "1 … 2"),
    "more recognition models": (lambda e: e.assign(asked_families='{"a": 9, "b": 9, "c": 9}'), "recognizability recognizability_low recognizability_high", "'early'"),
    "recognition models that are no JSON": (lambda e: e.assign(asked_families="many"), "asked_families", "'many'"),
    "a number of recognition models that is none": (lambda e: e.assign(asked_families='{"a": true}'), "asked_families", '\'{"a": true}\''),
    "HTML in the name of the model": (lambda e: e.assign(generation_model="<script>alert(1)</script>"), "generation_model", "'<'"),
    "HTML in the creator's name": (lambda e: e.assign(creator_name="A<img src=x onerror=alert(1)>"), "creator_name", "'<'"),
    "a space that is none": (lambda e: e.assign(creator_name="A\u00a0B"), "creator_name", "'\\xa0'"),
    "a space in front": (lambda e: e.assign(creator_name=" Ada"), "creator_name", "' Ada'"),
    "a letter that is not composed": (lambda e: e.assign(creator_name="e\u0301"), "creator_name", "'e\\u0301'"),
    "a pile of accents": (lambda e: e.assign(creator_institution="x" + "\u0302" * 3), "creator_institution", "2 … 'x\\u0302"),
    "a line break": (lambda e: e.assign(creator_institution="A\nB"), "creator_institution", "'\\n'"),
    "text that runs backwards": (lambda e: e.assign(creator_name="A\u202eB"), "creator_name", "'\\u202e'"),
    "a terminal's escape": (lambda e: e.assign(entry_license="\x1b[2J"), "entry_license", "'\\x1b'"),
    "a long name": (lambda e: e.assign(generation_model="a" * 101), "generation_model", "101 … 100"),
    "no name": (lambda e: e.assign(creator_name="  "), "creator_name", ""),
    "no terms of use": (lambda e: e.assign(entry_license=""), "entry_license", ""),
    "no contact": (lambda e: e.assign(creator_email="", creator_url=""), "creator_email", ""),
    "a script as an address": (lambda e: e.assign(creator_url="javascript:alert(1)"), "creator_url", "'javascript:alert(1)'"),
    "an address with a quote": (lambda e: e.assign(creator_url='https://a.b/" onclick="x'), "creator_url", '\'https://a.b/" onclick="x\''),
    "an address with a user": (lambda e: e.assign(creator_url="https://orcid.org@evil.example/"), "creator_url", "'https://orcid.org@evil.example/'"),
    "an address with another alphabet": (lambda e: e.assign(creator_url="https://\u043e\u0440cid.org/"), "creator_url", "'https://\\u043e\\u0440cid.org/'"),
    "an address with a port that is none": (lambda e: e.assign(creator_url="https://a.b:99999/"), "creator_url", "'https://a.b:99999/'"),
    "an address without a host": (lambda e: e.assign(creator_url="https:///a"), "creator_url", "'https:///a'"),
    "no address": (lambda e: e.assign(creator_url="http://[::1"), "creator_url", "'http://[::1'"),
    "an email that is none": (lambda e: e.assign(creator_email="ada"), "creator_email", "'ada'"),
    "another registry": (lambda e: e.assign(registry_entry=json.dumps({"source": "other"})), "registry_entry", "'ear'"),
    "a registry that is no JSON": (lambda e: e.assign(registry_entry="[" * 9999), "registry_entry registry_entry", "'[["),
    "a registry with half a character": (lambda e: registered(e, '{"a": "\\ud800"}'), "registry_entry", "'\\ud800'"),
    "a registry that runs backwards": (lambda e: registered(e, '{"a": ["\\u202egpj"]}'), "registry_entry", "'\\u202e'"),
    "a key that runs backwards": (lambda e: registered(e, '{"a": {"\\u202e": 1}}'), "registry_entry", "'\\u202e'"),
    "a registry with many levels": (lambda e: registered(e, '{"a": ' * 30 + "1" + "}" * 30), "registry_entry", "20"),
    "a registry with very many levels": (lambda e: registered(e, '{"a": ' * 900 + "1" + "}" * 900), "registry_entry", "20"),
    "a registry in another form": (lambda e: registered(e, '{"b": 1, "a": 1}'), "registry_entry", '\'{"b": 1, "a": 1}\''),
    "a key twice": (lambda e: registered(e, '{"a": 1, "a": 2}'), "registry_entry", '\'{"a": 1, "a": 2}\''),
    "the name of a published model": (lambda e: named(e, "CochCNN9"), "generation_model", "'CochCNN9'"),
    "nearly the name of a published model": (lambda e: named(e, "cochcnn9"), "generation_model", "'cochcnn9' … CochCNN9"),
    "the name of a published model in wide letters": (lambda e: named(e.assign(published_as="CochCNN9"), "\uff23ochCNN9"), "generation_model item_name", "'\\uff23ochCNN9'"),
    "a name with a letter of another alphabet": (lambda e: named(e, "r\u0435snet"), "generation_model item_name", "'r\\u0435snet'"),
    "a name that is a formula": (lambda e: named(e, "=cmd|'/c calc'!A0"), "generation_model item_name", '"=cmd|\'/c calc\'!A0"'),
    "a name that is a link": (lambda e: named(e, "[a](javascript:alert(1))"), "generation_model item_name", "'[a](javascript:alert(1))'"),
    "a stage that leads out": (lambda e: e.assign_coords(stage=["early", "late", "../../x"]), "stage", "'../../x'"),
    "a stage with a letter of another alphabet": (lambda e: e.assign_coords(stage=["early", "l\u0430te", "last"]), "stage", "'l\\u0430te'"),
    "a dataset that is a link": (lambda e: with_item(e, "dataset", "[a](javascript:alert(1))"), "item_name", "'[a](javascript:alert(1))' … 'dataset'"),
    "metamers outside of the run": (lambda e: with_item(e, "metamers", "results/tiny/../../x.nc"), "item_name", "'results/tiny/../../x.nc' … 'metamers'"),
    "weights outside of the folder": (lambda e: with_item(e, "weights", "../x.pt"), "item_name", "'../x.pt' … 'weights'"),
    "metamers of a stage with another alphabet": (lambda e: with_item(e, "metamers", "results/tiny/l\u0430te.nc"), "item_name", "'results/tiny/l\\u0430te.nc'"),
    "a kind of item that is a formula": (lambda e: with_item(e, "=cmd|", "x"), "item_name", "'x' … '=cmd|'"),
    "a fingerprint that is no hash": (lambda e: item(e, "metamers", "none"), "fingerprint", "'none' … 'results/tiny/metamers/ear.nc'"),
    "no metamers": (lambda e: e.isel(item=e["item_kind"].values != "metamers"), "item_kind", "metamers"),
    "an item twice": (lambda e: xr.concat([e, e.isel(item=[0])], "item", data_vars="minimal"), "item_name", ""),
}  # fmt: skip


@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "an entry that was edited, or forged with a right hash: better values, missing or infinite ones, others than follow from its curve",
    "refused with the variable, what was found and what is wanted",
)
@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "HTML, control characters, text that runs backwards, a script as an address",
    "refused; the pages escape all texts in addition",
)
@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "half characters, reversed text or many levels in the registry's entry",
    "refused; the site is made from the other entries",
)
@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "names of models, stages, datasets or the run's files that no registry has: a letter of another alphabet, `../../x`, `[a](javascript:…)`, `=cmd|`",
    "refused, with the rule of the registry",
)
@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "a name that shows nothing, has a pile of accents, or is that of a published model; an address with another alphabet or a user",
    "refused",
)
@pytest.mark.parametrize(("forge", "variables", "values"), FORGED.values(), ids=FORGED)
def test_a_forged_entry_is_refused_although_its_hash_is_right(forge, variables, values):
    found = faults_of(forge(entry("ear")))
    assert_named(found, variables, values)
    assert all("\n" not in fault and fault.isascii() for fault in (one.replace("…", "") for one in found))


def forged_test(made: xr.Dataset) -> xr.Dataset:
    """The entry with a test that it passes at every stage, of differences that its recognizability does not have."""
    row = published().variance.set_index("modality").loc["vision"]
    difference, error = np.zeros(made.sizes["stage"]), np.full(made.sizes["stage"], 0.001)
    test = equivalence(
        difference, error, made["participants_tested"].values, *margin_of(*row[["variance", "standard_error"]])
    )
    columns = {"natural_difference": difference, "standard_error": error, "natural_difference_low": test.low}
    columns |= {"natural_difference_high": test.high, "p_equivalence": test.p_equivalence, "p_worse": test.p_worse}
    made = made.assign({name: ("stage", values) for name, values in columns.items()})
    return made.assign(passes_up_to="last", passes_depth=made["stage_depth"].values[-1], fails_from="")


def rescaled(made: xr.Dataset, natural: float) -> xr.Dataset:
    """The entry with another proportion correct of natural stimuli, and the area that follows from it."""
    made = made.assign(natural_correct=natural)
    curve, area = normalized_entry(made, published())
    found = {"normalized_area": area[""], "normalized_area_low": area[""], "normalized_area_high": 1.0}
    return made.assign(found | {"missing_depth": curve.rule.missing})


def untested(made: xr.Dataset) -> xr.Dataset:
    """The entry as if no participant had met natural stimuli."""
    missing = {name: ("stage", np.full(made.sizes["stage"], np.nan)) for name in TESTED}
    made = made.assign(missing | {"participants_tested": ("stage", np.zeros(made.sizes["stage"], int))})
    return made.assign(passes_up_to="", passes_depth=np.nan, fails_from="")


def second_group(made: xr.Dataset) -> xr.Dataset:
    """The entry with one more file of participants."""
    one = made.isel(item=made["item_kind"].values == "own_participants")
    other = one.assign(item_name=("item", ["results/tiny/humans/theirs.nc"]))
    return xr.concat([made, other], "item", data_vars="minimal")


@pytest.mark.hostile("a name that shows nothing …")
@pytest.mark.parametrize(
    "sign", "\u3164\u2800\u115f\ufe0f\u034f\u17b4\u00ad\u200b\u2060\U000e0100\U000e0041\u202f\u200a"
)
def test_a_name_with_a_character_that_shows_nothing_is_refused(sign):
    for name in (sign, f"Ada{sign}Co"):
        assert re.match("creator_name: found ", faults_of(entry("ear").assign(creator_name=name))[0])


def test_a_version_of_a_published_model_may_have_its_name_in_other_case():
    """As in the registry of the workflow: ``spectemp`` is a version of SpecTemp."""
    assert faults_of(named(entry("ear").assign(published_as="SpecTemp"), "spectemp")) == []


MEASURED: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str, str]] = {
    "it passes further": (lambda e: e.assign(passes_up_to="late", passes_depth=0.8), "passes_up_to passes_depth", "'late' … 'early'"),
    "it fails later": (lambda e: e.assign(fails_from="last"), "fails_from", "'last' … 'late'"),
    "another depth of the pass": (lambda e: e.assign(passes_depth=0.8), "passes_depth", "0.8 … 0.3"),
    "another p": (lambda e: at(e, "p_equivalence", "late", 0.01), "p_equivalence", "0.01 … 'late'"),
    "a smaller error": (lambda e: at(e, "standard_error", "late", 0.0001), "natural_difference_low natural_difference_high", "'late'"),
    "more participants in the test": (lambda e: at(e, "participants_tested", "late", 41), "participants", "40 … 41 … 'late'"),
    "a single participant": (lambda e: at(at(e, "participants", "late", 1), "participants_tested", "late", 1), "participants", "1 … 'late'"),
    "a better area": (lambda e: e.assign(normalized_area=e["normalized_area_high"]), "normalized_area", ""),
    "more categories": (lambda e: e.assign(categories=1000), "guessing", "0.0625 … 0.001"),
    "no file of participants": (lambda e: e.isel(item=e["item_kind"].values != "own_participants"), "item_kind", "own_participants"),
    "a test of other differences": (forged_test, "natural_correct", ""),
    "natural stimuli that are hard": (lambda e: rescaled(e, 0.0626), "natural_correct", "0.0626 … 0.9"),
    "natural stimuli of another group that are hard": (lambda e: rescaled(second_group(e), 0.4), "natural_correct", "0.4 … 0.45 … 0.95"),
    "natural stimuli of nobody": (lambda e: rescaled(untested(e), 0.0626), "natural_correct", "0.0626 … 0.89"),
    "a hidden difference": (lambda e: at_all(e, TESTED, "late", np.nan), "fails_from natural_difference", "nan … 'late'"),
    "a difference below all": (lambda e: at_all(e, TESTED[:3], "late", -0.9), "natural_difference_low natural_difference_high natural_difference", "-0.9 … 'late'"),
    "called a prediction": (lambda e: e.assign(basis=PREDICTION), "participants", "40 … 'early'"),
}  # fmt: skip


@pytest.mark.hostile("an entry that was edited …")
@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "values of a measured entry that do not fit each other, or do not follow from the answers of its run",
    "refused",
)
@pytest.mark.parametrize(("forge", "variables", "values"), MEASURED.values(), ids=MEASURED)
def test_a_forged_measurement_is_refused_although_its_hash_is_right(forge, variables, values):
    assert_named(faults_of(forge(entry("eye", OWN_PARTICIPANTS))), variables, values)


EXTREMES = (0.0, 1.0, -1.0, 0.5, 1e-300, 1e300, np.nan, np.inf)


@pytest.mark.parametrize("basis", [PREDICTION, OWN_PARTICIPANTS])
def test_no_values_end_the_check_with_an_error(basis):
    """One to four other values anywhere, also within their ranges: no entry that is accepted has another score."""
    rng, made = np.random.default_rng(0), entry("eye", basis)
    names = [name for name, about in VARIABLES.items() if about.kind in ("number", "whole", "boolean")]
    for _ in range(50):
        changed = made.copy(deep=True)
        for name in rng.choice(names, rng.integers(1, 5), replace=False):
            values, value = changed[name].values.reshape(-1), rng.choice(EXTREMES)
            if values.dtype.kind != "f":
                value = rng.integers(0, 2) if values.dtype.kind == "b" else rng.choice([0, 1, 2, 41, 10**6])
            values = values.copy()
            values[rng.integers(len(values))] = value
            changed[name] = changed[name].copy(data=values.reshape(changed[name].shape))
        assert faults_of(changed) or changed["normalized_area"].equals(made["normalized_area"])


# Variables, dimensions, types, units


def test_variables_that_are_missing_or_unknown_are_named():
    found = faults_of(entry("ear").drop_vars("guessing").assign(rank=1))
    assert [fault.split(": ")[0] for fault in found] == ["rank", "guessing"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.assign(normalized_area=("stage", [0.5] * 3)), r"normalized_area: .*\(stage\)"),
        (lambda e: e.assign(listed=("item", [True] * e.sizes["item"])), r"listed: .*\(item\).*\(stage\)"),
        (lambda e: e.assign(listed=e["listed"].astype(int)), r"listed: .*int64"),
        (lambda e: e.assign(participants=e["participants"].astype(float)), r"participants: .*float64"),
        (lambda e: e.assign(creator_name=5.0), r"creator_name: .*float64"),
        (lambda e: e.assign(normalized_area="0.5"), r"normalized_area: .*<U3"),
        (lambda e: e.isel(item=[]), r"item: .*0.*1"),
    ],
)  # fmt: skip
def test_a_variable_of_another_form_is_named(change, message):
    found = faults_of(change(entry("ear")))
    assert re.match(message, found[0]), found


@pytest.fixture(scope="module")
def ear(tmp_path_factory):
    """The file of an entry."""
    return write(entry("ear"), tmp_path_factory.mktemp("ear"))


def edited(ear: Path, folder: Path, edit: Callable[[netCDF4.Dataset], None]) -> list[str]:
    """Faults of an entry whose file was edited in place, after it was written; without the file's name."""
    path = Path(shutil.copy(ear, folder))
    with netCDF4.Dataset(path, "a") as file:
        edit(file)
    return [fault.removeprefix(f"{path}: ") for fault in check_entry(path, None, published())[1]]


@pytest.mark.hostile("attributes that are arrays …")
@pytest.mark.parametrize(("units", "shown"), [("%", "'%'"), (np.array([1.0, 2.0]), "'[1. 2.]'")])
def test_other_units_are_named(ear, tmp_path, units, shown):
    (found,) = edited(ear, tmp_path, lambda file: file["recognizability"].setncattr("units", units))
    assert found.startswith("recognizability: ")
    assert shown in found
    assert "'1'" in found


@pytest.mark.hostile(
    "Entries of a shared leaderboard", "attributes that are arrays or unknown, texts of bytes", "refused in one line"
)
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda file: file.setncattr("notes", "participant 17: yes"), "notes: "),
        (lambda file: file.setncattr("inputs", "<script>"), "inputs: .*'<script>'"),
        (lambda file: file.setncattr("title", "a" * 50_001), "title: .*'aaa.*….*50000"),
        (lambda file: file.setncattr("title", 5), "title: .*'5'"),
        (lambda file: file.setncattr("seed", np.arange(9)), "seed: .*9"),
        (lambda file: file["guessing"].setncattr("note\u00e9", "x"), r"guessing\.note\\xe9: "),
    ],
)
def test_an_attribute_that_no_run_writes_is_named(ear, edit, message, tmp_path):
    (found,) = edited(ear, tmp_path, edit)
    assert re.match(message, found)


@pytest.mark.hostile("attributes that are arrays …")
def test_a_text_of_bytes_is_refused(tmp_path):
    names = ["creator_email", "generation_model", "passes_up_to"]
    path = write(entry("ear").drop_vars(names), tmp_path, "bytes.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.createDimension("letters", 3)
        for name in names:
            file.createVariable(name, "S1", ("letters",))[:] = np.array(list("a@b"), "S1")
    found = check_entry(path, None, published())[1]
    assert all(any(re.search(rf"{name}: .*S3", fault) for fault in found) for name in names)


@pytest.mark.hostile("an entry that was edited …")
def test_an_entry_that_was_edited_in_place_has_another_hash_and_another_name(ear, tmp_path):
    def edit(file: netCDF4.Dataset) -> None:
        file["creator_name"][...] = "another"

    content, name = edited(ear, tmp_path, edit)
    assert re.match("content_sha256: .*[0-9a-f]{50}.*[0-9a-f]{64}", content)
    assert re.match(rf"file: .*'{re.escape(ear.name)}'.* ear\.\w{{12}}\.nc", name)


@pytest.mark.hostile("an entry that was edited …")
def test_a_hidden_scale_of_a_variable_counts_as_an_edit(ear, tmp_path):
    """``scale_factor`` changes values when a file is read."""
    found = edited(ear, tmp_path, lambda file: file["recognizability"].setncattr("scale_factor", 0.5))
    assert {fault.split(": ")[0] for fault in found} >= {"recognizability", "content_sha256"}


@pytest.mark.parametrize("value", ["0" * 64, "x" * 10_000, np.array([1.0, 2.0]), np.array([1, 2, 3])])
def test_another_hash_in_the_attribute_is_named(ear, value, tmp_path):
    (found,) = edited(ear, tmp_path, lambda file: file.setncattr("content_sha256", value))
    assert found.startswith("content_sha256: ")
    assert len(found) < 500


def test_a_file_under_another_name_is_refused(ear, tmp_path):
    path = Path(shutil.copy(ear, tmp_path / "mine.nc"))
    (found,) = check_entry(path, None, published())[1]
    assert re.match(f"{re.escape(str(path))}: file: .*'mine.nc'.*{re.escape(ear.name)}", found)


# Files that no run has written


def declared(path: Path) -> None:
    """A few kilobytes that declare eight gigabytes of zeros."""
    with h5py.File(path, "w") as file:
        file.create_dataset("recognizability", (2**30,), "f8", chunks=(2**20,), compression="gzip")


def packed(path: Path) -> None:
    """A file within the limit whose texts take more memory than an entry may."""
    with h5py.File(path, "w") as file:
        file.create_dataset("fingerprint", data=np.zeros(2**23), chunks=(2**20,), compression="gzip")


def grouped(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("entries")


def large(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)


def classic(path: Path) -> None:
    xr.Dataset({"guessing": 0.5}).to_netcdf(path, format="NETCDF3_CLASSIC", engine="scipy")


@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "a link, a pipe, a large or truncated file, a few kilobytes that declare gigabytes",
    "refused in one line",
)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (declared, "8589934592.*33554432"),
        (packed, "67108864.*33554432"),
        (grouped, "group"),
        (large, f"{MAX_BYTES + 1}.*{MAX_BYTES}"),
        (classic, "NetCDF-4"),
        (lambda path: path.write_bytes(b""), "NetCDF"),
        (lambda path: path.write_text("<html>"), "NetCDF"),
        (lambda path: path.symlink_to("/etc/hostname"), "link"),
        (lambda path: path.mkdir(), "file"),
        (os.mkfifo, "file"),
        (lambda path: None, "nothing"),
    ],
)
def test_a_file_that_no_run_has_written_is_refused_in_one_line(make, message, tmp_path):
    make(path := tmp_path / "entry.nc")
    entry_of_file, (found,) = check_entry(path, None, published())
    assert entry_of_file is None
    assert found.startswith(f"{path}: file: ")
    assert re.search(message, found)


@pytest.mark.hostile("a link, a pipe, a large or truncated …")
def test_a_truncated_file_is_refused(ear, tmp_path):
    content = ear.read_bytes()
    for kept in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / ear.name).write_bytes(content[: int(kept * len(content))])
        with pytest.raises(ValueError, match=re.escape(ear.name)):
            read_entry(tmp_path / ear.name)


@pytest.mark.hostile("a link, a pipe, a large or truncated …")
@pytest.mark.parametrize("seed", range(5))
def test_a_file_with_flipped_bits_is_refused_or_unchanged(ear, seed, tmp_path):
    """Bits in attributes do not count: nothing of them is shown."""
    path, rng = tmp_path / ear.name, np.random.default_rng(seed)
    content = bytearray(ear.read_bytes())
    for place in rng.integers(0, len(content), 20):
        content[place] ^= 1 << rng.integers(8)
    path.write_bytes(content)
    found, faults = check_entry(path, None, published())
    assert faults or files.content_sha256(found) == files.content_sha256(entry("ear"))


# Entries of one leaderboard


@pytest.fixture
def folder(ear, tmp_path):
    """A leaderboard with one entry."""
    (entries := tmp_path / "repository" / "entries").mkdir(parents=True)
    shutil.copy(ear, entries)
    return entries


def test_an_entry_of_other_metamers_or_another_basis_is_no_duplicate():
    others = {"one": entry("eye")}
    assert duplicate_faults(entry("ear"), others) == []
    assert duplicate_faults(entry("eye", OWN_PARTICIPANTS), others) == []


def test_the_same_metamers_under_another_name_are_a_duplicate():
    renamed = named(entry("ear"), "another").assign(creator_name="Somebody else")
    paths = [name.replace("/ear.nc", "/another.nc") for name in renamed["item_name"].values]
    renamed = renamed.assign(item_name=("item", paths))
    assert faults_of(renamed) == []
    (found,) = duplicate_faults(renamed, {"first.nc": entry("ear"), "other.nc": entry("eye")})
    assert "first.nc" in found.found


@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "the metamers of another entry, with a made-up file of metamers next to them; two such entries that were merged at the same time",
    "refused; the site leaves out the second",
)
def test_a_made_up_file_of_metamers_does_not_hide_a_duplicate():
    first = entry("ear")
    more = first.isel(item=first["item_kind"].values == "metamers")
    more = more.assign(item_name=("item", ["another.nc"]), fingerprint=("item", ["f" * 64]))
    both = xr.concat([first, more], "item", data_vars="minimal")
    assert faults_of(both) == []
    assert len(duplicate_faults(both, {"first": first})) == 1


@pytest.mark.hostile("the metamers of another entry …")
def test_of_two_entries_that_were_merged_at_the_same_time_the_site_has_the_first(folder):
    other = write(entry("ear").assign(creator_name="Somebody else"), folder)
    names = sorted([other.name, file_name(entry("ear"))])
    entries = read_entries(folder, published())
    kept, (line,) = without_duplicates(dict(reversed(entries.items())))
    assert list(kept) == names[:1]
    assert line.startswith(f"{names[1]}: fingerprint: ")
    assert names[0] in line
    # Later pull requests are checked as before; another copy of the metamers is refused.
    assert check_entry(write(entry("eye"), folder), folder, published())[1] == []
    assert "fingerprint: " in check_entry(other, folder, published())[1][0]


def test_all_entries_are_checked_when_they_are_read(folder):
    assert list(read_entries(folder, published())) == [file_name(entry("ear"))]
    (folder / "bad.nc").write_text("bad")
    shutil.copy(folder / file_name(entry("ear")), folder / "copy.nc")
    with pytest.raises(ValueError, match=r"bad\.nc: file: .*\n.*copy\.nc: file: "):
        read_entries(folder, published())
    with pytest.raises(ValueError, match="none: "):
        read_entries(folder / "none", published())


# The one new file of a pull request


def git(folder: Path, *arguments: str) -> None:
    own = ["-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def new_repository(ear, tmp_path_factory):
    """The repository of a leaderboard with one entry, on the branch of a pull request that has changed nothing yet."""
    top = tmp_path_factory.mktemp("repository")
    (top / "entries").mkdir()
    shutil.copy(ear, top / "entries")
    (top / "README.md").write_text("A leaderboard")
    git(top, "init", "--quiet")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "-m", "begin")
    git(top, "checkout", "--quiet", "-b", "entry")
    return top


@pytest.fixture
def repository(new_repository, tmp_path):
    """A copy, to be changed."""
    return shutil.copytree(new_repository, tmp_path / "repository")


def commit(top: Path) -> None:
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--allow-empty", "-m", "change")


def test_one_new_file_is_what_a_pull_request_adds(repository):
    path = write(entry("eye"), repository / "entries")
    commit(repository)
    assert added_entry("main", repository / "entries") == path
    # Of a branch with two commits, the second alone does not add the entry.
    commit(repository)
    assert added_entry("main", repository / "entries") == path
    with pytest.raises(ValueError, match=r"HEAD\^1: .*0"):
        added_entry("HEAD^1", repository / "entries")
    # The branch that it is made to may have moved on.
    git(repository, "checkout", "--quiet", "main")
    (repository / "README.md").write_text("Another text")
    commit(repository)
    git(repository, "checkout", "--quiet", "entry")
    assert added_entry("main", repository / "entries") == path


def changed_readme(top: Path) -> None:
    write(entry("eye"), top / "entries")
    (top / "README.md").write_text("changed")


def two_entries(top: Path) -> None:
    write(entry("eye"), top / "entries")
    write(entry("eye", OWN_PARTICIPANTS), top / "entries")


def one_elsewhere(top: Path) -> None:
    (top / "entries" / "deeper").mkdir()
    write(entry("eye"), top / "entries" / "deeper")


def changed_entry(top: Path) -> None:
    write(entry("eye"), top / "entries", file_name(entry("ear")))


def moved_entry(top: Path) -> None:
    name = file_name(entry("ear"))
    (top / "entries" / name).rename(top / "entries" / f"new_{name}")


@pytest.mark.hostile(
    "Entries of a shared leaderboard", "line breaks in the name of a file", "refused, and shown as escapes"
)
@pytest.mark.hostile(
    "Entries of a shared leaderboard", "a pull request that changes anything else", "refused with the list of changes"
)
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda top: None, r"0 \("),
        (changed_readme, r"2 \(M 'README\.md', A 'entries/eye\.\w+\.nc'\)"),
        (two_entries, r"2 \(A 'entries/eye\.\w+\.nc', A 'entries/eye"),
        (one_elsewhere, r"1 \(A 'entries/deeper/eye"),
        (changed_entry, r"1 \(M 'entries/ear"),
        (moved_entry, r"2 \(D 'entries/ear\.\w+\.nc', A 'entries/new_ear"),
        (lambda top: (top / "entries" / "a.txt").write_text("a"), r"1 \(A 'entries/a\.txt'\)"),
        (lambda top: (top / "entries" / "a\n::error::b.nc").write_text("a"), r"1 \(A 'entries/a\\n::error::b\.nc'\)"),
        (lambda top: (top / "entries" / "a b.nc").write_text("a"), r"1 \(A 'entries/a b\.nc'\)"),
        (lambda top: (top / "entries" / ".nc").write_text("a"), r"1 \(A 'entries/\.nc'\)"),
    ],
)  # fmt: skip
def test_any_other_change_is_refused(repository, change, found):
    change(repository)
    commit(repository)
    with pytest.raises(ValueError, match=rf"\bmain: .*{found}"):
        added_entry("main", repository / "entries")


@pytest.mark.hostile("a pull request that changes …")
def test_a_commit_that_is_none_is_said(new_repository):
    for base in ("none", "--output=here", ""):
        with pytest.raises(ValueError, match=f"^{base}: .*HEAD"):
            added_entry(base, new_repository / "entries")
    assert not (new_repository / "entries" / "here").exists()


def test_a_folder_outside_any_repository_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"main: .*HEAD"):
        added_entry("main", tmp_path)
    with pytest.raises(ValueError, match="none"):
        added_entry("main", tmp_path / "none")


# The run that an entry comes from


def add_run(folder: Path, made: xr.Dataset) -> xr.Dataset:
    """Write the files of a run that an entry names; return the entry with their fingerprints."""
    results = {"leaderboard": board(), "predicted_human": predicted(), "recognizability": recognizable()}
    contents = {f"comparison/{name}.nc": data for name, data in results.items()} | {"humans/ours.nc": people()}
    about = {"title": "made up", "source": "a test", "step": "test", "run": "tiny", "seed": 0, "inputs": []}
    names, values = made["item_name"].values.tolist(), made["fingerprint"].values.astype(object)
    for place, (kind, name) in enumerate(zip(made["item_kind"].values.tolist(), names, strict=True)):
        if name.startswith("results/tiny/"):
            inside = name.removeprefix("results/tiny/")
            files.save(
                contents.get(inside, xr.Dataset({"steps": len(kind)})), folder / inside, declared=OF_ANY_STEP, **about
            )
            values[place] = fingerprint(folder / inside)
        elif kind == "published":
            values[place] = fingerprint(ROOT / name)
    return made.assign(fingerprint=("item", values.astype(str)))


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """The folder of a run, elsewhere than where the entry was made, and the entry with fingerprints of its files."""
    folder = tmp_path_factory.mktemp("moved") / "tiny"
    return folder, add_run(folder, entry("ear"))


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of ``finished_run``, to be changed."""
    folder, made = finished_run
    return shutil.copytree(folder, tmp_path / "moved" / "tiny"), made


@pytest.fixture(scope="module")
def measured_run(tmp_path_factory):
    """As ``finished_run``, with a measured entry."""
    folder = tmp_path_factory.mktemp("measured") / "tiny"
    return folder, add_run(folder, entry("eye", OWN_PARTICIPANTS))


def test_an_entry_has_the_fingerprints_and_the_values_of_its_run(finished_run, measured_run):
    for folder, made in (finished_run, measured_run):
        assert run_faults(made, folder, published()) == ([], [])


@pytest.mark.hostile("values of a measured entry …")
def test_measured_values_that_do_not_follow_from_the_answers_are_named(measured_run):
    folder, made = measured_run
    changes = {"recognizability": 0.9, "recognizability_low": 0.1, "participants": 50, "participants_tested": 30}
    changes |= {"natural_difference": 0.0, "p_equivalence": 0.01, "other_models": 0.9}
    for name, value in changes.items():
        made = at(made, name, "late", value)
    made = made.assign(passes_up_to="late", passes_depth=0.8, fails_from="last")
    found, _ = run_faults(made, folder, published())
    assert {fault.variable for fault in found} == {*changes, "passes_up_to", "passes_depth", "fails_from"}
    assert len(found) == 10


def test_a_measured_entry_without_answers_in_the_run_is_named(measured_run, tmp_path):
    folder, made = measured_run
    folder = shutil.copytree(folder, tmp_path / "tiny")
    shutil.copy(folder / "stimuli" / "eye.nc", folder / "humans" / "ours.nc")
    found, _ = run_faults(made, folder, published())
    assert [fault.variable for fault in found] == ["fingerprint", "basis"]


def test_a_run_whose_results_are_no_results_is_named(run):
    folder, made = run
    shutil.copy(folder / "stimuli" / "ear.nc", folder / "comparison" / "leaderboard.nc")
    (folder / "comparison" / "recognizability.nc").write_text("none")
    found, _ = run_faults(made, folder, published())
    assert [fault.variable for fault in found] == ["fingerprint", "fingerprint", "file"]


def test_files_of_a_run_that_have_changed_or_are_missing_are_named(run):
    folder, made = run
    shutil.copy(folder / "metamers" / "ear.nc", folder / "recognition" / "ear.nc")
    (folder / "acceptance" / "ear.nc").unlink()
    found, _ = run_faults(made, folder, published())
    assert [fault.variable for fault in found] == ["fingerprint", "fingerprint"]
    assert "'acceptance/ear.nc'" in found[0].found
    assert str(folder / "recognition" / "ear.nc") in found[1].wanted


def test_values_that_are_not_those_of_the_run_are_named(finished_run):
    folder, made = finished_run
    changed = at(made.assign(normalized_area_low=0.1), "recognizability", "late", 0.5)
    found, _ = run_faults(changed, folder, published())
    assert [fault.variable for fault in found] == ["normalized_area_low", "recognizability"]
    assert str(folder / "comparison/leaderboard.nc") in found[0].wanted
    (found,), _ = run_faults(made.assign(generation_model="another"), folder, published())
    assert found.variable == "generation_model"


OUTSIDE = ["/etc/hostname", "results/tiny/../../../secret", "../secret", ".", "results/tiny//etc/hostname"]
OUTSIDE += ["results/tiny/", "results/tiny/.", "results/tiny/link", "results/tiny/" + "a" * 300, "a" * 300]
OUTSIDE += ["results/tiny/pipe", "results/tiny//dev/zero", "results/tiny/stimuli/ear.nc/x", "a\0b"]


@pytest.mark.hostile(
    "Entries of a shared leaderboard",
    "names of files that lead out of the run's folder (`..`, `//etc/hostname`, links), or to a pipe or device",
    "not read: named as missing or as not compared",
)
def test_no_name_leads_out_of_the_folders_that_are_compared(run, tmp_path, monkeypatch):
    """Nothing is read there: such files are named as not compared, or as missing."""
    folder, made = run
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    made = made.isel(item=made["item_kind"].values != "published")
    for name in OUTSIDE:
        made = with_item(made, "published", name)
    read = []
    monkeypatch.setattr("metamers.leaderboard.check_entry.fingerprint", lambda path: read.append(path) or "none")
    found, unchecked = run_faults(made, folder, published())
    assert unchecked == [name for name in OUTSIDE if not name.startswith("results/tiny/")]
    assert len([fault for fault in found if fault.wanted == "published"]) == len(OUTSIDE) - len(unchecked)
    assert len(read) == 8
    assert all(path.is_relative_to(folder) and path.suffix == ".nc" for path in read)


# The command


@pytest.fixture
def capsys(capsys, monkeypatch):
    """What is printed; the published tables are read once for all tests."""
    monkeypatch.setattr("metamers.leaderboard.entry.read_published", published)
    return capsys


def called(capsys, *arguments: object) -> tuple[str, str]:
    """What the command prints, and its message if it fails."""
    try:
        command.main([str(argument) for argument in arguments])
    except SystemExit as error:
        return capsys.readouterr().out, str(error.code)
    return capsys.readouterr().out, ""


def assert_no_fault(result: tuple[str, str], path: Path) -> None:
    """The command prints one line about the file, and no message."""
    out, message = result
    assert re.fullmatch(f"{path}: .*\n", out)
    assert not message


def test_the_command_says_that_nothing_is_wrong_or_names_every_fault(folder, run, capsys, tmp_path):
    good = folder / file_name(entry("ear"))
    assert_no_fault(called(capsys, "check-entry", good, "--among", folder), good)
    bad = write(entry("ear").assign(normalized_area=0.9), tmp_path)
    out, message = called(capsys, "check-entry", good, bad)
    assert re.fullmatch(f"{good}: .*\n", out)
    first, *lines = message.splitlines()
    assert re.match(f"metamers check-entry: {len(lines)} ", first)
    assert [line.split(": ")[:2] for line in lines] == [[str(bad), "normalized_area"]] * len(lines)
    path = write(run[1], tmp_path)
    assert_no_fault(called(capsys, "check-entry", path, "--run", run[0]), path)
    (run[0] / "metamers" / "ear.nc").unlink()
    assert f"{path}: fingerprint: " in called(capsys, "check-entry", path, "--run", run[0])[1]


@pytest.mark.hostile("line breaks in the name of a file")
def test_line_breaks_of_a_name_reach_no_line_of_the_log(tmp_path, capsys):
    path = write(entry("ear"), tmp_path).rename(tmp_path / "a\n::error::b\u2028.nc")
    (tmp_path / "none\n::error::.nc").write_text("none")
    for one in (path, tmp_path / "none\n::error::.nc", tmp_path / "c\n::error::d.nc"):
        out, message = called(capsys, "check-entry", one)
        assert len(message.splitlines()) == 2
        assert not out


def test_the_command_checks_the_file_that_a_pull_request_adds(repository, capsys):
    path = write(entry("eye"), repository / "entries")
    commit(repository)
    given = ("check-entry", "--changed-since", "HEAD^1", "--among", repository / "entries")
    assert_no_fault(called(capsys, *given), path)
    clone = ("check-entry", "--changed-since", "main", "--among", repository / "entries")
    assert_no_fault(called(capsys, *clone), path)
    (repository / "README.md").write_text("changed")
    commit(repository)
    assert "'README.md'" in called(capsys, *given)[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "--changed-since"),
        (["--changed-since", "main"], "--among"),
        (["a.nc", "--changed-since", "main", "--among", "."], "--changed-since"),
        (["none.nc"], "none.nc: file: "),
    ],
)
def test_a_call_that_cannot_be_is_said(given, message, capsys):
    assert message in called(capsys, "check-entry", *given)[1]


# The file for GitHub


def test_github_s_file_installs_what_its_commands_need():
    """``tests/report/test_leaderboard_site.py`` calls both with nothing else."""
    locked = re.findall(r"^([a-z0-9-]+)==", PACKAGES.with_suffix(".lock").read_text(), re.MULTILINE)
    assert installed() == sorted({*locked})
    assert "torch" not in locked
    jobs = yaml.safe_load(TEMPLATE.read_text())["jobs"].values()
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    call = 'PYTHONPATH="$PWD/metamers/src" python -P -m metamers'
    assert f"{call} check-entry --changed-since HEAD^1 --among leaderboard/entries" in commands
    made = f"{call} leaderboard-site leaderboard/entries site --board leaderboard/pub"
    assert any(one.startswith(made) for one in commands)


def test_github_s_file_installs_nothing_without_a_hash():
    jobs = yaml.safe_load(TEMPLATE.read_text())["jobs"].values()
    installs = [step["run"] for job in jobs for step in job["steps"] if "install" in step.get("run", "")]
    path = f"metamers/{PACKAGES.with_suffix('.lock').relative_to(ROOT)}"
    assert installs == [f'pip install --require-hashes --only-binary ":all:" --requirement {path}'] * 2


def test_github_s_file_gives_a_pull_request_no_rights():
    given = yaml.safe_load(TEMPLATE.read_text())
    assert set(given[True]) == {"pull_request", "push"}  # YAML reads `on` as true
    assert given["permissions"] == {"contents": "read"}
    assert "permissions" not in given["jobs"]["check"]
    assert "secrets" not in TEMPLATE.read_text().split("jobs:")[1]
    assert given["jobs"]["build"]["permissions"] == {"contents": "read"}
    assert given["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    # No package, and nothing from the repository, runs where the token can write.
    assert [step.get("uses", "").split("@")[0] for step in given["jobs"]["deploy"]["steps"]] == ["actions/deploy-pages"]
    assert given["jobs"]["deploy"]["needs"] == "build"
    assert set(given["jobs"]) == {"check", "build", "deploy"}
    checkouts = [step for job in given["jobs"].values() for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
