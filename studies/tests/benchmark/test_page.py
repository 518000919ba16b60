"""The benchmark's page says where plenoptic did not reach the match, and on which machines times were measured."""

import html
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from metamers.report.figures import svg
from metamers.report.render import render, svg_uri
from studies.benchmark.match import PROCEDURES
from studies.benchmark.page import TEMPLATE, page_context, speedup_figure
from studies.benchmark.speed import collect
from studies.tests.benchmark.test_match import recognition, timed

MATCH = {"steps": 3000, "halvings": 0}
SETTINGS = {"stimuli": 8, "repeats": 2, "published": {"vision": MATCH, "audio": MATCH | {"steps": 375, "halvings": 7}}}


def match(one_cycle: float, plenoptic: float, quality: str) -> xr.Dataset:
    """Steps of the one-cycle procedure and of plenoptic to the match of the published one; NaN if it was not reached."""
    return xr.Dataset(
        {
            "steps_to_match": ("procedure", [3000.0, one_cycle, plenoptic]),
            "steps_most": ("procedure", [3000, 800, 3000]),
            "normalized_error": (("procedure", "stimulus"), np.full((3, 8), 0.2)),
            "quality": quality,
        },
        coords={"procedure": list(PROCEDURES)},
    )


def benchmark(matches: dict[str, xr.Dataset], processor="Processor A", instruction_sets="AVX2") -> xr.Dataset:
    """Benchmark of several models with one stage; steps of the procedures take 5, 1 and 3 seconds."""
    found = collect(
        {name: {"block": one} for name, one in matches.items()},
        dict.fromkeys(matches, timed([[5, 5], [1, 1], [3, 3]])),
        dict.fromkeys(matches, recognition([1, 1, 1, 1, 0, 0, 0, 0])),
    )
    return found.assign_attrs(processor=processor, instruction_sets=instruction_sets, software="torch")


def page(made: xr.Dataset) -> str:
    cochleagram = xr.Dataset({"speedup": 9.4, "relative_error": 4e-5})
    times = pd.DataFrame({"jobs": [1], "seconds": [9.0], "longest": [9.0], "megabytes": [500.0]}, index=["match"])
    figures = {"speedup": svg_uri(svg(speedup_figure(made)))}
    return render(TEMPLATE, page_context(made, cochleagram, times, None, figures, SETTINGS, "extended"))


def words(text: str) -> str:
    """The text of a page, without tags and in one line."""
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", text, flags=re.DOTALL)).split())


BOTH = match(100, 300, "quick")
NOT_PLENOPTIC = match(400, np.nan, "standard")


def legend(made: xr.Dataset) -> list[str]:
    return [text.get_text() for text in speedup_figure(made).legends[0].get_texts()]


def test_a_stage_that_plenoptic_did_not_reach_is_a_lower_bound_in_the_figure():
    bound = "lower bound: plenoptic did not reach the match"
    over = ["over published procedure", "over plenoptic"]
    assert legend(benchmark({"a": BOTH, "b": NOT_PLENOPTIC})) == [*over, bound]
    assert legend(benchmark({"a": BOTH})) == over


def test_a_stage_that_plenoptic_did_not_reach_is_a_lower_bound_on_the_page():
    text = page(benchmark({"a": BOTH, "b": NOT_PLENOPTIC}))
    assert words(text).count("not in 3000") == 1
    assert re.findall(r"<td>at least ([^<]*)</td>", text) == ["22.5"]
    assert (
        "On Processor A (AVX2): the one-cycle procedure reaches the same match 75 times as fast as the published "
        "procedure (geometric mean over the 2 stages that both reached; the goal is 60), and at least 37.5 times (the "
        "goal is 20). The one-cycle procedure reaches the same match 9 times as fast as plenoptic (geometric mean over "
        "the 1 stage that both reached; the goal is 6), and at least 9 times (the goal is 3). At 1 more stage, plenoptic "
        "did not reach the match. Its steps there give a lower bound; with this bound, the mean is at least 14.2. All"
    ) in words(text)
    several = words(page(benchmark({"a": BOTH, "b": NOT_PLENOPTIC, "c": NOT_PLENOPTIC})))
    assert (
        "At 2 more stages, plenoptic did not reach the match. Its steps there give lower bounds; with these" in several
    )


def test_stages_with_the_settings_of_standard_are_named():
    text = words(page(benchmark({"a": BOTH, "b": NOT_PLENOPTIC, "c": NOT_PLENOPTIC})))
    assert "the settings of quality quick, but those of standard at block of b, block of c, where those of" in text
    assert "standard at" not in words(page(benchmark({"a": BOTH})))


@pytest.mark.parametrize(("missed", "left_out"), [(0, None), (1, "this stage is left out"), (2, "these stages are")])
def test_stages_that_the_default_procedure_did_not_reach_are_left_out(missed, left_out):
    not_ours = {f"missed_{number}": match(np.nan, 300, "standard") for number in range(missed)}
    text = words(page(benchmark({"a": BOTH, **not_ours})))
    found = f"At {missed} of {missed + 1} stages, the one-cycle procedure did not reach the match; {left_out}"
    assert (found in text) == (missed > 0)
    assert "nan" not in text


def test_without_a_stage_that_both_reached_there_is_no_mean():
    text = words(page(benchmark({"a": NOT_PLENOPTIC})))
    assert (
        "There is no stage at which both the one-cycle procedure and plenoptic reached the match. At 1 stage," in text
    )
    neither = page(benchmark({"a": BOTH, "b": match(np.nan, np.nan, "standard")}))
    assert "<td>at least" not in neither


def test_the_page_says_that_models_were_timed_on_different_machines():
    text = words(page(benchmark({"a": BOTH, "b": BOTH}, "Processor A; Processor B", "AVX2; AVX512, bfloat16")))
    assert "On several machines: the one-cycle procedure" in text
    assert "Processors: Processor A; Processor B. Instruction sets: AVX2; AVX512, bfloat16." in text
    assert "the goal is 60" in text
    assert "several machines" not in words(page(benchmark({"a": BOTH})))
