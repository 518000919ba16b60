"""Convergence: recognition at each match against that at the closest one, tested for equivalence."""

import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from generate import convergence
from metamers.config.read import read_yaml
from metamers.match import MEASURES, NULL_MEASURES
from metamers.report.figures import svg
from studies.benchmark.convergence import Compared, convergence_table
from studies.benchmark.convergence_figure import convergence_figure
from studies.benchmark.equivalence import ALL, PUBLISHED

STIMULI = 40
MATCHES = {"null": 0.8, "0.4": 0.4, "0.2": 0.2, "0.1": 0.1}
NULL = xr.Dataset(
    {
        "largest": (("stage", "measure"), [[0.5, 0.5, -20 * np.log10(0.8) + 1e-9]]),
        "undefined_pairs": (("stage", "measure"), [[0, 0, 0]]),
    },
    {"stage": ["late"], "measure": list(NULL_MEASURES)},
)


def drawn(picture):
    """Texts of an SVG, and coordinates of its lines, areas and marks. Its bytes depend on versions of fonts and matplotlib."""
    texts, places = [], []
    for element in ElementTree.fromstring(
        picture, parser=ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    ).iter():
        if element.tag is ElementTree.Comment:
            texts.append(element.text.strip())
        elif not element.get("id", "").startswith("DejaVu"):  # no outline of a letter
            places += re.findall(r"-?\d+\.?\d*", element.get("d", "")) + [
                element.get(axis) for axis in "xy" if element.get(axis)
            ]
    return texts, np.array(places, dtype=float)


def compared(matches, correct, stimuli=STIMULI, preserved=True, stage="late", model="net") -> Compared:
    """Metamers with exact matches; ``correct`` is (match, recognition model), the share of correct first stimuli."""
    errors = np.repeat([[error] for error in matches.values()], stimuli, axis=1)
    values = {"normalized_error": errors, "snr_db": -20 * np.log10(errors)}
    values |= {name: 1 - errors / 2 for name in MEASURES if name not in values}
    names = [f"s{number:02}" for number in range(stimuli)]
    dims = ("version", "stimulus")
    metamers = xr.Dataset(
        {name: (dims, of_name) for name, of_name in values.items()}
        | {
            "steps": (dims, np.round(10 / errors**2)),
            "converged": (dims, errors > 0.15),
            "target_error": ("version", list(matches.values())),
            "predicted_category": (dims, np.full(errors.shape, "a" if preserved else "b")),
            "natural_category": ("stimulus", np.full(stimuli, "a")),
        },
        {"version": list(matches), "stimulus": names},
    )
    share = np.array(correct)
    answers = np.arange(stimuli) < np.round(share * stimuli)[..., None]
    dims = ("version", "recognition_model", "stimulus")
    return Compared("vision", model, stage, metamers, xr.DataArray(answers, dims=dims))


def table_of(*parts, **nulls) -> pd.DataFrame:
    return convergence_table(parts, nulls or {"net": NULL}, list(NULL_MEASURES), 0.05)


def test_recognition_is_unchanged_from_the_match_on_at_which_all_closer_ones_are_equivalent():
    table = table_of(compared(MATCHES, [[1, 0], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])).set_index("match").iloc[:4]
    assert table["difference"].tolist() == pytest.approx([0, 0, 0, 0])
    # Differences of single stimuli cancel at the loosest match, and are not equal to 0.
    assert table["decision"].tolist() == ["undecided", "equivalent", "equivalent", "closest"]
    assert table["unchanged"].tolist() == [False, True, True, True]
    table = table_of(compared(MATCHES, [[0.5, 0.5], [0.5, 0.5], [0, 0.5], [0.5, 0.5]])).set_index("match").iloc[:4]
    assert table["decision"].tolist() == ["equivalent", "equivalent", "different", "closest"]
    assert table["unchanged"].tolist() == [False, False, False, True]
    assert table["difference"].loc["0.2"] == pytest.approx(-0.25)


