"""The auditory networks of the study, from the cochleagram (``metamers.models.cochleagram``) to the word scores.

Each function builds one untrained network that takes cochleagrams (batch, 1, frequency, time) and gives class scores
(batch, class). Modules and weights have the published names, so that a published state dict fits at full width and
full size; ``width`` makes narrower networks of the same layers. Training is left to others.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from torchvision.models import ResNet

FULL_SHAPE = (211, 390)  # channels and times of the study's cochleagrams (2 s)

# Centre frequencies of the spectrotemporal filters (Feather et al. 2023, Methods).
RATES_HZ = (0, 0.5, 1, 2, 4, 8, 16, 32, 64)
SCALES = (0, 0.0625, 0.125, 0.25, 0.5, 1, 2)  # cycles per ERB
CHANNELS_PER_ERB = 6.0  # of the study's cochleagram, as its filters assume; its centre frequencies give 6.1

COCHLEAGRAM_GAIN = 100.0  # keeps the smallest powers well above the rounding of single precision
TINY = 1e-8  # smallest power

# Highest rate in Hz and scale in cycles per ERB of the filters that take part in the loss of a metamer of `filters` or
# `power`, in the order of its synthesis (metamers.synthesize.schedules.coarse_to_fine);
# the last pair includes all filters (the
# study's code, robustness/custom_synthesis_losses.py, InversionLossLayerWithCoarseDefineSpecTemp111).
COARSE_TO_FINE = ((0, 0), (0.5, 0.0625), (1, 0.125), (2, 0.25), (4, 0.5), (8, 1), (16, 2))


def _scaled(channels: int, width: float) -> int:
    """Number of channels at a width, at least 1."""
    return max(1, round(channels * width))


def _check_width(width: float) -> None:
    if not width > 0:
        raise ValueError(f"width {width}: wanted above 0; 1 is the published network")


def _pad_same(values: torch.Tensor, kernel: tuple[int, int], stride: tuple[int, int], value: float) -> torch.Tensor:
    """Values (…, row, column) padded so that each started stride has an output; an odd element is added at the end."""
    rows, columns = (
        max((-(-size // step) - 1) * step + width - size, 0)
        for size, width, step in zip(values.shape[-2:], kernel, stride, strict=True)
    )
    sides = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return nn.functional.pad(values, sides, value=value)


class _SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding 'same', of zeros."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return super().forward(_pad_same(values, self.kernel_size, self.stride, 0))


class _SameMaxPool2d(nn.MaxPool2d):
    """Maxima with TensorFlow's padding 'same', which is never the maximum."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return super().forward(_pad_same(values, self.kernel_size, self.stride, -math.inf))


