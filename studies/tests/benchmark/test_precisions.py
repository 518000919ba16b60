"""Every precision has a time or a reason, and the reference is the synthesis."""

import math

import pytest
import torch

from metamers.models.load import load_model
from metamers.synthesize.losses import Goal, make_loss
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.optimize import gradient_steps
from studies.benchmark import precisions
from studies.benchmark.precisions import PRECISIONS, Precision, Task, time_precisions
from tests.fake_card import CARD, fake_card
from tests.networks.entries import load, tiny
from tests.synthesize.procedures import ONE_CYCLE, starts

STEPS = 20
SHAPE = (3, 8, 8)


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


def test_every_precision_has_a_time_or_a_reason(convolutional):
    model, natural, start = convolutional
    chosen = {name: precision for name, precision in PRECISIONS.items() if name != "compiled"}  # minutes
    times = time_precisions(model, "block", natural, start, ONE_CYCLE, chosen)
    of_cards = ("without_graphs", "tf32", "compiled_graphs")
    assert list(times) == [name for name in chosen if name not in of_cards]
    for name, (seconds, outcome) in times.items():
        assert (seconds > 0 and outcome == "ok") or (name == "bfloat16" and outcome.startswith("not available"))


def test_the_reference_is_the_synthesis_to_the_bit(convolutional):
    model, natural, start = convolutional
    for stage in ("block", "logits"):
        wanted, _ = synthesize(model, stage, natural, start, "one_cycle", ONE_CYCLE | {"steps": STEPS})
        settings = {key: value for key, value in ONE_CYCLE.items() if key != "steps"}
        task = Task(model, stage, model(natural, stage), start, model, settings, torch.channels_last)
        assert torch.equal(next(iter(PRECISIONS.values())).method(task, STEPS).contiguous(), wanted)


def test_the_bare_loop_makes_the_metamers_of_a_constant_rate(convolutional):
    model, natural, start = convolutional
    settings = {key: value for key, value in ONE_CYCLE.items() if key != "steps"}
    task = Task(model, "block", model(natural, "block"), start, model, settings, torch.channels_last)
    found = precisions.bare(task, STEPS)
    metamers, betas = start.detach().clone().requires_grad_(), (settings["beta_1"], settings["beta_2"])
    optimizer = torch.optim.Adam([metamers], lr=settings["learning_rate"], betas=betas)
    loss = make_loss(Goal(model, "block", task.target))
    steps = list(gradient_steps(loss, metamers, STEPS * [optimizer.step], (0, 1)))
    torch.testing.assert_close(found, metamers.detach(), rtol=1e-4, atol=1e-5)
    assert len(steps) == STEPS


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UnboundLocalError("first line\nsecond line"), "failed: UnboundLocalError: first line"),
        (AssertionError(), "failed: AssertionError"),
        (precisions.NotAvailableError("no compiler"), "not available: no compiler"),
    ],
)
def test_a_precision_that_fails_is_reported_and_the_others_go_on(linear, error, outcome):
    def fails(task, steps):
        raise error

    model, natural, start = linear
    chosen = {"fails": Precision(fails), "float32": PRECISIONS["float32"]}
    times = time_precisions(model, "project", natural, start, ONE_CYCLE, chosen)
    assert [outcome for _, outcome in times.values()] == [outcome, "ok"]
    assert math.isnan(times["fails"][0])


def test_without_a_compiler_compilation_is_not_available(linear, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    model, natural, start = linear
    times = time_precisions(model, "project", natural, start, ONE_CYCLE, {"compiled": PRECISIONS["compiled"]})
    assert times["compiled"][1].startswith("not available: ")


@pytest.fixture
def entry(root):
    return tiny(root, "convolutional", {"input": None, "block": "block", "logits": "classify"})


@pytest.fixture
def card():
    with fake_card() as there:
        yield there


def test_cuda_graphs_are_tried_on_a_card_only(entry, card):
    graphs = PRECISIONS["compiled_graphs"]
    assert graphs.applies(load_model("tiny", entry, None, CARD))
    assert not graphs.applies(load(entry))


def test_compilation_for_a_card_needs_no_compiler_of_cpp(entry, card, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    modes = []
    monkeypatch.setattr(torch, "compile", lambda model, mode: modes.append(mode) or model)

    def task(model, device):
        start = torch.rand(1, *SHAPE, device=device)
        return Task(model, "block", start, start, model, {}, torch.channels_last)

    for name in ("compiled", "compiled_graphs"):
        PRECISIONS[name].change(task(load_model("tiny", entry, None, CARD), CARD))
    assert modes == [None, "reduce-overhead"]
    with pytest.raises(precisions.NotAvailableError):
        PRECISIONS["compiled"].change(task(load(entry), torch.device("cpu")))