def test_columns_of_a_stage_have_their_definitions():
    table = table_of(compared(MATCHES, [[0.8, 0.6]] * 4)).set_index("match").iloc[:4]
    assert table["normalized_error"].tolist() == pytest.approx(list(MATCHES.values()))
    assert table["steps"].tolist() == [16, 62, 250, 1000]
    assert table["converged"].tolist() == [STIMULI] * 3 + [0]
    assert table["accepted"].tolist() == [0] + [STIMULI] * 3  # the loosest match is just below the largest of the null
    assert (table[["stimuli", "recognition_models", "stages"]] == [STIMULI, 2, 1]).all(axis=None)
    assert table["recognized"].tolist() == pytest.approx([0.7] * 4)
    assert ((table["recognized_low"] < 0.7) & (table["recognized_high"] > 0.7)).all()
    assert (table_of(compared(MATCHES, [[0.8, 0.6]] * 4, preserved=False))["accepted"].iloc[:4] == 0).all()


def test_the_published_schedule_is_compared_with_the_same_stimuli_at_the_closest_match():
    closest = compared(MATCHES, [[0.5, 0.5]] * 4)
    published = compared({"published": 0.1}, [[0, 1]], stimuli=4)
    table = table_of(closest, published).set_index("match")
    # At the closest match, both models recognize the first 20 stimuli, of which these 4 are the first.
    assert table["difference"].loc["published"] == pytest.approx(-0.5)
    assert table["stimuli"].loc["published"] == 4
    assert table["decision"].loc["published"] == "different"


