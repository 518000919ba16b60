"""How many stimuli are optimized at once follows from memory, and nothing else follows from it."""

import pytest
import torch
from test_models import load, tiny

from metamers.batches import ON_CPU, at_once, in_batches, kept_for_gradients


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
    assert at_once(convolutional, "logits", torch.rand(1, 3, 8, 8)) == ON_CPU


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
        "metamers.batches.kept_for_gradients", lambda *_: kept_for_gradients(convolutional, "block", stimulus)
    )
    assert 40 <= at_once(convolutional, "block", OnGpu()) <= 60
