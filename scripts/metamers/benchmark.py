"""What the workflow's own algorithms are measured against: plain implementations, and how times are taken."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from metamers.cochleagram import TINY, compress, downsampling_filter, erb_filters


class FullRateCochleagram(nn.Module):
    """The published front end as it is written down: every band filtered, and its envelope convolved, at the full rate.

    Same filters, downsampling and compression as ``metamers.cochleagram.Cochleagram`` with its defaults, for sampling
    rates that are multiples of 200 Hz.

    Parameters
    ----------
    n_samples, sampling_rate_hz
        Of the sounds.
    """

    def __init__(self, n_samples: int, sampling_rate_hz: int):
        super().__init__()
        self.factor = sampling_rate_hz // 200
        gains = erb_filters(n_samples, sampling_rate_hz, 50, 10000, 50, 4)
        taps = downsampling_filter(1001, self.factor)
        self.register_buffer("gains", torch.from_numpy(gains).float(), persistent=False)
        self.register_buffer("taps", torch.from_numpy(taps).float()[None, None], persistent=False)

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Sounds (batch, sample) to cochleagrams (batch, frequency, time)."""
        batch, samples = sounds.shape
        bands = torch.fft.rfft(sounds)[:, None] * self.gains
        # Without negative frequencies: half the analytic signal.
        analytic = torch.fft.ifft(nn.functional.pad(bands, (0, samples - bands.shape[-1])))
        envelopes = analytic.abs().clamp(min=TINY).reshape(-1, 1, samples)
        lowered = nn.functional.conv1d(envelopes, self.taps, stride=self.factor)
        return compress(lowered.reshape(batch, len(self.gains), -1), power=0.3, offset=1e-8, gradient_clip=5)


def alternating(repeats: int, **jobs: Callable[[], object]) -> Mapping[str, np.ndarray]:
    """Seconds that each job takes, (repeat,), after one untimed run of each.

    Jobs take turns, so that whatever else the machine does meets all of them.
    """
    for job in jobs.values():
        job()
    seconds = {name: np.empty(repeats) for name in jobs}
    for repeat in range(repeats):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            seconds[name][repeat] = time.perf_counter() - began
    return seconds
