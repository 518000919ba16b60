"""The allocator's settings, also on a system whose glibc refuses a high threshold."""

from types import SimpleNamespace

import pytest
import torch

from metamers.models import device


@pytest.fixture(autouse=True)
def _settings_of_pytorch():
    """Restored after each test, because ``use_threads`` is for a whole process."""
    mode, filled = torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.set_deterministic_debug_mode(mode)
    torch.utils.deterministic.fill_uninitialized_memory = filled


@pytest.mark.parametrize(
    ("limit", "threshold"),
    [(2**31 - 1, 2**30), (2**25, 2**25)],
    ids=["any", "documented"],
)
def test_freed_memory_is_kept_whatever_threshold_glibc_takes(monkeypatch, limit, threshold):
    taken = {}

    def mallopt(parameter, value):
        if parameter == device.M_MMAP_THRESHOLD and value > limit:
            return 0
        taken[parameter] = value
        return 1

    # A library of its own, since the settings of this process cannot be read back.
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _name: SimpleNamespace(mallopt=mallopt))
    device.use_threads(torch.get_num_threads())
    assert taken == {device.M_MMAP_THRESHOLD: threshold, device.M_TRIM_THRESHOLD: 2**31 - 1}


def test_a_system_without_mallopt_keeps_its_allocator(monkeypatch):
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _name: SimpleNamespace())
    device.use_threads(torch.get_num_threads())
