"""The extensions run from the configuration to their page on small models of different input sizes."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from metamers.run import files
from tests.workflow.runs import (
    TRACED,
    calls_that_do_not_count,
    check_conventions,
    check_every_file,
    copy_of,
    counts,
    small,
    snakemake,
)

pytestmark = pytest.mark.slow

DEPTHS = [0.5, 1]
KINDS = ["other_noise", "pink_noise", "stimulus"]


@pytest.fixture(scope="module")
def beyond(root, tmp_path_factory):
    """A finished small run of the extensions: its folder and Snakemake's arguments."""
    folder = copy_of(root, tmp_path_factory.mktemp("beyond"))
    arguments = small(root, folder)
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    models["second"]["input"] = models["second"]["input"] | {"size": 12}
    models["third"] = models["first"] | {"weights": {"random": 2}}
    # The first member takes grey images: metamers of both are grey, and the second sees them in colour.
    models["first"] |= {
        "source": models["first"]["source"] | {"arguments": {"channels": 1}},
        "input": {"size": 16, "mean": [0.5], "std": [0.5]},
    }
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["recognition_models"] = list(models)
    settings["synthesis"] |= {"seeds": 1, "batch_size": 2}
    every = {"depths": DEPTHS, "stimuli": 3}
    settings["beyond"] = {
        "models": ["first", "second"], "ensemble": every, "controversial": every,
        "starts": {"depths": DEPTHS, "stimuli": 2, "kinds": KINDS},
        "sensitivity": {"depths": DEPTHS, "stimuli": 2, "iterations": 30, "length": {"vision": 0.1, "audio": 0.02}},
        "metamer_sets": {"depths": DEPTHS, "stimuli": 2, "steps": 200, "tolerance": 0.05, "singular_values": 20},
    }  # fmt: skip
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    snakemake(folder, "beyond", *arguments, first=TRACED)
    return folder, arguments


def test_only_code_that_counts_computes(root, beyond):
    assert calls_that_do_not_count(root, beyond[0]) == set()


def test_every_part_makes_its_files(beyond):
    folder, arguments = beyond
    results = folder / "results" / "small"
    assert "Nothing to be done" in snakemake(folder, "beyond", *arguments)
    check_every_file(results)
    check_conventions(results)
    made = files.load(results / "beyond/metamers/ensemble_vision.nc")
    assert made["metamer"].shape == (3, 1, 2, 1, 16, 16)
    assert made["member_stage"].values.tolist() == [["block", "logits"]] * 2
    assert "arXiv:2504.01739" in made.attrs["references"]
    found = files.load(results / "beyond/ensemble/vision.nc")
    assert found["generation_model"].values.tolist() == ["first", "second", "first + second"]
    assert found.attrs["judged_by"] == "third"
    page = (results / "report/beyond.html").read_text()
    assert len(re.findall(r'<h2 id="[a-z]+_vision"', page)) == 4
    assert "data:image" not in page
    assert len(page) < 100_000
    for target in re.findall(r'(?:src|href)="(media/[^"]+)"', page):
        assert (results / "report" / target).is_file(), target
    assert "cat <b>" not in page
    for kind in ("ensemble", "controversial", "starts", "invariance"):
        assert (results / f"report/figures/beyond_{kind}_vision.svg").is_file()


def test_what_the_ensemble_is_compared_with_are_the_runs_own_metamers(beyond):
    results = beyond[0] / "results" / "small"
    found = files.load(results / "beyond/ensemble/vision.nc")
    for name in ("first", "second"):
        run = files.load(results / f"recognition/{name}/third.nc").isel(seed=0)
        wanted = run["correct"].sel(stage=["block", "logits"]).values.astype(float)
        np.testing.assert_array_equal(found["recognized"].sel(generation_model=name), wanted)


