"""The cochleagram: what the ear's filters let through over time, as the study's auditory models take it.

Half-cosine filters at equal distances on the ERB scale, Hilbert envelopes, downsampling and compression, as published
(Feather et al. 2023, Methods, cochleagram stage; McDermott & Simoncelli 2011), but each band is computed at a rate that
the band needs: an envelope does not change when its band is shifted in frequency, so the band's few Fourier
coefficients are transformed alone, and the downsampling filter is applied to the envelope's lowest coefficients alone.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import nn

# An envelope is broader in frequency than its band, without limit but ever more weakly. Sampled at so many times the
# band's width, with so much of the envelope's spectrum kept, the reference cochleagram is met to 4e-4, relative, and
# cochleagrams of speech and noise that are computed at the full rate to 6e-4 (tests/test_cochleagram.py).
OVERSAMPLING = 3.0
ENVELOPE_BAND = 3.0  # kept of the envelope's spectrum, in units of the envelope's Nyquist frequency
RATE_STEP = 1.3  # bands whose needs differ by less than this factor are computed at one rate

TINY = 1e-8  # least amplitude of an envelope, so that silence has a gradient (0)


def erb_number(frequency_hz: np.ndarray | float) -> np.ndarray | float:
    """Frequency on the ERB scale of Glasberg & Moore (1990)."""
    return 9.265 * np.log(1 + np.asarray(frequency_hz) / (24.7 * 9.265))


def erb_frequency(number: np.ndarray | float) -> np.ndarray | float:
    """Frequency in Hz of a point on the ERB scale, the inverse of ``erb_number``."""
    return 24.7 * 9.265 * (np.exp(np.asarray(number) / 9.265) - 1)


def center_frequencies(low_hz: float, high_hz: float, filters: int, sample_factor: int) -> np.ndarray:
    """Centre frequencies in Hz of all channels, low- and high-pass ends included, ascending.

    The ends, of which there are ``sample_factor`` on each side, carry the edges of the band that they complement.
    """
    numbers, spacing = _band_centers(low_hz, high_hz, filters, sample_factor)
    width = sample_factor * spacing
    every = np.concatenate([numbers[:sample_factor] - width, numbers, numbers[-sample_factor:] + width])
    return np.maximum(erb_frequency(every), 1.0)


def _band_centers(low_hz: float, high_hz: float, filters: int, sample_factor: int) -> tuple[np.ndarray, float]:
    """Centres of the band-pass filters on the ERB scale, and their distance."""
    count = sample_factor * (filters + 1) - 1
    numbers, spacing = np.linspace(erb_number(low_hz), erb_number(high_hz), count + 2, retstep=True)
    return numbers[1:-1], float(spacing)


@lru_cache(maxsize=4)
def erb_filters(
    samples: int, sampling_rate_hz: float, low_hz: float, high_hz: float, filters: int, sample_factor: int
) -> np.ndarray:
    """Gains of the filters at the frequencies of a real Fourier transform.

    Half-cosines on the ERB scale, each as wide as ``2 * sample_factor`` distances; at both ends ``sample_factor``
    filters that complement the outermost half-cosines, so that the squared gains of all add to 1.

    Returns
    -------
    numpy.ndarray
        (channel, samples // 2 + 1), float64.
    """
    frequencies = np.fft.rfftfreq(samples, 1 / sampling_rate_hz)
    numbers = erb_number(frequencies)
    centers, spacing = _band_centers(low_hz, high_hz, filters, sample_factor)
    distance = (numbers - centers[:, None]) / (2 * sample_factor * spacing)
    bands = np.where(np.abs(distance) < 0.5, np.cos(np.pi * distance), 0.0)
    first, last = (np.sqrt(np.clip(1 - ends**2, 0, 1)) for ends in (bands[:sample_factor], bands[-sample_factor:]))
    low = np.where(numbers < centers[:sample_factor, None], first, 0)
    high = np.where(numbers > centers[-sample_factor:, None], last, 0)
    return np.concatenate([low, bands, high]) / math.sqrt(sample_factor)


def downsampling_filter(taps: int, factor: float) -> np.ndarray:
    """A sinc in a Kaiser window (beta 5), which lets pass what a rate lower by ``factor`` can carry: (taps,)."""
    times = np.arange(taps) - taps / 2
    return np.kaiser(taps, 5) * np.sinc(times / factor) / factor


def compress(envelopes: torch.Tensor, power: float, offset: float, gradient_clip: float) -> torch.Tensor:
    """Envelopes, negative ones taken as 0, plus ``offset`` to the power of ``power``.

    The derivative is at most ``gradient_clip``, and that of a negative envelope is that of 0, as published.
    """
    return _ClippedPower.apply(envelopes, power, offset, gradient_clip)


class _ClippedPower(torch.autograd.Function):
    """See ``compress``."""

    @staticmethod
    def forward(ctx, envelopes, power, offset, clip):
        raised = envelopes.clamp(min=0) + offset
        ctx.save_for_backward(raised)
        ctx.power, ctx.clip = power, clip
        return raised**power

    @staticmethod
    def backward(ctx, gradient):
        (raised,) = ctx.saved_tensors
        return gradient * (ctx.power * raised ** (ctx.power - 1)).clamp(max=ctx.clip), None, None, None


class Cochleagram(nn.Module):
    """Cochleagrams of sounds, differentiable.

    Parameters
    ----------
    n_samples
        Length of the sounds.
    sampling_rate_hz
        Their rate.
    envelope_rate_hz
        Rate of the cochleagram; any, also one that does not divide ``sampling_rate_hz``.
    low_hz, high_hz
        Where the half-cosine filters begin and end. ``high_hz`` at most half the sampling rate.
    filters, sample_factor
        Number of filters that would tile the range, and how many times more densely it is covered.
    taps
        Length of the downsampling filter in samples of the sound. The cochleagram has only those points at which it
        lies within the sound.
    power, offset
        Compression of the envelopes.
    gradient_clip
        Largest derivative of the compression; ``math.inf`` for the true gradient.

    Raises
    ------
    ValueError
        When the sound is too short for one point, or ``high_hz`` beyond what the rate can carry.
    """

    def __init__(
        self,
        n_samples: int,
        sampling_rate_hz: float,
        envelope_rate_hz: float = 200,
        low_hz: float = 50,
        high_hz: float = 10000,
        filters: int = 50,
        sample_factor: int = 4,
        taps: int = 1001,
        power: float = 0.3,
        offset: float = 1e-8,
        gradient_clip: float = 5,
    ):
        super().__init__()
        if n_samples < taps:
            raise ValueError(f"a sound of {n_samples} samples is shorter than the downsampling filter of {taps}")
        if not 0 < low_hz < high_hz <= sampling_rate_hz / 2:
            raise ValueError(
                f"low_hz {low_hz} and high_hz {high_hz}: wanted 0 < low_hz < high_hz, at most half the sampling rate, "
                f"{sampling_rate_hz / 2}"
            )
        self.n_samples = n_samples
        self.power, self.offset, self.gradient_clip = power, offset, gradient_clip
        self.center_frequencies_hz = center_frequencies(low_hz, high_hz, filters, sample_factor)
        factor = sampling_rate_hz / envelope_rate_hz
        self.times = int((n_samples - taps) / factor) + 1
        gains = erb_filters(n_samples, sampling_rate_hz, low_hz, high_hz, filters, sample_factor)
        self.channels = len(gains)

        # Of an envelope, coefficients 0 .. kept - 1 of its Fourier series over the sound.
        kept = min(int(ENVELOPE_BAND * envelope_rate_hz / 2 * n_samples / sampling_rate_hz) + 1, n_samples // 2 + 1)
        groups = _rate_groups(gains, kept, n_samples)
        for number, (first, last, size) in enumerate(groups):
            bins = _support(gains[first:last])
            # The inverse transform divides by its own length, which is not that of the sound.
            picked = np.take_along_axis(gains[first:last], bins, axis=1) * (size / n_samples)
            self.register_buffer(f"bins_{number}", torch.from_numpy(bins), persistent=False)
            self.register_buffer(f"gains_{number}", torch.from_numpy(picked).float(), persistent=False)
        self.sizes = [size for *_, size in groups]

        # The downsampling filter, and the series' sum at the points of the cochleagram, as one matrix.
        # A point is the sum over the samples from its first to its last, each times its tap.
        response = np.fft.rfft(downsampling_filter(taps, factor), n_samples)[:kept].conj()
        first_samples = factor * np.arange(self.times)
        series = response[:, None] * np.exp(2j * np.pi * np.arange(kept)[:, None] * first_samples / n_samples)
        series[1:] *= 2  # the negative frequencies
        self.kept = kept
        parts = np.stack([series.real, -series.imag], axis=1).reshape(2 * kept, self.times)
        self.register_buffer("series", torch.from_numpy(parts).float(), persistent=False)

    def envelopes(self, sounds: torch.Tensor) -> list[tuple[torch.Tensor, int]]:
        """Hilbert envelopes (batch, channel, time) of each group of bands, at the group's own rate."""
        spectrum = torch.fft.rfft(sounds)
        found = []
        for number, size in enumerate(self.sizes):
            bins, gains = getattr(self, f"bins_{number}"), getattr(self, f"gains_{number}")
            bands = torch.fft.ifft(spectrum[:, bins] * gains, n=size)
            found.append(bands.abs().clamp(min=TINY))
        return found

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Sounds (batch, sample) to cochleagrams (batch, frequency, time), frequencies ascending."""
        coefficients = [
            torch.fft.rfft(envelopes)[..., : self.kept] / envelopes.shape[-1] for envelopes in self.envelopes(sounds)
        ]
        both = torch.view_as_real(torch.cat(coefficients, dim=1)).flatten(2)
        return compress(both @ self.series, self.power, self.offset, self.gradient_clip)


def _support(gains: np.ndarray) -> np.ndarray:
    """Of each filter, as many neighbouring bins as the widest of them spans, with all its own: (channel, bin)."""
    spans = [np.flatnonzero(gain) if gain.any() else np.zeros(1, int) for gain in gains]
    width = max(int(span[-1] - span[0]) + 1 for span in spans)
    # Where a filter ends near the last frequency, its bins begin lower; what is added has no gain.
    starts = np.array([min(int(span[0]), gains.shape[1] - width) for span in spans])
    return starts[:, None] + np.arange(width)


def _rate_groups(gains: np.ndarray, kept: int, n_samples: int) -> list[tuple[int, int, int]]:
    """Neighbouring channels that are computed at one rate: first, last (exclusive), points of the envelope."""
    from scipy.fft import next_fast_len  # here, as many jobs import this module and make no cochleagram

    needs = [max(int(OVERSAMPLING * np.count_nonzero(gain)), 2 * kept) for gain in gains]
    groups: list[tuple[int, int, int]] = []
    first = 0
    for channel in range(1, len(needs) + 1):
        window = needs[first : channel + 1]
        if channel == len(needs) or max(window) > RATE_STEP * min(window):
            groups.append((first, channel, min(next_fast_len(max(needs[first:channel])), n_samples)))
            first = channel
    return groups
