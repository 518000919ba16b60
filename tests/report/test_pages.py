"""The report: its figures are always the same bytes, its pages are whole, and say what the data say."""

import datetime
import json
import re
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from snakemake.cli import get_argument_parser

from metamers.compare.chance import with_chance
from metamers.compare.criterion import OF_RUN, STRICTER
from metamers.compare.humans_vs_models import CORRELATIONS
from metamers.compare.predicted_human import predicted_human
from metamers.compare.recognizability import recognizability
from metamers.compare.relative import with_relative
from metamers.compare.verdict import Evidence
from metamers.humans.participants import OBSERVERS
from metamers.humans.summary import COLUMNS
from metamers.match import MEASURES, NULL_MEASURES
from metamers.modalities import MODALITIES
from metamers.plan.steps import STEPS, linked_pages
from metamers.preregister.freeze import with_items
from metamers.preregister.score import scored_prediction as score_prediction
from metamers.report import pages as report
from metamers.report import tables as report_tables
from metamers.report.charts import (
    contrasts_chart,
    match_chart,
    metamers_chart,
    published_chart,
    published_figure,
    recognizability_chart,
)
from metamers.report.confusion import confusion, confusion_figure, shown_stages
from metamers.report.figures import BLUE, ORANGE, published_curves, svg
from metamers.report.looks import looks_of
from metamers.report.model_figures import (
    null_figure,
    published_recognizability,
    recognizability_figure,
    recognizability_series,
)
from metamers.report.navigation import PAGES
from metamers.report.overview import overview_figure
from metamers.report.points import contrast_points, match_points, published_points, recognizability_points
from metamers.report.preregistered import preregistered_figure
from metamers.report.provenance import page_provenance
from metamers.report.render import TEMPLATES, svg_uri
from metamers.run import declared, files
from metamers.synthesize.qualities import QUALITIES, quality_attributes
from tests.made_up_run import OF_ANY_STEP
from tests.pages import Page, broken_links
from tests.preregister.made_up import judged_as, predictions
from tests.report.results import three_contrasts, trained_model
from tests.report.sites import LINKED, declines_of, null_of, relation_of, simulated_power, with_null

HOSTILE = "<script>alert('label')</script>"
LEFT_OUT = {
    "failed": [{"title": HOSTILE, "reason": HOSTILE, "log": HOSTILE, "command": HOSTILE}],
    "dependent": [HOSTILE],
}
STAGES = ["input", "block_1", "logits"]
NULL = null_of(STAGES, np.random.default_rng(0))
RECOGNITION_MODELS = ["net_a", "net_b", "net_c"]
FAMILIES = {"net_a": "net", "net_b": "net", "net_c": "other"}
CAPTIONS = (
    "overview",
    "recognizability",
    "contrasts",
    "error_consistency",
    "confusion",
    "null",
    "loss",
    "target",
    "training",
    "humans_vs_models",
    "power",
)
STIMULI = {"one": ("dog", HOSTILE), "two": ("cat", "tabby"), "three": ("dog", "poodle")}


def coordinates() -> dict:
    """Coordinates of stimuli and seeds."""
    return {
        "stimulus": list(STIMULI),
        "category": ("stimulus", [category for category, _ in STIMULI.values()]),
        "label": ("stimulus", [label for _, label in STIMULI.values()]),
        "seed": [0],
    }


@pytest.fixture(scope="module")
def acceptance() -> xr.Dataset:
    """All accepted but two metamers of the last stage, rejected for different reasons."""
    above, kept = np.ones((2, len(STAGES), len(STIMULI), 1), dtype=bool)
    above[-1, 0], kept[-1, 1] = False, False
    dims = ("stage", "stimulus", "seed")
    measures = dict.fromkeys(MEASURES, np.full(above.shape, 0.75)) | {"snr_db": np.full(above.shape, 12.5)}
    masks = {"accepted": above & kept, "above_null": above, "category_preserved": kept}
    found = xr.Dataset(
        {name: (dims, values) for name, values in (masks | measures).items()},
        coords={"stage": STAGES, **coordinates()},
    )
    return with_null(found, NULL)


@pytest.fixture(scope="module")
def recognition() -> dict[str, xr.Dataset]:
    """The model itself is always right; the others are at the early stages, and at the last one never."""
    stages = ["natural", *STAGES]
    given = {}
    for recognition_model in RECOGNITION_MODELS:
        correct = np.ones((len(stages), len(STIMULI), 1), dtype=bool)
        correct[-1] = recognition_model == "net_a"
        answer = np.where(correct, "dog", HOSTILE)
        dims = ("stage", "stimulus", "seed")
        given[recognition_model] = xr.Dataset(
            {"answer": (dims, answer), "correct": (dims, correct)}, coords={"stage": stages, **coordinates()}
        )
    return given


@pytest.fixture(scope="module")
def relation() -> xr.Dataset:
    """Published data in which human recognizability nearly equals recognizability by other models."""
    return relation_of()


def recognized(acceptance, recognition, families=FAMILIES) -> xr.Dataset:
    """Recognizability with chance, and relative to natural stimuli."""
    whole = with_chance(recognizability(acceptance, recognition, families), acceptance, recognition, families)
    return with_relative(whole, acceptance, recognition, dict.fromkeys(acceptance, 0.5))


@pytest.fixture(scope="module")
def compared(acceptance, recognition, relation) -> tuple[xr.Dataset, xr.Dataset]:
    """Recognizability, and prediction of people."""
    recognizable = recognized({"net_a": acceptance}, {"net_a": recognition})
    return recognizable, predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 2})