def test_the_same_noise_gives_the_same_start_and_other_noise_another(beyond):
    """Compares distances of starts and metamers; at the matched stage, metamers are nearer to each other than the starts."""
    found = files.load(beyond[0] / "results/small/beyond/invariance/second.nc")
    assert found["start"].values.tolist() == ["noise", *KINDS]
    assert found["measured_stage"].values.tolist() == ["input", "block", "logits"]
    assert (found["start_difference"].sel(start="noise") == 0).all()
    assert (found["start_difference"].sel(start=KINDS, measured_stage="input") > 0.05).all()
    at_logits = found.sel(start="stimulus", measured_stage="logits").mean("stimulus")
    assert at_logits["relative_difference"].sel(depth=1) < 0.5 * at_logits["start_difference"]


def test_sensitivities_are_measured_exported_and_shown(beyond):
    results = beyond[0] / "results/small"
    found = files.load(results / "beyond/sensitivity/vision.nc")
    assert found["generation_model"].values.tolist() == ["first", "second"]
    assert found["sensing_model"].values.tolist() == ["first", "second", "third"]
    assert found["sensing_stage"].values.tolist() == [["block"] * 3, ["logits"] * 3]
    # The first model is grey, so distortions are.
    assert found["distortion"].shape == (2, 2, 2, 2, 1, 16, 16)
    lengths = np.sqrt(np.square(found["distortion"]).sum(("channel", "row", "column")))
    np.testing.assert_allclose(lengths, 1, rtol=1e-4)
    own = found["sensitivity"].sel(generation_model="first", sensing_model="first")
    assert (own.sel(extreme="most") > 2 * own.sel(extreme="least")).all()
    agreed = files.load(results / "beyond/agreement/vision.nc")
    assert agreed["agreement"].sel(generation_model="first", sensing_model="first").values == pytest.approx(1)
    run = files.load(results / "recognition/first/third.nc")["correct"].sel(stage="logits").isel(seed=0)
    others = [run, files.load(results / "recognition/first/second.nc")["correct"].sel(stage="logits").isel(seed=0)]
    kept = files.load(results / "acceptance/first.nc")["accepted"].sel(stage="logits").isel(seed=0).values.astype(bool)
    # Each of the other two models is a family of its own, because `first` does not answer its own metamers.
    wanted = np.mean([one.values.astype(float) for one in others], axis=0)[kept]
    at_logits = agreed["proportion_correct"].sel(generation_model="first", depth=1)
    assert float(at_logits) == pytest.approx(wanted.mean()) if kept.any() else np.isnan(at_logits)
    stimulus = str(found["stimulus"].values[0])
    folder = results / "exported/distortions/vision"
    shown = sorted(path.stem for path in (folder / "0.5" / stimulus).iterdir())
    assert shown == sorted(
        [f"{name}_{which}" for name in ("first", "second") for which in ("most", "least")]
        + ["principal_first", "principal_second", "natural"]
    )
    lengths = pd.read_csv(folder / "lengths.csv")
    assert len(lengths) == 2 * 2 * 6
    of_stimulus = lengths.groupby(["depth", "stimulus"])["root_mean_square"]
    # Equal but for the rounding to 8 bits, which alone has a root mean square of 0.001.
    assert (of_stimulus.max() - of_stimulus.min()).max() < 0.003
    assert lengths["root_mean_square"].max() < 0.103
    page = (results / "report/sensitivity.html").read_text()
    assert "cat <b>" not in page
    for target in re.findall(r'(?:src|href)="((?:media|figures)/[^"]+)"', page):
        assert (results / "report" / target).is_file(), target
    assert 'href="sensitivity.html"' in (results / "report/beyond.html").read_text()


