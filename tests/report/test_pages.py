"""The report: its figures are always the same bytes, its pages are whole, and say what the data say."""

import datetime
import json
import re
from html.parser import HTMLParser
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
from metamers.report.figures import published_curves, svg
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
from metamers.run import files
from metamers.run.declared import Page
from metamers.synthesize.qualities import QUALITIES, quality_attributes
from tests.made_up_run import OF_ANY_STEP
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


def charts(models, relation, acceptance=None, compared=None, contrasts=None) -> dict:
    """Every chart that a run with these models has."""
    found, looks = {}, looks_of(models)
    points = recognizability_points(models, *compared) if models else []
    if models:
        accepted = dict.fromkeys(models, acceptance)
        found |= {"match": match_chart(match_points(models, accepted, dict.fromkeys(models, NULL)), looks)}
        found["metamers"] = metamers_chart()
    for modality in ("vision", "audio"):
        own = [point for point in points if models[point["model"]]["modality"] == modality]
        if own:
            found[f"recognizability_{modality}"] = recognizability_chart(own, modality, 1 / 2, looks)
        found[f"humans_vs_models_{modality}"] = published_chart(
            published_points(relation, modality, own), relation, modality, looks
        )
    if contrasts is not None:
        found["contrasts"] = contrasts_chart(contrast_points(contrasts))
    return found