@pytest.fixture(scope="module")
def groups() -> pd.DataFrame:
    """Two experiments about one published model, whose stages are this run's, and one about another architecture."""
    rows = [
        (experiment, "audio", name, "standard", stage, observer, mean, 0.01, n)
        for experiment, name, n, means in (
            ("auditory-1", "CochCNN9", 10, (0.9, 0.8, 0.4)),
            ("auditory-4", "CochCNN9", 30, (0.7, 0.6, 0.0)),
            ("auditory-1", "CochResNet50", 10, (0.9, 0.8, 0.2)),
        )
        for stage, mean in zip(("natural", "block_1", "logits"), means, strict=True)
        for observer in OBSERVERS
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture(scope="module")
def written(tmp_path_factory, acceptance) -> str:
    """A file of a run."""
    path = tmp_path_factory.mktemp("run") / "acceptance.nc"
    given = path.with_name("input.txt")
    given.write_text("bytes")
    about = {"title": "Accepted", "source": "a test", "step": "test", "run": "x", "seed": 0, "inputs": [given]}
    files.save(acceptance, path, declared=OF_ANY_STEP, **about)
    return str(path)


ONE_STIMULUS = Evidence(1, np.nan, np.nan, 1, 1, False, 0.25)
ENTRY = {"modality": "vision", "dataset": "animals", "categories": 2, "category_noun": "category", "stages": STAGES}
ENTRY |= {"targets": dict.fromkeys(STAGES, 0.2), "omitted": ["block_2"]}
WITH_MODELS = [name for name in PAGES if name != "analyses"]
WITHOUT = [name for name in WITH_MODELS if name not in ("browser", "match")]


def drawn_of(acceptance, compared) -> dict:
    """The charts of the match and the recognizability of one generation model."""
    models, looks = {"net_a": ENTRY}, looks_of(["net_a"])
    match = match_points(models, {"net_a": acceptance}, {"net_a": NULL})
    recognizable = recognizability_points(models, *compared)
    return {
        "match": match_chart(match, looks),
        "recognizability_vision": recognizability_chart(recognizable, "vision", 1 / 2, looks),
    }


@pytest.fixture(scope="module")
def context(relation, written):
    """A function of the models and of further values: what the pages are made of. Its charts have no points."""
    origin = page_provenance([written])
    kinds = [f"{kind}_{modality}" for kind in ("recognizability", "humans_vs_models") for modality in MODALITIES]
    no_points = {name: {"datasets": {"points": []}} for name in ("match", "metamers", "contrasts", *kinds)}

    def context_of(models=(), charts=None, **changed) -> dict:
        given = {
            "run": HOSTILE,
            "pages": WITH_MODELS if models else WITHOUT,
            "linked": {name: LINKED[name] for name in ("beyond", "leaderboard")},
            "models": models,
            "examples": {},
            "remedies": [],
            "recognition_models": {name: {"modality": "vision", "family": "net"} for name in RECOGNITION_MODELS},
            "relation": relation,
            "recognizable": declines_of(vision=ONE_STIMULUS, audio=ONE_STIMULUS),
            **dict.fromkeys(("error_consistency", "anova", "preregistered", "contrasts", "criterion")),
            "own_participants": {},
            "adaptive": {},
            "own_participants_compared": None,
            "own_participants_consistency": None,
            "power": simulated_power(),
            "trained": {},
            "unheard_voices": False,
            **{name: {} for name in ("readouts", "vulnerability", "brain", "similarity")},
            "figures": [],
            "charts": no_points | (charts or {}),
            "captions": dict.fromkeys(CAPTIONS, "First.\n\nSecond\nline."),
            "origin": origin,
            "steps": {"table": {"head": ["Step"], "rows": []}, "times": {"head": ["Step"], "rows": []}},
            "synthesis": {
                **quality_attributes("quick"),
                "steps": {"vision": 64, "audio": 80},
                "default_settings": {"vision": True, "audio": True},
                "penalties": {},
            },
            "configuration": {"run": HOSTILE, "seed": 0},
            "left_out": LEFT_OUT,
        }
        return report.site_context(**(given | changed))

    return context_of


@pytest.fixture(scope="module")
def words(context):
    """A function of the models and of further values: the words of all pages."""
    return lambda *models, **changed: Page("\n".join(report.site(context(*models, **changed)).values())).words


@pytest.fixture(scope="module")
def model(acceptance, recognition, compared) -> dict:
    """What the pages say of the generation model."""
    return report.model_context("net_a", ENTRY, acceptance, NULL, *compared)


@pytest.fixture(scope="module")
def values(model, relation, acceptance, compared, context) -> dict:
    """What the pages of a run with one generation model are made of."""
    drawn = drawn_of(acceptance, compared) | {"metamers": metamers_chart()}
    for modality in MODALITIES:
        points = published_points(relation, modality, [])
        drawn[f"humans_vs_models_{modality}"] = published_chart(points, relation, modality, {})
    return context([model], charts=drawn)


@pytest.fixture(scope="module")
def texts(values) -> dict[str, str]:
    """The pages of a run with one generation model as HTML."""
    return report.site(values)


@pytest.fixture(scope="module")
def pages(texts) -> dict[str, Page]:
    """The pages of a run with one generation model."""
    return {name: Page(text) for name, text in texts.items()}


def test_pages_load_only_what_lies_beside_them(pages, texts):
    for name, page in pages.items():
        for address in [attributes["href"] for _, attributes in page.elements if "href" in attributes] + page.loaded:
            target = address.split("#")[0]
            assert ":" not in target.removeprefix("data:"), (name, target)
            assert not target.startswith(("/", "..")), (name, target)
        assert "default-src 'none'" in texts[name]


@pytest.mark.hostile(
    "Configuration", "labels and categories with HTML and scripts", "show as text; templates escape everything"
)
def test_labels_with_markup_show_as_text(pages, texts):
    assert not any(HOSTILE in text for text in texts.values())
    assert any(HOSTILE in page.words for page in pages.values())
    scripts = [attributes for page in pages.values() for tag, attributes in page.elements if tag == "script"]
    assert all("src" in attributes for attributes in scripts)  # none stands in a page


def test_every_picture_says_what_it_shows(pages):
    elements = [element for page in pages.values() for element in page.elements]
    images = [attributes for tag, attributes in elements if tag == "img" and "src" in attributes]
    assert len(images) == 2 + 4 + 2 + 1 + 1  # overview and target, of the model, of published data, power, steps
    assert all(image["alt"] for image in images)


def test_every_link_leads_to_a_page_and_one_place_on_it(pages):
    figures = [link for page in pages.values() for link in page.links if link.startswith("figures/")]
    linked = [f"{name}.html" for name in LINKED]
    assert broken_links({f"{name}.html": page for name, page in pages.items()}, [*figures, *linked]) == []
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids))
        assert page.faults == [], name


