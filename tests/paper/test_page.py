"""The page beside the paper and its panels: what they show is what the data are, and the targets that make them."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from metamers.humans import summary as humans_summary
from metamers.paper import brain as paper_brain
from metamers.paper import judgements as paper_judgements
from metamers.paper import page as paper
from metamers.paper import panels as paper_panels
from metamers.report.figures import svg
from metamers.report.render import render
from metamers.run import files
from tests.pages import Page
from tests.workflow.runs import copy_of, counts, snakemake


@pytest.fixture(scope="module")
def groups(root):
    return humans_summary.read_results(root / "resources" / "published" / "group_results.csv", humans_summary.COLUMNS)


def line(axes, label):
    """Ordinates of the line or error bar that the legend calls ``label``."""
    handles, labels = axes.get_legend_handles_labels()
    handle = handles[labels.index(label)]
    return np.asarray((handle[0] if hasattr(handle, "has_yerr") else handle).get_ydata(), float)


@pytest.mark.parametrize("experiment", ["visual-1", "auditory-2"])
def test_a_panel_of_an_experiment_shows_its_group_results(groups, experiment):
    figure = paper_panels.experiment_figure(groups, experiment, 1 / 16)
    of_experiment = groups[groups["experiment"] == experiment]
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    for axes, (model, rows) in zip(drawn, of_experiment.groupby("generation_model", sort=False), strict=True):
        assert axes.get_title(loc="left").startswith(model)
        assert [tick.get_text() for tick in axes.get_xticklabels()] == list(dict.fromkeys(rows["stage"]))
        for observer, label in (("human", "participants"), ("model", "the model itself")):
            np.testing.assert_array_equal(line(axes, label), rows.loc[rows["observer"] == observer, "mean"])
    assert svg(figure) == svg(paper_panels.experiment_figure(groups, experiment, 1 / 16)), "the same bytes each time"


def test_a_title_breaks_between_the_model_and_how_many_took_part(groups):
    titles = [
        axes.get_title(loc="left").split("\n")
        for axes in paper_panels.experiment_figure(groups, "auditory-6", 1 / 794).axes
        if axes.get_visible()
    ]
    assert max(len(line) for lines in titles for line in lines) <= 40
    assert ["CochCNN9 (L2 1 cochleagram adversarial)", "(N = 20)"] in titles


def network(name, kind):
    return {"name": name, "class": kind, "layers": {"natural_image": "natural", "a": "one", "b": "two"}}


MODELS = {"x": network("X", "plain"), "x2": network("X (other)", "plain"), "y": network("Y", "odd")}


@pytest.fixture
def judged():
    """Every model recognizes a proportion that tells who it is: X 0.1, X (other) 0.2, Y 0.4; of itself everything."""
    strength = {"X": 0.1, "X (other)": 0.2, "Y": 0.4}
    rows = [
        (
            model,
            stage,
            recognition_model,
            1.0 if recognition_model == model else strength[recognition_model] + (stage == "two") / 2,
        )
        for model in strength
        for stage in ("one", "two")
        for recognition_model in strength
    ]
    columns = ["generation_model", "stage", "recognition_model", "proportion_correct"]
    return paper_judgements.judgements_dataset(pd.DataFrame(rows, columns=columns), MODELS)


def test_a_model_does_not_judge_itself(judged):
    assert paper_judgements.families(judged) == [["X", "X (other)"], ["Y"]]
    table = paper_judgements.by_class(judged, ["X", "X (other)"])
    np.testing.assert_allclose(table["plain"], [0.15, 0.65])  # X by the other, and the other by X
    np.testing.assert_allclose(table["odd"], [0.4, 0.9])
    assert list(paper_judgements.by_class(judged, ["Y"])) == ["plain"], "no other model of its kind"


def test_the_panel_of_recognition_models_shows_them_and_people(judged):
    index = pd.MultiIndex.from_tuples([("X", "one"), ("X", "two"), ("X (other)", "one"), ("X (other)", "two")])
    people = pd.DataFrame({"human_mean": [0.8, 0.4, 0.6, 0.2]}, index=index)
    figure = paper_panels.judgements_figure(judged, people)
    first, second = figure.axes
    np.testing.assert_allclose([own.get_ydata() for own in first.lines], [[0.15, 0.65], [0.4, 0.9], [0.7, 0.3]])
    assert len(second.lines) == 1, "nobody was asked about Y"
    assert first.get_title(loc="left") == "X: plain (2 models)"


@pytest.mark.filterwarnings("ignore:An input array is constant")  # three models, resampled
def test_the_panel_of_brains_has_every_model(groups):
    names = ["AlexNet", "ResNet50", "VGG-19"]
    dims = {"generation_model": names, "visual_area": ["V1", "IT"]}
    stages = np.array([["relu1", "final"], ["layer1", "final"], ["avgpool", "final"]])
    scores = xr.Dataset(
        {"brain_score": (list(dims), [[0.4, 0.5], [0.45, 0.3], [0.3, 0.2]]), "best_stage": (list(dims), stages)},
        coords=dims | {"model_class": ("generation_model", ["standard"] * 3)},
    )
    related = paper_brain.brain_score_dataset(scores, paper_brain.pooled_participants(groups))
    figure = paper_panels.against_participants_figure(related, "brain_score", "visual_area", "Brain-Score")
    for axes, area in zip(figure.axes, dims["visual_area"], strict=True):
        of_area = related.sel(visual_area=area)
        points = [(float(line(axes, name)[0])) for name in names]
        np.testing.assert_array_equal(points, of_area["human_mean"])
        assert f"R² {float(of_area['pearson_r2']):.2f}" in axes.get_title(loc="left")


# The page


ORIGIN = {
    "software": {"numpy": "2"},
    "references": ["one"],
    "inputs": {"head": ["Computed from", "SHA-256"], "rows": [["a<b>", "0"]]},
    "mixed": [],
    "files": {"head": ["File", "What it is", "SHA-256 of its content"], "rows": []},
}


def row(state, what, why=""):
    ours = "" if state in ("not public", "not in this run") else "1.23"
    return {
        "section": "S & T",
        "what": what,
        "place": "p",
        "printed": "> 1.2",
        "ours": ours,
        "file": "comparison/x.nc" if ours else "",
        "state": state,
        "why": why,
    }


ROWS = [
    row("agrees", "first"),
    row("differs", "second <script>", "a model is missing"),
    row("not public", "third", "nobody has it"),
    row("not in this run", "fourth"),
]


def page(rows, figures):
    panels = [{"name": name, "title": f"Panel {name}", "place": "Fig. 9", "kind": "k"} for name in ("a", "b")]
    missing = [{"what": "Fig. 10", "why": "secret"}]
    context = paper.page_context("run", "summary", rows, panels, figures, {"k": "a\ncaption"}, missing, ORIGIN)
    return render("paper.html.j2", context)


def test_the_page_says_every_state_in_words():
    shown = Page(page(ROWS, {"a": "data:image/svg+xml,x"}))
    cells = [cell for row in shown.rows for cell in row]
    for state in ("agrees", "differs", "not public", "not in this run"):
        assert sum(cell.endswith(f" {state}") for cell in cells) == 1, state
        assert re.search(rf"1\S? {state}", shown.words), state
    assert [row[:3] for row in shown.rows if row[0] == "second <script>"] == [["second <script>", "> 1.2", "1.23"]]
    for reason in ("a model is missing", "nobody has it", "Fig. 10: secret", "comparison/x.nc"):
        assert reason in shown.words


def test_the_page_is_whole_escaped_and_alone():
    text = page(ROWS, {"a": "data:image/svg+xml,x"})
    shown = Page(text)
    assert shown.faults == []
    assert "<script>" not in text.split("<main>")[1]
    assert "second <script>" in shown.words
    for tag, attributes in shown.elements:
        addresses = [attributes[name] for name in ("src", "href") if name in attributes]
        assert all(address.startswith("data:") for address in addresses)
        if tag == "img":
            assert attributes["alt"]


def test_what_the_run_did_not_draw_is_said():
    for drawn in ("a", "ab"):
        shown = Page(page(ROWS, dict.fromkeys(drawn, "data:image/svg+xml,x")))
        assert sum(attributes.get("class") == "absent" for _, attributes in shown.elements) == 2 - len(drawn)


def test_each_difference_is_listed_with_its_reason():
    headings = [page(rows, {}).count("<h2>") for rows in (ROWS, ROWS[:1])]
    assert headings[0] == headings[1] + 1
    assert re.search(r"<li>[^<]*1\.2\b[^<]*1\.23: a model is missing\.</li>", page(ROWS, {}))


# The targets


@pytest.fixture
def clone(root, tmp_path):
    return copy_of(root, tmp_path)


@pytest.mark.slow
def test_without_participants_only_committed_tables_are_needed(clone):
    jobs = counts(snakemake(clone, "-n", "paper"))
    assert jobs == {
        "paper": 1,
        "paper_page": 1,
        "paper_draw_experiments": 1,
        "paper_draw_humans_vs_models": 2,
        "compare_humans_vs_models": 1,
        "total": 6,
    }


def test_a_wrong_table_of_numbers_is_said_before_any_job(clone):
    path = clone / "config" / "paper_numbers.yaml"
    table = yaml.safe_load(path.read_text())
    table["numbers"][0]["printed"] = "high"
    path.write_text(yaml.safe_dump(table))
    output = snakemake(clone, "-n", "paper", fails=True)
    assert "numbers.0.printed: 'high'" in output
    assert "Job stats" not in output


@pytest.mark.slow
def test_the_paper_from_a_mirror(clone, mirror):
    settings = {
        "comparison": {"bootstrap": 100, "permutations": 200},
        "human_data": "participants",
        "mirror": str(mirror),
        "synthesis": {"quality": "quick"},
    }
    (clone / "quick.yaml").write_text(yaml.safe_dump(settings))
    snakemake(clone, "paper", "--configfile", "quick.yaml")
    shutil.rmtree(clone / "resources" / "retrieved")
    report = clone / "results" / "demo" / "report"
    panels = sorted(path.stem for path in (report / "figures" / "paper").glob("*.svg"))
    assert len(panels) == 15 + 2 + 2 + 2
    text = (report / "paper.html").read_text()
    assert not any(attributes.get("class") == "absent" for _, attributes in Page(text).elements)
    numbers = yaml.safe_load((clone / "config" / "paper_numbers.yaml").read_text())["numbers"]
    log = (clone / "results/demo/logs/paper_page.log").read_text()
    of_job = re.compile(" (wrote [0-9a-f]{64}|CPU time:) ")  # lines about the job itself
    states = [line.rsplit(": ", 1)[1] for line in log.splitlines() if not of_job.search(line)]
    assert len(states) == len(numbers)
    # With 200 permutations p cannot be as small as printed; of vision nine recognition models are missing.
    other = [line for line in log.splitlines() if line.endswith("differs")]
    assert all(": p, " in line or "largest p" in line or ", vision" in line for line in other), other
    assert states.count("agrees") > 40
    related = files.load(clone / "results/demo/comparison/brain_score.nc")
    assert related.sizes["generation_model"] == 29