def context(models, relation, written, **changed) -> dict:
    """What the pages are made of."""
    given = {
        "run": HOSTILE,
        "pages": WITH_MODELS if models else WITHOUT,
        "linked": {name: LINKED[name] for name in ("beyond", "leaderboard")},
        "models": models,
        "examples": {},
        "remedies": [],
        "recognition_models": {
            recognition_model: {"modality": "vision", "family": "net"} for recognition_model in RECOGNITION_MODELS
        },
        "relation": relation,
        "recognizable": declines_of(vision=ONE_STIMULUS, audio=ONE_STIMULUS),
        "error_consistency": None,
        "anova": None,
        "own_participants": {},
        "adaptive": {},
        "own_participants_compared": None,
        "own_participants_consistency": None,
        "preregistered": None,
        "contrasts": None,
        "criterion": None,
        "power": simulated_power(),
        "trained": {},
        "unheard_voices": False,
        "readouts": {},
        "vulnerability": {},
        "brain": {},
        "similarity": {},
        "figures": [],
        "charts": charts({}, relation),
        "captions": dict.fromkeys(CAPTIONS, "First.\n\nSecond\nline."),
        "origin": page_provenance([written]),
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


def text_of(*given, **changed) -> str:
    """All pages, one after the other."""
    return "\n".join(report.site(context(*given, **changed)).values())


@pytest.fixture(scope="module")
def drawn(relation, acceptance, compared) -> dict:
    """Charts of a run with one generation model."""
    return charts({"net_a": ENTRY}, relation, acceptance, compared)


@pytest.fixture(scope="module")
def model(acceptance, recognition, compared) -> dict:
    """What the pages say of the generation model."""
    return report.model_context("net_a", ENTRY, acceptance, NULL, *compared)


@pytest.fixture(scope="module")
def pages(model, relation, written, drawn) -> dict[str, str]:
    """The pages of a run with one generation model."""
    return report.site(context([model], relation, written, charts=drawn))


@pytest.fixture(scope="module")
def page(pages) -> str:
    """All pages, one after the other."""
    return "\n".join(pages.values())


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.words = ""
        self.feed(page)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.words += data


def test_pages_load_only_what_lies_beside_them(pages):
    loading = {"src", "href", "data", "srcset", "poster", "action"}
    for page in pages.values():
        for tag, attributes in Elements(page).found:
            for name in loading & attributes.keys():
                target = attributes[name].split("#")[0]
                assert ":" not in target.removeprefix("data:"), f"<{tag} {name}={target}>"
                assert not target.startswith(("/", "..")), f"<{tag} {name}={target}>"
        assert "default-src 'none'" in page


@pytest.mark.hostile(
    "Configuration", "labels and categories with HTML and scripts", "show as text; templates escape everything"
)
def test_labels_with_markup_show_as_text(page):
    assert HOSTILE not in page
    scripts = [attributes for tag, attributes in Elements(page).found if tag == "script"]
    assert all("src" in attributes for attributes in scripts)  # none stands in a page


def test_every_picture_says_what_it_shows(page):
    images = [attributes for tag, attributes in Elements(page).found if tag == "img" and "src" in attributes]
    assert len(images) == 2 + 4 + 2 + 1 + 1  # overview and target, of the model, of published data, power, steps
    assert all(image["alt"] for image in images)


def test_no_identifier_occurs_twice(pages):
    for page in pages.values():
        names = [attributes["id"] for _, attributes in Elements(page).found if "id" in attributes]
        assert len(names) == len(set(names))


def test_every_link_leads_somewhere(pages):
    for page in pages.values():
        found = Elements(page).found
        names = {attributes["id"] for _, attributes in found if "id" in attributes}
        for target in (attributes["href"] for tag, attributes in found if tag == "a"):
            file, _, fragment = target.partition("#")
            if file.endswith(".html"):
                assert file.removesuffix(".html") in {*pages, *LINKED}
            elif not file:
                assert fragment in names


def test_every_page_is_in_the_navigation_and_says_where_it_is(pages):
    for name, page in pages.items():
        links = [attributes for tag, attributes in Elements(page).found if tag == "a" and "href" in attributes]
        assert {f"{other}.html" for other in pages} <= {attributes["href"] for attributes in links}
        assert [a["href"] for a in links if a.get("aria-current") == "page"] == [f"{name}.html"]


def test_the_main_result_is_computed(page):
    words = Elements(page).words
    assert "7 of 9metamers were accepted" in words
    # One metamer of the last stage was accepted, and the others answer what is no stimulus's category.
    assert "(0% expected if the same answers were assigned to the metamers at random)" in words
    assert "(n = 1; at random 0%)" in words
    assert (
        "100% of the metamers of block_1 and 0% of the metamers of logits (n = 1; at random 0%); fewer than half for the first time"
        in words
    )
    assert "the normalized error is 0.75 to 0.75 (medians of the stages)" in words
    assert (
        "Other models recognize 100% of the metamers of the first stage after the input and 0% of those of the last stage. "
        "Whether other models recognize fewer metamers of the last stage than of the first is undecided: "
        "difference +100.0 percentage points (no interval: it needs two images)"
    ) in words


def test_judges_that_give_a_single_answer_are_named(acceptance, recognition, compared, relation, written, drawn):
    recognizable, predicted = compared[0].copy(deep=True), compared[1]
    given = [acceptance, NULL, recognizable, predicted]
    quiet = Elements(text_of([report.model_context("net_a", ENTRY, *given)], relation, written, charts=drawn)).words
    assert "single answer" not in quiet
    recognizable["single_answer"].loc[{"stage": "logits", "recognition_model": RECOGNITION_MODELS[1]}] = True
    words = Elements(text_of([report.model_context("net_a", ENTRY, *given)], relation, written, charts=drawn)).words
    assert f"net_a, logits: {RECOGNITION_MODELS[1]} answers “{HOSTILE}” to 100%" in words
    assert words.count("single answer") == 3  # on the overview, beside the curves, and above the list


def test_the_page_says_what_a_prediction_is_worth(page):
    words = Elements(page).words
    assert "not a measurement" in words
    assert "in vision 5 published and 3 in this run, all of one family of architectures" in words
    assert "5 of the paper’s 7 recognition models have public answers" in words


def test_without_a_prediction_there_is_the_reason_and_no_number(relation, acceptance, recognition, written, drawn):
    siblings = {name: recognition[name] for name in ("net_a", "net_b")}
    recognizable = recognized({"net_a": acceptance}, {"net_a": siblings})
    found = predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 2})
    model = report.model_context("net_a", ENTRY, acceptance, NULL, recognizable, found)
    words = " ".join(Elements(text_of([model], relation, written, charts=drawn)).words.split())
    reason = "only 1 recognition model of the generation model's own family was asked; at least 1 of another family"
    assert f"There is no prediction for participants ({reason} is needed);" in words
    assert "people would recognize" not in words
    assert "3 of the 3 stages that other models classified have no prediction" in words
    rows = model["recognizability"]["rows"]
    assert [row[-1] for row in rows] == [report_tables.ABSENT] + 3 * [report_tables.UNPREDICTED]


