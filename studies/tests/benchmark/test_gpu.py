"""The benchmark of graphics cards, on a fake card: what it measures, and what it says where something is missing."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

from metamers.config.read import read_yaml
from metamers.models.load import load_model
from metamers.plan.steps import merge_defaults
from metamers.synthesize.memory import OVERHEAD, kept_for_gradients
from metamers.synthesize.replay import EAGER
from studies.benchmark import gpu, precisions
from studies.files import GPU
from studies.tests.benchmark.results import QUICK, STAGES
from tests.fake_card import CARD, FREE, NAME, fake_card
from tests.networks.entries import load, tiny

SHAPE = (3, 8, 8)
ONE_CYCLE = QUICK


@pytest.fixture
def job(root):
    return gpu.Job("tiny", tiny(root, "convolutional", STAGES), "cuda", "block", 4, ONE_CYCLE)


def on_card(job):
    return load_model(job.name, job.entry, None, CARD)


def rounded_to_tf32(model):
    """The model with weights of 11 significant bits, as TF32 has, instead of 24."""
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.copy_((weight.view(torch.int32) + 0x1000 & ~0x1FFF).view(torch.float32))
    return model


def test_the_same_computation_on_a_card_agrees_with_the_cpu(job):
    with fake_card():
        found = gpu.agreement(load(job.entry), on_card(job), job)
    assert found["agrees"] == 1
    assert found["metamer_difference"] < 1e-5
    assert found["error_difference"] < 1e-3


def test_a_difference_between_the_devices_is_measured_and_does_not_agree(job):
    similar, other = rounded_to_tf32(load(job.entry)), load(job.entry)
    with torch.no_grad():
        next(other.network.parameters()).mul_(1.1)
    exact = load(job.entry)
    for model, least in ((similar, 1e-5), (other, gpu.TOLERANCES["metamer_difference"])):
        found = gpu.agreement(exact, model, job)
        assert found["metamer_difference"] > least
    assert found["agrees"] == 0


@pytest.mark.parametrize(("size", "agrees"), [(0, 1), (0.1, 0)])
def test_metamers_whose_error_differs_do_not_agree(job, monkeypatch, size, agrees):
    """One step is the same on both devices, and metamers of all steps have noise on the second device."""
    exact, other = load(job.entry), load(job.entry)
    real = gpu.synthesize

    def noisy(model, stage, natural, start, procedure, settings):
        metamers, loss = real(model, stage, natural, start, procedure, settings)
        if model is other and procedure == "one_cycle":
            metamers = metamers + size * torch.randn(metamers.shape, generator=torch.Generator().manual_seed(0))
        return metamers, loss

    monkeypatch.setattr(gpu, "synthesize", noisy)
    found = gpu.agreement(exact, other, job)
    assert found["metamer_difference"] == 0
    assert (found["error_difference"] <= gpu.TOLERANCES["error_difference"]) == agrees
    assert found["agrees"] == agrees


def test_tf32_is_off_when_metamers_are_compared_and_on_for_the_difference_that_it_makes(job, monkeypatch):
    seen = []
    real = gpu.synthesize

    def noted(model, *arguments):
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, arguments[3]))
        return real(model, *arguments)

    monkeypatch.setattr(gpu, "synthesize", noted)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    gpu.agreement(load(job.entry), load(job.entry), job)
    steps = [(tf32, matmul) for tf32, matmul, procedure in seen if procedure == "published"]
    assert steps == [(False, False), (False, False), (True, True)]
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_the_precision_tf32_is_the_low_precision_of_every_step(monkeypatch):
    given = {}
    monkeypatch.setattr(precisions, "supports_low_precision", lambda *_: True)
    monkeypatch.setattr(precisions, "configured", lambda _task, steps, **changes: given.update(changes, steps=steps))
    precisions.in_tf32(SimpleNamespace(model=None, stage="block"), 3)
    assert given == {"steps": 3, "low_precision": 1, "rough_cochleagram": 0, "low_precision_format": "tf32"}
    monkeypatch.setattr(precisions, "supports_low_precision", lambda *_: False)
    with pytest.raises(precisions.NotAvailableError, match=r"\btf32\b"):
        precisions.in_tf32(SimpleNamespace(model=None, stage="block"), 3)


def test_a_batch_fills_free_memory_and_is_halved_when_memory_is_halved(job):
    with fake_card(SHAPE, 8000) as card:
        model = on_card(job)
        found = gpu.filled_card(model, job)
        predicted = gpu.max_batch_size(model, "block", gpu.example_stimuli(model, 1))
    assert found["free_card_memory"] == FREE / 1e6
    assert 0.75 < found["batch"] * OVERHEAD * kept(job) / FREE <= 0.8
    assert (found["batch"], found["batch_fits"]) == (predicted, 1)
    assert found["peak_card_memory"] == predicted * 8000 / 1e6
    assert found["halved_batch"] == predicted // 2
    assert found["stimulus_steps_per_second"] > 0
    assert card.limit == FREE  # as before
    assert card.calls["synchronize"] >= 4  # times include what the card computes
    assert card.calls["empty_cache"] >= 4  # also for the processes of the next measurement


def kept(job):
    return kept_for_gradients(load(job.entry), job.stage, torch.rand(1, *SHAPE))


def test_a_prediction_that_is_too_large_is_halved_and_said(job):
    with fake_card(SHAPE, 20_000) as card:
        model = on_card(job)
        predicted = gpu.max_batch_size(model, "block", gpu.example_stimuli(model, 1))
        assert FREE < predicted * 20_000 < 2 * FREE
        found = gpu.filled_card(model, job)
    assert (found["batch"], found["batch_fits"]) == (predicted // 2, 0)
    assert found["peak_card_memory"] == found["batch"] * 20_000 / 1e6  # not of the attempt that failed
    assert card.limit == FREE


def test_a_card_that_holds_one_stimulus_cannot_halve_it(job, monkeypatch):
    monkeypatch.setattr(gpu, "max_batch_size", lambda *_: 1)
    with fake_card(SHAPE, 8000) as card:
        found = gpu.filled_card(on_card(job), job)
    assert (found["batch"], found["halved_batch"]) == (1, 0)
    assert card.limit == FREE


def test_the_limit_of_memory_ends_after_an_error():
    with fake_card() as card:
        limits = []

        @gpu.limited_memory(CARD, FREE / 4)
        def work():
            limits.append(card.limit)
            raise RuntimeError("any error")

        with pytest.raises(RuntimeError, match="any error"):
            work()
    assert [*limits, card.limit] == [FREE / 4, FREE]


# On the fake card, every job is this file's own process, without a card.
JOB = """
import sys
sys.path.insert(0, {root!r})
from tests.fake_card import fake_card
from studies.benchmark.gpu import run_job
with fake_card():
    run_job()
