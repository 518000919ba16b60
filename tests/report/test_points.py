"""Points of the report's charts: each is the number that the run's files have, at its model's position, with a link."""

import re

import numpy as np
import pytest

from metamers.report.charts import match_chart, published_chart, published_figure, recognizability_chart
from metamers.report.looks import looks_of
from metamers.report.overview import NAMED_MODELS, overview_figure
from metamers.report.points import (
    ITSELF,
    NATURAL_POSITION,
    OTHERS,
    PARTICIPANTS,
    TITLES,
    contrast_points,
    match_points,
    position,
    predicted_kind,
    published_points,
    recognizability_points,
)
from tests.report.sites import Run

STAGES = ["input", "early", "late", "logits"]
LOOKS = looks_of(["net_a", "net_b"])


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Two models of images; a model of the same kind recognizes the metamers of each."""
    models = {"net_a": "vision", "net_b": "vision"}
    return Run(
        tmp_path_factory.mktemp("run"),
        models,
        STAGES,
        stimuli=7,
        seeds=1,
        recognition_models={"vision": ["recognition_model"]},
    )


@pytest.fixture(scope="module")
def points(run) -> list[dict]:
    return recognizability_points(run.entries, run.compared["recognizability"], run.compared["predicted_human"])


def of(points: list[dict], **wanted: str) -> dict:
    """The one point that has these."""
    (found,) = [point for point in points if all(point[name] == value for name, value in wanted.items())]
    return found


def test_position_is_a_stage_s_place_among_all_of_its_model():
    assert [position(stage, STAGES) for stage in ("natural", "input", "early", "logits")] == [
        NATURAL_POSITION,
        0,
        1 / 3,
        1,
    ]
    assert position("input", ["input"]) == 0


def test_points_are_what_the_run_found(run, points):
    found = run.compared["recognizability"].sel(generation_model="net_b", stage="late")
    one = of(points, model="net_b", stage="late", by=OTHERS)
    assert one["value"] == pytest.approx(float(found["other_models"]), rel=1e-3)
    ends = [float(found[f"other_models_{end}"]) for end in ("low", "high")]
    assert [one["low"], one["high"]] == pytest.approx(ends, abs=1e-3)
    itself = of(points, model="net_b", stage="late", by=ITSELF)
    assert itself["value"] == 1
    assert itself["low"] < 0.9  # of seven stimuli
    expected = run.compared["predicted_human"].sel(generation_model="net_b", stage="late")
    assert of(points, model="net_b", stage="late", by=PARTICIPANTS)["low"] == pytest.approx(
        float(expected["low"]), abs=1e-3
    )
    assert one["link"] == "browser.html#model=net_b&stage=late"
    assert of(points, model="net_b", stage="natural", by=OTHERS)["link"] == "browser.html#model=net_b"
    assert not [point for point in points if point["stage"] == "natural" and point["by"] == PARTICIPANTS]


def test_what_nobody_was_asked_about_is_no_point(run):
    found = run.compared["recognizability"].copy(deep=True)
    found["other_models"].loc[{"generation_model": "net_a", "stage": "late"}] = np.nan
    points = recognizability_points(run.entries, found, run.compared["predicted_human"])
    assert not [p for p in points if (p["model"], p["stage"], p["by"]) == ("net_a", "late", OTHERS)]
    # No line from the stage before to the stage after.
    parts = {p["stage"]: p["part"] for p in points if (p["model"], p["by"]) == ("net_a", OTHERS)}
    assert parts == {"natural": 0, "input": 0, "early": 0, "logits": 1}
    assert {p["part"] for p in points if (p["model"], p["by"]) == ("net_b", OTHERS)} == {0}
    chart = recognizability_chart(points, "vision", 0.5, LOOKS)
    (line,) = [layer for layer in chart["layer"] if layer["mark"]["type"] == "line"]
    assert line["encoding"]["detail"]["field"] == "part"
    drawn = overview_figure(points, run.entries, run.relation, LOOKS).axes[0].get_lines()
    own = [one for one in drawn if one.get_color() == LOOKS["net_a"].colour and one.get_linestyle() != "None"]
    curves = [one.get_xdata().tolist() for one in own]  # each a little beside its depth, for its interval
    assert curves == [pytest.approx([NATURAL_POSITION, 0, 1 / 3], abs=0.02), pytest.approx([1], abs=0.02)]


def test_match_has_quartiles_and_the_ends_of_the_null_distribution(run):
    points = match_points(run.entries, run.acceptance, run.nulls)
    values = run.acceptance["net_a"]["spearman_rho"].sel(stage="early").values
    one = of(points, model="net_a", stage="early", measure=TITLES["spearman_rho"])
    assert [one["low"], one["value"], one["high"]] == pytest.approx(np.quantile(values, (0.25, 0.5, 0.75)), rel=1e-3)
    null = run.nulls["net_a"]["spearman_rho"].sel(stage="early")
    assert [one["null_low"], one["null_high"]] == pytest.approx([float(null.min()), float(null.max())], rel=1e-3)
    error = of(points, model="net_a", stage="early", measure=TITLES["normalized_error"])
    assert error["null_low"] is error["null_high"] is None


def test_a_measure_without_a_finite_value_is_no_point(run):
    equal = run.acceptance["net_a"].copy(deep=True)
    equal["snr_db"].loc[{"stage": "input"}] = np.inf
    points = match_points({"net_a": run.entries["net_a"]}, {"net_a": equal}, run.nulls)
    of_input = [point["measure"] for point in points if point["stage"] == "input"]
    assert TITLES["snr_db"] not in of_input
    assert len(of_input) == len(TITLES) - 1


def test_published_points_lead_nowhere_and_the_run_s_are_marked_as_predictions(run, points):
    found = published_points(run.relation, "vision", points)
    published = [point for point in found if not point["of_run"]]
    assert len(published) == int(run.relation["human_mean"].sel(modality="vision").notnull().sum())
    assert {point["link"] for point in published} == {None}
    within = run.compared["predicted_human"].sel(generation_model="net_a")
    told = [str(stage) for stage in within["stage"].values if not within["reason"].sel(stage=stage).item()]
    assert 0 < len(told) < within.sizes["stage"]
    for stage in told:
        ours = of(found, model="net_a", stage=stage, kind=predicted_kind("net_a"))
        assert ours["others"] == of(points, model="net_a", stage=stage, by=OTHERS)["value"]
        assert f"{ours['value']:.0%}" in ours["words"]
    assert {p["stage"] for p in found if p["model"] == "net_a" and p["of_run"]} == set(told)


def test_contrasts_are_in_percentage_points_and_lead_to_the_model(run):
    compared = run.compared["contrasts"]
    one = of(contrast_points(compared), stage="early")
    assert one["value"] == pytest.approx(100 * float(compared["difference"].sel(stage="early").item()), rel=1e-3)
    assert one["contrast"] == "net_b minus net_a"
    assert one["link"] == "browser.html#model=net_b&stage=early"


def test_without_an_interval_there_is_none_in_words(run):
    found = run.compared["recognizability"].copy(deep=True)
    found["other_models_low"].loc[{"generation_model": "net_a", "stage": "late"}] = np.nan
    points = recognizability_points(run.entries, found, run.compared["predicted_human"])
    assert "nan" not in " ".join(point["words"] for point in points)


def test_models_have_the_same_colour_and_mark_in_all_charts(run, points):
    charts = (
        recognizability_chart(points, "vision", 0.5, LOOKS),
        match_chart(match_points(run.entries, run.acceptance, run.nulls), LOOKS),
        published_chart(published_points(run.relation, "vision", points), run.relation, "vision", LOOKS),
    )
    for chart in charts:
        scales = [
            layer["encoding"][channel]["scale"]
            for channel in ("color", "shape")
            for layer in chart["layer"]
            if "shape" in layer["encoding"]
        ]
        for names in ("net_b", predicted_kind("net_b")):
            seen = {scale["range"][scale["domain"].index(names)] for scale in scales if names in scale["domain"]}
            assert seen <= {LOOKS["net_b"].colour, LOOKS["net_b"].outline}
        own = {name for scale in scales for name in scale["domain"] if "net_b" in name}
        assert len(own) == 1
        marks = [layer["mark"] for layer in chart["layer"] if "shape" in layer["encoding"]]
        assert not marks[-1]["filled"]  # of curves that coincide, all are visible


def test_what_a_screen_reader_announces_of_a_mark_are_the_words_of_its_point(run, points):
    drawn = published_figure(published_points(run.relation, "vision", []), run.relation, "vision").decode()
    labels = re.findall(r'aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="point"', drawn)
    seen = run.relation.sel(modality="vision")
    one = seen.isel(point=int(np.flatnonzero(seen["human_mean"].notnull())[0]))
    human, others = (f"{float(one[name]):.0%}" for name in ("human_mean", "model_mean"))
    assert human != others
    (words,) = {label for label in labels if f"{one['generation_model'].item()}, {one['stage'].item()} " in label}
    assert re.search(rf"participants {human}, .*models {others}", words)
    assert all(re.fullmatch(r".*: \D+ \d+%, \D+ \d+%", label) for label in labels)
    assert not re.search(r'aria-label="[^"]*\d\.\d{4}', drawn)


def test_a_chart_carries_its_points_and_numbers_them(run, points):
    for chart in (
        recognizability_chart(points, "vision", 0.5, LOOKS),
        match_chart(match_points(run.entries, run.acceptance, run.nulls), LOOKS),
        published_chart(published_points(run.relation, "vision", points), run.relation, "vision", LOOKS),
    ):
        carried = chart["datasets"]["points"]
        assert [point["id"] for point in carried] == list(range(len(carried)))
        assert all(point["words"] for point in carried)
        assert chart["width"] == "container"
        assert {"name": "chosen", "value": -1} in chart["params"]


@pytest.mark.parametrize("count", [2, NAMED_MODELS + 1])
def test_the_overview_names_models_while_they_are_few(run, points, count):
    models = {f"model_{number}": run.entries["net_a"] for number in range(count)}
    many = [point | {"model": model} for model in models for point in points if point["model"] == "net_a"]
    axes = overview_figure(many, models, run.relation, looks_of(models)).axes[0]
    named = axes.get_legend_handles_labels()[1]
    assert ("model_0" in named) == (count <= NAMED_MODELS)
    assert any(re.search(rf"\b{count} models", name) for name in named) == (count > NAMED_MODELS)
    curve = axes.get_lines()[0].get_xydata()
    assert curve[:, 1].tolist() == [
        point["value"] for point in many if point["model"] == "model_0" and point["by"] == OTHERS
    ]


def test_an_overview_of_many_models_of_which_some_have_no_accepted_metamer(run, points):
    models = {f"model_{number}": run.entries["net_a"] for number in range(NAMED_MODELS + 1)}
    own = [point for point in points if point["model"] == "net_a"]
    for with_metamers in (2, 0):
        some = [point | {"model": f"model_{number}"} for number in range(with_metamers) for point in own]
        axes = overview_figure(some, models, run.relation, looks_of(models)).axes[0]
        named = axes.get_legend_handles_labels()[1]
        assert any(re.search(r"\b2 models", name) for name in named) == (with_metamers == 2)
