"""What README and documentation say about the default run is the verdict of its numbers, and no page claims more."""

import re

import pytest

from metamers.compare.verdict import Evidence, verdict
from metamers.plan.steps import merge_defaults
from metamers.report.verdicts import missing_evidence
from tests.documentation import ROOT

DEFAULT_RUN = (ROOT / "docs" / "explanation" / "default_run.md").read_text(encoding="utf-8")
TARGETS = merge_defaults({})["synthesis"]["target"]["normalized_error"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<what>[^|]+) \| (?P<run>[^|]+) \| (?P<difference>[+−0-9.]+) \((?P<low>[+−0-9.]+) to (?P<high>[+−0-9.]+)\) \| "
    r"(?P<n>\d+) (?P<noun>\w+) \| (?P<families>\d) \| (?P<quality>\w+), (?P<error>[0-9.]+|–) \| (?P<degree>\w+) \|$",
    re.MULTILINE,
)
# Texts that people see: pages, figures' captions, documentation.
TEXTS = (
    "README.md",
    "docs/**/*.md",
    "docs/*.ipynb",
    "workflow/report/*.rst",
    "experiment/*.html",
    "src/metamers/report/**/*.j2",
)
OVERCLAIMS = r"hardly distinguish|the same to the network|[Tt]o the network, both|may be recognized equally|largely model-specific"


def documented() -> dict[tuple[str, str], tuple[Evidence, str, str]]:
    """What and run → evidence, noun and degree of the rows of the documentation's table of verdicts."""
    found = {}
    for row in ROW.finditer(DEFAULT_RUN):
        difference, low, high = (float(row[name].replace("−", "-")) / 100 for name in ("difference", "low", "high"))
        target = TARGETS["audio" if row["noun"] == "sounds" else "vision"]
        suffices = row["error"] != "–" and float(row["error"]) <= target
        evidence = Evidence(
            difference,
            low,
            high,
            int(row["n"]),
            int(row["families"]),
            suffices,
            float(row["error"].replace("–", "nan")),
        )
        found[row["what"], row["run"]] = evidence, row["noun"], row["degree"]
    return found


def test_the_documented_degrees_are_those_of_the_documented_numbers():
    table = documented()
    assert {("images", "default"), ("sounds", "default"), ("adversarial minus standard", "default")} <= set(table)
    for key, (evidence, _, degree) in table.items():
        assert verdict(evidence).degree == degree, key


@pytest.mark.parametrize("what", ["images", "sounds"])
def test_readme_says_of_the_default_run_what_its_verdict_permits(what):
    evidence, noun, _ = documented()[what, "default"]
    found = verdict(evidence)
    (paragraph,) = [part for part in README.split("\n\n") if "results/demo/" in part and "NetCDF" in part]
    text = " ".join(paragraph.split())
    assert {"suggested": "suggests", "undecided": "undecided", "shown": "shows"}[found.degree] in text
    for clause in missing_evidence(found, noun):
        assert clause.split(" (normalized")[0] in text, clause


def test_no_text_claims_indistinguishability_or_equality_without_its_number():
    paths = [path for pattern in TEXTS for path in ROOT.glob(pattern)]
    assert len(paths) > 60
    found = [
        f"{path}: {match[0]}" for path in paths for match in re.finditer(OVERCLAIMS, path.read_text(encoding="utf-8"))
    ]
    assert found == []