def test_every_page_is_in_the_navigation_and_says_where_it_is(pages):
    for name, page in pages.items():
        links = [attributes for tag, attributes in page.elements if tag == "a" and "href" in attributes]
        assert {f"{other}.html" for other in pages} <= set(page.links)
        assert [a["href"] for a in links if a.get("aria-current") == "page"] == [f"{name}.html"]


def test_the_main_result_is_computed(values, model, pages, texts):
    (result,) = values["results"]
    summary = model["summary"]
    assert (result["accepted"], result["made"]) == (7, 9)
    # One metamer of the last stage was accepted, and the others answer what is no stimulus's category.
    assert (result["first"], result["last"], result["chance"], summary["last"]["n"]) == (1, 0, 0, 1)
    assert (summary["first"]["stage"], summary["last"]["stage"], summary["below_half"]) == ("block_1", *["logits"] * 2)
    assert result["errors"] == [0.75, 0.75]
    assert (result["verdict"].side, result["verdict"].evidence.n) == (0, 1)
    (numbers,) = re.findall(r'<ul class="numbers">.*?</ul>', texts["index"], re.DOTALL)
    assert re.findall(r"<b>(.*?)</b>", numbers) == ["7 of 9", "100%", "100%", "0%"]
    assert result["conclusion"] in pages["index"].words
    assert "+100.0" in result["conclusion"]


def test_judges_that_give_a_single_answer_are_named(acceptance, compared, context, words, model):
    recognizable = compared[0].copy(deep=True)
    assert not context([model])["results"][0]["single_answers"]
    recognizable["single_answer"].loc[{"stage": "logits", "recognition_model": RECOGNITION_MODELS[1]}] = True
    changed = report.model_context("net_a", ENTRY, acceptance, NULL, recognizable, compared[1])
    assert context([changed])["results"][0]["single_answers"]
    (answer,) = changed["chance"]["single_answers"]
    assert (answer["stages"], answer["recognition_models"]) == (["logits"], [RECOGNITION_MODELS[1]])
    assert f"“{HOSTILE}” to 100%" in words([changed])
    assert f"“{HOSTILE}” to 100%" not in words([model])


def test_the_pages_have_the_numbers_of_models_that_predictions_rest_on(values, pages):
    vision = values["relation"][0]
    assert (vision["recognition_models"], vision["recognition_models_in_paper"]) == (5, 7)
    assert re.search(r"\b5 of \D*\b7 ", pages["curves"].words)
    assert values["results"][0]["one_family"]


def test_without_a_prediction_there_is_the_reason_and_no_number(relation, acceptance, recognition, words):
    siblings = {name: recognition[name] for name in ("net_a", "net_b")}
    recognizable = recognized({"net_a": acceptance}, {"net_a": siblings})
    found = predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 2})
    model = report.model_context("net_a", ENTRY, acceptance, NULL, recognizable, found)
    summary = model["summary"]
    assert (summary["judged"], summary["unpredicted"]) == (3, 3)
    text = words([model])
    assert summary["last"]["reason"][1:-1] in text
    assert "3 of the 3" in text
    rows = model["recognizability"]["rows"]
    assert [row[-1] for row in rows] == [report_tables.ABSENT] + 3 * [report_tables.UNPREDICTED]


def test_within_the_published_range_a_prediction_has_its_interval(relation, acceptance, recognition, words):
    recognizable = recognized({"net_a": acceptance}, {"net_a": recognition})
    for end, value in (("", 0.6), ("_low", 0.4), ("_high", 0.8)):
        recognizable[f"other_models{end}"].loc[{"stage": "logits"}] = value
    found = predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 16})
    model = report.model_context("net_a", ENTRY, acceptance, NULL, recognizable, found)
    expected = [round(100 * float(found[name].sel(stage="logits").item())) for name in ("predicted", "low", "high")]
    assert expected[1] < expected[0] < expected[2]
    assert [round(100 * model["summary"]["last"][name]) for name in ("predicted", "low", "high")] == expected
    text = words([model])
    assert all(f"{number}%" in text for number in expected)


def test_the_overview_says_the_quality_of_the_synthesis(monkeypatch, model, context):
    """Each quality, and other settings than the default ones, has its own words; the others are the same."""
    monkeypatch.setitem(QUALITIES, "new", "constant")
    sentences = {}
    for quality, default in [*((quality, True) for quality in QUALITIES), ("standard", False), ("published", False)]:
        synthesis = {
            **quality_attributes(quality),
            "steps": {"vision": 64},
            "default_settings": {"vision": default},
            "penalties": {},
            "target": {"vision": 0.05},
            "stage_targets": {},
            "must_converge": True,
        }
        pages = report.site(context([model], synthesis=synthesis))
        for page in pages.values():
            (run,) = re.findall(r'<span class="run">(.*?)</span>', page)
            assert ("quick" in run) == (quality == "quick")
        (sentence,) = re.findall(rf"<strong>{quality}</strong>, (.*?)</p>", pages["index"], re.DOTALL)
        assert sentence.startswith("64 ") == (quality != "converged")
        assert ("0.05" in sentence) == (quality == "converged")
        sentences[quality, default] = sentence
    assert len({sentences[quality, True] for quality in QUALITIES}) == len(QUALITIES)
    assert sentences["standard", False] == sentences["published", False] != sentences["standard", True]