def test_metamer_sets_have_their_dimension_their_pair_and_their_page(beyond):
    results = beyond[0] / "results/small"
    found = files.load(results / "beyond/metamer_sets/second.nc")
    assert found["stage"].values.tolist() == ["block", "logits"]
    # The model itself is first, then the others of the modality, at their stages of the same depth.
    assert found["sensing_model"].values.tolist() == ["second", "first", "third"]
    assert found["metamer"].shape == (2, 2, 2, 3, 12, 12)
    assert found.attrs["values"] == 3 * 12 * 12
    np.testing.assert_array_equal(found["free_dimensions"] + found["jacobian_rank"], found.attrs["values"])
    # No stage has a larger rank than units, and all singular values of the few logits were counted.
    classes = 4
    assert found["rank_counted"].sel(depth=1).all()
    assert (found["jacobian_rank"].sel(depth=1) <= classes).all()
    assert (found["singular_value"].sel(depth=1).isel(number=slice(classes, None)) < 1e-4).all()
    kept = files.load(results / "acceptance/second.nc")["normalized_error"].isel(seed=0)
    wanted = kept.sel(stage=["block", "logits"], stimulus=found["stimulus"])
    np.testing.assert_allclose(found["largest_error"], wanted, rtol=1e-6)
    matched = found["within_match"].values.astype(bool)
    errors = found["normalized_error"].max("most_different").values
    assert (errors[matched] <= found["largest_error"].values[matched] * (1 + 1e-5)).all()
    assert (errors[~matched] > found["largest_error"].values[~matched]).all()
    assert matched.any()
    # At the matched stage the two are nearer to each other than as stimuli.
    own = found["activation_distance"].sel(sensing_model="second", depth=1)
    assert (own < found["stimulus_distance"].sel(depth=1)).all()
    page = (results / "report/metamer_sets.html").read_text()
    assert "cat <b>" not in page
    pictures = set(re.findall(r'(?:src|href)="((?:media|figures)/[^"]+)"', page))
    assert len([one for one in pictures if "_first" in one]) == 2 * 2 * 2  # models, depths, stimuli
    for target in pictures:
        assert (results / "report" / target).is_file(), target
    assert 'href="metamer_sets.html"' in (results / "report/beyond.html").read_text()


def test_another_length_exports_the_same_distortions_again(beyond):
    folder, _ = beyond
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["beyond"]["sensitivity"]["length"]["vision"] = 0.05
    (folder / "shorter.yaml").write_text(yaml.safe_dump(settings))
    jobs = counts(snakemake(folder, "-n", "beyond", "--configfile", "shorter.yaml"))
    assert {name: number for name, number in jobs.items() if name not in ("beyond", "total")} == {
        "beyond_export": 1, "report_sensitivity": 1
    }  # fmt: skip


def test_another_part_that_is_left_out_has_no_job(beyond):
    folder, _ = beyond
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["beyond"] |= {"controversial": None, "starts": None, "sensitivity": None, "metamer_sets": None}
    (folder / "less.yaml").write_text(yaml.safe_dump(settings | {"run": "less"}))
    jobs = counts(snakemake(folder, "-n", "beyond", "--configfile", "less.yaml"))
    assert {name: number for name, number in jobs.items() if name.startswith("beyond_")} == {
        "beyond_synthesize": 1, "beyond_measure": 1, "beyond_recognize_vision": 1, "beyond_ensemble": 1
    }  # fmt: skip
    settings["beyond"]["models"] = []
    (folder / "none.yaml").write_text(yaml.safe_dump(settings | {"run": "none"}))
    said = snakemake(folder, "-n", "beyond", "--configfile", "none.yaml", fails=True)
    assert re.search(r"\bbeyond: ", said)
    assert not any(name.startswith("beyond") for name in counts(snakemake(folder, "-n", "--configfile", "none.yaml")))


@pytest.mark.parametrize("name", ["beyond", "sensitivity", "metamer_sets"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_accessible_asks_nobody_for_anything_and_fits(beyond, browser, width, name):
    from axe_playwright_python.sync_playwright import Axe

    # The injected accessibility checker is not part of the page; the page's policy would refuse it.
    context = browser.new_context(bypass_csp=True, viewport={"width": width, "height": 800})
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((beyond[0] / f"results/small/report/{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert Axe().run(page, options={"preload": False}).violations_count == 0
    # Only these pages were requested. The page requests one figure of the other pages, which is missing, and says so.
    page.get_by_text("snakemake report").wait_for()
    context.close()
    assert [text for text in said if "ERR_FILE_NOT_FOUND" not in text] == []
    assert len(said) == 1
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
