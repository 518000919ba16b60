"""The cochleagram: energy over time in each of the ear's frequency bands, the input of the study's auditory models.

Half-cosine filters at equal distances on the ERB scale, Hilbert envelopes, downsampling and compression (Feather et al.
2023, Methods, cochleagram stage; McDermott & Simoncelli 2011). Two modules compute it. ``FullRateCochleagram`` is the
study's own computation: every band at the sound's rate. ``Cochleagram`` is an approximation that is faster: an envelope
does not change when its band is shifted in frequency, so the few Fourier coefficients of each band are transformed
alone, at a lower rate, at which the downsampling filter is applied, too. ``rough_cochleagrams`` lowers this rate
further, for the first steps of a synthesis.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

# The spectra of an envelope and of its gradient have no upper limit, because the phase of a band turns fast wherever
# its amplitude comes near 0. Each band is sampled at this many times the sum of its own width and the envelope rate:
# the gradient is the band's phase times a signal of the envelope rate. Aliasing in the gradient falls with about the
# power 1.4 of this number; at 5 the gradient on speech differs from the study's by 0.8%
# (tests/synthesize/test_published.py).
OVERSAMPLING = 5.0
ROUGH_OVERSAMPLING = 2.0  # within ``rough_cochleagrams``
RATE_STEP = 1.3  # bands whose required rates differ by less than this factor share one rate
BLOCK = 40  # points of the cochleagram that one product of matrices computes
MOST_ALIGNED = 64  # lengths of envelopes are multiples of up to this number, so that all blocks have the same weights

ENVELOPE_RATE_HZ = 200  # envelope rate of the study's cochleagrams
FEWEST_ROWS = 4  # of a product of matrices whose rows have the same bits in any number and order (measured)
LANES = 64  # a multiple of the values that PyTorch computes at once
TINY = 1e-8  # smallest amplitude of an envelope, so that the gradient at silence is defined (0)


def erb_number(frequency_hz: np.ndarray | float) -> np.ndarray | float:
    """Frequency on the ERB scale of Glasberg & Moore (1990).

    References
    ----------
    Glasberg & Moore (1990), Hearing Research 47, 103-138, doi:10.1016/0378-5955(90)90170-T.

    Examples
    --------
    >>> from metamers.models.cochleagram import erb_number
    >>> float(erb_number(0.0)), round(float(erb_number(1000.0)), 2)
    (0.0, 15.57)
    """
    return 9.265 * np.log(1 + np.asarray(frequency_hz) / (24.7 * 9.265))


def erb_frequency(number: np.ndarray | float) -> np.ndarray | float:
    """Frequency in Hz of a point on the ERB scale, the inverse of ``erb_number``.

    Examples
    --------
    At 1 kHz, one step of the scale is the bandwidth 24.7 (4.37 + 1) Hz = 133 Hz.

    >>> from metamers.models.cochleagram import erb_frequency, erb_number
    >>> number = erb_number(1000.0)
    >>> round(float(erb_frequency(number))), round(float(erb_frequency(number + 0.5) - erb_frequency(number - 0.5)))
    (1000, 133)
    """
    return 24.7 * 9.265 * (np.exp(np.asarray(number) / 9.265) - 1)


def center_frequencies(low_hz: float, high_hz: float, filters: int, sample_factor: int) -> np.ndarray:
    """Centre frequencies in Hz of all channels, low- and high-pass ends included, ascending.

    The ``sample_factor`` low-pass and high-pass filters at the ends have the frequency of the band edge that they
    complement.

    Examples
    --------
    >>> from metamers.models.cochleagram import center_frequencies
    >>> center_frequencies(50, 8000, filters=1, sample_factor=1).round()
    array([  50., 1286., 8000.])
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

    The filters are half-cosines on the ERB scale with a width of ``2 * sample_factor`` spacings. At both ends,
    ``sample_factor`` filters complement the outermost half-cosines, so that the squared gains of all filters sum to 1.

    Returns
    -------
    numpy.ndarray
        (channel, samples // 2 + 1), float64.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.models.cochleagram import erb_filters
    >>> gains = erb_filters(200, 20_000, 50, 8000, filters=5, sample_factor=2)
    >>> gains.shape, bool(np.allclose((gains**2).sum(axis=0), 1))
    ((15, 101), True)
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
    """A sinc in a Kaiser window (beta 5), a low-pass filter for a rate lower by ``factor``: (taps,).

    Examples
    --------
    A constant signal keeps its value.

    >>> from metamers.models.cochleagram import downsampling_filter
    >>> round(float(downsampling_filter(taps=1001, factor=100).sum()), 2)
    1.0
    """
    times = np.arange(taps) - taps / 2
    return np.kaiser(taps, 5) * np.sinc(times / factor) / factor


def compress(envelopes: torch.Tensor, power: float, offset: float, gradient_clip: float) -> torch.Tensor:
    """(e + ``offset``) ^ ``power`` for envelopes e; negative envelopes are set to 0.

    The derivative is at most ``gradient_clip``, and that of a negative envelope is that of 0, as published.

    Examples
    --------
    The square root of 4 has the derivative 1/4; that at 0 is limited.

    >>> import torch
    >>> from metamers.models.cochleagram import compress
    >>> envelopes = torch.tensor([0.0, 4.0], requires_grad=True)
    >>> compressed = compress(envelopes, power=0.5, offset=1e-8, gradient_clip=5)
    >>> compressed.sum().backward()
    >>> compressed.detach().round(decimals=3), envelopes.grad
    (tensor([0., 2.]), tensor([5.0000, 0.2500]))
    """
    return _ClippedPower.apply(envelopes, power, offset, gradient_clip)


class _ClippedPower(torch.autograd.Function):
    """See ``compress``."""

    @staticmethod
    def forward(ctx, envelopes, power, offset, clip):
        raised = envelopes.clamp(min=0) + offset
        ctx.save_for_backward(raised)
        ctx.save_for_forward(raised)
        ctx.power, ctx.clip = power, clip
        return _power(raised, power).clone()  # a view could have no derivative in a direction

    @staticmethod
    def _slope(ctx):
        (raised,) = ctx.saved_tensors
        return (ctx.power * _power(raised, ctx.power - 1)).clamp(max=ctx.clip)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * _ClippedPower._slope(ctx), None, None, None

    @staticmethod
    def jvp(ctx, direction, *_constants):
        return direction * _ClippedPower._slope(ctx)


def _power(values: torch.Tensor, exponent: float) -> torch.Tensor:
    """Values to a power, with bits that do not depend on the position in the tensor.

    PyTorch computes the last values of a tensor, those that fill no vector register, by another function, whose last
    bit differs. So the tensor is filled up.
    """
    filled = values.new_ones(-(-values.numel() // LANES) * LANES)
    filled[: values.numel()] = values.flatten()
    return filled.pow_(exponent)[: values.numel()].view_as(values)


class _FrontEnd(nn.Module, ABC):
    """The parameters of a cochleagram, their checks, and its last step, which both computations share.

    Parameters
    ----------
    n_samples
        Length of the sounds.
    sampling_rate_hz
        Their rate.
    envelope_rate_hz
        Rate of the cochleagram.
    low_hz, high_hz
        Lower and upper end of the half-cosine filters; ``high_hz`` is at most half the sampling rate.
    filters, sample_factor
        Number of filters that would tile the range, and how many times more densely it is covered.
    taps
        Length of the downsampling filter in samples of the sound. The cochleagram has only those points at which the
        filter lies within the sound.
    power, offset
        Compression of the envelopes.
    gradient_clip
        Largest derivative of the compression; ``math.inf`` for the true gradient.

    Raises
    ------
    ValueError
        When the sound is too short for one point, or ``high_hz`` exceeds half the sampling rate.
    """

    def __init__(
        self,
        n_samples: int,
        sampling_rate_hz: float,
        envelope_rate_hz: float = ENVELOPE_RATE_HZ,
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
        self.n_samples, self.sampling_rate_hz, self.envelope_rate_hz = n_samples, sampling_rate_hz, envelope_rate_hz
        self.n_taps = taps
        self.power, self.offset, self.gradient_clip = power, offset, gradient_clip
        self.center_frequencies_hz = center_frequencies(low_hz, high_hz, filters, sample_factor)
        self.factor = sampling_rate_hz / envelope_rate_hz  # samples of the sound from one point to the next
        self.times = int((n_samples - taps) / self.factor) + 1
        gains = erb_filters(n_samples, sampling_rate_hz, low_hz, high_hz, filters, sample_factor)
        self.channels = len(gains)
        self._prepare(gains, downsampling_filter(taps, self.factor))

    @abstractmethod
    def _prepare(self, gains: np.ndarray, taps: np.ndarray) -> None:
        """Register buffers made of the filters' gains (channel, frequency) and the downsampling filter (tap,)."""

    def _compressed(self, envelopes: torch.Tensor) -> torch.Tensor:
        return compress(envelopes, self.power, self.offset, self.gradient_clip)


class FullRateCochleagram(_FrontEnd):
    """Cochleagrams of sounds, differentiable, as the study computes them: every band at the rate of the sound.

    Output and gradient agree with the study's code to 1e-5 (tests/synthesize/test_published.py). Parameters are those
    of ``Cochleagram``, but ``sampling_rate_hz`` must be a multiple of ``envelope_rate_hz``.

    Raises
    ------
    ValueError
        As ``Cochleagram``, and when a point of the cochleagram would lie between two samples.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.cochleagram import Cochleagram, FullRateCochleagram
    >>> sound = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))
    >>> exact = FullRateCochleagram(n_samples=2000, sampling_rate_hz=20_000)(sound)
    >>> fast = Cochleagram(n_samples=2000, sampling_rate_hz=20_000)(sound)
    >>> bool(torch.linalg.vector_norm(fast - exact) < 1e-3 * torch.linalg.vector_norm(exact))
    True
    """

    def _prepare(self, gains: np.ndarray, taps: np.ndarray) -> None:
        if self.factor != int(self.factor):
            raise ValueError(
                f"rate full: sampling_rate_hz {self.sampling_rate_hz} is not a multiple of envelope_rate_hz "
                f"{self.envelope_rate_hz}; use such rates, or `rate: band`"
            )
        self.register_buffer("gains", torch.from_numpy(gains).float(), persistent=False)
        self.register_buffer("taps", torch.from_numpy(taps).float()[None, None], persistent=False)

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Sounds (batch, sample) to cochleagrams (batch, frequency, time), frequencies ascending."""
        batch, samples = sounds.shape
        bands = torch.fft.rfft(sounds)[:, None] * self.gains
        # Half the analytic signal: no negative frequencies.
        analytic = torch.fft.ifft(nn.functional.pad(bands, (0, samples - bands.shape[-1])))
        envelopes = analytic.abs().clamp(min=TINY).reshape(-1, 1, samples)
        lowered = nn.functional.conv1d(envelopes, self.taps, stride=int(self.factor))
        return self._compressed(lowered.reshape(batch, self.channels, -1))


class Cochleagram(_FrontEnd):
    """Cochleagrams of sounds, differentiable, each band computed at the rate that it needs.

    Takes any rates, also where ``envelope_rate_hz`` does not divide ``sampling_rate_hz``. How far output and gradient
    differ from ``FullRateCochleagram``: docs/explanation/cochleagram.md, tests/models/test_cochleagram.py.

    Examples
    --------
    A tone has most energy in the channel of its frequency.

    >>> import torch
    >>> from metamers.models.cochleagram import Cochleagram
    >>> cochleagram = Cochleagram(n_samples=2000, sampling_rate_hz=20_000)
    >>> tone = torch.sin(2 * torch.pi * 1000 * torch.arange(2000) / 20_000)
    >>> energy = cochleagram(tone[None])[0]
    >>> energy.shape
    torch.Size([211, 10])
    >>> loudest_hz = cochleagram.center_frequencies_hz[int(energy.mean(dim=1).argmax())]
    >>> bool(950 < loudest_hz < 1050)
    True
    """

    def _prepare(self, gains: np.ndarray, taps: np.ndarray) -> None:
        self.bands = self.exact = _Bands(self, gains, taps, OVERSAMPLING)
        self.rough = _Bands(self, gains, taps, ROUGH_OVERSAMPLING)

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Sounds (batch, sample) to cochleagrams (batch, frequency, time), frequencies ascending."""
        return self._compressed(self.bands(torch.fft.rfft(sounds)))


class _Bands(nn.Module):
    """The bands of a cochleagram: their envelopes, each at the rate that it needs, and the downsampling.

    Parameters
    ----------
    front_end
        The cochleagram's parameters.
    gains, taps
        Gains of the filters (channel, frequency) and the downsampling filter (tap,).
    oversampling
        Rate of an envelope relative to the sum of its band's width and the envelope rate.
    """

    def __init__(self, front_end: _FrontEnd, gains: np.ndarray, taps: np.ndarray, oversampling: float):
        super().__init__()
        samples = self.n_samples = front_end.n_samples
        self.n_taps, self.factor, self.times = front_end.n_taps, front_end.factor, front_end.times
        # Blocks of the cochleagram begin at whole points of envelopes whose length is a multiple of this number.
        step = Fraction(BLOCK * self.factor / samples).limit_denominator(1000).denominator
        extra = front_end.envelope_rate_hz * samples / front_end.sampling_rate_hz
        groups = _rate_groups(gains, extra, oversampling, step if step <= MOST_ALIGNED else 1, samples)
        response = np.fft.rfft(taps, samples).conj()
        for number, (first, last, size) in enumerate(groups):
            bins = _support(gains[first:last])
            # The inverse transform divides by its own length instead of that of the sound.
            picked = np.take_along_axis(gains[first:last], bins, axis=1) * (size / samples)
            self.register_buffer(f"bins_{number}", torch.from_numpy(bins), persistent=False)
            self.register_buffer(f"gains_{number}", torch.from_numpy(picked).float(), persistent=False)
            sums = torch.from_numpy(self._sums(response, size)).float()
            self.register_buffer(f"sums_{number}", sums, persistent=False)
        self.sizes = [size for *_, size in groups]

    def _starts(self, size: int) -> list[int]:
        """The first point that each block of the cochleagram needs of an envelope of ``size`` points."""
        points = BLOCK * self.factor * size / self.n_samples
        return [int(block * points + 1e-6) for block in range(-(-self.times // BLOCK))]

    def _sums(self, response: np.ndarray, size: int) -> np.ndarray:
        """Weights that sum an envelope's points, from a block's start on, to the points of the block.

        A point of the cochleagram is the sum over the samples under the downsampling filter, each times its tap. The
        weights contain the filter's frequencies up to half the envelope's rate.

        Returns
        -------
        numpy.ndarray
            (block, point of the envelope, point of the block); a single block where all blocks have the same weights.
        """
        starts, count = self._starts(size), min(BLOCK, self.times)
        length = min(math.ceil(((count - 1) * self.factor + self.n_taps) * size / self.n_samples) + 1, size)
        ratio = BLOCK * self.factor * size / self.n_samples
        blocks = 1 if abs(ratio - round(ratio)) < 1e-9 else len(starts)
        kept = np.arange((size + 1) // 2)
        sums = np.empty((blocks, length, count))
        for block, start in enumerate(starts[:blocks]):
            shifts = self.factor * (BLOCK * block + np.arange(count))[:, None] / self.n_samples - start / size
            turned = response[kept] * np.exp(2j * np.pi * kept * shifts)
            sums[block] = np.fft.irfft(turned.conj(), size)[:, :length].T
        return sums

    def forward(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Spectra of sounds (batch, frequency) to envelopes (batch, channel, time)."""
        lowered = []
        for number, size in enumerate(self.sizes):
            bins, gains, sums = (getattr(self, f"{name}_{number}") for name in ("bins", "gains", "sums"))
            # A flat index: the gradient of index_select is several times as fast as that of advanced indexing.
            picked = spectrum.index_select(1, bins.flatten()).unflatten(1, bins.shape)
            bands = torch.fft.ifft(picked * gains, n=size)
            lowered.append(_LoweredEnvelopes.apply(bands, sums, self._starts(size), self.times))
        return torch.cat(lowered, dim=1)


def band_cochleagrams(module: nn.Module) -> list[Cochleagram]:
    """The parts of a module that compute cochleagrams with ``rate: band``.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.cochleagram import Cochleagram, band_cochleagrams
    >>> network = torch.nn.Sequential(Cochleagram(n_samples=2000, sampling_rate_hz=20_000), torch.nn.ReLU())
    >>> band_cochleagrams(network) == [network[0]]
    True
    """
    return [part for part in module.modules() if isinstance(part, Cochleagram)]


@contextmanager
def rough_cochleagrams(module: nn.Module) -> Iterator[None]:
    """Compute the cochleagrams of a module at lower rates within the context, where they have ``rate: band``.

    How far cochleagram and gradient then differ: docs/explanation/cochleagram.md, "Three rates".

    Examples
    --------
    >>> from metamers.models.cochleagram import Cochleagram, rough_cochleagrams
    >>> cochleagram = Cochleagram(n_samples=2000, sampling_rate_hz=20_000)
    >>> with rough_cochleagrams(cochleagram):
    ...     rough = sum(cochleagram.bands.sizes)
    >>> rough < sum(cochleagram.bands.sizes)
    True
    """
    front_ends = band_cochleagrams(module)
    for front_end in front_ends:
        front_end.bands = front_end.rough
    try:
        yield
    finally:
        for front_end in front_ends:
            front_end.bands = front_end.exact


class _LoweredEnvelopes(torch.autograd.Function):
    """Amplitudes of complex bands (batch, channel, point), at least ``TINY``, summed to the cochleagram's times.

    The result is that of PyTorch's own operations, with half as many passes through memory. The gradient differs from
    theirs near the smallest amplitude, where it is switched off: there a point has the gradient of the share of its
    time in which the amplitude, interpolated between points, is above ``TINY`` (``_fraction_above``), as it has at the
    full rate.
    """

    @staticmethod
    def forward(ctx, bands, sums, starts, times):
        squares = (bands.real * bands.real).addcmul_(bands.imag, bands.imag)
        envelopes = squares.clamp_(min=TINY**2).sqrt_()
        lowered = envelopes.new_empty(*envelopes.shape[:-1], times)
        for points, block, weights in _blocks(envelopes, lowered, sums, starts):
            _add_product(block, points, weights, 0)
        ctx.save_for_backward(bands, envelopes, sums)
        ctx.save_for_forward(bands, envelopes, sums)
        ctx.starts, ctx.times = starts, times
        return lowered

    @staticmethod
    def jvp(ctx, direction, *_constants):
        """The transpose of ``backward``."""
        bands, envelopes, sums = ctx.saved_tensors
        raised = (bands.real * direction.real).addcmul_(bands.imag, direction.imag).div_(envelopes)
        _LoweredEnvelopes._switch_off(raised, bands, envelopes)
        lowered = raised.new_empty(*raised.shape[:-1], ctx.times)
        for points, block, weights in _blocks(raised, lowered, sums, ctx.starts):
            _add_product(block, points, weights, 0)
        return lowered

    @staticmethod
    def _switch_off(raised, bands, envelopes):
        """Multiply by the share of time above the smallest amplitude, in place."""
        silent = envelopes.amin((1, 2)) <= TINY  # per stimulus, so that no result depends on the rest of the batch
        if raised.device.type != "cpu":  # no question to the card, which would have to finish first
            raised *= _fraction_above(bands.abs(), TINY).where(silent[:, None, None], 1)
        elif silent.any():
            raised[silent] *= _fraction_above(bands[silent].abs(), TINY)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        bands, envelopes, sums = ctx.saved_tensors
        raised = torch.zeros_like(envelopes)
        for points, block, weights in _blocks(raised, gradient.contiguous(), sums, ctx.starts):
            _add_product(points, block, weights.T, 1)
        _LoweredEnvelopes._switch_off(raised, bands, envelopes)
        return bands * raised.div_(envelopes), None, None, None


def _fraction_above(amplitudes: torch.Tensor, least: float) -> torch.Tensor:
    """Share of the time around each point, half-way to its neighbours, with an amplitude above ``least``."""
    rise = (amplitudes.roll(1, -1) - amplitudes.roll(-1, -1)).abs_().div_(2)
    return (amplitudes - least).div_(rise.clamp_(min=1e-6 * least)).add_(0.5).clamp_(0, 1)


def _add_product(result: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor, kept: float) -> None:
    """Multiply ``result`` (row, column) by ``kept`` and add the product of ``rows`` and ``weights``, in place.

    Libraries multiply few rows in another way, whose last bits differ between rows. So few rows are repeated.
    """
    count, turns = len(rows), -(-FEWEST_ROWS // len(rows))
    if turns == 1:
        result.addmm_(rows, weights, beta=kept)
    else:
        result.copy_(result.repeat(turns, 1).addmm_(rows.repeat(turns, 1), weights, beta=kept)[:count])


def _blocks(envelopes: torch.Tensor, lowered: torch.Tensor, sums: torch.Tensor, starts: list[int]) -> Iterator[tuple]:
    """Yield for each block its points of the envelopes and of the cochleagram, views (row, point), and the weights."""
    rows, points = envelopes.flatten(0, -2), lowered.flatten(0, -2).split(BLOCK, dim=-1)
    for number, (start, block) in enumerate(zip(starts, points, strict=True)):
        window = rows[:, start : start + sums.shape[1]]
        yield window, block, sums[number % len(sums), : window.shape[1], : block.shape[1]]


# Names in the registry (input.cochleagram.rate).
COCHLEAGRAMS: dict[str, type[_FrontEnd]] = {"band": Cochleagram, "full": FullRateCochleagram}


def _support(gains: np.ndarray) -> np.ndarray:
    """Bins of each filter, and neighbouring bins so that all filters have the number of the widest: (channel, bin)."""
    spans = [np.flatnonzero(gain) if gain.any() else np.zeros(1, int) for gain in gains]
    width = max(int(span[-1] - span[0]) + 1 for span in spans)
    # For a filter that ends near the last frequency, the bins start lower; the added bins have no gain.
    starts = np.array([min(int(span[0]), gains.shape[1] - width) for span in spans])
    return starts[:, None] + np.arange(width)


def _rate_groups(
    gains: np.ndarray, extra: float, oversampling: float, step: int, n_samples: int
) -> list[tuple[int, int, int]]:
    """Groups of neighbouring channels with one rate: first, last (exclusive), points of the envelope.

    ``extra`` bins are added to each channel's own before oversampling; points are multiples of ``step``.
    """
    from scipy.fft import next_fast_len  # imported here, because many importers of this module use no cochleagram

    needs = [int(oversampling * (np.count_nonzero(gain) + extra)) for gain in gains]
    groups: list[tuple[int, int, int]] = []
    first = 0
    for channel in range(1, len(needs) + 1):
        window = needs[first : channel + 1]
        if channel == len(needs) or max(window) > RATE_STEP * min(window):
            size = step * next_fast_len(-(-max(needs[first:channel]) // step))
            groups.append((first, channel, min(size, n_samples)))
            first = channel
    return groups