def test_every_page_names_the_models_whose_metamers_have_a_penalty(model, context):
    content = context([model])
    assert not any("index.html#penalty" in Page(page).links for page in report.site(content).values())
    content["synthesis"] |= {"penalties": {"net_a": "range (weight <1>)"}}
    pages = {name: Page(text) for name, text in report.site(content).items()}
    assert all("index.html#penalty" in page.links for page in pages.values())
    assert "penalty" in pages["index"].ids
    assert "net_a: range (weight <1>)" in pages["index"].words


def test_judges_of_different_origin_are_not_one_family(model, context):
    recognition_models = {name: {"modality": "vision", "family": name} for name in ("net_a", "net_b")}
    assert not context([model], recognition_models=recognition_models)["results"][0]["one_family"]


def test_numbers_can_be_traced(pages, written):
    made = pages["made"].words
    for found in page_provenance([written])["inputs"]["rows"][0]:
        assert found in made
    command = "snakemake report --cores all --configfile run.yaml"
    assert command in made
    arguments = get_argument_parser().parse_args(command.split()[1:])
    assert arguments.targets == ["report"]  # after --configfile it would be another configuration file


def test_a_run_of_several_pieces_is_said(words, written, tmp_path):
    other = tmp_path / "other.nc"
    data = files.load(written)
    changed = page_provenance([written])["inputs"]["rows"][0][0]
    data.attrs["inputs"] = data.attrs["inputs"].replace(":", ': "0", "x":', 1)
    data.to_netcdf(other)
    origin = page_provenance([written, other])
    assert origin["mixed"] == [changed]
    assert words(origin=origin).count(changed) > words(origin=origin | {"mixed": []}).count(changed)


def test_what_a_file_of_the_run_was_made_from_is_traced_too_where_it_is_still_there(written, tmp_path):
    other, gone, given = tmp_path / "other.nc", Path(written).with_name("gone.nc"), tmp_path / "given.nc"
    given.write_bytes(b"a file of the user, which no step wrote")
    data = files.load(written)
    data.attrs["inputs"] = json.dumps({str(written): "0", str(gone): "0", str(given): "0"})
    data.to_netcdf(other)
    assert page_provenance([other])["derived"].keys() == {str(other)}
    assert page_provenance([other], Path(written).parent)["derived"].keys() == {str(other), str(written)}


def test_results_of_another_version_are_named(words, written, tmp_path):
    other = tmp_path / "other.nc"
    data = files.load(written)
    data.attrs["product_version"] = "metamers 0.0.1"
    data.to_netcdf(other)
    origin = page_provenance([written, other])
    assert origin["other_version"]["rows"] == [[str(other), "metamers 0.0.1"]]
    assert "metamers 0.0.1" in words(origin=origin)
    assert "metamers 0.0.1" not in words()


def test_without_generation_models_the_human_parts_remain(context):
    pages = {name: Page(text) for name, text in report.site(context()).items()}
    assert list(pages) == WITHOUT
    assert {"humans", "relation", "power"} <= {name for page in pages.values() for name in page.ids}
    assert not any("browser.html" in page.links for page in pages.values())
    assert not any("nan" in page.words.lower() for page in pages.values())


def test_the_analysis_of_variance_has_its_table(context):
    dims = ("test", "effect")
    values = {"f": 467.84, "df_effect": 1, "df_error": 38, "p_permutation": 0.0001, "partial_eta_squared": 0.92}
    values |= {"p_permutation_plus_one": 1 / 10_001, "p_holm": 0.0177, "epsilon": 0.52, "p_greenhouse_geisser": 1e-20}
    has = np.array([[True, False, True, True], [False, True, True, True]])
    tested = xr.Dataset(
        {name: (dims, np.where(has, value, np.nan)) for name, value in values.items()},
        coords={
            "effect": ["observer", "model", "stage", "interaction"],
            "comparison": ("test", ["human against model", "between models"]),
            "experiment": ("test", ["auditory-1", "auditory-3"]),
            "generation_model": ("test", ["CochResNet50", "CochResNet50, CochCNN9"]),
        },
    )
    rows = report_tables.anova_table(tested)["rows"]
    assert [(row[0], row[3]) for row in rows] == [
        *(("auditory-1", effect) for effect in ("observer", "stage", "interaction")),
        *(("auditory-3", effect) for effect in ("model", "stage", "interaction")),
    ]
    assert rows[0] == [
        *("auditory-1", "human against model", "CochResNet50", "observer", "F(1,38) = 467.84", "0.92"),
        *("0.0001", "0.0001", "0.0177", "0.52", "< 0.0001"),
    ]
    shown = Page(report.site(context(anova=tested))["statistics"]).rows
    assert all(row in shown for row in rows)


def test_nothing_accepted_is_no_number(acceptance, recognition, relation, groups, words):
    none = acceptance.assign(accepted=acceptance["accepted"] & False)
    recognizable = recognized({"net_a": none}, {"net_a": recognition})
    predicted = predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 2})
    model = report.model_context("net_a", ENTRY, none, NULL, recognizable, predicted)
    looks = looks_of(["net_a", *RECOGNITION_MODELS])
    points = recognizability_points({"net_a": ENTRY}, recognizable, predicted)
    svg(overview_figure(points, {"net_a": ENTRY}, relation, looks))
    series = recognizability_series("net_a", recognizable, predicted, relation, groups, "vision", looks)
    svg_of_series = recognizability_figure(series, "net_a", recognizable, 1 / 2)
    (mean,) = [one for one in series if one["colour"] == BLUE]
    assert len(mean["points"]) == 1  # of the natural stimuli
    assert mean["name"] in words_of(svg_of_series)
    assert not [one for one in series if one["colour"] == ORANGE]  # no prediction
    assert b"verdict: accepted" not in null_figure(NULL, none)
    svg(confusion_figure(confusion("net_a", recognition, none["accepted"], shown_stages(STAGES)), "vision", "category"))
    assert model["summary"]["last"]["n"] == 0
    text = words([model], charts=drawn_of(none, (recognizable, predicted)))
    assert "0 of 9" in text
    assert "nan" not in text.lower()


