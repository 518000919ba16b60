"""Printed numbers beside the run's: what agrees by its digits, what differs, what is not public, what is not in the run."""

import re

import numpy as np
import pytest
import xarray as xr
import yaml

from metamers.names import ConfigurationError
from metamers.paper import numbers as paper_numbers


@pytest.mark.parametrize(
    ("printed", "value", "same"),
    [
        ("0.949", 0.94949, True),
        ("0.949", 0.9485, True),
        ("0.949", 0.9496, False),
        ("0.94", 0.949, False),
        ("424.37", 424.3749, True),
        ("424.3749", 424.37, False),
        ("42", 42, True),
        ("-0.10", -0.104, True),
        ("> 104.61", 104.6059, True),  # rounded as it is printed
        ("> 104.61", 500.0, True),
        ("> 104.61", 104.6, False),
        ("< 0.0001", 0.0001, True),
        ("< 0.0001", 0.01, False),
        ("0.949", np.nan, False),
    ],
)
def test_a_number_agrees_if_it_is_the_printed_one_as_far_as_that_goes(printed, value, same):
    assert paper_numbers.agrees(printed, value) is same


def test_what_differs_never_looks_the_same():
    assert paper_numbers.written("0.949", 0.94949) == "0.949"
    assert paper_numbers.written("0.897", 0.860) == "0.860"
    assert paper_numbers.written("> 104.61", 104.6) == "104.60"
    assert paper_numbers.written("< 0.0001", 0.00016) == "0.0002"


FILES = {
    "anova": xr.Dataset(
        {"f": (("test", "effect"), [[3.0, 5.0], [2.0, 7.0]])}, coords={"test": ["a", "b"], "effect": ["one", "two"]}
    )
}


def entry(**changes):
    ours = {"file": "anova", "variable": "f", "at": {"test": "a", "effect": "two"}}
    return {"section": "s", "what": "w", "place": "p", "printed": "5.0", "ours": ours} | changes


def test_every_number_has_one_of_four_states():
    absent = {"file": "fmri", "variable": "n"}
    secret = {key: value for key, value in entry(not_public="nobody has it").items() if key != "ours"}
    rows = paper_numbers.compared(
        [entry(), entry(printed="5.1", why="because"), secret, entry(ours=absent)],
        FILES,
    )
    assert [row["state"] for row in rows] == ["agrees", "differs", "not public", "not in this run"]
    assert [row["ours"] for row in rows] == ["5.0", "5.0", "", ""]
    assert rows[0]["why"] == ""
    assert rows[1]["why"] == "because"
    assert rows[2]["why"] == "nobody has it"


def test_of_several_places_the_smallest_or_largest_counts():
    at = {"test": ["a", "b"], "effect": "one"}
    ours = {"file": "anova", "variable": "f", "at": at}
    assert paper_numbers.find(ours | {"take": "minimum"}, FILES) == 2
    assert paper_numbers.find(ours | {"take": "maximum"}, FILES) == 3
    with pytest.raises(ValueError, match=r"anova\.nc: f .*\b2 "):
        paper_numbers.find(ours, FILES)


def test_a_place_that_the_file_does_not_have_is_an_error():
    with pytest.raises(ValueError, match=r"anova\.nc .*\bf\b.*'nobody'"):
        paper_numbers.find({"file": "anova", "variable": "f", "at": {"test": "nobody", "effect": "one"}}, FILES)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([entry(printed=0.949)], r"numbers\.0\.printed: 0\.949"),
        ([entry(printed="about 5")], r"numbers\.0\.printed: 'about 5'"),
        ([entry(not_public="and yet there")], r"numbers\.0: .*not_public"),
        ([entry(), entry(printed="4")], "s: 'w' "),
        ([entry(ours={"file": "other", "variable": "f"})], "ours\\.file: 'other'"),
        ([entry(ours={"file": "anova", "variable": "f", "at": {"test": ["a", "b"]}})], r"test"),
        ([entry(ours={"file": "anova", "variable": "f", "take": "minimum"})], "take"),
    ],
)
def test_a_table_that_says_too_much_or_too_little_is_refused(tmp_path, numbers, message):
    path = tmp_path / "numbers.yaml"
    path.write_text(yaml.safe_dump({"numbers": numbers, "not_public": [], "panels": {}}))
    with pytest.raises(ConfigurationError, match=message):
        paper_numbers.read_numbers(path)


def test_the_table_of_the_paper(root, registry):
    table = paper_numbers.read_numbers(root / "config" / "paper_numbers.yaml")
    assert set(table["panels"]) >= {*registry["experiments"], *registry["brains"]}
    assert {entry["ours"]["file"] for entry in table["numbers"] if "ours" in entry} >= {"anova", "humans_vs_models"}


def test_the_published_analyses_of_variance_are_copied_digit_for_digit(root, public):
    table = paper_numbers.read_numbers(root / "config" / "paper_numbers.yaml")
    texts = {path.parent.name: path.read_text() for path in public.glob("*/*/*RESULTS.txt")}
    copied = [entry for entry in table["numbers"] if entry["place"].startswith("result text")]
    assert len(copied) >= 7 * 6
    for entry in copied:
        text = next(text for name, text in texts.items() if name in entry["place"])
        model = entry["what"].split(":", maxsplit=1)[0]
        block = text.split(f"EXP1 - {model} (Standard) Full ANOVA")[1].split("Loading")[0]
        assert entry["printed"] in block.replace("\n", " ").split(), entry["what"]


def test_the_documentation_says_that_the_numbers_are_a_selection_and_of_what(root):
    numbers = paper_numbers.read_numbers(root / "config" / "paper_numbers.yaml")["numbers"]
    of_files = sum("result text in" in entry["place"] for entry in numbers)
    experiments = yaml.safe_load((root / "config" / "experiments.yaml").read_text())["experiments"]
    sections = " ".join(entry["section"] for entry in numbers) + " "
    without = [name for name in experiments if not re.search(rf"{name}\b", sections)]
    assert (len(numbers), of_files, len(without), len(experiments)) == (90, 63, 11, 15)
    for page, pattern in {
        "README.md": r"\b63 [^.]*\beleven of the fifteen\b",
        "docs/explanation/reproduces.md": r"\b63 [^.]*\bvisual-1, auditory-1\b",
    }.items():
        text = " ".join((root / page).read_text(encoding="utf-8").split())
        assert re.search(rf"\b90 [^.]*\.?[^.]*\.?[^.]*{pattern}", text)
