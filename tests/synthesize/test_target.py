"""Synthesis to a target: every metamer reaches it in its own number of steps, or is known not to have reached it."""

import math
import re
import weakref
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from metamers.modalities import MODALITIES
from metamers.models.model import Model
from metamers.run.progress import Progress
from metamers.synthesize import target
from metamers.synthesize.drafts import Draft
from metamers.synthesize.losses import Goal, normalized_error
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.target import DECAY, GAIN, RISE_AGAIN, SMOOTHED, WARM_UP, Descent, optimize_to_target
from tests.networks.entries import load, tiny
from tests.synthesize.procedures import TO_TARGET, starts

LONG = TO_TARGET | {"max_steps": 1000}
NAMES = "abcdefg"
TARGET = 0.2


@pytest.fixture(scope="module")
def model(root) -> Model:
    return load(tiny(root, "convolutional", {"input": None, "block": "block", "logits": "classify"}))


@pytest.fixture(scope="module")
def natural() -> torch.Tensor:
    return torch.rand(len(NAMES), 3, 8, 8, generator=torch.Generator().manual_seed(0))


def to_target(model, natural, names=NAMES, target_error=TARGET, max_batch_size=4, **changed):
    settings = TO_TARGET | changed | {"target_error": target_error}
    chosen = natural[[NAMES.index(name) for name in names]]
    return synthesize(
        model, "block", chosen, starts(model, names), "to_target", settings, max_batch_size=max_batch_size
    )


@pytest.fixture(scope="module")
def reached(model, natural) -> tuple[torch.Tensor, np.ndarray]:
    """Metamers of all stimuli and their losses."""
    return to_target(model, natural)


def assert_same_bits(found: tuple[torch.Tensor, np.ndarray], expected: tuple[torch.Tensor, np.ndarray], names=NAMES):
    places = [NAMES.index(name) for name in names]
    assert torch.equal(found[0], expected[0][places])
    np.testing.assert_array_equal(found[1], expected[1][places])


def steps_of(loss: np.ndarray) -> np.ndarray:
    return np.isfinite(loss).sum(axis=1)


@pytest.mark.parametrize("optimizer", ["adam", "adam_mini"])
def test_each_metamer_ends_where_it_has_reached_the_target(model, natural, optimizer):
    metamers, loss = to_target(model, natural, optimizer=optimizer)
    error = normalized_error(model(natural, "block"), model(metamers, "block"))
    assert (error <= TARGET).all()
    assert (error > 0.9 * TARGET).all()  # not a step further than it takes
    steps = steps_of(loss)
    assert len(set(steps)) > 1
    assert steps.max() < TO_TARGET["max_steps"]
    for of_stimulus, number in zip(loss, steps, strict=True):
        assert np.isfinite(of_stimulus[:number]).all()
        assert (of_stimulus[:number] > TARGET * 0.999).all()


@pytest.mark.parametrize("names", ["a", "gfeda", "aa"])
def test_a_metamer_has_the_same_bits_in_any_batch(model, natural, reached, names):
    assert_same_bits(to_target(model, natural, names), reached, names)


@pytest.fixture
def drafted(model, monkeypatch):
    """Steps of drafts, whose activations are 1% too large; the steps taken are in ``calls``, a draft or exact."""
    calls, usual = [], target.loss_and_gradient

    @contextmanager
    def draft():
        with monkeypatch.context() as changed:
            changed.setattr(
                model.network.block,
                "forward",
                lambda given: 1.01 * type(model.network.block).forward(model.network.block, given),
            )
            yield

    class OfTest(Draft):
        def activations(self, taken):
            return draft()

    def noted(batch, goals, drafts, replay, penalty):
        calls.append(({descent.draft for descent in batch}, len(goals[0].target), len(batch)))
        return usual(batch, goals, drafts, replay, penalty)

    monkeypatch.setattr(target, "drafts_of", lambda *_: [OfTest()])
    monkeypatch.setattr(target, "loss_and_gradient", noted)
    return calls


def test_drafts_end_with_the_first_decay_and_the_error_at_the_end_is_exact(model, natural, drafted):
    metamers, _ = to_target(model, natural)
    error = normalized_error(model(natural, "block"), model(metamers, "block"))
    assert (error <= TARGET).all()
    assert (error > 0.85 * TARGET).all()
    kinds = [kind for kind, _, _ in drafted]
    assert kinds == sorted(kinds, key=lambda kind: kind == {False})  # no batch of both; drafts first
    of_draft, exact = (sum(count for kind, _, count in drafted if kind == {which}) for which in (True, False))
    assert of_draft > 5 * exact > 0
    assert {size for _, size, _ in drafted} == {2}