def test_within_the_published_range_a_prediction_has_its_interval(relation, acceptance, recognition, written, drawn):
    recognizable = recognized({"net_a": acceptance}, {"net_a": recognition})
    for end, value in (("", 0.6), ("_low", 0.4), ("_high", 0.8)):
        recognizable[f"other_models{end}"].loc[{"stage": "logits"}] = value
    found = predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 16})
    model = report.model_context("net_a", ENTRY, acceptance, NULL, recognizable, found)
    expected = [round(100 * float(found[name].sel(stage="logits").item())) for name in ("predicted", "low", "high")]
    assert expected[1] < expected[0] < expected[2]
    words = " ".join(Elements(text_of([model], relation, written, charts=drawn)).words.split())
    assert "participants would recognize {}% of them (95% interval {}% to {}%)".format(*expected) in words


@pytest.mark.parametrize(
    ("quality", "default_settings", "said"),
    [
        ("quick", True, "<strong>Not converged: whether recognition would change with more steps is not known"),
        ("quick", False, "<strong>Not converged: whether recognition would change with more steps is not known"),
        ("quick", True, "for a first look"),
        ("converged", True, "is at most 0.05. A metamer that has not reached this target is not accepted."),
        ("standard", True, "its mean error was at most as large"),
        ("standard", False, "no comparison with the published procedure applies"),
        ("published", True, "This is the published procedure."),
        ("published", False, "no comparison with the published procedure applies"),
        ("new", True, "<strong>new</strong>, 64 steps."),
    ],
)
def test_the_overview_says_the_quality_of_the_synthesis(
    monkeypatch, model, relation, written, drawn, quality, default_settings, said
):
    monkeypatch.setitem(QUALITIES, "new", "constant")
    synthesis = {
        **quality_attributes(quality),
        "steps": {"vision": 64},
        "default_settings": {"vision": default_settings},
        "penalties": {},
        "target": {"vision": 0.05},
        "stage_targets": {},
        "must_converge": True,
    }
    pages = report.site(context([model], relation, written, synthesis=synthesis, charts=drawn))
    for one in pages.values():
        assert ("quality quick: <strong>not converged</strong>" in one) == (quality == "quick")
    page = pages["index"]
    assert f"<strong>{quality}</strong>, {'at most ' if quality == 'converged' else ''}64 steps." in page
    (sentence,) = (line for line in page.split("</p>") if "Quality of the synthesis" in line)
    assert said in " ".join(sentence.split())
    assert ("published procedure" in sentence) == (quality not in ("converged", "new"))


def test_every_page_names_the_models_whose_metamers_have_a_penalty(model, relation, written, drawn):
    content = context([model], relation, written, charts=drawn)
    assert not any("with a penalty" in page for page in report.site(content).values())
    content["synthesis"] |= {"penalties": {"net_a": "range (weight <1>)"}}
    pages = report.site(content)
    for page in pages.values():
        assert '<a href="index.html#penalty">metamers of net_a: <strong>with a penalty</strong></a>' in page
    assert 'id="penalty"' in pages["index"]
    assert "net_a: <strong>range (weight &lt;1&gt;)</strong>" in pages["index"]


def test_judges_of_different_origin_are_not_one_family(model, relation, written, drawn):
    recognition_models = {
        "net_a": {"modality": "vision", "family": "net"},
        "net_b": {"modality": "vision", "family": "other"},
    }
    assert "all of one family" not in text_of(
        [model], relation, written, recognition_models=recognition_models, charts=drawn
    )


def test_numbers_can_be_traced(page, written):
    words = Elements(page).words
    for found in page_provenance([written])["inputs"]["rows"][0]:
        assert found in words
    command = "snakemake report --cores all --configfile run.yaml"
    assert command in words
    arguments = get_argument_parser().parse_args(command.split()[1:])
    assert arguments.targets == ["report"]  # after --configfile it would be another configuration file


