"""A small network, and stimuli with their starts."""

import pytest
import torch

from studies.tests.benchmark.results import STAGES
from tests.needs import without
from tests.networks.entries import tiny


@pytest.fixture
def entry(root):
    return tiny(root, "convolutional", STAGES)


@pytest.fixture
def stimuli():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(3, 3, 8, 8, generator=generator), 0.5 + 0.05 * torch.randn(3, 3, 8, 8, generator=generator)


@pytest.fixture
def plenoptic():
    """Skips a test where plenoptic is not installed."""
    pytest.importorskip("plenoptic", reason=without("plenoptic"))