def overview_points(number: int) -> list[dict]:
    """Points of models that all have the same values, from 0.2 to 0.9, and two parts."""
    return [
        {"model": f"net_{n}", "by": "the other models, mean", "part": int(position > 0.5), "position": position,
         "value": 0.5, "low": 0.2, "high": 0.9}
        for n in range(number)
        for position in (-0.2, 0, 0.4, 1)
    ]  # fmt: skip


def test_the_overview_has_an_interval_for_each_point_and_no_two_lie_on_each_other(relation):
    models = {f"net_{n}": ENTRY for n in range(8)}
    (axes,) = overview_figure(overview_points(8), models, relation, looks_of(models)).axes
    bars = np.concatenate([line.get_segments() for line in axes.collections])  # (bar, end, x or y)
    assert len(bars) == 8 * 4
    assert bars[:, 0, 1] == pytest.approx(0.2)
    assert bars[:, 1, 1] == pytest.approx(0.9)
    x = np.sort(bars[:, 0, 0])
    assert np.diff(x).min() > 0.01
    assert sorted(axes.get_legend_handles_labels()[1])[:8] == list(models)


def test_for_many_models_the_overview_has_the_interval_of_their_mean(relation):
    models = {f"net_{n}": ENTRY for n in range(9)}
    points = [one | {"value": 0.5 + 0.01 * int(one["model"][-1])} for one in overview_points(9)]
    (axes,) = overview_figure(points, models, relation, looks_of(models)).axes
    (band,) = axes.collections
    values = 0.5 + 0.01 * np.arange(9)
    interval = scipy.stats.t.interval(0.95, 8, values.mean(), scipy.stats.sem(values))
    ends = band.get_paths()[0].vertices[:, 1]
    assert (ends.min(), ends.max()) == pytest.approx(interval)


def test_figures_are_the_same_bytes_every_time(relation):
    drawn = published_points(relation, "vision", [])
    first, second = (published_figure(drawn, relation, "vision") for _ in range(2))
    assert first == second
    given = {"net_a": ENTRY}
    first, second = (svg(overview_figure([], given, relation, looks_of(given))) for _ in range(2))
    assert first == second
    assert b"<dc:date>" not in first
    assert b"<text" not in first  # outlines need no font


def test_the_vector_file_of_people_against_models_has_the_marks_and_words_of_the_chart(relation):
    drawn = published_points(relation, "audio", [])
    root = ElementTree.fromstring(published_figure(drawn, relation, "audio"))
    words = " ".join(root.itertext())
    assert "R²" in words
    for kind in {point["kind"] for point in drawn}:
        assert kind in words
    marks = [one.get("aria-label", "") for one in root.iter() if one.get("aria-roledescription") == "point"]
    assert len(marks) == len(drawn)


def test_others_are_averaged_over_accepted_metamers_without_the_model_itself(acceptance, recognition, compared):
    others = report.others_of(compared[0], "net_a")
    assert list(others["stage"].values) == ["natural", *STAGES]
    assert list(others["proportion_correct"].values) == [1, 1, 1, 0]
    alone = recognizability({"net_a": acceptance}, {"net_a": {"net_a": recognition["net_a"]}}, FAMILIES)
    assert report.others_of(alone, "net_a")["proportion_correct"].isnull().all()


def test_the_pages_say_who_is_related_and_how_uncertain_a_mean_of_judges_is(pages, model):
    assert model["recognition_models"] == {"family": "net", "siblings": "net_b", "unrelated": "net_c"}
    head, first = model["recognizability"]["head"], model["recognizability"]["rows"][0]
    assert head[2:5] == ["net_a (itself)", "net_b (sibling)", "net_c"]
    # All of three stimuli by all recognition models: still not certain.
    (mean,) = [
        cell for name, cell in zip(head, first, strict=True) if name.startswith(report_tables.MEANS["other_models"])
    ]
    assert mean == "1.00 (0.27 to 1.00)"
    assert head in pages["statistics"].rows
    assert first in pages["statistics"].rows
    assert "± 0.00" not in pages["statistics"].words


def test_where_no_unrelated_model_was_asked_the_page_names_none(acceptance, recognition, relation):
    siblings = dict.fromkeys(RECOGNITION_MODELS, "net")
    recognizable = recognized({"net_a": acceptance}, {"net_a": recognition}, siblings)
    predicted = predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 2})
    alone = report.model_context("net_a", ENTRY, acceptance, NULL, recognizable, predicted)
    assert alone["recognition_models"]["unrelated"] == ""
    unrelated = report_tables.MEANS["unrelated_models"]
    assert not any(name.startswith(unrelated) for name in alone["recognizability"]["head"])
    # One family says nothing of others.
    assert alone["recognizability"]["rows"][0][-2] == f"1.00{report_tables.NO_INTERVAL}"


def test_published_curves_end_at_the_last_stage(relation):
    curves, mean = published_curves(relation, "audio")
    assert len(curves) == 4
    assert all(depth[-1] == 1 for depth, _ in curves)
    assert mean[1, -1] == pytest.approx(np.mean([human[-1] for _, human in curves]))