def test_a_run_of_several_pieces_is_said(relation, written, tmp_path):
    other = tmp_path / "other.nc"
    data = files.load(written)
    changed = page_provenance([written])["inputs"]["rows"][0][0]
    data.attrs["inputs"] = data.attrs["inputs"].replace(":", ': "0", "x":', 1)
    data.to_netcdf(other)
    origin = page_provenance([written, other])
    assert origin["mixed"] == [changed]
    assert "Mixed versions" in text_of([], relation, written, origin=origin)


def test_what_a_file_of_the_run_was_made_from_is_traced_too_where_it_is_still_there(written, tmp_path):
    other, gone, given = tmp_path / "other.nc", Path(written).with_name("gone.nc"), tmp_path / "given.nc"
    given.write_bytes(b"a file of the user, which no step wrote")
    data = files.load(written)
    data.attrs["inputs"] = json.dumps({str(written): "0", str(gone): "0", str(given): "0"})
    data.to_netcdf(other)
    assert page_provenance([other])["derived"].keys() == {str(other)}
    assert page_provenance([other], Path(written).parent)["derived"].keys() == {str(other), str(written)}


def test_results_of_another_version_are_named(relation, written, tmp_path):
    assert "Results of another version" not in text_of([], relation, written)
    other = tmp_path / "other.nc"
    data = files.load(written)
    data.attrs["product_version"] = "metamers 0.0.1"
    data.to_netcdf(other)
    origin = page_provenance([written, other])
    assert origin["other_version"]["rows"] == [[str(other), "metamers 0.0.1"]]
    words = Elements(text_of([], relation, written, origin=origin)).words
    assert "computed 1 of the files" in words
    assert "metamers 0.0.1" in words


def test_without_generation_models_the_human_parts_remain(relation, written):
    words = Elements(text_of([], relation, written)).words
    assert "Published participants against other models" in words
    assert "no generation models" in words
    assert "not converged" not in words
    assert "browser.html" not in text_of([], relation, written)
    assert "nan" not in words.lower()


def test_the_analysis_of_variance_has_its_table(relation, written):
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
    words = Elements(text_of([], relation, written, anova=tested)).words
    assert "F(1,38) = 467.84" in words
    assert "Where ε is less than 1, permutation finds effects too often" in words
    assert "the published test: it counts one network once for each participant" in words


def test_nothing_accepted_is_no_number(acceptance, recognition, relation, groups, written):
    none = acceptance.assign(accepted=acceptance["accepted"] & False)
    recognizable = recognized({"net_a": none}, {"net_a": recognition})
    predicted = predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 2})
    model = report.model_context("net_a", ENTRY, none, NULL, recognizable, predicted)
    drawn = charts({"net_a": ENTRY}, relation, none, (recognizable, predicted))
    looks = looks_of(["net_a", *RECOGNITION_MODELS])
    points = recognizability_points({"net_a": ENTRY}, recognizable, predicted)
    svg(overview_figure(points, {"net_a": ENTRY}, relation, looks))
    series = recognizability_series("net_a", recognizable, predicted, relation, groups, "vision", looks)
    words = words_of(recognizability_figure(series, "net_a", recognizable, 1 / 2))
    assert "mean over families" in words  # of the natural stimuli
    assert "people: predicted" not in words
    assert b"verdict: accepted" not in null_figure(NULL, none)
    svg(confusion_figure(confusion("net_a", recognition, none["accepted"], shown_stages(STAGES)), "vision", "category"))
    words = Elements(text_of([model], relation, written, charts=drawn)).words
    assert "0 of 9" in words
    assert "cannot be compared" in words
    assert "No metamer of its last stage, logits, was accepted." in words
    assert "nan" not in words.lower()


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
    for word in (
        "Proportion correct of participants",
        "Proportion correct of other models (mean)",
        "noise ceiling of R²",
    ):
        assert word in words
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


