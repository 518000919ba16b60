"""What is predicted of a whole study is arithmetic on what was counted and timed."""

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from metamers.models.model import Model
from metamers.models.preprocessing import ImagePreprocessing
from metamers.synthesize.qualities import number_of_steps
from studies.benchmark.measure import operations_of_step
from studies.benchmark.scale import (
    CARDS,
    UTILIZATION,
    Architecture,
    Cost,
    Plan,
    compare_jobs,
    costs_of,
    fit_cost,
    fitted_clock,
    gpu_hours,
    job_seconds,
    predict,
    predict_study,
    seconds_of_step,
    stage_operations,
    timed_clock,
)
from tests.networks.entries import load, tiny

TABLE = "s\th:m:s\tmax_rss\n10.0\t0:00:10\t123.4\n"
SETTINGS = {"vision": {"steps": 30, "halvings": 7}, "audio": {"steps": 10, "low_precision": 0.5}}
ARCHITECTURES = {
    "seeing": Architecture("vision", 300, {"input": 0.0, "block": 1e6, "final": 3e6}, (0.4, 0.2)),
    "hearing": Architecture("audio", 100, {"input": 0.0, "final": 5e6}, (0.4, 0.2)),
}
COSTS = {"vision": Cost(1e-5, 1e-9), "audio": Cost(2e-5, 2e-9)}
PLAN = Plan({"seeing": ["block", "final"], "hearing": ["input", "final"]}, ["seeing"], SETTINGS, 40, 2, 12, 16)
FITTED = fitted_clock(ARCHITECTURES, COSTS)
BYTES = {"vision": 3.0, "audio": 2.0}


def predicted(**changed):
    return predict(PLAN._replace(**changed), ARCHITECTURES, {"": (FITTED, FITTED)}, BYTES)


def test_operations_of_linear_stages_add_up_to_two_for_each_weight(root):
    model = load(
        tiny(root, "linear", {"input": None, "prepared": "preprocessing", "project": "project", "logits": "classify"})
    )
    found = stage_operations(model, torch.rand(1, 3, 8, 8))
    project = 2 * 3 * 8 * 8 * 20
    assert found == {"input": 0, "prepared": 0, "project": project, "logits": project + 2 * 20 * 4}


def test_a_step_takes_twice_the_operations_of_a_run_forward(root):
    stages = {"input": None, "block": "block", "logits": "classify"}
    model, stimulus = load(tiny(root, "convolutional", stages)), torch.rand(1, 3, 8, 8)
    for stage, operations in stage_operations(model, stimulus).items():
        assert operations_of_step(model, stage, stimulus) == 2 * operations


def test_products_within_attention_are_counted():
    width, tokens, heads = 12, 16, 3

    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(width, heads, 2 * width, batch_first=True)

        def forward(self, images):
            return self.layer(images.reshape(1, tokens, width)).mean(1)

    stages = {"input": None, "layer": "layer"}
    model = Model("attending", "vision", ImagePreprocessing(8, [0] * 3, [1] * 3), Attending(), stages)
    fast = torch.backends.mha.get_fastpath_enabled()
    found = stage_operations(model, torch.rand(1, 3, 8, 8))["layer"]
    projections = 2 * tokens * width * (4 * width + 2 * 2 * width)
    assert found == projections + 2 * 2 * tokens**2 * width
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_a_stage_that_the_run_does_not_reach_is_named(root):
    model = load(tiny(root, "convolutional", {"input": None, "block": "unused", "logits": "classify"}))
    with pytest.raises(ValueError, match="block"):
        stage_operations(model, torch.rand(1, 3, 8, 8))


def test_a_step_takes_time(root):
    model = load(tiny(root, "convolutional", {"input": None, "logits": "classify"}))
    assert min(seconds_of_step(model, "logits", torch.rand(1, 3, 8, 8))) > 0


def test_the_fit_recovers_what_values_and_operations_cost():
    values, operations = np.array([20_000, 20_000, 40_000, 20_000]), np.array([0, 1e8, 5e8, 9e9])
    cost = fit_cost(operations, 3e-7 * values + 2e-11 * operations, values)
    assert cost == pytest.approx((3e-7, 2e-11))