def test_relations_have_numbers_for_every_modality(relation):
    table = report_tables.relation_table(relation)
    assert [row[0] for row in table["rows"]] == ["vision", "audio"]
    assert all(len(row) == len(table["head"]) for row in table["rows"])
    assert f"{float(relation[CORRELATIONS[0]][0]):.3f}" in table["rows"][0][3]
    assert table["rows"][0][-2] == "0.990 (0.985 to 0.995)"


def test_what_other_models_tell_beyond_depth_stands_in_words_and_in_a_table(relation, context):
    rows = report_tables.beyond_depth_table(relation)["rows"]
    assert "(" in rows[0][3]  # six models have an interval, four have none
    assert rows[1][3] == f"{float(relation['partial_r2'][1]):.2f}"
    pages = {name: Page(text) for name, text in report.site(context()).items()}
    for name in ("depth_r2", "partial_r2"):
        assert f"{100 * float(relation[name][0]):.0f}%" in pages["index"].words
    assert all(row in pages["statistics"].rows for row in rows)


def test_a_figure_in_a_page_of_one_file_is_the_figure_that_was_drawn(relation):
    drawn = published_figure(published_points(relation, "audio", []), relation, "audio")
    kind, text = svg_uri(drawn).split(",", 1)
    assert kind == "data:image/svg+xml;charset=utf-8"
    assert unquote(text).split() == drawn.decode().split()
    assert not set(text) & set('"<>#\n')


def test_people_of_several_experiments_are_pooled_by_their_number(groups):
    people = published_recognizability(groups, "CochCNN9")
    assert list(people.index) == ["natural", "block_1", "logits"]
    assert people["mean"].tolist() == pytest.approx([0.75, 0.65, 0.1])
    assert people["n"].tolist() == [40, 40, 40]
    assert published_recognizability(groups, "nothing").empty


def words_of(drawn: bytes) -> str:
    """The words of a vector file."""
    return " ".join(ElementTree.fromstring(drawn).itertext())


def test_human_curves_of_the_same_architecture_are_drawn_by_stage(relation, compared, groups):
    given = ("net_a", *compared, relation, groups, "audio")
    looks = looks_of(["net_a", *RECOGNITION_MODELS])
    series = {
        one["name"]: one["points"] for one in recognizability_series(*given, looks, "CochCNN9 (L2 1 waveform random)")
    }
    people = next(points for name, points in series.items() if re.search(r"CochCNN9\b.*\(n = 40\)", name))
    assert [point["place"] for point in people] == [0, 2, 3]  # natural, block_1, logits: no human answers for the input
    assert [point["value"] for point in people] == pytest.approx([0.75, 0.65, 0.1])
    people = next(points for name, points in series.items() if re.search(r"CochResNet50\b.*\(n = 10\)", name))
    assert [point["place"] for point in people] == [0, 2, 3]  # input at 1, last stage at 3
    words = words_of(recognizability_figure(recognizability_series(*given, looks), "net_a", compared[0], 1 / 2))
    for name in ("net_a itself", "net_b (sibling)", "net_c", "participants: CochResNet50"):
        assert name in words


def test_a_dependence_on_acceptance_is_not_testable_if_no_metamer_fails_the_stricter_one(context):
    dims = ("conclusion", "criterion")
    numbers = {"difference": [0.5, 0.5], "low": [0.3, 0.3], "high": [0.7, 0.7], "n": [20, 20], "degree": ["shown"] * 2}
    for left in (40, 39):
        columns = {name: (dims, [values]) for name, values in (numbers | {"accepted_metamers": [40, left]}).items()}
        criterion = xr.Dataset(columns, {"conclusion": ["images"], "criterion": [OF_RUN, STRICTER]})
        of_pages = context(criterion=criterion)
        assert of_pages["criterion"]["testable"] == (left == 39)
        assert not of_pages["criterion"]["changed"]
        statistics = Page(report.site(of_pages)["statistics"])
        assert "criterion" in statistics.ids
        assert statistics.words.count("not testable") + statistics.words.count("Not testable") == 2 * (left == 40)


def test_the_vector_file_of_the_match_has_a_mark_for_each_metamer_and_the_null_distribution(acceptance):
    drawn = null_figure(NULL, acceptance)
    assert drawn == null_figure(NULL, acceptance)
    marks = [one.get("aria-label", "") for one in ElementTree.fromstring(drawn).iter()]
    of_metamers = [mark for mark in marks if "verdict" in mark]
    assert len(of_metamers) == len(NULL_MEASURES) * acceptance["accepted"].size
    for verdict, number in (("accepted", 7), ("poor match", 1), ("category lost", 1)):
        assert sum(f"verdict: {verdict}" in mark for mark in of_metamers) == number * len(NULL_MEASURES)
    bars = [mark for mark in marks if "high_90" in mark]
    assert len(bars) == len(NULL_MEASURES) * len(STAGES)
    assert "≈" not in words_of(drawn)  # the sign of axes that do not start at 0
    high = {name: 0.6 + NULL[name] / 10 for name in NULL_MEASURES}
    null = NULL.assign(high)
    null["largest"] = 0.6 + null["largest"] / 10
    # The ratio in decibels, of 12.5, still has an axis from 0.
    assert words_of(null_figure(null, acceptance)).count("≈") == len(NULL_MEASURES) - 1


def test_a_measure_that_decides_nowhere_or_not_at_every_stage_is_marked(acceptance, compared, context):
    decides = acceptance["decides"].copy()
    decides.loc[{"measure": "snr_db"}] = False
    decides.loc[{"measure": "pearson_r", "stage": "logits"}] = False
    changed = acceptance.assign(decides=decides)
    model = report.model_context("net_a", ENTRY, changed, NULL, *compared)
    assert model["null"]["undecided"] == ["logits"]
    page = Page(report.site(context([model]))["match"])
    marked = [sum("decide" in cell for cell in row) for row in page.rows if row[0] in STAGES]
    assert marked[: len(STAGES)] == [1, 1, 2]
    assert words_of(null_figure(NULL, changed)).count("decide") == 1


