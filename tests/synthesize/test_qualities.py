"""Numbers that follow from a quality."""

import pytest

from metamers.plan.steps import merge_defaults
from metamers.synthesize.qualities import batch_size_of

SETTINGS = merge_defaults({})["synthesis"]


@pytest.mark.parametrize(
    ("quality", "seeds", "device", "size"),
    [
        ("published", 1, "cuda", 100),
        ("published", 2, "cuda:1", 50),
        ("standard", 1, "cuda", 500),
        ("quick", 1, "cuda", 500),
        ("published", 1000, "cuda", 4),
        ("converged", 1, "cpu", 12),
        ("converged", 1, "auto", 12),
        ("converged", 1, "mps", 12),
        ("quick", 1, "cpu", 12),
        ("published", 1, "cpu", 12),
    ],
)
def test_a_job_of_a_card_computes_for_longer_than_it_takes_to_start(quality, seeds, device, size):
    assert batch_size_of("auto", SETTINGS[quality]["vision"], seeds, device) == size
    assert batch_size_of(7, SETTINGS[quality]["vision"], seeds, device) == 7
