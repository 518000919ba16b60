"""Every trial of synthesis has an outcome, and is what it says it is."""

import numpy as np
import pytest
import torch

from metamers.benchmark import trials
from metamers.benchmark.trials import REFERENCE, TRIALS, Result, Task, Trial, run_trials
from metamers.run.files import DESCRIPTIONS
from metamers.synthesize.losses import normalized_error
from metamers.synthesize.metamers import synthesize
from tests.models.test_model import load, tiny
from tests.synthesize.test_metamers import ONE_CYCLE, starts

STEPS = 20


def of(root, function, stages):
    model = load(tiny(root, function, stages))
    natural = 0.5 + 0.05 * torch.randn(3, *model.preprocessing.signal_shape, generator=torch.Generator().manual_seed(1))
    return model, natural.clamp(0, 1), starts(model, "abc")


@pytest.fixture
def convolutional(root):
    return of(root, "convolutional", {"input": None, "block": "block", "logits": "classify"})


@pytest.fixture
def linear(root):
    return of(root, "linear", {"input": None, "project": "project", "logits": "classify"})


def run(model_and_stimuli, stage, chosen, steps=STEPS):
    model, natural, start = model_and_stimuli
    return run_trials(model, model, stage, natural, start, ONE_CYCLE, steps, chosen)


def task_of(model_and_stimuli, stage):
    model, natural, start = model_and_stimuli
    target = model(natural, stage)
    return Task(model, model, model, stage, target, start, ONE_CYCLE, False, torch.channels_last)


def test_every_trial_has_an_outcome(convolutional):
    chosen = {name: trial for name, trial in TRIALS.items() if name != "compiled"}  # minutes
    found = run(convolutional, "block", chosen).set_index(trial="trial")
    assert list(found["trial"].values) == [name for name in chosen if name != "cuda_graphs"]
    ok = np.array([outcome.startswith("ok") for outcome in found["outcome"].values])
    low = found["trial"] == "bfloat16"  # which this machine may not have
    assert (ok | low.values).all()
    assert np.isfinite(found["normalized_error"].values[ok]).all()
    assert (found["seconds_per_step"].values[ok] > 0).all()
    assert float(found["error_ratio"].sel(trial=REFERENCE)) == 1
    timed = np.array([chosen[name].timed for name in found["trial"].values])
    np.testing.assert_array_equal(np.isfinite(found["time_ratio"].values[ok]), timed[ok])
    assert all(what.endswith(".") for what in found["what"].values)
    assert {str(name) for name in found.variables} <= DESCRIPTIONS.keys()


def test_the_reference_is_the_synthesis_to_the_bit(convolutional):
    model, natural, start = convolutional
    for stage in ("block", "logits"):
        wanted, _ = synthesize(model, stage, natural, start, "one_cycle", ONE_CYCLE | {"steps": STEPS})
        settings = {key: value for key, value in ONE_CYCLE.items() if key != "steps"}
        supported = trials.supports_bfloat16(model, stage)
        task = Task(model, model, model, stage, model(natural, stage), start, settings, supported, torch.channels_last)
        assert torch.equal(TRIALS[REFERENCE].method(task, STEPS).metamers.contiguous(), wanted)
        found = run_trials(model, model, stage, natural, start, ONE_CYCLE, STEPS, {REFERENCE: TRIALS[REFERENCE]})
        error = normalized_error(model(natural, stage), model(wanted, stage)).mean()
        assert float(found["normalized_error"][0]) == pytest.approx(float(error), rel=1e-6)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UnboundLocalError("first line\nsecond line"), "failed: UnboundLocalError: first line"),
        (AssertionError(), "failed: AssertionError"),
        (trials.NotAvailableError("no compiler"), "not available: no compiler"),
    ],
)
def test_a_trial_that_fails_is_reported_and_the_others_go_on(linear, error, outcome):
    def fails(task, steps):
        raise error

    chosen = {REFERENCE: TRIALS[REFERENCE], "fails": Trial("Fails.", fails), "loss": TRIALS["loss"]}
    found = run(linear, "project", chosen)
    assert list(found["outcome"].values) == ["ok", outcome, "ok"]
    np.testing.assert_array_equal(np.isnan(found["error_ratio"].values), [False, True, False])
    assert list(found["steps"].values) == [STEPS, 0, STEPS]