def test_the_overview_says_at_how_many_stages_the_target_was_reached(compared, acceptance, words):
    errors = acceptance["normalized_error"].transpose("stage", ...)
    targets = {stage: float(errors.sel(stage=stage).median()) for stage in STAGES if stage != "input"}
    targets[STAGES[-1]] = float(errors.sel(stage=STAGES[-1]).min()) / 2
    model = report.model_context("net_a", ENTRY | {"targets": targets}, acceptance, NULL, *compared)
    assert model["converged"] == {"block_1": True, "logits": False}
    assert "1 of 2 stages" in words([model])


def heard(acceptance, compared, name="net_a"):
    """What the pages say of a model of hearing."""
    entry = ENTRY | {"modality": "audio", "dataset": "words", "categories": 24, "category_noun": "word"}
    return report.model_context("net_a", entry, acceptance, NULL, *compared) | {"name": name}


def test_vision_and_hearing_are_told_apart(model, acceptance, compared, context, words):
    """Of one run with both: each with its own numbers, categories and recognition models."""
    recognition_models = {name: {"modality": "vision", "family": "net"} for name in RECOGNITION_MODELS}
    recognition_models["ear"] = {"modality": "audio", "family": "ear"}
    both = [model, heard(acceptance, compared, "net_e")]
    vision, audio = context(both, recognition_models=recognition_models)["results"]
    assert [result["modality"] for result in (vision, audio)] == ["vision", "audio"]
    assert (vision["recognition_models"], audio["recognition_models"]) == (RECOGNITION_MODELS, ["ear"])
    text = words(both, recognition_models=recognition_models)
    for number in ("24 words", "793 words", "2 categories", "16 categories", "PNG", "WAV"):
        assert number in text


def test_a_run_of_hearing_alone_says_nothing_of_images(acceptance, compared, words):
    recognition_models = {name: {"modality": "audio", "family": "net"} for name in RECOGNITION_MODELS}
    text = words([heard(acceptance, compared)], recognition_models=recognition_models)
    assert "WAV" in text
    assert "PNG" not in text


def test_a_run_that_trains_models_says_how(context):
    how = {"kind": "adversarial", "on": "preprocessing", "norm": "l2", "size": 0.5, "steps": 3}
    trained = {"plain": trained_model(), "robust": trained_model(how)}
    of_pages = context(trained=trained, unheard_voices=True, pages=[*WITHOUT, "analyses"])
    page = Page(report.site(of_pages)["analyses"])
    assert "training" in page.ids
    assert all(row in page.rows for row in of_pages["training"]["table"]["rows"])
    for value in ("L2 0.5", "3 steps", "75%", "training/<model>.nc"):
        assert value in page.words
    assert "figures/training_robust.svg" in page.links
    heard_voices = context(trained=trained, pages=[*WITHOUT, "analyses"])
    assert Page(report.site(heard_voices)["analyses"]).words != page.words


def test_a_run_without_training_or_contrasts_says_nothing_of_them(pages):
    assert not {"training", "contrasts"} & {name for page in pages.values() for name in page.ids}


def test_contrasts_are_said_as_their_intervals_are(context):
    found = three_contrasts()
    of_pages = context(contrasts=found, charts={"contrasts": contrasts_chart(contrast_points(found))})
    page = Page(report.site(of_pages)["statistics"])
    first, second, third = of_pages["contrasts"]["sentences"]
    assert (first["found"], first["n"], first["left_out"]) == ("+12.0 (+1.0 to +20.0)", 6, 2)
    assert (first["above"], first["below"]) == (["input"], ["late"])
    assert not second["above"] + second["below"]
    assert (first["by_recognition_model"], third["related"], third["n"]) == ("ear +12.0", "eye", 0)
    for sentence in (first, second):
        for key in ("found", "claim", "missing", "stages", "by_recognition_model"):
            assert sentence[key] in page.words, key
    assert third["claim"] not in page.words  # there is nothing to compare
    assert all(row in page.rows for row in of_pages["contrasts"]["table"]["rows"])
    assert "nan" not in page.words.lower()


@pytest.fixture(scope="module")
def frozen():
    """A frozen prediction of the metamers of ``eye`` and ``ear``, with a part of its samples."""
    now = datetime.datetime(2026, 5, 4, 12, 30, tzinfo=datetime.UTC)
    items = pd.DataFrame(columns=["item_kind", "item_name", "fingerprint"])
    few = {"participants": 4, "trials": 5}
    return with_items(predictions(expected=few), items, now).isel(sample=slice(8, None, 16))


def scored_prediction(frozen, rates, changes=(), **about):
    """A frozen prediction, scored against people who recognize these proportions of the metamers of ``eye``."""
    people = judged_as({("eye", stage): rate for stage, rate in rates.items()})
    changed = pd.DataFrame(list(changes), columns=["changed_kind", "changed_item", "change"])
    given = {"first_answer": "2026-05-05T08:00:00+00:00", "answer_files_before": 0, "frozen_sha256": "ab12"}
    return score_prediction(frozen, people, changed, 0).assign(given | about)


@pytest.fixture(scope="module")
def scored(frozen):
    """A prediction that is right, and nothing changed."""
    return scored_prediction(frozen, {"late": 0.3, "last": 0.2})