def test_rows_over_stages_have_what_a_synthesis_to_that_target_has():
    early = compared({"null": 0.7, "0.4": 0.4, "0.3": 0.3}, [[1, 1], [1, 1], [1, 1]], stage="early")
    late = compared(MATCHES, [[0, 0], [0.5, 0.5], [1, 1], [1, 1]])
    null = xr.concat([NULL, NULL.assign_coords(stage=["early"])], "stage")
    table = table_of(early, late, net=null)
    pooled = table[table["stage"] == "all"].set_index("match")
    assert pooled["stages"].to_dict() == {"null": 2, "0.4": 2, "0.2": 1}
    # At 0.2, the early stage has its closest match.
    assert pooled["difference"].to_dict() == pytest.approx({"null": -0.5, "0.4": -0.25, "0.2": 0})
    assert pooled["recognized"].to_dict() == pytest.approx({"null": 0.5, "0.4": 0.75, "0.2": 1})
    assert pooled["unchanged"].to_dict() == {"null": False, "0.4": False, "0.2": True}
    figure = svg(convergence_figure(table))
    assert figure.startswith(b"<?xml")
    panels = [axes for axes in convergence_figure(table).axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == ["net\nearly", "net\nlate"]


@pytest.fixture(scope="module")
def committed(root):
    return pd.read_csv(root / "studies" / "convergence.csv", keep_default_na=False, na_values=[""])


def words_of(path) -> str:
    return " ".join(path.read_text(encoding="utf-8").replace("\n#", "\n").split())


def test_the_documentation_says_which_part_of_the_design_was_run(root, committed):
    settings = read_yaml(root / "studies" / "config" / "convergence.yaml")["benchmark"]["convergence"]
    own = committed[(committed["stage"] != ALL) & (committed["match"] != PUBLISHED)]
    run = set(own[["modality", "model", "stage"]].itertuples(index=False, name=None))
    design = {(model, stage) for model, stages in settings["closest"].items() for stage in stages}
    assert {(model, stage) for _, model, stage in run} <= design
    counts = Counter(modality for modality, _, _ in run)
    numbers = rf"\b{counts['vision']} of the 8 .*\b{counts['audio']} of the 8 "
    for place in ("docs/explanation/convergence.md", "studies/config/convergence.yaml"):
        assert re.search(numbers, words_of(root / place)), place


def test_the_committed_decisions_follow_from_the_committed_intervals(committed):
    decided = committed[committed["decision"] != "closest"]
    inside = (-decided["margin"] < decided["low"]) & (decided["high"] < decided["margin"])
    assert (inside == (decided["decision"] == "equivalent")).all()
    assert (committed["margin"] == 0.05).all()
    stages = committed[committed["stage"] != ALL]
    closest = stages[stages["decision"] == "closest"]
    assert (closest["difference"] == 0).all()
    assert closest["unchanged"].all()


def test_the_figure_of_the_documentation_is_that_of_the_committed_table(root, committed):
    texts, places = drawn((root / "docs" / "pictures" / "convergence.svg").read_bytes())
    wanted_texts, wanted_places = drawn(svg(convergence_figure(committed)))
    assert texts == wanted_texts
    np.testing.assert_allclose(places, wanted_places, atol=0.01)


def test_the_page_about_acceptance_has_the_committed_numbers(root, committed):
    words = words_of(root / "docs/explanation/acceptance.md")
    for model, stage, matches in (("efficientnet_lite0", "block_11", ("0.8", "0.56", "0.067")),):
        rows = committed[(committed["model"] == model) & (committed["stage"] == stage)].set_index("match")
        for row in rows.loc[list(matches)].itertuples():
            percent = [f"{100 * value:.0f}" for value in (row.recognized, row.recognized_low, row.recognized_high)]
            cells = f"{row.normalized_error:.2f} | {row.steps:,.0f} | {int(row.accepted)} of {row.stimuli} | "
            wanted = cells + "{}% ({} to {})".format(*percent)
            assert wanted in words, wanted


def test_the_tables_of_the_documentation_are_those_of_the_committed_table():
    text = convergence.PAGE.read_text(encoding="utf-8")
    assert convergence.with_tables(text, convergence.read(convergence.TABLE)) == text


def test_pages_say_at_how_many_stages_recognition_at_the_target_is_equivalent_or_undecided(root):
    rows = [
        row.strip("| ").split(" | ")
        for row in convergence.at_target(convergence.read(convergence.TABLE)).split("\n")[2:]
    ]
    results = {(model, stage): result for model, stage, *_, result in rows}
    numbers = Counter(results.values())
    assert numbers == {"equivalent": 4, "different": 1, "undecided": 8, "not measured": 3}
    last = {model: result for (model, _), result in results.items()}  # stages are in processing order
    assert Counter(last.values()) == {"undecided": 3, "equivalent": 1}
    for page, numbers in (
        ("explanation/convergence", "4 of the 16 .* 1 .* 8 "),
        ("your_own_model", "16 .* 4, .* 1 .* 8, "),
    ):
        assert re.search(rf"\b{numbers}", words_of(root / f"docs/{page}.md")), page
    of_sounds = Counter(result for (model, _), result in results.items() if model.startswith("cochcnn9"))
    assert of_sounds == {"undecided": 6, "equivalent": 1, "different": 1}


def test_tables_of_the_documentation_have_the_rows_of_the_table(tmp_path):
    early = compared({"null": 0.7, "0.4": 0.4, "0.3": 0.3}, [[1, 1], [1, 1], [1, 1]], stage="early")
    late = compared(MATCHES, [[0, 0], [0.5, 0.5], [1, 1], [1, 1]])
    null = xr.concat([NULL, NULL.assign_coords(stage=["early"])], "stage")
    path = tmp_path / "table.csv"
    table_of(early, late, net=null).to_csv(path, index=False, float_format="%.4g")
    over_stages, at_stages = (
        table(convergence.read(path)).splitlines()[2:] for table in (convergence.pooled, convergence.stages)
    )
    assert over_stages[1].split(" | ") == [*("| vision", "0.4", "2", "75", "−25.0 (−31.8 to −18.2)", "different |")]
    assert [row.split(" | ")[:2] for row in at_stages] == [["| net", "early"], ["| net", "late"]]
    assert at_stages[0].endswith("| 0.3 | 40 of 40 | 111 | 100 (91 to 100) | null |")
    assert at_stages[1].endswith("| 0.1 | 0 of 40 | 1,000 | 100 (91 to 100) | 0.2 |")
