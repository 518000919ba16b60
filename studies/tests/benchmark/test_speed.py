"""The cost of steps is compared in one process, and ratios are what they are called."""

import numpy as np
import pytest
import xarray as xr

from studies.benchmark.match import matches_alike
from studies.benchmark.measure import WholeModel, plain_model
from studies.benchmark.speed import RATIOS, STEPS, _over_stages, by_modality, jobs_of, ratios, speed
from studies.tests.benchmark.results import ALL, SECONDS, both, matched, recognition, timed
from tests.networks.entries import load


@pytest.mark.usefixtures("plenoptic")
def test_the_number_of_stimuli_times_steps_of_a_job_is_what_it_computes(entry, stimuli, monkeypatch):
    counted = []

    def synthesis(model, stage, natural, _start, procedure, settings):
        counted.append(len(natural) * settings.get("max_steps", settings.get("steps")))

    def plenoptic(model, stage, natural, _start, _settings, _total):
        return lambda steps: counted.append(len(natural) * steps)

    monkeypatch.setattr("studies.benchmark.speed.synthesize", synthesis)
    monkeypatch.setattr("studies.benchmark.speed.plenoptic_steps", plenoptic)
    model = load(entry)
    jobs = jobs_of(model, model, model, "block", *stimuli, ALL, ["quick", "converged"])
    for job in jobs.values():
        job.run()
    assert counted == [job.steps for job in jobs.values()]
    assert list(jobs) == list(SECONDS)
    assert jobs["published"].steps == STEPS["published"]
    assert jobs["published_optimized"].steps == 3 * STEPS["published"]


@pytest.mark.usefixtures("plenoptic")
def test_steps_take_time_and_memory(entry, stimuli):
    models = load(entry), plain_model("tiny", entry, None), plain_model("tiny", entry, None, WholeModel)
    of_stage = dict.fromkeys(("block", "logits"), ALL)
    found = speed(*models, *stimuli, of_stage, ["quick", "converged"], repeats=2)
    assert found["variant"].values.tolist() == list(SECONDS)
    assert found["seconds_per_step"].dims == ("variant", "stage", "repeat")
    for name in ("seconds_per_step", "peak_memory", "operations", "share_of_peak"):
        assert (found[name] > 0).all()


def test_a_speedup_is_the_ratio_of_steps_times_that_of_their_cost():
    found = ratios(timed().sel(stage="block"), matched())
    np.testing.assert_allclose(found["steps_ratio_published"], [6, 3])
    np.testing.assert_allclose(found["step_cost_ratio_published"], [5, 2.5])
    np.testing.assert_allclose(found["step_cost_ratio_published_whole"], [10, 5])
    np.testing.assert_allclose(found["step_cost_ratio_published_optimized"], [2, 1])
    np.testing.assert_allclose(found["speedup_over_published"], [30, 7.5])
    np.testing.assert_allclose(found["speedup_over_published_low"], [18, 6])
    np.testing.assert_allclose(found["speedup_over_published_high"], [30, 9])
    np.testing.assert_allclose(found["speedup_over_plenoptic"], [3.6, 2.25])
    np.testing.assert_allclose(found["step_cost_ratio_plenoptic_optimized"], [1.5, 0.75])
    assert found["reached_published"].all()


def test_where_a_reference_does_not_reach_the_match_ratios_are_lower_bounds():
    found = ratios(timed().sel(stage="block"), matched(published=(600.0, np.nan)))
    np.testing.assert_allclose(found["steps_ratio_published"], [6, 2000 / 300])
    assert found["reached_published"].values.tolist() == [True, False]


def test_models_come_together_by_modality():
    found = both()
    assert found["speedup_over_published"].dims == ("model", "stage", "quality")
    vision = found.sel(modality="vision", quality="quick", ratio="step_cost_ratio_published")
    assert (vision["median"], vision["least"], vision["greatest"], vision["stages_compared"]) == (22.5, 5, 40, 2)
    assert vision["geometric_mean"].item() == pytest.approx(np.sqrt(5 * 40))
    assert found["stages_bounded"].sel(modality="vision").sum() == 0
    audio = found["stages_bounded"].sel(modality="audio", quality="quick")
    assert {str(name): int(audio.sel(ratio=name)) for name in RATIOS if audio.sel(ratio=name)} == {
        "steps_ratio_plenoptic": 1,
        "speedup_over_plenoptic": 1,
    }
    assert found["normalized_error"].sel(model="a", stage="block", quality="quick").item() == pytest.approx(0.21)
    assert by_modality(found, ["vision"] * 3)["stages_compared"].max() == 3


def test_what_does_not_match_alike_is_not_judged():
    one = recognition([1] * 8)
    both = xr.concat([one.assign_coords(stage=["near"]), recognition([0] * 8).assign_coords(stage=["far"])], "stage")
    errors = both["normalized_error"].copy()
    errors.loc[{"stage": "far", "kept_procedure": "published"}] = 0.21
    both = both.assign(normalized_error=errors)
    assert matches_alike(errors).values.tolist() == [True, False]
    assert _over_stages(both) == _over_stages(one)
    none = _over_stages(both.sel(stage=["far"]))
    assert np.isnan(none["difference"])