def test_the_pages_score_the_frozen_prediction(model, frozen, scored, own_answers, context):
    """A prediction that is right, and nothing changed; a wrong one after which metamers and settings changed."""

    def shown(scored):
        of_pages = context([model], own_participants={"mine": own_answers}, preregistered=scored)
        return of_pages["own_participants"]["preregistered"], Page(report.site(of_pages)["statistics"])

    values, page = shown(scored)
    assert (values["verdict"], values["better"], values["compared"], values["files_before"]) == ("undecided", 2, 2, 0)
    assert "preregistered" in page.ids
    for value in ("2026-05-04T12:30:00+00:00", "ab12", "2026-05-05T08:00:00+00:00", values["evidence"], "2 of 2"):
        assert value in page.words
    for row in [*values["table"]["rows"], *values["coverage"]["rows"]]:
        assert row in page.rows

    changes = [("metamers", f"{HOSTILE}/{number}.nc", "changed") for number in range(31)]
    changes += [("setting", "seed", "0 → 1")]
    usual = frozen["reference_proportion"].median("sample").sel(generation_model="eye")
    by_depth = {stage: usual.sel(stage=stage) for stage in ("early", "late", "last")}
    stages = frozen["stage"].values
    wrong = frozen["possible_proportion"].sel(stage=["input", "last", "late", "early"]).assign_coords(stage=stages)
    values, page = shown(
        scored_prediction(frozen.assign(possible_proportion=wrong), by_depth, changes, answer_files_before=2)
    )
    assert (values["verdict"], values["files_before"]) == ("against", 2)
    assert (values["changed"], values["changes_left_out"]) == ({"metamers": 31, "setting": 1}, 2)
    assert ["metamers", f"{HOSTILE}/0.nc", "changed"] in page.rows
    for value in ("metamers (31), setting (1)", "2 files", "comparison/preregistered.nc"):
        assert value in page.words
    assert "nan" not in page.words.lower()

    unscored = scored_prediction(frozen, {"late": 0.3})
    assert shown(unscored.assign(evidence=1.5))[0]["verdict"] == "for"
    named = unscored.assign(
        unscored_model=("unscored", ["eye", "eye"]),
        unscored_stage=("unscored", ["end", HOSTILE]),
        unscored_frozen=("unscored", [True, False]),
    )
    values, page = shown(named)
    assert (values["not_frozen"], values["without_prediction"]) == ([f"eye ({HOSTILE})"], ["eye (end)"])
    assert "eye (input)" in values["unjudged"]
    for name in (*values["not_frozen"], *values["without_prediction"], *values["unjudged"]):
        assert name in page.words
    unscored["log_score_depth"][:] = np.nan
    values, page = shown(unscored)
    assert values["evidence"] is None
    assert "nan" not in page.words.lower()


def test_the_figure_of_the_frozen_prediction_has_a_row_for_each_stage(frozen):
    scored = scored_prediction(frozen, {"early": 0.65, "late": 0.9})
    figure = preregistered_figure(scored)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["eye, early", "eye, late"]
    of_label = {line.get_label(): line.get_xdata().tolist() for line in axes.lines}
    answers = {label: values for label, values in of_label.items() if "participants" in label}
    assert {"inside" in label: values for label, values in answers.items()} == {True: [0.65], False: [0.9]}
    assert svg(figure) == svg(preregistered_figure(scored))


@pytest.fixture(scope="module")
def own_answers():
    """Two participants who judged metamers of one stage."""
    human = np.array([[[[0.5, 1.0]], [[0.25, 1.0]]]]).reshape(2, 1, 1, 2)
    return xr.Dataset(
        {
            "proportion_correct": (("participant", "generation_model", "stage", "observer"), human),
            "stage_number": (("generation_model", "stage"), [[0]]),
            "excluded": ("exclusion", [222]),
            "rows_set_aside": 777,
            "files_set_aside": 999,
        },
        coords={
            "generation_model": ["net_a"],
            "stage": [HOSTILE],
            "observer": list(OBSERVERS),
            "exclusion": ["practice"],
        },
    )


def test_the_pages_show_the_answers_of_own_participants(model, context, own_answers):
    def pages(**own):
        return {name: Page(text) for name, text in report.site(context([model], **own)).items()}

    shown, without = pages(own_participants={HOSTILE: own_answers}), pages()
    statistics = shown["statistics"]
    assert HOSTILE in statistics.words
    assert re.search(r"\b2 participants.*\b222 \w+ practice\b", statistics.words)
    assert re.search(r"Rows [^.]*\b777\b", statistics.words)
    assert re.search(r"Files [^.]*\b999\b", statistics.words)
    assert "statistics.html#own-participants" in shown["index"].links
    assert "statistics.html#own-participants" not in without["index"].links
    assert "own-participants" not in without["statistics"].ids


def test_a_new_page_has_its_file_and_is_in_the_navigation_of_all_pages(monkeypatch, tmp_path, model, context):
    extended = '{% extends "site.html.j2" %}{% block content %}<h1>Models: {{ models | length }}</h1>{% endblock %}'
    (tmp_path / "summary.html.j2").write_text(extended)
    monkeypatch.setattr("metamers.report.render.TEMPLATES", (*TEMPLATES, tmp_path))
    monkeypatch.setitem(PAGES, "summary", declared.Page("Summary"))
    of_step = {"pairs": declared.Page("Pairs", attrgetter("generation_models"))}
    monkeypatch.setattr(STEPS["null"].files, "PAGES", of_step, raising=False)
    extensions = SimpleNamespace(sets={}, sensitivity={}, metamer_sets={})
    linked, without = (
        linked_pages(SimpleNamespace(generation_models=models, beyond=extensions)) for models in ({"net_a": []}, {})
    )
    assert linked.items() - without.items() == {("pairs", "Pairs")}
    names = [*WITH_MODELS, "summary"]
    pages = report.site(context([model], pages=names, linked=linked))
    assert list(pages) == names
    assert "<h1>Models: 1</h1>" in pages["summary"]
    for page in pages.values():
        assert {"summary.html", "pairs.html"} <= set(Page(page).links)
