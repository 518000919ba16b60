"""The run of digits: what the documentation says of it is in its committed table."""

import csv
import re

import pytest

from metamers.config.read import read_yaml
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults

ALL = "later half"


@pytest.fixture(scope="module")
def rows(root):
    with (root / "resources" / "digits.csv").open(encoding="utf-8") as file:
        return {(row["model"], row["reference"], row["stage"]): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def page(root):
    return " ".join((root / "docs" / "explanation" / "default_run.md").read_text(encoding="utf-8").split())


def points(row, decimals, sign="+"):
    values = [f"{100 * float(row[key]):{sign}.{decimals}f}".replace("-", "−") for key in ("difference", "low", "high")]
    return values if decimals else [value.removeprefix("+") for value in values]


def test_the_table_has_every_contrast_and_stage_of_the_run_over_five_networks(root, rows):
    path = root / "config" / "digits.yaml"
    plan = config.make_plan(merge_defaults(read_yaml(path)), [path])
    stages = [*plan.generation_models["digits_standard"], ALL]
    assert list(rows) == [(*pair, stage) for pair in plan.settings.comparison.contrasts for stage in stages]
    for (_, _, stage), row in rows.items():
        if stage != ALL:
            assert (row["networks"], row["reference_networks"]) == ("5", "5")
        assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])


def test_the_documentation_says_the_committed_differences(rows, page):
    said = {
        ("digits_adversarial", "digits_standard"): "adversarial minus standard",
        ("digits_adversarial", "digits_random"): "adversarial minus random perturbations",
        ("digits_random", "digits_standard"): "random perturbations minus standard",
    }
    for pair, words in said.items():
        cells = []
        for stage in ("final", "relufc", ALL):
            row = rows[(*pair, stage)]
            difference, low, high = points(row, 1)
            cells.append(f"{difference} ({low} to {high}; {row['n']})")
        assert f"| {words} | {' | '.join(cells)} |" in page


def test_the_documentation_says_what_adversarial_training_gives_beyond_the_control(rows, page):
    row = rows["digits_adversarial", "digits_random", "final"]
    difference, low, high = points(row, 0)
    assert re.search(rf"{re.escape(difference)} [^.]*\(95% \w+ {re.escape(low)} \w+ {re.escape(high)}\)", page)
    assert re.search(rf"\bFive \w+ [^.]*\b{row['n']} ", page)
    undecided = rows["digits_adversarial", "digits_random", ALL]
    assert float(undecided["low"]) < 0 < float(undecided["high"])
    assert re.search(r"\*\*[^*]*\bundecided\b[^*]*\*\*", page)
