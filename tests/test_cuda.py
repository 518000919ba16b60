"""Every place of the code that asks for CUDA is exercised on a fake card (tests/fake_card.py), because no real one was used.

The list ``PLACES`` names the test of each place; a place without a test fails.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

import metamers as mm
from metamers.model_card import card as model_card
from metamers.models import batches
from metamers.models import device as devices
from metamers.models import load as models_load
from metamers.models.batches import (
    CPU_FORWARD_BATCH_SIZE,
    MAX_FORWARD_BATCH_SIZE,
    forward,
    forward_batch_size,
    in_batches,
    min_batch_size,
)
from metamers.models.classes import class_scores
from metamers.models.load import load_model
from metamers.models.model import activations
from metamers.models.precision import native, native_bfloat16
from metamers.synthesize import memory
from metamers.synthesize.drafts import in_low_precision, supports_low_precision
from metamers.synthesize.memory import kept_for_gradients, max_batch_size
from metamers.synthesize.metamers import starts, synthesize
from metamers.synthesize.replay import EAGER, allow_graphs
from metamers.synthesize.target import EAGER_IN_BATCH
from metamers.train import model as train
from metamers.train.examples import Examples
from metamers.vulnerability.attack import vulnerability
from tests.fake_card import CARD, FREE, OnCard, fake_card
from tests.networks.entries import SOUND_INPUT, load, tiny
from tests.networks.tiny import Hearing
from tests.synthesize.procedures import ONE_CYCLE
from tests.train import clouds

SHAPE = (3, 8, 8)
STAGES = {"input": None, "block": "block", "logits": "classify"}
# File and function, or "" for the module itself → the test that runs its branches for CUDA.
PLACES = {
    "studies/benchmark/gpu.py:card_and_driver": "test_the_card_and_its_driver_are_named",
    "studies/benchmark/gpu.py:filled_card": "test_a_batch_fills_free_memory_and_is_halved_when_memory_is_halved",
    "studies/benchmark/gpu.py:filled_card.work": "test_a_prediction_that_is_too_large_is_halved_and_said",
    "studies/benchmark/gpu.py:gpu_benchmark": "test_every_precision_and_number_of_jobs_has_a_speed_or_a_reason",
    "studies/benchmark/gpu.py:gpu_table": "test_the_table_has_a_row_for_each_stage_with_card_and_versions",
    "studies/benchmark/scale.py:_of_modality": "test_jobs_are_those_of_a_card",
    "studies/benchmark/precisions.py:_on_cuda": "test_cuda_graphs_are_tried_on_a_card_only",
    "studies/benchmark/precisions.py:compiled.change": "test_compilation_for_a_card_needs_no_compiler_of_cpp",
    "studies/first_contact.py:Contact.__init__": "test_metamers_are_made_on_a_card_too",
    "studies/first_contact.py:first_contact": "test_metamers_are_made_on_a_card_too",
    "studies/benchmark/gpu.py:limited_memory": "test_the_limit_of_memory_ends_after_an_error",
    "src/metamers/synthesize/qualities.py:batch_size_of": (
        "test_a_job_of_a_card_computes_for_longer_than_it_takes_to_start"
    ),
    "src/metamers/run/cards.py:gpus_of_job": "test_a_job_asks_for_a_card_if_there_is_one",
    "src/metamers/model_card/card.py:cost": "test_a_step_on_a_card_is_timed_in_this_process_until_it_has_ended",
    "src/metamers/models/device.py:available_devices": "test_devices_of_a_machine_with_cards",
    "src/metamers/models/device.py:choose_card": "test_only_a_cuda_device_is_a_card",
    "src/metamers/models/device.py:choose_device": "test_float32_is_not_rounded_to_tf32",
    "src/metamers/models/device.py:own_card": "test_jobs_take_different_cards",
    "src/metamers/models/device.py:wait_for": "test_a_card_is_waited_for",
    "src/metamers/models/cochleagram.py:_LoweredEnvelopes._switch_off": (
        "test_on_a_card_nothing_is_asked_and_the_gradient_is_switched_off_in_the_same_places"
    ),
    "src/metamers/models/load.py:assemble": "test_a_model_on_a_card_has_no_layout_of_a_cpu",
    "src/metamers/models/batches.py:in_batches": "test_after_lack_of_memory_kept_memory_is_freed",
    "src/metamers/synthesize/memory.py:max_batch_size": "test_a_batch_has_a_share_of_the_free_memory",
    "src/metamers/models/batches.py:min_batch_size": "test_a_card_may_compute_one_stimulus",
    "src/metamers/synthesize/target.py:optimize_to_target": (
        "test_where_memory_does_not_suffice_half_of_a_batch_waits_as_it_is"
    ),
    "src/metamers/models/precision.py:low_precision": "test_low_precision_on_a_card_is_that_of_cuda",
    "src/metamers/models/precision.py:native": "test_tf32_is_native_on_cards_from_ampere_on",
    "src/metamers/models/precision.py:tf32": "test_tf32_is_on_for_network_and_gradient_only",
    "src/metamers/models/batches.py:forward_batch_size": "test_a_pass_without_gradients_has_a_share_of_free_memory",
    "src/metamers/synthesize/replay.py:Replay.__call__": "test_equal_steps_are_replayed",
    "src/metamers/synthesize/replay.py:Replay.forget": "test_equal_steps_are_replayed",
    "src/metamers/synthesize/replay.py:Replay._recorded": "test_what_waits_for_the_card_is_computed_as_before",
    "scripts/beyond/synthesize.py:": "test_a_recording_that_fails_all_the_same_says_what_would_do",
    "scripts/synthesize/metamers.py:": "test_a_recording_that_fails_all_the_same_says_what_would_do",
    "src/metamers/synthesize/replay.py:Replay._record": "test_a_recording_that_fails_all_the_same_says_what_would_do",
    "src/metamers/models/precision.py:native_bfloat16": "test_bfloat16_is_native_from_ampere_on",
    "src/metamers/train/model.py:random_state": "test_the_state_of_every_card_is_saved_and_restored",
    "src/metamers/train/model.py:restore_random": "test_the_state_of_every_card_is_saved_and_restored",
}


def _asks_for_cuda(node: ast.AST) -> bool:
    """Whether an expression is ``torch.cuda``, ``torch.backends.cuda`` or ``cudnn``, names CUDA, or tells CPUs apart."""
    if isinstance(node, ast.Attribute):
        return node.attr in ("cuda", "cudnn")
    if isinstance(node, ast.Compare):
        return any(isinstance(part, ast.Constant) and part.value == "cpu" for part in ast.walk(node))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("cuda")


def places(root: Path) -> set[str]:
    """File and function of every expression in the library, scripts and studies that asks for CUDA."""
    found = set()

    def visit(node: ast.AST, file: str, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            if _asks_for_cuda(child):
                found.add(f"{file}:{function}")
            named = isinstance(child, ast.FunctionDef | ast.ClassDef)
            visit(child, file, f"{function}.{child.name}".strip(".") if named else function)

    paths = [path for folder in ("src", "scripts", "studies") for path in sorted((root / folder).rglob("*.py"))]
    for path in paths:
        if "tests" not in path.relative_to(root).parts:
            visit(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(root).as_posix(), "")
    return found


def test_every_place_that_asks_for_cuda_has_a_test(root):
    assert places(root) == PLACES.keys()
    files = [path for folder in ("tests", "studies/tests") for path in (root / folder).rglob("test_*.py")]
    tests = {name for path in files for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)}
    assert set(PLACES.values()) <= tests


@pytest.fixture
def entry(root):
    return tiny(root, "convolutional", STAGES)


@pytest.fixture
def card():
    with fake_card() as made:
        yield made


# The fake card itself


def test_the_fake_card_refuses_what_a_card_refuses(card):
    there = torch.rand(2, 3, device=CARD)
    assert (there.device, type(there * 2), type(there.cpu())) == (CARD, OnCard, torch.Tensor)
    with pytest.raises(RuntimeError, match="same device"):
        there + torch.rand(2, 3)
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        there.numpy()
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        np.asarray(there)


def test_a_module_on_the_fake_card_has_gradients_there(card):
    layer = nn.Linear(3, 2).to(CARD)
    layer(torch.rand(4, 3, device=CARD)).sum().backward()
    assert layer.weight.device == layer.weight.grad.device == CARD
    with pytest.raises(RuntimeError, match="same device"):
        layer(torch.rand(4, 3))


# Devices


def test_devices_of_a_machine_with_cards(card):
    there = ["cuda", "cuda:0", "cuda:1"]
    assert devices.available_devices()[:3] == there
    assert devices.choose_device("auto") == devices.choose_device("cuda") == CARD
    assert devices.choose_device("cuda:1") == torch.device("cuda:1")
    assert devices.choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"'cuda:2'.* cuda, cuda:0, cuda:1, (mps, )?cpu$"):
        devices.choose_device("cuda:2")


def test_only_a_cuda_device_is_a_card(card):
    assert devices.choose_card("auto") == devices.choose_card("cuda") == CARD
    assert devices.choose_card("cuda:1") == torch.device("cuda:1")
    for device in ("cpu", "mps", "cuda:2"):
        with pytest.raises(ValueError, match=rf"'{device}'.* cuda, cuda:0"):
            devices.choose_card(device)


def test_without_a_card_auto_is_no_cuda_device():
    assert devices.choose_device("auto").type != "cuda"
    with pytest.raises(ValueError, match=r"CUDA .*: (mps, )?cpu$"):
        devices.choose_card("auto")


@pytest.mark.parametrize("choose", [devices.choose_device, devices.choose_card])
def test_float32_is_not_rounded_to_tf32(card, choose):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    choose("cuda")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_a_card_is_waited_for(card):
    devices.wait_for(torch.device("cpu"))
    assert card.calls["synchronize"] == 0
    devices.wait_for(CARD)
    assert card.calls["synchronize"] == 1


def test_a_model_on_a_card_has_no_layout_of_a_cpu(entry, card):
    with mock.patch.object(models_load, "dilate_points") as dilated:
        assert load_model("tiny", entry, None, CARD).device == CARD
        dilated.assert_not_called()
        assert load(entry).device.type == "cpu"
        dilated.assert_called_once()


def taken_by_another_process(number):
    """A process that has taken a fake card."""
    path = Path(devices.tempfile.gettempdir()) / f"metamers-{os.getuid()}-card-fake-{number}.lock"
    program = (
        f"from filelock import FileLock\nlock = FileLock({str(path)!r})\nlock.acquire()\nprint(1, flush=True)\ninput()"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline()
    return other


def give_back_card():
    devices.own_card.cache_clear()
    devices._LOCKS.clear()


def test_jobs_take_different_cards(card):
    with taken_by_another_process(0) as first:
        assert devices.choose_device("auto") == devices.choose_device("cuda") == torch.device("cuda:1")
        give_back_card()
        with taken_by_another_process(1) as second:  # more jobs than cards
            assert devices.choose_device("cuda").index == os.getpid() % 2
            assert devices.choose_device("cuda:0") == CARD
            second.communicate()
        first.communicate()
    give_back_card()
    assert devices.choose_device("cuda") == CARD


def test_where_no_lock_can_be_made_a_card_is_shared(card, monkeypatch):
    def refuse(_lock, **_options):
        raise PermissionError("read-only")

    monkeypatch.setattr(devices.FileLock, "acquire", refuse)
    assert devices.choose_device("cuda").index == os.getpid() % 2


# Batches


def test_a_batch_has_a_share_of_the_free_memory(entry, card, monkeypatch):
    order = []
    for name in ("empty_cache", "mem_get_info"):
        real = getattr(torch.cuda, name)
        monkeypatch.setattr(torch.cuda, name, lambda *given, name=name, real=real: order.append(name) or real(*given))
    model = load_model("tiny", entry, None, CARD)
    stimulus = torch.rand(1, *SHAPE, device=CARD)
    kept = kept_for_gradients(load(entry), "block", torch.rand(1, *SHAPE))
    assert kept_for_gradients(model, "block", stimulus) == kept
    assert max_batch_size(model, "block", stimulus) == int(memory.FREE_SHARE * FREE / (memory.OVERHEAD * kept)) > 20
    # What PyTorch keeps of earlier batches is free, too.
    assert order == ["empty_cache", "mem_get_info"]
    monkeypatch.setattr(memory, "kept_for_gradients", lambda *_: 10 * FREE)
    assert max_batch_size(model, "block", stimulus) == 1


def test_a_pass_without_gradients_has_a_share_of_free_memory(monkeypatch):
    stimuli, sizes = torch.rand(40, *SHAPE), []
    with fake_card(SHAPE, FREE // 20) as card:
        card.held = FREE // 2
        there = stimuli[:20].to(CARD)

        def work(part):
            sizes.append(len(part))
            return (2 * part).flatten(1)

        assert forward_batch_size(work, there) == int(memory.FREE_SHARE * 20)
        sizes.clear()
        np.testing.assert_array_equal(forward(work, there), 2 * stimuli[:20].flatten(1))
        assert sizes == [1, 1, 16, 4]
        sizes.clear()
        np.testing.assert_array_equal(forward(work, there, 30), 2 * stimuli[:20].flatten(1))
        assert sizes == [20]
    with fake_card():
        assert forward_batch_size(lambda part: part, stimuli.to(CARD)) == MAX_FORWARD_BATCH_SIZE
        monkeypatch.setattr(batches, "MAX_RESULTS", 7 * stimuli[0].nbytes)
        assert forward_batch_size(lambda part: part, stimuli.to(CARD)) == 7
    assert forward_batch_size(lambda part: part, stimuli) == CPU_FORWARD_BATCH_SIZE
    with pytest.raises(ValueError, match="no stimuli"):
        forward(lambda part: part, stimuli[:0])


def test_a_card_may_compute_one_stimulus():
    assert min_batch_size(CARD) == 1
    assert min_batch_size(torch.device("cpu")) > 1


def test_after_lack_of_memory_kept_memory_is_freed(entry):
    """As scripts/synthesize/metamers.py: batches of stimuli on the card, here of at most two."""
    names = [f"s{number}" for number in range(5)]
    with fake_card(SHAPE, FREE // 2) as card:
        model = load_model("tiny", entry, None, CARD)

        def made(part):
            natural = torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(0))[part].to(CARD)
            metamers, _ = synthesize(model, "block", natural, starts(model, names[part], [0], 0), "one_cycle", FEW)
            return metamers.cpu()

        found = list(in_batches(5, 4, made))
        assert list(map(len, found)) == [2, 2, 1]
        assert card.calls["empty_cache"] == 1
        card.limit = FREE // 4
        with pytest.raises(torch.OutOfMemoryError):
            list(in_batches(5, 4, made))
    assert card.calls["empty_cache"] == 3  # after 4 and 2; one alone has no half


FEW = ONE_CYCLE | {"steps": 6}


# Precision


@pytest.mark.parametrize(("capability", "native"), [((7, 5), False), ((8, 0), True), ((12, 0), True)])
def test_bfloat16_is_native_from_ampere_on(entry, capability, native):
    with fake_card(capability=capability) as card:
        assert native_bfloat16(CARD) == native
        assert supports_low_precision(load_model("tiny", entry, None, CARD), "logits") == native
    assert (card.calls["autocast cuda"] > 0) == native


def test_low_precision_on_a_card_is_that_of_cuda(root, card):
    model = load_model("tiny", tiny(root, "convolutional", STAGES), None, CARD)
    # A strided depthwise convolution, whose gradient is slow on CPUs only.
    model.network.first = nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3).to(CARD)
    with in_low_precision(model):
        assert "forward" in vars(model.preprocessing)
        assert "forward" not in vars(model.network.first)
        assert model(torch.rand(2, *SHAPE, device=CARD), "block").dtype == torch.bfloat16
    assert card.calls["autocast cuda"] > 0
    assert card.calls["autocast cpu"] == 0
    assert "forward" not in vars(model.preprocessing)


@pytest.mark.parametrize(("capability", "is_native"), [((7, 5), False), ((8, 0), True)])
def test_tf32_is_native_on_cards_from_ampere_on(capability, is_native):
    assert not native(torch.device("cpu"), "tf32")
    with fake_card(capability=capability):
        assert native(CARD, "tf32") == native(CARD, "bfloat16") == is_native


def allowed():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


class Noted(torch.autograd.Function):
    """The identity, which notes whether TF32 is allowed in its forward and its backward pass."""

    @staticmethod
    def forward(ctx, value, notes, name):
        ctx.notes, ctx.name = notes, name
        notes.append((f"{name} forward", allowed()))
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.notes.append((f"{ctx.name} backward", allowed()))
        return gradient, None, None


def test_tf32_is_on_for_network_and_gradient_only(entry, card, monkeypatch):
    model, notes = load_model("tiny", entry, None, CARD), []
    for part, name in ((model.preprocessing, "preprocessing"), (model.network.block, "network")):
        plain = type(part).forward

        def forward(self, shown, plain=plain, part=part, name=name):
            return plain(self, Noted.apply(shown, notes, name) if self is part else shown)

        monkeypatch.setattr(type(part), "forward", forward)
    natural, start = torch.rand(2, *SHAPE, device=CARD), starts(model, ["a", "b"], [0], 0)
    settings = FEW | {"steps": 2, "low_precision": 0.5, "low_precision_format": "tf32"}
    errors = []
    synthesize(model, "block", natural, start, "one_cycle", settings, on_step=lambda _loss: errors.append(len(notes)))
    on, off = (True, True), (False, False)
    steps = [dict(notes[place - 4 : place]) for place in errors]
    assert steps[0] == {
        "preprocessing forward": off,
        "network forward": on,
        "network backward": on,
        "preprocessing backward": on,
    }
    assert set(steps[1].values()) == {off}
    assert allowed() == off


# Replayed steps


def of_network(entry, device, procedure="one_cycle", settings=None):
    """Metamers and losses of three stimuli, and the model."""
    model = load_model("tiny", entry, None, device)
    natural = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0)).to(device)
    start = starts(model, ["a", "b", "c"], [0], 0)
    return *synthesize(model, "block", natural, start, procedure, settings or MANY, max_batch_size=3), model


MANY = ONE_CYCLE | {"steps": 24, "low_precision": 0}
TO_TARGET = {**{key: MANY[key] for key in MANY if key not in ("steps", "low_precision")}, "max_steps": 60}


def replays(card):
    return sum(graph.replays for graph in card.graphs)


@pytest.mark.parametrize(
    ("procedure", "settings", "graphs", "eager"),
    [
        ("one_cycle", MANY, 1, EAGER),
        ("one_cycle", MANY | {"low_precision": 0.5}, 2, EAGER),
        ("one_cycle", MANY | {"low_precision": 0.5, "low_precision_format": "tf32"}, 2, EAGER),
        ("published", {"steps": 12, "step_size": 1.0, "halvings": 1}, 1, EAGER),
        ("to_target", TO_TARGET | {"target_error": 1e-4}, 1, EAGER_IN_BATCH),
    ],
)
def test_equal_steps_are_replayed(entry, card, monkeypatch, procedure, settings, graphs, eager):
    found, loss, _ = of_network(entry, CARD, procedure, settings)
    assert len(card.graphs) == graphs
    computed = loss.shape[1] + (procedure == "to_target")  # there, the error after the last step is computed too
    assert replays(card) == computed - graphs * eager
    monkeypatch.setattr("metamers.synthesize.replay._allowed", False)
    wanted, wanted_loss, _ = of_network(entry, CARD, procedure, settings)
    assert len(card.graphs) == graphs
    torch.testing.assert_close(found.cpu(), wanted.cpu(), rtol=0, atol=0)
    np.testing.assert_array_equal(loss, wanted_loss)


def hooked(monkeypatch, hook):
    """Networks get this hook before their block from now on."""
    usual = load_model

    def loaded(*given):
        model = usual(*given)
        model.network.block.register_forward_pre_hook(hook)
        return model

    monkeypatch.setitem(globals(), "load_model", loaded)


@pytest.mark.parametrize(
    "ask",
    [lambda shown: float(shown.detach().mean()), lambda shown: shown.cpu(), lambda _shown: torch.rand(2).to(CARD)],
    ids=["value", "to the host", "from the host"],
)
def test_what_waits_for_the_card_is_computed_as_before(entry, card, caplog, monkeypatch, ask):
    wanted, _, _ = of_network(entry, CARD)
    before = len(card.graphs)
    hooked(monkeypatch, lambda _module, inputs: (ask(inputs[0]), None)[1])
    found, _, _ = of_network(entry, CARD)
    assert len(re.findall("without a CUDA graph.*synchronizing", caplog.text)) == 1
    assert len(card.graphs) == before
    torch.cuda.empty_cache()
    torch.testing.assert_close(found.cpu(), wanted.cpu(), rtol=0, atol=0)


def test_a_network_that_changes_by_itself_is_not_replayed(entry, card, caplog, monkeypatch):
    def counting():
        calls = iter(range(10**6))
        return lambda _module, inputs: (inputs[0] * (1 + next(calls) % 7),)

    monkeypatch.setattr("metamers.synthesize.replay._allowed", False)
    hooked(monkeypatch, counting())
    wanted, _, _ = of_network(entry, CARD)
    monkeypatch.setattr("metamers.synthesize.replay._allowed", True)
    hooked(monkeypatch, counting())
    of_network(entry, CARD)
    assert re.search(r"without a CUDA graph.* \[", caplog.text)
    assert wanted.isfinite().all()


def test_a_recording_that_fails_all_the_same_says_what_would_do(entry, card, monkeypatch):
    def fail(graph, stream):
        raise RuntimeError("unknown")

    monkeypatch.setattr(torch.cuda, "graph", fail)
    with pytest.raises(RuntimeError, match=r"cuda_graphs: false \(unknown\)"):
        of_network(entry, CARD)
    allow_graphs(False)
    try:
        of_network(entry, CARD)
    finally:
        allow_graphs(True)


# Trials, cost and training


def test_a_step_on_a_card_is_timed_in_this_process_until_it_has_ended(entry, card, monkeypatch):
    model = load_model("tiny", entry, None, CARD)
    monkeypatch.setattr(model_card, "in_own_process", lambda _measure: pytest.fail("a fork cannot use the card"))
    batch = torch.rand(2, *SHAPE, device=CARD)
    found = model_card.cost(model, "block", batch, batch.flip(0))
    assert found["step_seconds"] > 0
    assert np.isnan(found["peak_memory"])
    assert card.calls["synchronize"] == model_card.TIMED_STEPS + 1


@pytest.mark.parametrize("there", [True, False])
def test_the_state_of_every_card_is_saved_and_restored(monkeypatch, there):
    states, restored = [torch.tensor([number], dtype=torch.uint8) for number in (1, 2)], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", restored.append)
    generator = torch.Generator().manual_seed(3)
    state = train.random_state(generator)
    drawn = torch.rand(2, generator=generator), torch.rand(2)
    assert state[2:] == (states if there else [])
    train.restore_random(state, generator)
    assert restored == ([states] if there else [])
    assert torch.equal(torch.rand(2, generator=generator), drawn[0])
    assert torch.equal(torch.rand(2), drawn[1])


# What scripts compute on a device: no tensor is left behind, and results are those of the CPU.


@pytest.mark.parametrize("procedure", ["one_cycle", "published"])
def test_a_synthesis_on_a_card_is_that_of_the_cpu(entry, card, procedure):
    settings = {"one_cycle": FEW | {"low_precision": 0}, "published": {"steps": 3, "step_size": 1.0, "halvings": 1}}
    natural = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    made = []
    for device in (torch.device("cpu"), CARD):
        model = load_model("tiny", entry, None, device)
        start = starts(model, ["a", "b", "c"], [0], 0)
        assert start.device == device
        metamers, loss = synthesize(model, "block", natural.to(device), start, procedure, settings[procedure])
        assert metamers.device == device
        made.append((metamers.cpu(), loss))
    np.testing.assert_allclose(made[1][1], made[0][1], rtol=1e-4)
    torch.testing.assert_close(made[1][0], made[0][0], rtol=1e-3, atol=1e-4)


def test_activations_and_answers_on_a_card_are_those_of_the_cpu(entry, card):
    stimuli = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    there, here = load_model("tiny", entry, None, CARD), load(entry)
    np.testing.assert_allclose(
        activations(there, stimuli.to(CARD), "block"), activations(here, stimuli, "block"), rtol=1e-5
    )
    np.testing.assert_allclose(class_scores(there, stimuli.to(CARD)), class_scores(here, stimuli), rtol=1e-4)


def test_attacks_on_a_card_are_those_of_the_cpu(entry, card):
    stimuli = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    classes = {"cat": [0, 2], "dog": [1, 3]}
    found = [
        vulnerability(model, stimuli.to(model.device), ["cat", "dog", "cat"], classes, {"l2": [0.5]}, 2, 0.5)
        for model in (load(entry), load_model("tiny", entry, None, CARD))
    ]
    assert found[0].equals(found[1])


def test_a_metamer_from_python_is_made_on_the_card(card, root):
    image = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    network = load(tiny(root, "convolutional", STAGES)).network
    options = {"null": [image[::-1].copy()], "steps": 4, "progress": False}
    made = [mm.metamer(network, image, "block", device=device, **options) for device in ("cpu", "auto")]
    assert [one.dataset.attrs["device"] for one in made] == ["cpu", "cuda:0"]
    # Where a gradient is nearly 0, rounding decides the sign of Adam's first steps: a few values differ more (AVX2).
    apart = np.abs(made[1].dataset["metamer"].values - made[0].dataset["metamer"].values)
    assert np.quantile(apart, 0.75) < 1e-3
    assert apart.max() < 0.05


def test_a_metamer_of_a_sound_is_made_on_the_card(card):
    options = {"null": [], "steps": 2, "progress": False, "input": SOUND_INPUT}
    network = Hearing()
    sound = 0.1 * np.random.default_rng(0).standard_normal(2000)
    made = [mm.metamer(network, (sound, 8000), "relu", device=device, **options) for device in ("cpu", "cuda")]
    assert [one.dataset.attrs["device"] for one in made] == ["cpu", "cuda:0"]
    np.testing.assert_allclose(made[1].dataset["metamer"], made[0].dataset["metamer"], atol=1e-3)


def test_a_network_is_trained_on_the_card(card):
    made = clouds.network().to(CARD)
    given = [
        Examples(one.stimuli.to(CARD), one.labels.to(CARD)) for one in (clouds.examples(), clouds.examples(seed=1))
    ]
    curves = train.train(made, *given, clouds.SETTINGS, None, None)
    assert curves["train_loss"][-1] < curves["train_loss"][0]
    assert made[1].weight.device == CARD