def test_with_drafts_a_metamer_has_the_same_bits_in_any_batch(model, natural, drafted):
    expected = to_target(model, natural)
    for names in ("a", "gfeda"):
        assert_same_bits(to_target(model, natural, names), expected, names)


@pytest.mark.parametrize("target_error", [1e-4, 1e-3])
def test_the_number_of_steps_does_not_depend_on_the_largest_one(model, natural, target_error):
    """Also where the target is below the error at which a constant rate stops to fall."""
    steps = []
    for max_steps in (600, 3000):
        settings = TO_TARGET | {"target_error": target_error, "max_steps": max_steps}
        _, loss = synthesize(model, "input", natural[:2], starts(model, "ab"), "to_target", settings)
        steps.append(steps_of(loss).tolist())
    assert steps[0] == steps[1]
    assert max(steps[0]) < 500


def rates_of(descent: Descent, errors: Callable[[int], float], steps: int) -> list[float]:
    """The rates of some steps, relative to the largest, if the error after a number of steps is ``errors`` of it."""
    taken = []
    for _ in range(steps):
        assert descent.advance(errors(descent.taken))
        descent.metamer.grad = torch.zeros_like(descent.metamer)
        descent.step((0, 1))
        taken.append(descent._optimizer.param_groups[0]["lr"] / TO_TARGET["learning_rate"])
    return taken


def test_the_rate_is_constant_until_a_decay_is_expected_to_reach_the_target():
    descent = Descent(0, torch.zeros(1, 2), LONG)
    rates = rates_of(descent, lambda taken: 20 / max(taken, 1) ** 0.5, 370)
    begins = next(place for place in range(WARM_UP, len(rates)) if rates[place] < 1)
    assert begins == pytest.approx((20 * GAIN) ** 2, abs=SMOOTHED)
    np.testing.assert_allclose(rates[:WARM_UP], np.arange(1, WARM_UP + 1) / WARM_UP)
    assert rates[WARM_UP:begins] == [1] * (begins - WARM_UP)
    ends = begins + math.ceil(begins * DECAY / (1 - DECAY))
    assert (np.diff(rates[begins - 1 : ends]) < 0).all()
    assert rates[ends - 1] < 0.01
    # It was not enough: the error was 20 / sqrt(ends), and the next decay is expected to gain as little.
    assert rates[ends] == 1 / RISE_AGAIN
    assert descent.gain == pytest.approx((begins / ends) ** 0.5)
    assert not descent.advance(0.99)


def test_a_decay_begins_where_the_error_has_stopped_falling_and_in_the_last_steps():
    descent = Descent(0, torch.zeros(1, 2), LONG)
    rates_of(descent, lambda _: 5, 2 * WARM_UP + 1)
    assert descent.decay_from == 2 * WARM_UP
    descent = Descent(0, torch.zeros(1, 2), TO_TARGET)
    rates = rates_of(descent, lambda taken: 1000 / max(taken, 1), TO_TARGET["max_steps"])
    assert not descent.advance(3)
    assert (np.diff(rates[-30:]) < 0).all()
    assert rates[-1] < 0.01


def test_the_best_metamer_at_the_end_of_a_decay_is_kept():
    settings = TO_TARGET | {"max_steps": 2000}
    descent = Descent(0, torch.zeros(1, 2), settings)
    ended = []

    def errors(taken: int) -> float:
        if descent.decay_from is not None and taken == descent.decay_from + descent.decay_steps:
            ended.append(2 + len(ended))
            return ended[-1]
        return 5

    with torch.no_grad():
        while descent.advance(errors(descent.taken)):
            descent.metamer += 1
            descent.taken += 1
    assert len(ended) > 1
    assert descent.best_error == 2
    assert descent.best[0, 0] < descent.metamer[0, 0] == 2000


def test_a_metamer_that_did_not_reach_the_target_has_taken_all_steps(model, natural):
    metamers, loss = to_target(model, natural, "ab", target_error=1e-9, max_steps=100)
    assert steps_of(loss).tolist() == [100, 100]
    error = normalized_error(model(natural[:2], "block"), model(metamers, "block")).numpy()
    assert (error > 1e-9).all()
    assert (error <= loss[:, -1] * 1.001).all()


