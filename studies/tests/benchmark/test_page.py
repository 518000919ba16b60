"""The benchmark's page says what was measured, where a ratio is a bound, and on which machines times were measured."""

import html
import re

import numpy as np
import pandas as pd
import xarray as xr

from metamers.report.figures import svg
from metamers.report.render import render, svg_uri
from studies.benchmark.page import TEMPLATE, goal_rows, page_context, ratio_figure, sentences
from studies.benchmark.speed import collect
from studies.settings import StudySettings
from studies.tests.benchmark.results import both, matched, recognition, timed

MACHINE = {"processor": "Processor A", "instruction_sets": "AVX2", "software": "torch"}
ONE = timed(published=5, published_whole=10, quick=1)


def benchmark(**matches: xr.Dataset) -> xr.Dataset:
    """Benchmark of models of images with one stage."""
    recognized = recognition([1, 1, 1, 1, 0, 0, 0, 0])
    found = collect(
        {name: {"block": one} for name, one in matches.items()},
        dict.fromkeys(matches, ONE),
        dict.fromkeys(matches, recognized),
        dict.fromkeys(matches, "vision"),
    )
    return found.assign_attrs(MACHINE)


def page(made: xr.Dataset) -> str:
    cochleagram = xr.Dataset({"speedup": 9.4, "relative_error": 4e-5})
    times = pd.DataFrame({"jobs": [1], "seconds": [9.0], "longest": [9.0], "megabytes": [500.0]}, index=["match"])
    figures = {"ratios": svg_uri(svg(ratio_figure(made)))}
    settings = StudySettings().model_dump()
    return render(TEMPLATE, page_context(made, cochleagram, times, None, figures, settings, "extended"))


def words(text: str) -> str:
    """The text of a page, without tags and in one line."""
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", text, flags=re.DOTALL)).split())


NOT_PLENOPTIC = matched(plenoptic=(np.nan, 450.0))


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def test_the_findings_name_steps_and_their_cost_apart():
    """Each has the number of stages, and the median (or geometric mean) of a ratio, its minimum and maximum."""
    quality, plenoptic, converged, _ = sentences(benchmark(a=matched(), b=matched()))
    assert "quick" in quality
    assert numbers(quality) == [2, 6, 6, 6, 2, 2, 2]
    assert numbers(plenoptic) == [2, 1.2, 1.2, 1.2, 3.6, 3.6, 3.6, 1.5, 1.5, 1.5]
    assert "converged" in converged
    assert numbers(converged)[:2] == [2, 3]
    assert [one.split(",")[0] for one in sentences(both())] == 4 * ["Images"] + 4 * ["Sounds"]


def test_a_ratio_with_a_stage_that_was_not_reached_is_a_lower_bound():
    made = benchmark(a=matched(), b=NOT_PLENOPTIC)
    assert re.search(r"at least 10\.6 .* 1\.2 to at least 20\)", sentences(made)[1])
    text = page(made)
    assert re.findall(r"<td>[^<\d]*(\d+)</td>", text).count("2000") == 1
    assert re.findall(r"<td>at least ([\d.]+)", text) == ["60"]
    labels = [one.get_text().split() for one in ratio_figure(made).legends[0].get_texts()]
    assert ["quick" in labels[0], "converged" in labels[1], "quick:" in labels[2], len(labels)] == [True, True, True, 3]
    assert "at least" not in words(page(benchmark(a=matched())))


def test_goals_are_those_of_the_machine_by_modality_and_a_bound_does_not_miss_one():
    """Each cell has the value, its goal and whether it is reached."""
    slow = benchmark(a=matched())
    with_bfloat16 = slow.assign_attrs(instruction_sets="AVX512, bfloat16")
    bounded = benchmark(a=matched(plenoptic=(np.nan, np.nan)).assign(steps_most=100))
    for made, name, expected in (
        (slow, "geometric_mean", [("3.6", "2.5", "reached"), ("2.25", "2.5", "missed")]),
        (slow, "least", [("3.6", "1.6", "reached"), ("2.25", "1.6", "reached")]),
        (with_bfloat16, "least", [("3.6", "2", "reached"), ("2.25", "2", "reached")]),
        (bounded, "geometric_mean", [("3", "2.5", "reached"), ("0.5", "2.5", "not")]),
    ):
        cells = [re.match(r"([\d.]+), goal ([\d.]+): (\w+)", row[name]).groups() for row in goal_rows(made)]
        assert cells == expected, name
    every = both().assign_attrs(MACHINE)
    assert [row["stimuli"] for row in goal_rows(every)] == ["images", "images", "sounds", "sounds"]
    assert "goal 2.5" in words(page(every))


def test_the_page_says_that_models_were_timed_on_different_machines():
    made = benchmark(a=matched()).assign_attrs(processor="Processor A; Processor B")
    text = words(page(made))
    assert re.search(r"Processor A; Processor B\b.* AVX2\b", text)
    assert "several machines" in text
    assert "several machines" not in words(page(benchmark(a=matched())))