def test_the_pages_say_who_is_related_and_how_uncertain_a_mean_of_judges_is(page, model):
    words = Elements(page).words
    assert "Family: net. Related recognition models: net_b, which may recognize its metamers" in words
    assert "Unrelated recognition models: net_c." in words
    head, first = model["recognizability"]["head"], model["recognizability"]["rows"][0]
    assert head[2:5] == ["net_a (itself)", "net_b (sibling)", "net_c"]
    cells = dict(zip(head, first, strict=True))
    # All of three stimuli by all recognition models: still not certain.
    assert cells["All other models, each family counted once (95% interval over stimuli)"] == "1.00 (0.27 to 1.00)"
    assert "± 0.00" not in words


def test_where_no_unrelated_model_was_asked_the_page_says_so(acceptance, recognition, relation, written, drawn):
    given = {"net_a": acceptance}, {"net_a": recognition}
    siblings = dict.fromkeys(RECOGNITION_MODELS, "net")
    recognizable = recognized(*given, siblings)
    predicted = predicted_human(recognizable, relation, {"net_a": "vision"}, {"net_a": 2})
    model = report.model_context("net_a", ENTRY, acceptance, NULL, recognizable, predicted)
    words = Elements(text_of([model], relation, written, charts=drawn)).words
    assert "No recognition model is unrelated." in words
    assert "Unrelated models (95% interval over stimuli)" not in model["recognizability"]["head"]
    # One family says nothing of others.
    assert model["recognizability"]["rows"][0][-2] == "1.00 (no interval)"


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


def test_what_other_models_tell_beyond_depth_stands_in_words_and_in_a_table(relation, written):
    vision, audio = report_tables.beyond_depth_table(relation)["rows"]
    assert "(" in vision[3]  # six models have an interval, four have none
    assert audio[3] == f"{float(relation['partial_r2'][1]):.2f}"
    words = Elements(text_of([], relation, written)).words
    assert f"The position of the stage alone explains {100 * float(relation['depth_r2'][0]):.0f}%" in words
    assert f"the recognition models {100 * float(relation['partial_r2'][0]):.0f}% of the remaining variance" in words
    assert "Partial R² of other models, given both" in words


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
    people = series["participants: CochCNN9, in full size, 400 words (n = 40)"]
    assert [point["place"] for point in people] == [0, 2, 3]  # natural, block_1, logits: no human answers for the input
    assert [point["value"] for point in people] == pytest.approx([0.75, 0.65, 0.1])
    people = series[
        "participants: CochResNet50, over the position of the stage (dash-dotted), in full size, 400 words (n = 10)"
    ]
    assert [point["place"] for point in people] == [0, 2, 3]  # input at 1, last stage at 3
    words = words_of(recognizability_figure(recognizability_series(*given, looks), "net_a", compared[0], 1 / 2))
    for name in ("net_a itself", "net_b (sibling)", "net_c", "participants: CochResNet50"):
        assert name in words


@pytest.mark.parametrize(
    ("left", "said"), [(40, "Not testable here: no accepted metamer fails"), (39, "none of 1 conclusion changes")]
)
def test_a_dependence_on_acceptance_is_not_testable_if_no_metamer_fails_the_stricter_one(relation, written, left, said):
    dims = ("conclusion", "criterion")
    numbers = {"difference": [0.5, 0.5], "low": [0.3, 0.3], "high": [0.7, 0.7], "n": [20, 20], "degree": ["shown"] * 2}
    columns = {name: (dims, [values]) for name, values in (numbers | {"accepted_metamers": [40, left]}).items()}
    criterion = xr.Dataset(columns, {"conclusion": ["images"], "criterion": [OF_RUN, STRICTER]})
    page = report.site(context([], relation, written, criterion=criterion))["statistics"]
    assert said in page
    assert ("a dependence on acceptance is not testable here" in page) == (left == 40)


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
    assert "axis starts at" not in words_of(drawn)
    high = {name: 0.6 + NULL[name] / 10 for name in NULL_MEASURES}
    null = NULL.assign(high)
    null["largest"] = 0.6 + null["largest"] / 10
    # The ratio in decibels, of 12.5, still has an axis from 0.
    assert words_of(null_figure(null, acceptance)).count("axis starts at") == len(NULL_MEASURES) - 1