def test_without_a_compiler_compilation_is_not_available(linear, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    found = run(linear, "project", {REFERENCE: TRIALS[REFERENCE], "compiled": TRIALS["compiled"]}, steps=2)
    assert str(found["outcome"].values[1]) == "not available: no C++ compiler"


def test_gauss_newton_solves_a_linear_model_in_as_many_products_as_it_has_features(linear):
    task = task_of(linear, "project")  # 20 features
    result = trials.gauss_newton(task, 33)
    assert result.steps == 33
    assert (task.errors(result.metamers) < 0.02).all()
    descent = TRIALS[REFERENCE].method(task, 33)
    assert (task.errors(result.metamers) < task.errors(descent.metamers)).all()


def test_gauss_newton_that_stalls_says_so(linear):
    model, _, start = linear
    task = Task(model, model, model, "project", model(start, "project"), start, ONE_CYCLE, False, torch.channels_last)
    result = trials.gauss_newton(task, 50)
    assert torch.equal(result.metamers, start)
    assert result.note.startswith("3 of 3 stimuli stalled")


def test_conjugate_gradients_solve_every_system_of_a_batch():
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(4, 6, 6, generator=generator)
    matrices = matrices @ matrices.mT + torch.eye(6)
    right = torch.randn(4, 6, generator=generator)
    found = trials.conjugate_gradients(lambda x: (matrices @ x[..., None])[..., 0], right, 12)
    torch.testing.assert_close(found, torch.linalg.solve(matrices, right), atol=1e-3, rtol=1e-3)


def test_lbfgs_takes_no_more_gradients_than_it_may_and_matches_a_linear_model(linear):
    task, asked = task_of(linear, "project"), []

    def counted(stimuli, stage):
        asked.append(len(stimuli))
        return task.model(stimuli, stage)

    result = trials.lbfgs(trials.replace(task, forward=counted), 40)
    assert len(asked) == 3 * 40
    assert (task.errors(result.metamers) < 0.02).all()


def test_a_transform_of_fourier_coefficients_is_of_unit_rms_at_first():
    # Each coefficient is divided by its own size, so all have size 1, and the transform keeps lengths.
    for shape in ((2, 3, 8, 8), (2, 64)):
        direction = trials.of_fourier_coefficients(0.8, 0.95)(torch.randn(shape))
        assert direction.shape == shape
        assert direction.square().mean().sqrt() == pytest.approx(1, rel=1e-3)


def test_orthogonalized_steps_have_singular_values_near_each_other():
    direction = trials.orthogonalized(0.8, 0.95)(torch.randn(2, 3, 16, 16)) / 4
    values = torch.linalg.svdvals(direction)
    assert values.shape == (2, 3, 16)
    assert values.median() == pytest.approx(1, abs=0.3)
    assert values.max() < 1.3


def test_stopping_early_leaves_the_same_first_steps_and_a_greater_error(linear):
    task = task_of(linear, "project")
    half, whole = (trials.cycled(until=until)(task, 40) for until in (0.5, 1))
    assert (half.steps, whole.steps) == (20, 40)
    assert (task.errors(half.metamers) > task.errors(whole.metamers)).all()


def test_probing_takes_the_rate_that_ends_best_and_counts_its_steps(linear):
    task = task_of(linear, "project")
    result = trials.probed(task, STEPS)
    assert result.steps == STEPS + trials.PROBING_STEPS * len(trials.RATES)
    ends = [task.errors(trials.cycled(rate=r)(task, trials.PROBING_STEPS).metamers).mean() for r in trials.RATES]
    best = trials.RATES[int(np.argmin(ends))]
    assert result.note == f"rate × {best} was chosen"
    assert torch.equal(result.metamers, trials.cycled(rate=best)(task, STEPS).metamers)


def test_memory_is_filled_only_during_the_trial_of_it(linear):
    before = torch.utils.deterministic.fill_uninitialized_memory
    seen = []

    def forward(stimuli, stage):
        seen.append(torch.utils.deterministic.fill_uninitialized_memory)
        return task.model(stimuli, stage)

    task = task_of(linear, "project")
    result = trials.memory_filled(trials.replace(task, forward=forward), 2)
    assert isinstance(result, Result)
    assert seen == [True, True]
    assert torch.utils.deterministic.fill_uninitialized_memory == before