"""


@pytest.fixture
def jobs_on_fake_cards(root, monkeypatch):
    real, started = subprocess.Popen, []

    def start(command, **options):
        assert command[:2] == [sys.executable, "-c"]
        assert "run_job()" in command[2]
        started.append(real([*command[:2], JOB.format(root=str(root))], **options))
        return started[-1]

    monkeypatch.setattr(gpu.subprocess, "Popen", start)
    return started


def test_several_jobs_compute_at_once(job, jobs_on_fake_cards):
    assert gpu.jobs_at_once(job, 2) > 0
    assert [process.returncode for process in jobs_on_fake_cards] == [0, 0]


def test_jobs_without_a_card_fail_without_a_rate(job, capfd):
    assert np.isnan(gpu.jobs_at_once(job, 1))
    assert "device: 'cuda' " in capfd.readouterr().err


def test_jobs_that_take_too_long_are_ended(job, jobs_on_fake_cards, monkeypatch):
    monkeypatch.setattr(gpu, "TIMEOUT_S", 0.1)
    assert np.isnan(gpu.jobs_at_once(job, 2))
    assert all(process.returncode for process in jobs_on_fake_cards)


@pytest.mark.parametrize(("answer", "driver"), [("570.86.15\n", "570.86.15"), ("", "unknown"), (None, "unknown")])
def test_the_card_and_its_driver_are_named(monkeypatch, answer, driver):
    def run(command, **_options):
        if answer is None:
            raise FileNotFoundError(command[0])
        assert command == ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(gpu.subprocess, "run", run)
    with fake_card():
        found = gpu.card_and_driver(CARD)
    assert found == {"card": NAME, "driver": driver, "cuda": str(torch.version.cuda), "torch": torch.__version__}


@pytest.fixture
def measured(job, monkeypatch):
    """The benchmark of two stages on a fake card, whose compiler gives back the model."""
    modes, rates = [], iter([10.0, 15.0, float("nan"), 20.0] * 2)
    monkeypatch.setattr(torch, "compile", lambda model, mode: modes.append(mode) or model)
    monkeypatch.setattr(gpu, "jobs_at_once", lambda one, jobs: next(rates))
    monkeypatch.setitem(precisions.PRECISIONS, "tf32", precisions.Precision(fails))
    monkeypatch.setattr(precisions, "CARD_STEPS", EAGER + 2)
    with fake_card(SHAPE, 8000):
        found = {
            ("tiny", stage): gpu.gpu_benchmark(gpu.replace(job, stage=stage), batch=3) for stage in ("block", "logits")
        }
    assert modes == [None, "reduce-overhead"] * 2
    return found


def fails(_task, _steps):
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_every_precision_and_number_of_jobs_has_a_speed_or_a_reason(measured):
    found = measured["tiny", "block"].set_index(precision="precision")
    assert list(found["precision"].values) == list(precisions.PRECISIONS)
    assert found["outcome"].sel(precision="tf32").item().startswith("failed: OutOfMemoryError")
    others = found.drop_sel(precision="tf32")
    assert all(outcome.startswith("ok") for outcome in others["outcome"].values)
    assert (others["stimulus_steps_per_second_by_precision"] > 0).all()
    assert np.isnan(found["stimulus_steps_per_second_by_precision"].sel(precision="tf32"))
    np.testing.assert_array_equal(found["stimulus_steps_per_second_by_jobs"], [10, 15, np.nan])
    assert found.attrs["card"] == NAME
    assert found["agrees"] == 1
    assert (found["cards"], found["stimulus_steps_per_second_of_cards"]) == (2, 20)
    assert 1 <= found["recognition_batch"] <= gpu.RECOGNIZED
    assert (found["recognized_per_second"] > 0) & (found["recognized_per_second_in_small_batches"] > 0)
    assert {str(name) for name in found.variables} <= GPU.described.keys()


def test_the_table_has_a_row_for_each_stage_with_card_and_versions(measured):
    table = gpu.gpu_table(measured, 3)
    assert list(table["stage"]) == ["block", "logits"]
    row = table.iloc[0]
    assert (row["model"], row["card"], row["torch"], row["batch_compared"]) == ("tiny", NAME, torch.__version__, 3)
    assert {*precisions.PRECISIONS, "jobs_1", "jobs_2", "jobs_4", "peak_card_memory", "driver", "cuda"} <= set(
        table.columns
    )
    assert row["outcomes"].startswith("tf32: failed: OutOfMemoryError")
    assert (row["jobs_2"], row["agrees"]) == (15, 1)
    assert table["batch"].dtype.kind == "i"


def test_stages_that_disagree_are_named():
    measured = {("a", "x"): xr.Dataset({"agrees": 1.0}), ("a", "y"): xr.Dataset({"agrees": 0.0})}
    assert gpu.disagreeing(measured) == ["a at y"]


def test_without_a_card_nothing_is_computed(job, monkeypatch):
    monkeypatch.setattr(gpu, "load_model", lambda *_: pytest.fail("computed"))
    for device in ("auto", "cpu", "cuda"):
        with pytest.raises(ValueError, match=r"CUDA .*: (mps, )?cpu$"):
            gpu.gpu_benchmark(gpu.replace(job, device=device), 3)


def test_a_job_is_plain_data(job):
    assert gpu.Job(**json.loads(json.dumps(gpu.asdict(job)))) == job


def test_stimuli_differ_and_are_the_same_every_time(job):
    model = load(job.entry)
    stimuli = gpu.example_stimuli(model, 4)
    assert stimuli.shape == (4, *SHAPE)
    assert not torch.equal(stimuli[0], stimuli[1])
    assert torch.equal(stimuli, gpu.example_stimuli(model, 4))


NETWORKS = read_yaml("studies/config/gpu.yaml")["models"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_no_tensor_of_a_network_of_the_benchmark_stays_on_the_cpu(name):
    """Such as a buffer that is made anew in each call, which a card refuses."""
    entry = NETWORKS[name]
    settings = merge_defaults({})["synthesis"]["quick"][entry["modality"]] | {"steps": 2, "low_precision": 0}
    with fake_card():
        model = load_model(name, entry, None, CARD)
        natural, start = gpu.example_stimuli(model, 1), gpu.example_starts(model, 1)
        metamers, _ = gpu.synthesize(model, [*entry["stages"]][-1], natural, start, "one_cycle", settings)
        assert metamers.device == CARD
        assert metamers.cpu().isfinite().all()