def test_the_overview_says_at_how_many_stages_the_target_was_reached(compared, acceptance, relation, written):
    errors = acceptance["normalized_error"].transpose("stage", ...)
    targets = {stage: float(errors.sel(stage=stage).median()) for stage in STAGES if stage != "input"}
    targets[STAGES[-1]] = float(errors.sel(stage=STAGES[-1]).min()) / 2
    model = report.model_context("net_a", ENTRY | {"targets": targets}, acceptance, NULL, *compared)
    after_input = len(targets)
    drawn = charts({"net_a": ENTRY}, relation, acceptance, compared)
    words = Elements(text_of([model], relation, written, charts=drawn)).words
    wanted = f"at {after_input - 1} of {after_input} stages after the input, at least half of the metamers have reached"
    assert wanted in " ".join(words.split())


def test_vision_and_hearing_are_told_apart(model, acceptance, recognition, compared, relation, written):
    """Of one run with both: each with its own numbers, categories, recognition_models and words."""
    entry = ENTRY | {"modality": "audio", "dataset": "words", "categories": 24, "category_noun": "word"}
    heard = report.model_context("net_a", entry, acceptance, NULL, *compared) | {"name": "net_e"}
    recognition_models = {
        recognition_model: {"modality": "vision", "family": "net"} for recognition_model in RECOGNITION_MODELS
    }
    recognition_models["ear"] = {"modality": "audio", "family": "ear"}
    both = [one.assign_coords(generation_model=["net_e"]) for one in compared]
    both = [xr.concat(pair, "generation_model") for pair in zip(compared, both, strict=True)]
    drawn = charts({"net_a": ENTRY, "net_e": entry}, relation, acceptance, both)
    words = Elements(
        text_of([model, heard], relation, written, recognition_models=recognition_models, charts=drawn)
    ).words
    assert "which of 24 words was heard" in words
    assert "which of 793 words was heard" in words
    assert "which of 2 categories an image shows" in words
    assert "which of 16 categories an image shows" in words
    assert "8-bit PNG image" in words
    assert "16-bit WAV sound" in words
    assert words.count("(0% expected if the same answers were assigned to the metamers at random)") == 2
    assert "Recognition models: ear, which answer which of" in words


def test_a_run_of_hearing_alone_says_nothing_of_images(acceptance, recognition, compared, relation, written):
    entry = ENTRY | {"modality": "audio", "dataset": "words", "categories": 24, "category_noun": "word"}
    heard = report.model_context("net_a", entry, acceptance, NULL, *compared)
    recognition_models = {
        recognition_model: {"modality": "audio", "family": "net"} for recognition_model in RECOGNITION_MODELS
    }
    drawn = charts({"net_a": entry}, relation, acceptance, compared)
    words = Elements(text_of([heard], relation, written, recognition_models=recognition_models, charts=drawn)).words
    assert "Adjust the volume" in words
    assert "image shows" not in words
    assert "PNG" not in words


def test_a_run_that_trains_models_says_how(relation, written):
    how = {"kind": "adversarial", "on": "preprocessing", "norm": "l2", "size": 0.5, "steps": 3}
    trained = {"plain": trained_model(), "robust": trained_model(how)}
    has = [*WITHOUT, "analyses"]
    page = text_of([], relation, written, trained=trained, unheard_voices=True, pages=has)
    words = Elements(page).words
    assert "adversarial, L2 0.5 on the cochleagram, 3 steps" in words
    assert "voices that are in no training example" in words
    assert "found on the cochleagram" in words
    assert "Training: Hearing: highest test accuracy of 2 trained models: plain, robust 75% (" in words
    assert "training/<model>.nc" in words
    found = Elements(page).found
    assert [a["alt"] for tag, a in found if tag == "img" and a["alt"].startswith("Loss and accuracy of robust")]


def test_a_run_without_training_or_contrasts_says_nothing_of_them(page):
    identifiers = {attributes.get("id") for _, attributes in Elements(page).found}
    assert not {"training", "contrasts"} & identifiers