def test_no_cost_is_negative():
    # Time that falls with operations, and time that would begin below zero.
    assert fit_cost([1e6, 2e6, 4e6], [4.0, 2.0, 1.0], [100] * 3).per_operation == 0
    assert fit_cost([1e6, 2e6, 4e6], [0.1, 1.1, 3.1], [100] * 3).per_value == 0


def test_the_fit_is_of_relative_errors():
    # Seconds 1 and 3 of the same work: 1/c + 1/(3c) is least in squares at (1 + 1/3) / (1 + 1/9).
    assert fit_cost([1e9, 1e9], [1.0, 3.0], [0, 0]).per_operation == pytest.approx((1 + 1 / 3) / (1 + 1 / 9) / 1e9)


def test_hours_are_the_sum_over_stages_of_steps_stimuli_and_seconds():
    vision = 30 * 8 * 40 * 2 * ((1e-5 * 300 + 1e-9 * 2e6) + (1e-5 * 300 + 1e-9 * 6e6))
    audio = 10 * 40 * 2 * (2e-5 * 100 + (2e-5 * 100 + 2e-9 * 10e6))
    found = predicted()
    assert found["core_hours"] == pytest.approx((vision + audio) / 3600)
    assert found["total_operations"] == 30 * 8 * 40 * 2 * 2 * 4e6 + 10 * 40 * 2 * 2 * 5e6
    assert found["metamers"] == 4 * 40 * 2
    # Two for each stage and batch; three for each model; one asks of pictures, none of sounds; one of natural pictures.
    assert found["planned_jobs"] == 2 * 4 * 4 + 2 * 3 + 1 + 1
    assert found["storage"] == pytest.approx(2 * 80 * ((300 + 240) * 3 + (100 + 10) * 2) / 1e9)


def test_recognition_is_a_run_forward_of_every_recognition_model_of_the_modality():
    found = predicted()
    assert found["recognitions"] == 2 * 40 * 2  # pictures alone
    assert found["recognition_operations"] == 160 * 3e6
    assert found["recognition_core_hours"] == pytest.approx(160 * (1e-5 * 300 / 2 + 1e-9 * 3e6) / 3600)


def test_twice_the_stimuli_take_twice_the_time():
    once, twice = predicted(), predicted(stimuli=80)
    for key in ("core_hours", "recognition_core_hours", "metamers", "storage", "total_operations"):
        assert twice[key] == pytest.approx(2 * once[key])


def test_recognition_by_all_grows_with_the_square_of_the_models():
    once, many = predicted(), predicted(copies=20, recognition_copies=20)
    assert many["core_hours"] == pytest.approx(20 * once["core_hours"])
    for key in ("recognitions", "recognition_core_hours", "recognition_operations"):
        assert many[key] == pytest.approx(400 * once[key])
    by_few = predicted(copies=20)
    assert by_few["recognition_core_hours"] == pytest.approx(20 * once["recognition_core_hours"])


def test_the_timed_step_scales_all_stages_alike_in_the_procedures_precision():
    timed = timed_clock(ARCHITECTURES, COSTS, SETTINGS)
    assert timed("seeing", "final") == pytest.approx(0.4)
    assert timed("hearing", "final") == pytest.approx(0.3)
    assert timed("seeing", "block") / FITTED("seeing", "block") == pytest.approx(0.4 / FITTED("seeing", "final"))


def test_the_published_procedure_takes_its_steps_at_every_step_size():
    assert number_of_steps({"steps": 3000, "step_size": 1.0, "halvings": 7}) == 24_000
    assert number_of_steps({"steps": 100, "learning_rate": 0.05}) == 100


def test_a_card_that_is_used_as_assumed_for_an_hour_takes_an_hour():
    done = xr.DataArray([UTILIZATION * CARDS["H100 SXM"]["float32"] * 3600], dims="plan")
    assert gpu_hours(done).sel(card="H100 SXM").item() == pytest.approx(1)


def test_the_time_of_a_job_is_the_wall_time_of_its_benchmark_table():
    assert job_seconds(TABLE) == 10