class _SameAvgPool2d(nn.AvgPool2d):
    """Averages with TensorFlow's padding 'same', of zeros, which count."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return super().forward(_pad_same(values, self.kernel_size, self.stride, 0))


def coch_cnn9(classes: int, width: float = 1.0, shape: Sequence[int] = FULL_SHAPE) -> nn.Sequential:
    """CochCNN9: five convolutions and two matrices (Kell et al. 2018; Feather et al. 2023, Methods).

    Parameters
    ----------
    classes
        Number of class scores; 794 in the study.
    width
        Factor for the number of channels of every layer.
    shape
        Channels and times of the cochleagrams; the first matrix depends on them.

    Returns
    -------
    torch.nn.Sequential
        Modules ``batchnorm0``, ``conv0``, ``relu0``, ``maxpool0``, … ``classification``.

    Raises
    ------
    ValueError
        When ``width`` is not above 0.

    Notes
    -----
    Paddings are TensorFlow's 'same': an output for each stride begun, the odd zero at the end. The average pooling
    counts the zeros, and the convolutions have no bias, both as published (timm's layers of 2020).
    """
    _check_width(width)
    first, second, third, fourth, full = (_scaled(channels, width) for channels in (96, 256, 512, 1024, 4096))
    pooling = {"kernel_size": (2, 5), "stride": (2, 2)}
    height, length = shape
    for stride in (3, 2, 2, 2, 2):
        height, length = -(-height // stride), -(-length // stride)
    return nn.Sequential(
        OrderedDict(
            batchnorm0=nn.BatchNorm2d(1),
            conv0=_SameConv2d(1, first, (7, 14), (3, 3), bias=False),
            relu0=nn.ReLU(),
            maxpool0=_SameMaxPool2d(**pooling),
            batchnorm1=nn.BatchNorm2d(first),
            conv1=_SameConv2d(first, second, (4, 8), (2, 2), bias=False),
            relu1=nn.ReLU(),
            maxpool1=_SameMaxPool2d(**pooling),
            batchnorm2=nn.BatchNorm2d(second),
            conv2=_SameConv2d(second, third, (2, 5), (1, 1), bias=False),
            relu2=nn.ReLU(),
            conv3=_SameConv2d(third, fourth, (2, 5), (1, 1), bias=False),
            relu3=nn.ReLU(),
            conv4=_SameConv2d(fourth, third, (2, 5), (1, 1), bias=False),
            relu4=nn.ReLU(),
            avgpool=_SameAvgPool2d(**pooling),
            flatten=nn.Flatten(),
            fullyconnected=nn.Linear(third * height * length, full),
            relufc=nn.ReLU(),
            dropout=nn.Dropout(),
            classification=nn.Linear(full, classes),
        )
    )


def coch_resnet50(classes: int, width: float = 1.0) -> "ResNet":
    """CochResNet50: ResNet-50 on cochleagrams of any shape (Feather et al. 2023, Methods).

    Parameters
    ----------
    classes
        Number of class scores; 794 in the study.
    width
        Factor for the number of channels of every layer.

    Returns
    -------
    torchvision.models.resnet.ResNet
        With torchvision's module names; the published stage ``conv1_relu1`` is ``relu``.

    Raises
    ------
    ValueError
        When ``width`` is not above 0.
    """
    _check_width(width)
    # Imported here, because the other networks do not need torchvision.
    from torchvision.models import resnet

    class ScaledResNet(resnet.ResNet):
        """torchvision's residual network of Bottlenecks, for one input channel, with every number of channels scaled.

        torchvision's own ``width_per_group`` scales the inside of the blocks only.
        """

        def __init__(self):
            super().__init__(resnet.Bottleneck, [3, 4, 6, 3])
            stem = _scaled(64, width)
            self.conv1 = nn.Conv2d(1, stem, kernel_size=7, stride=2, padding=3, bias=False)
            nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
            self.bn1 = nn.BatchNorm2d(stem)
            self.fc = nn.Linear(self.inplanes, classes)

        def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
            if planes == 64:
                self.inplanes = _scaled(
                    64, width
                )  # number of channels of the first convolution, which __init__ replaces afterwards
            return super()._make_layer(block, _scaled(planes, width), blocks, stride, dilate)

    return ScaledResNet()


def temporal_gains(rate_hz: float, times: int, envelope_rate_hz: float) -> np.ndarray:
    """Frequency response of a temporal modulation filter on times padded with zeros to three times their number.

    t² exp(-3.5 t) sin(2π t), t in periods of ``rate_hz``, without its mean, its largest gain 1 (Chi, Ru & Shamma 2005).
    The filter for rate 0 passes only the mean.

    Returns
    -------
    numpy.ndarray
        (3 times // 2 + 1,), complex, at the frequencies of a real Fourier transform.
    """
    if rate_hz == 0:
        return np.eye(1, 3 * times // 2 + 1, dtype=complex)[0]
    periods = np.arange(times) / envelope_rate_hz * rate_hz
    response = np.sin(2 * np.pi * periods) * periods**2 * np.exp(-3.5 * periods)
    gains = np.fft.rfft(response - response.mean(), 3 * times)
    return gains / np.abs(gains).max()


def spectral_gains(scale: float, channels: int) -> np.ndarray:
    """Frequency response of a spectral modulation filter on channels padded with zeros to twice their number.

    (f/scale)² exp(-(f/scale)²), with a largest gain of 1: the second derivative of a Gaussian (Chi, Ru &
    Shamma 2005), of zero phase. The filter for scale 0 passes only the mean.

    Returns
    -------
    numpy.ndarray
        (channels + 1,), at frequencies from 0 to half the sampling rate.
    """
    if scale == 0:
        return np.eye(1, channels + 1)[0]
    squares = (np.fft.rfftfreq(2 * channels, 1 / CHANNELS_PER_ERB) / scale) ** 2
    gains = squares * np.exp(-squares)
    return gains / gains.max()


def high_pass(gains: np.ndarray) -> np.ndarray:
    """Set the magnitude of gains above their peak to 1, so that a bank covers all higher modulations; keep phases."""
    magnitudes = np.abs(gains)
    target_gains = np.where(np.arange(len(gains)) < magnitudes.argmax(), magnitudes, 1.0)
    return gains * np.divide(target_gains, magnitudes, out=np.ones_like(target_gains), where=magnitudes > 0)


class SpectrotemporalFilters(nn.Module):
    """A bank of filters for spectral and temporal modulation, each for ripples of one rate, scale and direction.

    A filter is the product of a temporal and a spectral one, without two of the four quadrants of the modulation
    plane, so that one direction of motion remains; the response is real, because the rest is symmetric. The filters of
    the highest rate and scale also pass all higher modulations.

    Parameters
    ----------
    shape
        Channels and times of the cochleagrams.
    envelope_rate_hz
        Rate of their times.
    rates, scales
        Centre frequencies, ascending from 0, in Hz and in cycles per ERB.

    Attributes
    ----------
    temporal_rate_hz : torch.Tensor
        (filter,), negative for ripples that rise in frequency and for scale 0, positive for those that fall.
    spectral_scale : torch.Tensor
        (filter,), in cycles per ERB.

    Raises
    ------
    ValueError
        When ``rates`` or ``scales`` do not ascend from 0, or exceed half the sampling rate of the cochleagram.
    """

    def __init__(self, shape: Sequence[int], envelope_rate_hz: float, rates: Sequence[float], scales: Sequence[float]):
        super().__init__()
        self.channels, self.times = shape
        for name, centers, sampling_rate in (
            ("rates", rates, envelope_rate_hz),
            ("scales", scales, CHANNELS_PER_ERB),
        ):
            if not len(centers) or centers[0] != 0 or any(np.diff(centers) <= 0) or centers[-1] > sampling_rate / 2:
                raise ValueError(
                    f"{name} {list(centers)}: wanted ascending values from 0 (the mean) to at most half the "
                    f"sampling rate, {sampling_rate / 2:g}"
                )
        temporal = [temporal_gains(rate, self.times, envelope_rate_hz) for rate in rates]
        spectral = [spectral_gains(scale, self.channels) for scale in scales]
        temporal[-1], spectral[-1] = high_pass(temporal[-1]), high_pass(spectral[-1])

        # Filters of one scale and direction share a band, in the published order of filters. Filters of scale 0 or
        # rate 0 have no direction, so they appear once, with the first direction.
        bands = [(-1, index) for index in range(len(scales))] + [(1, index) for index in range(1, len(scales))]
        still = np.isin(np.fft.rfftfreq(3 * self.times), [0, 0.5])  # the same in both directions
        side = np.sign(np.fft.fftfreq(2 * self.channels))
        side[[0, self.channels]] = 0
        quadrants = np.stack(
            [
                np.concatenate([spectral[index], spectral[index][-2:0:-1]])[:, None]
                * (still | (side[:, None] != -direction))
                for direction, index in bands
            ]
        )
        self.first_rates = [0 if direction < 0 else 1 for direction, _ in bands]
        filters = [
            (direction * rate, scales[index]) for direction, index in bands for rate in rates[int(direction > 0) :]
        ]
        temporal = torch.view_as_real(torch.from_numpy(np.stack(temporal)).to(torch.complex64))
        self.register_buffer("quadrants", torch.from_numpy(quadrants).float(), persistent=False)
        self.register_buffer("temporal", temporal, persistent=False)
        for name, values in zip(("temporal_rate_hz", "spectral_scale"), zip(*filters, strict=True), strict=True):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, cochleagrams: torch.Tensor) -> torch.Tensor:
        """Filter cochleagrams (batch, 1, frequency, time) to responses (batch, filter, frequency, time).

        Raises
        ------
        ValueError
            When the cochleagrams have another shape than the filters.
        """
        if cochleagrams.shape[1:] != (1, self.channels, self.times):
            raise ValueError(
                f"cochleagrams of {tuple(cochleagrams.shape)}, but the filters are for (batch, 1, {self.channels}, "
                f"{self.times}); build the network with their `shape`"
            )
        spectrum = torch.fft.rfft2(cochleagrams[:, 0], (2 * self.channels, 3 * self.times))
        temporal = torch.view_as_complex(self.temporal)[:, None]
        passed = []
        # Band by band, so that only one band's padded responses are in memory.
        for quadrants, first in zip(self.quadrants, self.first_rates, strict=True):
            band = torch.fft.ifft(spectrum * quadrants, dim=-2)[:, None, : self.channels]
            passed.append(torch.fft.irfft(band * temporal[first:], 3 * self.times)[..., : self.times])
        return torch.cat(passed, dim=1)


class _Power(nn.Module):
    """Squares, at least ``TINY``."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.square().clamp(min=TINY)


class _TimeAverage(nn.Module):
    """Average (…, time) to (…,)."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.mean(-1)


class Spectemp(nn.Module):
    """Spectrotemporal filters, their power, its average over time, and a linear readout; see ``spectemp``."""

    def __init__(self, filters: SpectrotemporalFilters, classes: int):
        super().__init__()
        self.filters = filters
        self.power = _Power()
        self.average = _TimeAverage()
        self.flatten = nn.Flatten()
        self.classification = nn.Linear(len(filters.temporal_rate_hz) * filters.channels, classes)

    def forward(self, cochleagrams: torch.Tensor) -> torch.Tensor:
        """Cochleagrams (batch, 1, frequency, time) to class scores (batch, class)."""
        averages = self.average(self.power(self.filters(COCHLEAGRAM_GAIN * cochleagrams)))
        return self.classification(self.flatten(averages))

    def coarse_filters(self, max_rate_hz: float, max_scale: float) -> torch.Tensor:
        """Filters at most that fast, in either direction, or at most that fine: (filter,), bool."""
        slow = self.filters.temporal_rate_hz.abs() <= max_rate_hz
        return slow | (self.filters.spectral_scale <= max_scale)

    def coarse_to_fine(self) -> list[torch.Tensor]:
        """Filters that the loss of a metamer includes, coarse ones first: masks (filter,), bool."""
        return [self.coarse_filters(max_rate_hz, max_scale) for max_rate_hz, max_scale in COARSE_TO_FINE]


def spectemp(
    classes: int,
    shape: Sequence[int] = FULL_SHAPE,
    envelope_rate_hz: float = 200.0,
    rates: Sequence[float] = RATES_HZ,
    scales: Sequence[float] = SCALES,
) -> Spectemp:
    """The classical model of the auditory cortex (Feather et al. 2023, Methods).

    Parameters
    ----------
    classes
        Number of class scores; 794 in the study.
    shape
        Channels and times of the cochleagrams.
    envelope_rate_hz
        Rate of their times.
    rates, scales
        Centre frequencies of the filters, ascending from 0, in Hz and in cycles per ERB; all make 111 filters.

    Returns
    -------
    Spectemp
        Modules ``filters`` and ``power`` (batch, filter, frequency, time), ``average`` (batch, filter, frequency),
        and ``classification``, the only one with weights.

    Raises
    ------
    ValueError
        When ``rates`` or ``scales`` do not ascend from 0, or exceed half the sampling rate of the cochleagram.
    """
    return Spectemp(SpectrotemporalFilters(shape, envelope_rate_hz, rates, scales), classes)