def test_contrasts_are_said_as_their_intervals_are(relation, written):
    found = three_contrasts()
    words = Elements(
        text_of([], relation, written, contrasts=found, charts=charts({}, relation, contrasts=found))
    ).words
    assert "the difference is +12.0 (+1.0 to +20.0) percentage points, n = 6" in words
    assert (
        "This run suggests, but does not show, that metamers of b are recognized more often than those of a." in words
    )
    assert "Missing to show a difference: only 6 of the 20 stimuli that are needed." in words
    assert "above 0 at input, below 0 at late" in words
    assert "It is undecided whether metamers of c are recognized more often than those of a." in words
    assert "An interval that includes 0 does not show that they are recognized equally often." in words
    assert "The interval of every single stage includes 0" in words
    assert "there is no interval: it needs two stimuli, and metamers of both models were accepted for 0." in words
    assert "2 stimuli are left out, because not every later metamer of both models was accepted." in words
    assert "Recognition models: ear, each family counted once (one by one, over the same stages: ear +12.0)" in words
    assert "Related: eye belongs to the family of a compared model" in words
    assert "nan" not in words.lower()


def scored_prediction(rates, changes=(), means=None, **about):
    """A frozen prediction of the metamers of ``eye``, scored against people who recognize these proportions."""
    now = datetime.datetime(2026, 5, 4, 12, 30, tzinfo=datetime.UTC)
    items = pd.DataFrame(columns=["item_kind", "item_name", "fingerprint"])
    frozen = with_items(predictions(**({"means": means} if means else {})), items, now)
    if rates == "by depth":
        usual = frozen["reference_proportion"].median("sample").sel(generation_model="eye")
        rates = {stage: usual.sel(stage=stage) for stage in ("early", "late", "last")}
    people = judged_as({("eye", stage): rate for stage, rate in rates.items()})
    changed = pd.DataFrame(list(changes), columns=["changed_kind", "changed_item", "change"])
    given = {"first_answer": "2026-05-05T08:00:00+00:00", "answer_files_before": 0, "frozen_sha256": "ab12"}
    return score_prediction(frozen, people, changed, 0).assign(given | about)


def test_the_pages_score_the_frozen_prediction(model, relation, written, drawn, own_answers):
    """A prediction that is right, and nothing changed; a wrong one after which metamers and settings changed."""

    def words_of(scored):
        asked = text_of(
            [model], relation, written, charts=drawn, own_participants={"mine": own_answers}, preregistered=scored
        )
        return Elements(asked).words

    words = words_of(scored_prediction({"early": 0.65, "late": 0.3, "last": 0.2}))
    assert "frozen at 2026-05-04T12:30:00+00:00, in a file with the SHA-256 ab12" in words
    assert "No file of answers is older: the first was written at 2026-05-05T08:00:00+00:00" in words
    assert "Nothing that is compared has changed since" in words
    assert (
        "The evidence is undecided between the prediction and the reference. The reference is what participants"
        in words
    )
    assert "it is called undecided between −1 and 1." in words
    assert "The prediction has the higher score at 3 of 3 stages" in words
    assert "is +0." in words
    assert "Models count as independent, although their metamers were judged by the same participants" in words
    assert "3 of 3" in words
    assert "The intervals do not include differences between metamers: in a simulation" in words
    assert "What changed after the prediction was frozen" not in words
    changes = [("metamers", f"{HOSTILE}/{number}.nc", "changed") for number in range(31)]
    changes += [("setting", "seed", "0 → 1")]
    reversed_means = ((0.95, 0.9, 0.1, 0.7, 0.85), (0.95, 0.9, 0.7, 0.4, np.nan))
    lost = scored_prediction("by depth", changes, reversed_means, answer_files_before=2)
    words = words_of(lost)
    assert "2 files of answers are older than the prediction" in words
    assert "Changed after the prediction was frozen: metamers (31), setting (1)" in words
    assert f"{HOSTILE}/0.nc" in words
    assert "2 more are in comparison/preregistered.nc." in words
    assert "The evidence is against the prediction." in words
    assert "nan" not in words.lower()
    unscored = scored_prediction({"late": 0.3}).assign(
        unscored_model=("unscored", ["eye", "eye"]),
        unscored_stage=("unscored", ["end", HOSTILE]),
        unscored_frozen=("unscored", [True, False]),
    )
    words = words_of(unscored)
    assert f"Judged, but not in the frozen file: eye ({HOSTILE})" in words
    assert "Judged, and in the frozen file without a prediction, because no metamer was accepted or because" in words
    assert "than of any published ones: eye (end)." in words
    assert "Predicted, but not judged: eye (input)" in words
    won = scored_prediction({"late": 0.3}).assign(evidence=1.5)
    assert "The evidence is for the prediction." in words_of(won)
    without = scored_prediction({"late": 0.3})
    without["log_score_depth"][:] = np.nan
    assert "compared with guessing only" in words_of(without)


