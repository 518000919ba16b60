"""Data of the metamer browser: the numbers of the run's files, in the order that the browser expects."""

import json
import re

import numpy as np
import pytest
import xarray as xr

from metamers.report.browser import QUANTILES, answer_numbers, as_script, browser_data, link, outcome_letters, rounded
from metamers.report.charts import metamers_chart
from metamers.report.media import ACROSS, SIDE
from tests.report.sites import acceptance_of, data_of, recognition_of

STAGES = ["input", "block 1", "block/2"]
STIMULI, SEEDS = 4, 3


@pytest.fixture
def acceptance() -> xr.Dataset:
    return acceptance_of(STAGES, STIMULI, SEEDS, np.random.default_rng(0))


@pytest.fixture
def recognition(acceptance) -> dict[str, xr.Dataset]:
    return recognition_of(["net", "recognition_model"], acceptance, "net", np.random.default_rng(1))


@pytest.fixture
def null() -> xr.Dataset:
    values = np.linspace(0, 1, 21)[None].repeat(len(STAGES), axis=0)
    return xr.Dataset(
        {"spearman_rho": (("stage", "pair"), values), "largest": (("stage", "measure"), np.ones((len(STAGES), 1)))},
        coords={"stage": STAGES[::-1], "measure": ["spearman_rho"]},
    )


@pytest.fixture
def data(acceptance, recognition, null) -> dict:
    """The browser data as the page reads them."""
    return data_of(as_script("metamers.load", browser_data("net", "vision", acceptance, recognition, null)))


def test_a_metamer_is_where_the_page_looks_for_it(data, acceptance, recognition):
    for stage in range(len(STAGES)):
        for stimulus in range(STIMULI):
            for seed in range(SEEDS):
                cell, at = stimulus * SEEDS + seed, {"stage": stage, "stimulus": stimulus, "seed": seed}
                one = acceptance.isel(at)
                assert data["match"]["pearson_r"][stage][cell] == pytest.approx(float(one["pearson_r"]), rel=1e-3)
                assert (data["verdicts"][stage][cell] == "a") == bool(one["accepted"])
                for recognition_model, answered in recognition.items():
                    said = answered["answer"].sel(stage=STAGES[stage]).isel(stimulus=stimulus, seed=seed).item()
                    assert data["categories"][data["answers"][recognition_model][stage + 1][cell]] == said


def test_of_natural_stimuli_there_is_one_answer_each(data, recognition):
    natural = recognition["recognition_model"]["answer"].sel(stage="natural").isel(seed=0).values
    assert [data["categories"][number] for number in data["answers"]["recognition_model"][0]] == natural.tolist()


def test_the_order_of_dimensions_in_a_file_does_not_matter(acceptance, recognition, null, data):
    turned = {name: one.transpose("seed", "stage", "stimulus") for name, one in recognition.items()}
    found = browser_data("net", "vision", acceptance.transpose("seed", "stimulus", ...), turned, null)
    assert data_of(as_script("metamers.load", found)) == data


def test_letters_say_why_a_metamer_was_rejected(acceptance):
    assert outcome_letters(acceptance) == ["a" * 12, "a" * 12, "ppp" + "ccc" + "a" * 6]
    missed = acceptance.assign(accepted=acceptance["accepted"] & False)  # no metamer has reached the target
    assert outcome_letters(missed) == ["t" * 12, "t" * 12, "ppp" + "ccc" + "t" * 6]


def test_the_chart_of_all_metamers_has_a_mark_for_every_verdict_of_the_pages(root):
    script = (root / "src/metamers/report/site/metamers.js").read_text(encoding="utf-8")
    words = re.findall(r'^    [a-z]: \{ sign: ".", words: "(.*)" \},$', script, re.MULTILINE)
    scales = [
        layer["encoding"][channel]["scale"]
        for layer in metamers_chart()["layer"]
        for channel in ("color", "shape")
        if "scale" in layer.get("encoding", {}).get(channel, {})
    ]
    assert len(scales) == 2
    for scale in scales:
        assert set(scale["domain"]) == set(words)
        assert len(scale["range"]) == len(words) == 4


def test_the_null_distribution_is_that_of_the_stage(data):
    assert data["null"]["spearman_rho"] == [list(QUANTILES)] * len(STAGES)
    assert "normalized_error" not in data["null"]


def test_names_and_how_thumbnails_lie(data):
    assert data["folders"] == ["input", "block_1", "block_2"]
    assert data["sheet"] == {"side": SIDE, "across": ACROSS}
    assert [len(one) for one in data["stimuli"]] == [3] * STIMULI
    assert data["seeds"] == list(range(SEEDS))


def test_what_is_not_finite_is_no_number_in_a_script():
    assert rounded(np.array([[1.23456, np.nan], [np.inf, -0.000012345]])) == [[1.235, None], [None, -1.234e-05]]
    with pytest.raises(ValueError, match="JSON"):
        as_script("f", [float("nan")])


def test_a_script_has_no_letters_that_a_page_could_misread():
    script = as_script("metamers.load", {"label": "\u2028 é </script>"})
    assert script.isascii()
    assert json.loads(script[len("metamers.load(") : -3]) == {"label": "\u2028 é </script>"}


def test_a_link_names_what_is_shown():
    assert link("net", "block/2", "a b", 1) == "browser.html#model=net&stage=block%2F2&stimulus=a+b&seed=1"
    assert link("net") == "browser.html#model=net"


def test_many_categories_are_numbered_alike_for_all_models(recognition):
    categories, numbers = answer_numbers(recognition, STAGES)
    assert categories == ["cat", "dog"]
    assert numbers.keys() == recognition.keys()