def test_what_held_is_the_ratio_by_modality_without_jobs_of_the_input_alone():
    found = compare_jobs(
        [
            ("vision", "a", "input", 1.0, 9.0),
            ("vision", "a", "block", 2.0, 3.0),
            ("vision", "a", "block", 2.0, 3.0),
            ("vision", "b", "final", 2.0, 1.0),
            ("audio", "c", "input", 1.0, 4.0),
        ]
    )
    assert found["held_median"].sel(modality="vision") == 1
    assert (found["held_low"].sel(modality="vision"), found["held_high"].sel(modality="vision")) == (0.5, 1.5)
    assert np.isnan(found["held_median"].sel(modality="audio"))
    assert found["seconds_measured"].sel(generation_model="a", job_stage="block") == 6
    assert found["seconds_predicted"].sel(generation_model="b", job_stage="final") == 2


def test_costs_are_fitted_to_the_default_procedure_of_each_modality():
    def timed(stages):
        seconds = [[[9.0, 9.0]] * len(stages), [[FITTED("seeing", stage)] * 2 for stage in stages]]
        return xr.Dataset(
            {"seconds_per_step": (("variant", "stage", "repeat"), np.array(seconds))},
            coords={"variant": ["published", "quick"], "stage": stages},
        )

    found = costs_of({"seeing": timed(["block", "final"])}, ARCHITECTURES, "quick")
    assert found.keys() == {"vision"}
    assert tuple(found["vision"]) == pytest.approx(tuple(COSTS["vision"]))


def test_a_thousand_models_take_a_thousand_times_the_mean_and_money_follows_hours():
    study = {
        "generation": PLAN.generation,
        "recognition_models": ["seeing", "hearing"],
        "qualities": {"published": SETTINGS},
        "stimuli": 40,
        "seeds": 2,
        "batch_size": 12,
        "models_per_job": 16,
    }
    found = predict_study(study, ARCHITECTURES, COSTS, BYTES, {"gpu_hour": 2.0, "core_hour": 0.5})
    one, many, square = (found.isel(plan=number) for number in range(3))
    assert float(many["core_hours"]) == pytest.approx(500 * float(one["core_hours"]))  # of two models
    assert float(square["recognition_core_hours"]) == pytest.approx(500**2 * float(one["recognition_core_hours"]))
    assert float(one["cost_cores"]) == pytest.approx(0.5 * float(one["core_hours"] + one["recognition_core_hours"]))
    hours = one["gpu_hours"] + one["recognition_gpu_hours"]
    np.testing.assert_allclose(one["cost_gpu"], 2 * hours)
    assert found["step_fitted"].sel(study_model="seeing") == pytest.approx(FITTED("seeing", "final"))


def test_jobs_are_those_of_a_card():
    study = {
        "generation": {"seeing": list(PLAN.generation["seeing"])},
        "recognition_models": [],
        "qualities": {"quick": SETTINGS, "published": {"vision": {"steps": 3000, "halvings": 7}}},
        "stimuli": 400,
        "seeds": 1,
        "models_per_job": 16,
    }
    places = len(PLAN.generation["seeing"])
    jobs = {}
    for size in (100, "auto"):
        given = study | {"batch_size": size}
        found = predict_study(given, ARCHITECTURES, {"vision": COSTS["vision"]}, BYTES, {"gpu_hour": 1, "core_hour": 1})
        jobs[size] = found["planned_jobs"].sel(plan=["the study, quick", "the study, published"]).values
    np.testing.assert_array_equal(jobs[100], jobs["auto"][1])
    assert jobs["auto"][1] - jobs["auto"][0] == places * 2 * (4 - 1)  # synthesis and measures of each batch


def test_of_a_modality_that_was_not_timed_nothing_is_predicted():
    study = {
        "generation": PLAN.generation,
        "recognition_models": ["hearing"],
        "qualities": {"published": SETTINGS},
        **{key: 1 for key in ("stimuli", "seeds", "batch_size", "models_per_job")},
    }
    found = predict_study(study, ARCHITECTURES, {"vision": COSTS["vision"]}, BYTES, {"gpu_hour": 1, "core_hour": 1})
    assert found["study_model"].values.tolist() == ["seeing"]
    assert (found["judging_models"].isel(plan=0) == 0).all()