def test_the_figure_of_the_frozen_prediction_has_a_row_for_each_stage():
    figure = preregistered_figure(scored_prediction({"early": 0.65, "late": 0.9}))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["eye, early", "eye, late"]
    of_label = {line.get_label(): line.get_xdata().tolist() for line in axes.lines}
    answers = {label: values for label, values in of_label.items() if "participants" in label}
    assert answers == {"participants, inside the 95% interval": [0.65], "participants, outside": [0.9]}
    assert svg(figure) == svg(preregistered_figure(scored_prediction({"early": 0.65, "late": 0.9})))


@pytest.fixture
def own_answers():
    """Two participants who judged metamers of one stage."""
    human = np.array([[[[0.5, 1.0]], [[0.25, 1.0]]]]).reshape(2, 1, 1, 2)
    return xr.Dataset(
        {
            "proportion_correct": (("participant", "generation_model", "stage", "observer"), human),
            "stage_number": (("generation_model", "stage"), [[0]]),
            "excluded": ("exclusion", [2]),
            "rows_set_aside": 7,
            "files_set_aside": 9,
        },
        coords={
            "generation_model": ["net_a"],
            "stage": [HOSTILE],
            "observer": list(OBSERVERS),
            "exclusion": ["practice"],
        },
    )


def test_the_pages_show_the_answers_of_own_participants(model, relation, written, drawn, own_answers):
    asked = text_of([model], relation, written, charts=drawn, own_participants={HOSTILE: own_answers})
    words = Elements(asked).words
    assert "own participants have answered" in words
    assert "no participants have answered yet" not in words
    assert "2 participants; left out: 2 for practice" in words
    assert "Rows of their files that are not valid answers and were left out: 7" in words
    assert HOSTILE in words
    assert "no participants have answered yet" in Elements(text_of([model], relation, written, charts=drawn)).words


def test_a_new_page_has_its_file_and_is_in_the_navigation_of_all_pages(
    monkeypatch, tmp_path, model, relation, written, drawn
):
    extended = '{% extends "site.html.j2" %}{% block content %}<h1>Models: {{ models | length }}</h1>{% endblock %}'
    (tmp_path / "summary.html.j2").write_text(extended)
    monkeypatch.setattr("metamers.report.render.TEMPLATES", (*TEMPLATES, tmp_path))
    monkeypatch.setitem(PAGES, "summary", Page("Summary"))
    of_step = {"pairs": Page("Pairs", attrgetter("generation_models"))}
    monkeypatch.setattr(STEPS["null"].files, "PAGES", of_step, raising=False)
    extensions = SimpleNamespace(sets={}, sensitivity={}, metamer_sets={})
    linked, without = (
        linked_pages(SimpleNamespace(generation_models=models, beyond=extensions)) for models in ({"net_a": []}, {})
    )
    assert linked.items() - without.items() == {("pairs", "Pairs")}
    names = [*WITH_MODELS, "summary"]
    pages = report.site(context([model], relation, written, charts=drawn, pages=names, linked=linked))
    assert list(pages) == names
    assert "<h1>Models: 1</h1>" in pages["summary"]
    for page in pages.values():
        assert re.search('<li><a href="summary.html".*>Summary</a>', page)
        assert '<li><a href="pairs.html">Pairs</a>' in page
