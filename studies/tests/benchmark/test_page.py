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


def test_the_findings_name_steps_and_their_cost_apart():
    quality, plenoptic, converged, _ = sentences(benchmark(a=matched(), b=matched()))
    assert quality == (
        "Images, at the match where quick ends, 2 stages: the published schedule takes 6 times as many steps (median; 6 to "
        "6), and with our optimizations a step of it costs 2 times as much (median; 2 to 2)."
    )
    assert plenoptic == (
        "Images, at the match where quick ends, 2 stages: plenoptic takes 1.2 times as many steps (median; 1.2 to 1.2), and "
        "3.6 times as long (geometric mean; 3.6 to 3.6). With our optimizations, a step of it costs 1.5 times as much "
        "(median; 1.5 to 1.5)."
    )
    assert converged.startswith(
        "Images, at the match where converged ends, 2 stages: the published schedule takes 3 times"
    )
    assert [one.split(",")[0] for one in sentences(both())] == 4 * ["Images"] + 4 * ["Sounds"]


def test_a_ratio_with_a_stage_that_was_not_reached_is_a_lower_bound():
    made = benchmark(a=matched(), b=NOT_PLENOPTIC)
    assert "plenoptic takes at least 10.6 times as many steps (median; 1.2 to at least 20)" in sentences(made)[1]
    text = page(made)
    assert words(text).count("not in 2000") == 1
    assert re.findall(r"<td>at least ([\d.]+)", text) == ["60"]
    labels = [one.get_text() for one in ratio_figure(made).legends[0].get_texts()]
    assert labels == ["at the match of quick", "at the match of converged", "at the match of quick: lower bound"]
    assert "at least" not in words(page(benchmark(a=matched())))


def test_goals_are_those_of_the_machine_by_modality_and_a_bound_does_not_miss_one():
    rows = goal_rows(benchmark(a=matched()))
    assert [row["geometric_mean"] for row in rows] == ["3.6, goal 2.5: reached", "2.25, goal 2.5: missed"]
    assert [row["least"] for row in rows] == ["3.6, goal 1.6: reached", "2.25, goal 1.6: reached"]
    with_bfloat16 = benchmark(a=matched()).assign_attrs(instruction_sets="AVX512, bfloat16")
    assert goal_rows(with_bfloat16)[1]["least"] == "2.25, goal 2: reached"
    bounded = goal_rows(
        benchmark(a=matched(plenoptic=(np.nan, np.nan), published=(600.0, 900.0)).assign(steps_most=100))
    )
    assert bounded[1]["geometric_mean"] == "0.5, goal 2.5: not settled: a lower bound"
    every = both().assign_attrs(MACHINE)
    assert [row["stimuli"] for row in goal_rows(every)] == ["images", "images", "sounds", "sounds"]
    assert "goal 2.5" in words(page(every))


def test_the_page_says_that_models_were_timed_on_different_machines():
    made = benchmark(a=matched()).assign_attrs(processor="Processor A; Processor B")
    text = words(page(made))
    assert "On several machines, one thread:" in text
    assert "Processors: Processor A; Processor B. Instruction sets: AVX2." in text
    assert "several machines" not in words(page(benchmark(a=matched())))