class Interrupted(Progress):
    """A checkpoint that is saved at each ``every``-th step; the last of ``saves`` ends the work."""

    def __init__(self, folder, every: int, saves: int):
        super().__init__(folder, "0" * 64)
        self.every, self.left, self.steps = every, saves, 0

    def due(self):
        self.steps += 1
        return self.steps % self.every == 0

    def save(self, part, state):
        super().save(part, state)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("with_drafts", [False, True])
def test_an_interrupted_synthesis_goes_on_to_the_same_bits_while_stimuli_wait(
    model, natural, tmp_path, with_drafts, request
):
    if with_drafts:
        request.getfixturevalue("drafted")
    goals_of = lambda some: [Goal(model, "block", model(natural[some], "block").detach(), target_error=TARGET)]  # noqa: E731
    arguments = goals_of, starts(model, NAMES[:5]), TO_TARGET, 4, ""
    expected = optimize_to_target(*arguments)
    for every, saves in ((5, 1), (30, 2), (150, 1)):
        folder = tmp_path / str(every)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            optimize_to_target(*arguments, Interrupted(folder, every, saves))
        assert_same_bits(optimize_to_target(*arguments, Progress(folder, "0" * 64)), expected, NAMES[:5])


def test_all_goals_reach_their_own_targets(root):
    models = [load(tiny(root, "convolutional", {"input": None, "block": "block", "logits": "classify"}))] * 2
    natural = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    goal_of = {"block": 0.3, "logits": 0.1}

    def goals_of(stimuli):
        return [
            Goal(model, stage, model(natural[stimuli], stage).detach(), target_error=error)
            for model, (stage, error) in zip(models, goal_of.items(), strict=True)
        ]

    metamers, loss = optimize_to_target(goals_of, starts(models[0], "abcde"), TO_TARGET, 4)
    assert (steps_of(loss) < TO_TARGET["max_steps"]).all()
    for stage, error in goal_of.items():
        assert (normalized_error(models[0](natural, stage), models[0](metamers, stage)) <= error).all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_no_value_of_a_stimulus_leaves_the_limits_of_its_modality(modality):
    """The metamer of a linear stage whose target lies outside the limits is the nearest stimulus within them."""
    model = Model("identity", modality, torch.nn.Identity(), torch.nn.Identity(), {"identity": "scores"})
    activations = torch.tensor([[1.5, -1.5, 0.5, 0.25]])
    goals_of = lambda some: [Goal(model, "identity", activations.expand(len(some), -1), target_error=0.1)]  # noqa: E731
    metamers, _ = optimize_to_target(goals_of, torch.full((1, 4), 0.4), TO_TARGET)
    torch.testing.assert_close(metamers, activations.clamp(*MODALITIES[modality].limits), atol=1e-3, rtol=0)


def test_where_memory_does_not_suffice_half_of_a_batch_waits_as_it_is(model, natural, monkeypatch, caplog):
    monkeypatch.setattr(target, "CPU_BATCH_SIZE_TO_TARGET", 7)
    expected = to_target(model, natural, max_batch_size=7)
    usual, calls, graphs = target.root_mean_square, [], []

    def limited(errors: list[torch.Tensor]) -> torch.Tensor:
        """The memory of a graph that is kept does not suffice for another one; nor for that of three stimuli."""
        assert all(graph() is None for graph in graphs)
        graphs.append(weakref.ref(errors[0]))
        calls.append(len(errors[0]))
        losses = usual(errors)
        if calls[-1] > 2 and len(calls) > 10:
            losses.register_hook(run_out)  # in the backward pass
        return losses

    def run_out(_: torch.Tensor) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(target, "root_mean_square", limited)
    assert_same_bits(to_target(model, natural, max_batch_size=7), expected)
    sizes = [re.search(r"\d+", message)[0] for message in caplog.messages]
    assert sizes == ["3", "1"]
    monkeypatch.setattr(target, "logarithm", lambda _: (_ for _ in ()).throw(torch.OutOfMemoryError))
    with pytest.raises(torch.OutOfMemoryError):
        to_target(model, natural, "a")


def test_a_loss_that_is_not_finite_ends_the_synthesis(model, natural, monkeypatch):
    monkeypatch.setattr(target, "root_mean_square", lambda errors: errors[0] * torch.nan)
    with pytest.raises(ValueError, match=r"stage 'block': .*\bnan$"):
        to_target(model, natural)
