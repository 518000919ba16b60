"""How many stimuli are optimized at once follows from memory, and nothing else follows from it."""

import numpy as np
import pytest
import torch

from metamers.config import read as config_read
from metamers.models.batches import CPU_BATCH_SIZE, in_batches, min_batch_size, repeat_to_minimum
from metamers.models.load import load_model
from metamers.plan.steps import merge_defaults
from metamers.synthesize.memory import kept_for_gradients, max_batch_size
from metamers.synthesize.metamers import starts, synthesize
from tests.networks.entries import load, tiny


@pytest.fixture
def convolutional(root):
    return load(tiny(root, "convolutional", {"input": None, "block": "block", "pooled": "pool", "logits": "classify"}))


def test_all_are_done_once_and_in_order():
    done = [list(range(7))[part] for part in in_batches(7, 3, lambda part: part)]
    assert done == [[0, 1, 2], [3, 4, 5], [6]]


def test_where_memory_does_not_suffice_it_goes_on_with_half():
    sizes = []

    def work(part):
        sizes.append(part.stop - part.start)
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("no")
        return list(range(10))[part]

    assert [one for part in in_batches(10, 8, work) for one in part] == list(range(10))
    assert sizes == [8, 4, 2, 2, 2, 2, 2]


def test_where_it_does_not_suffice_for_one_that_is_said():
    def work(_part):
        raise torch.OutOfMemoryError("no memory for one")

    with pytest.raises(torch.OutOfMemoryError, match="no memory for one"):
        list(in_batches(3, 2, work))


def test_on_a_cpu_the_number_depends_on_nothing(convolutional):
    assert max_batch_size(convolutional, "logits", torch.rand(1, 3, 8, 8)) == CPU_BATCH_SIZE


def test_what_a_step_keeps_of_each_stimulus_is_known_and_no_batch_changes_it(convolutional):
    stimuli = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    kept = kept_for_gradients(convolutional, "block", stimuli)
    # Of this network's maps of six channels two outputs of ReLUs, and the difference that the loss is of.
    assert 3 * 6 * 64 * 4 <= kept <= 5 * 6 * 64 * 4
    assert kept_for_gradients(convolutional, "block", stimuli[:2]) == pytest.approx(kept, rel=0.05)


def test_a_gpu_is_filled(convolutional, monkeypatch):
    kept = kept_for_gradients(convolutional, "block", torch.rand(1, 3, 8, 8))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (int(100 * kept), int(200 * kept)))
    stimulus = torch.rand(1, 3, 8, 8)

    class OnGpu:
        device = torch.device("cuda")

    monkeypatch.setattr(
        "metamers.synthesize.memory.kept_for_gradients",
        lambda *_: kept_for_gradients(convolutional, "block", stimulus),
    )
    assert 40 <= max_batch_size(convolutional, "block", OnGpu()) <= 60


# A metamer and the batch that it is made in


def test_few_that_are_left_join_the_batch_before():
    def sizes(count, size, least):
        return [len(part) for part in in_batches(count, size, lambda part: range(count)[part], least)]

    assert sizes(6, 4, 3) == [6]
    assert sizes(10, 4, 3) == [4, 6]
    assert sizes(7, 4, 3) == [4, 3]
    assert sizes(7, 4, 4) == [7]
    assert sizes(2, 4, 3) == [2]
    assert sizes(3, 1, 1) == [1, 1, 1]


def test_on_a_cpu_no_batch_of_a_number_of_steps_has_fewer_than_four():
    cpu, gpu = min_batch_size(torch.device("cpu")), min_batch_size(torch.device("cuda"))
    assert repeat_to_minimum(slice(4, 5), cpu) == [4, 4, 4, 4]
    assert repeat_to_minimum(slice(4, 6), cpu) == [4, 5, 4, 5]
    assert repeat_to_minimum(slice(4, 7), cpu) == [4, 5, 6, 4]
    assert repeat_to_minimum(slice(4, 8), cpu) == [4, 5, 6, 7]
    assert repeat_to_minimum(slice(4, 5), gpu) == [4]


# Of stimuli by number; each has number 0.
TO_TARGET = {"alone": [0], "the last one, after two others": [3, 2, 0]}
BATCHES = {
    "copies": [0, 0, 0, 0],
    "the last place": [1, 2, 3, 0],
    "a larger batch": [1, 2, 3, 4, 5, 6, 0],
}


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("efficientnet_lite0", "logits"),
        ("cochcnn9_standard", "final"),
        pytest.param("spectemp", "avgpool", marks=pytest.mark.slow),
    ],
)
def test_a_metamer_has_the_same_bits_in_any_batch(root, name, stage):
    """Networks of the default run with random weights, on one thread."""
    entry = config_read.read_registry(root / "config" / "models.yaml", "models")[name]
    model = load_model(name, entry | {"weights": {"random": 0}}, None, torch.device("cpu"))
    shape = model.preprocessing.signal_shape
    drawn = torch.stack([torch.rand(shape, generator=torch.Generator().manual_seed(number)) for number in range(7)])
    natural = drawn if model.modality == "vision" else (drawn - 0.5) / 5
    start = starts(model, [f"s{number}" for number in range(7)], [0], 0)
    settings = merge_defaults({})["synthesis"]["quick"][model.modality] | {"steps": 2}

    ends = merge_defaults({})["synthesis"]["converged"][model.modality]
    ends |= {"max_steps": 10, "target_error": 1e-6}  # the last is exact

    def of_zero(batch, procedure="one_cycle", settings=settings):
        made, losses = synthesize(model, stage, natural[batch], start[batch], procedure, settings)
        return made[batch.index(0)].numpy(), losses[batch.index(0)]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        metamer, loss = of_zero([0, 1, 2, 3])
        for what, batch in BATCHES.items():
            other_metamer, other_loss = of_zero(batch)
            np.testing.assert_array_equal(other_loss, loss, err_msg=what)
            np.testing.assert_array_equal(other_metamer, metamer, err_msg=what)
        metamer, loss = of_zero([0, 1], "to_target", ends)
        for what, batch in TO_TARGET.items():
            other_metamer, other_loss = of_zero(batch, "to_target", ends)
            np.testing.assert_array_equal(other_loss, loss, err_msg=what)
            np.testing.assert_array_equal(other_metamer, metamer, err_msg=what)
    finally:
        torch.set_num_threads(threads)
