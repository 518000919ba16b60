"""The visual networks of the study that no library has, from the papers that describe them.

Each function builds one untrained network that takes normalized images (batch, 3, row, column) and gives class scores
(batch, class). Modules and weights have the published names, so that a published state dict fits. Fixed values
(Gabor filters, patches, pooling windows) are buffers. The registry defines which modules are stages.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torchvision.models import AlexNet

# HMAX (Serre et al. 2007): sizes in pixels of the S1 filters, and the tightness of each grating.
S1_SIZES = range(7, 38, 2)
S1_TIGHTNESS = np.linspace(4, 3.25, 16)
S1_ORIENTATIONS = (90, -45, 0, 45)  # degrees
C1_SIZES = range(8, 23, 2)  # pooling sizes of C1 units, in pixels
S2_SIZES = range(2, 17, 2)  # sizes of the patches of the universal set, in C1 units
S2_PATCHES = 400  # number of patches of each size
GREY_LEVELS = 255.0  # largest grey value of HMAX
S1_TINY = 1e-10  # keeps the normalization of S1 and its gradient finite where an image is black

# VOneBlock (Dapello et al. 2020): statistics of neurons in the primary visual cortex of macaques.
V1_CHANNELS = 256  # number of channels of simple cells, and of complex cells
V1_SIZE, V1_STRIDE = 25, 4  # size and stride of the filters, in pixels
V1_GAIN = 25.0
V1_TINY = 1e-5  # keeps the gradient of complex cells finite without input
V1_NOISE_STD = 4.0
ORIENTATION_EDGES, ORIENTATION_CELLS = np.arange(-22.5, 158, 45), (66, 49, 77, 54)  # degrees; De Valois et al. 1982a
FREQUENCY_EDGES = np.array([0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6])  # cycles per degree; De Valois et al. 1982b
FREQUENCY_CELLS = (4, 4, 8, 25, 32, 26, 28)
WAVES_EDGES = np.logspace(-1, 0.2, 6)  # of the envelope's standard deviation, in periods; Ringach 2002
WAVES_CELLS = np.array([[2, 0, 1, 0, 0], [8, 9, 4, 1, 0], [1, 2, 19, 17, 3], [0, 0, 1, 7, 4]])  # along × across
WAVES_FREQUENCY_CORRELATION = 0.75  # Schiller et al. 1976
GABOR_SEED = 0  # seed of the published draw


def small_cnn(classes: int, channels: Sequence[int] = (32, 64, 128)) -> nn.Sequential:
    """A small convolutional network for small images, trained by a run in a few minutes; not of the study.

    Blocks of a 3 × 3 convolution, a ReLU and a pooling by 2, one for each number of channels; then a hidden layer.
    Modules are ``conv0``, ``relu0``, ``pool0`` and so on, ``avgpool``, ``fc``, ``relufc`` and ``classification``.

    Parameters
    ----------
    classes
        Number of classes.
    channels
        Channels of each block.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before = 3
    for number, width in enumerate(channels):
        layers[f"conv{number}"] = nn.Conv2d(before, width, 3, padding=1)
        layers[f"relu{number}"] = nn.ReLU()
        layers[f"pool{number}"] = nn.MaxPool2d(2)
        before = width
    layers["avgpool"] = nn.AdaptiveAvgPool2d(2)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(4 * before, 2 * before)
    layers["relufc"] = nn.ReLU()
    layers["classification"] = nn.Linear(2 * before, classes)
    return nn.Sequential(layers)


class FixedConvolution(nn.Module):
    """A fixed convolution: its ``weight`` is a buffer.

    Parameters
    ----------
    weight
        (channel out, channel in, row, column).
    stride, padding
        As for ``torch.nn.functional.conv2d``.
    """

    def __init__(self, weight: torch.Tensor, stride: int = 1, padding: int = 0):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.register_buffer("weight", weight)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, channel in, row, column) to (batch, channel out, row, column)."""
        return functional.conv2d(values, self.weight, stride=self.stride, padding=self.padding)


def gabor(
    size: int, frequency: float, direction: float, sigma_along: float, sigma_across: float, phase: float = 0.0
) -> np.ndarray:
    """A grating in a Gaussian envelope, centred on pixel ``size`` // 2.

    Parameters
    ----------
    size
        Rows and columns.
    frequency
        Frequency of the grating, in cycles per pixel.
    direction
        In which the grating changes, in radians: 0 along the rows' axis (down), π/2 along the columns' (right).
    sigma_along, sigma_across
        Standard deviations of the envelope, in pixels.
    phase
        Phase of the grating at the centre, in radians.

    Returns
    -------
    numpy.ndarray
        (size, size).
    """
    rows, columns = np.mgrid[:size, :size] - size // 2
    along = rows * np.cos(direction) + columns * np.sin(direction)
    across = columns * np.cos(direction) - rows * np.sin(direction)
    envelope = np.exp(-((along / sigma_along) ** 2 + (across / sigma_across) ** 2) / 2)
    return envelope * np.cos(2 * np.pi * frequency * along + phase)


# CORnet-S


class CORBlock(nn.Module):
    """An area of CORnet-S: a bottleneck applied ``times`` times to its own output; see ``cornet_s``.

    The weights of the convolutions are the same at all times; each time has its own batch normalizations. At the
    first time rows and columns are halved.
    """

    EXPANSION = 4  # factor for the number of channels within the bottleneck

    def __init__(self, channels_in: int, channels: int, times: int):
        super().__init__()
        self.times = times
        inner = self.EXPANSION * channels
        self.conv_input = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.skip = nn.Conv2d(channels, channels, 1, stride=2, bias=False)
        self.norm_skip = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.nonlin1 = nn.ReLU()
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.nonlin2 = nn.ReLU()
        self.conv3 = nn.Conv2d(inner, channels, 1, bias=False)
        self.nonlin3 = nn.ReLU()
        for time in range(times):
            self.add_module(f"norm1_{time}", nn.BatchNorm2d(inner))
            self.add_module(f"norm2_{time}", nn.BatchNorm2d(inner))
            self.add_module(f"norm3_{time}", nn.BatchNorm2d(channels))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, channel in, row, column) to the output at the last time, (batch, channel, row / 2, column / 2)."""
        state = self.conv_input(values)
        for time in range(self.times):
            norm1, norm2, norm3 = (self.get_submodule(f"norm{number}_{time}") for number in (1, 2, 3))
            skipping = self.norm_skip(self.skip(state)) if time == 0 else state
            inner = self.nonlin1(norm1(self.conv1(state)))
            # Not a call of the module, because the stride differs.
            inner = functional.conv2d(inner, self.conv2.weight, stride=2 if time == 0 else 1, padding=1)
            inner = self.nonlin2(norm2(inner))
            state = self.nonlin3(norm3(self.conv3(inner)) + skipping)
        return state


def cornet_s(classes: int = 1000) -> nn.Sequential:
    """CORnet-S: four areas of the ventral stream, three of them recurrent (Kubilius et al. 2018, 2019).

    Parameters
    ----------
    classes
        Number of class scores.

    Returns
    -------
    torch.nn.Sequential
        Modules ``V1``, ``V2``, ``V4``, ``IT``, the areas' outputs at the last time, and ``decoder``. An area ends in
        its ``nonlin2`` (V1) or ``nonlin3``.
    """
    network = nn.Sequential(
        OrderedDict(
            V1=nn.Sequential(
                OrderedDict(
                    conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
                    norm1=nn.BatchNorm2d(64),
                    nonlin1=nn.ReLU(),
                    pool=nn.MaxPool2d(3, stride=2, padding=1),
                    conv2=nn.Conv2d(64, 64, 3, padding=1, bias=False),
                    norm2=nn.BatchNorm2d(64),
                    nonlin2=nn.ReLU(),
                )
            ),
            V2=CORBlock(64, 128, times=2),
            V4=CORBlock(128, 256, times=4),
            IT=CORBlock(256, 512, times=2),
            decoder=nn.Sequential(
                OrderedDict(avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), linear=nn.Linear(512, classes))
            ),
        )
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


# AlexNet with group normalization


def _alexnet_gn_to_fc7() -> OrderedDict[str, nn.Module]:
    def block(channels_in: int, channels: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
        convolution = nn.Conv2d(channels_in, channels, kernel, stride, padding, bias=False)
        return nn.Sequential(convolution, nn.GroupNorm(32, channels), nn.ReLU())

    def full(units_in: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(units_in, 4096), nn.BatchNorm1d(4096), nn.ReLU())

    return OrderedDict(
        conv_block_1=block(3, 96, 11, 4, 2),
        maxpool_block_1=nn.MaxPool2d(3, 2),
        conv_block_2=block(96, 256, 5, 1, 2),
        maxpool_block_2=nn.MaxPool2d(3, 2),
        conv_block_3=block(256, 384, 3, 1, 1),
        conv_block_4=block(384, 384, 3, 1, 1),
        conv_block_5=block(384, 256, 3, 1, 1),
        maxpool_block_5=nn.MaxPool2d(3, 2),
        ave_pool=nn.AdaptiveAvgPool2d(6),
        flatten=nn.Flatten(),
        fc6=full(256 * 6 * 6),
        fc7=full(4096),
    )


def alexnet_gn(classes: int = 1000) -> nn.Sequential:
    """AlexNet with group normalization, supervised (Konkle & Alvarez 2022).

    Parameters
    ----------
    classes
        Number of class scores.

    Returns
    -------
    torch.nn.Sequential
        Modules ``conv_block_1`` … ``conv_block_5``, ``ave_pool``, ``fc6``, ``fc7``, ``fc8``. A convolutional block ends
        in its ReLU, as in the study; the pooling that may follow is a module of its own. Images have at least 63 rows
        and columns.
    """
    return nn.Sequential(_alexnet_gn_to_fc7() | {"fc8": nn.Sequential(nn.Linear(4096, classes))})


class _UnitLength(nn.Module):
    """Each (…,) of (batch, …) scaled to length 1."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return functional.normalize(values)


class _WithEmbedding(nn.Sequential):
    """Class scores and an embedding from the same features; see ``alexnet_gn_ipcl``."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        *layers, embed, normalize, classify = self
        values = images
        for layer in layers:
            values = layer(values)
        normalize(embed(values))  # result unused; the call makes the embedding available as a stage
        return classify(values)


def alexnet_gn_ipcl(classes: int = 1000, dimensions: int = 128) -> nn.Sequential:
    """AlexNet with group normalization, trained by instance-prototype contrastive learning (Konkle & Alvarez 2022).

    Parameters
    ----------
    classes
        Number of class scores of the linear readout of ``fc7``.
    dimensions
        Number of dimensions of the embedding, which is learned without classes.

    Returns
    -------
    torch.nn.Sequential
        Modules as of ``alexnet_gn``, but ``fc8`` and ``l2norm`` are the embedding, of length 1, and ``classifier``
        gives the scores.
    """
    return _WithEmbedding(
        _alexnet_gn_to_fc7()
        | {
            "fc8": nn.Sequential(nn.Linear(4096, dimensions)),
            "l2norm": _UnitLength(),
            "classifier": nn.Linear(4096, classes),
        }
    )


# HMAX


def s1_filter(size: int, tightness: float, orientation: float) -> np.ndarray:
    """A Gabor filter of HMAX within a circle, of mean 0 and length 1 (Serre & Riesenhuber 2004).

    Parameters
    ----------
    size
        Number of rows and columns, the diameter of the circle.
    tightness
        Waves within twice the size.
    orientation
        Of the filter, in degrees; the grating changes at a right angle to it.

    Returns
    -------
    numpy.ndarray
        (size, size).
    """
    wavelength = 2 * size / tightness
    sigma = 0.8 * wavelength
    values = gabor(size, 1 / wavelength, np.deg2rad(orientation + 90), sigma, sigma / 0.3)
    rows, columns = np.mgrid[:size, :size] - size // 2
    values[np.hypot(rows, columns) > size / 2] = 0
    values -= values.mean()
    return values / np.linalg.norm(values)


class S1(nn.Module):
    """Simple cells of one scale: |Gabor filter · image| / |image| of each place, 0 to 1.

    0 where a filter would reach beyond the image.
    """

    def __init__(self, size: int, tightness: float):
        super().__init__()
        filters = np.stack([s1_filter(size, tightness, orientation) for orientation in S1_ORIENTATIONS])
        self.border = size // 2
        self.gabor = FixedConvolution(torch.from_numpy(filters).float()[:, None])
        self.uniform = FixedConvolution(torch.ones(len(S1_ORIENTATIONS), 1, size, size))

    def forward(self, grey: torch.Tensor) -> torch.Tensor:
        """Grey images (batch, 1, row, column) to (batch, orientation, row, column)."""
        energy = functional.conv2d(grey.square(), self.uniform.weight[:1])  # all its channels are equal
        inside = self.gabor(grey).abs() / (energy.relu() + S1_TINY).sqrt()
        return functional.pad(inside, [self.border] * 4)


class C1(nn.Module):
    """Complex cells of one scale: the maximum over neighbouring S1 scales and places."""

    def __init__(self, size: int):
        super().__init__()
        self.local_pool = nn.MaxPool2d(size, stride=size // 2, padding=size // 2)

    def forward(self, scales: Sequence[torch.Tensor]) -> torch.Tensor:
        """Arguments: one (batch, orientation, row, column) per scale; returns one with fewer rows and columns."""
        return self.local_pool(torch.stack(list(scales)).amax(0))


class S2(nn.Module):
    """Cells tuned to patches of C1 of one size: exp(−d²/2), d the distance from the patch.

    Untrained patches have values like those of C1 for noise.
    """

    def __init__(self, size: int, patches: int):
        super().__init__()
        orientations = len(S1_ORIENTATIONS)
        values = 0.1 * torch.randn(orientations, patches, size, size).abs()
        padding = size // 2
        # Published as the weights of one convolution per orientation; their outputs are added.
        self.conv = FixedConvolution(values.reshape(orientations * patches, 1, size, size), padding=padding)
        self.uniform = FixedConvolution(torch.ones(1, 1, size, size), padding=padding)
        self.register_buffer("patches_sum_sq", values.square().sum((0, 2, 3)))

    def forward(self, scales: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """For each scale, (batch, orientation, row, column) to (batch, patch, row, column)."""
        weight = self.conv.weight
        weight = weight.reshape(len(S1_ORIENTATIONS), -1, *weight.shape[2:]).transpose(0, 1)
        tuned = []
        for values in scales:
            energy = self.uniform(values.square().sum(1, keepdim=True))
            product = functional.conv2d(values, weight, padding=self.conv.padding)
            tuned.append(torch.exp(-(energy - 2 * product + self.patches_sum_sq[:, None, None]) / 2))
        return tuned


class C2(nn.Module):
    """Best match of the image with each patch: the maximum over positions and scales."""

    def forward(self, scales: Sequence[torch.Tensor]) -> torch.Tensor:
        """Arguments: one (batch, patch, row, column) per scale; returns (batch, patch)."""
        return torch.stack([values.amax((2, 3)) for values in scales]).amax(0)


class _Channels(nn.Module):
    """Concatenate outputs (batch, channel, row, column) along the channels."""

    def forward(self, outputs: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat(list(outputs), dim=1)


class _Units(nn.Module):
    """Concatenate outputs (batch, …) of any shapes to (batch, unit).

    They come in parts: single outputs, or lists of outputs. ``part_sizes`` are the numbers of units of each part in the
    last call (``metamers.synthesize.schedules.drawn_parts``).
    """

    def __init__(self):
        super().__init__()
        self.part_sizes: list[int] = []

    def forward(self, parts: Sequence[torch.Tensor | Sequence[torch.Tensor]]) -> torch.Tensor:
        lists = [[part] if isinstance(part, torch.Tensor) else list(part) for part in parts]
        self.part_sizes = [sum(values[0].numel() for values in part) for part in lists]
        return torch.cat([values.flatten(1) for part in lists for values in part], dim=1)


class HMAX(nn.Module):
    """Simple and complex cells in turn, and a linear readout; see ``hmax``."""

    def __init__(self, classes: int):
        super().__init__()
        self.s1_units = nn.ModuleList(map(S1, S1_SIZES, S1_TIGHTNESS))
        self.s1 = _Channels()
        self.c1_units = nn.ModuleList(map(C1, C1_SIZES))
        self.c1 = _Units()
        self.s2_units = nn.ModuleList(S2(size, S2_PATCHES) for size in S2_SIZES)
        self.s2 = _Units()
        self.c2_units = nn.ModuleList(C2() for _ in S2_SIZES)
        self.c2 = _Units()
        self.fc = nn.Linear(len(S2_SIZES) * S2_PATCHES, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Grey images (batch, 1, row, column), values 0 to 1, to class scores (batch, class).

        Raises
        ------
        ValueError
            When images are not grey, or smaller than the largest filter.
        """
        if images.shape[1] != 1:
            raise ValueError(
                f"images with {images.shape[1]} channels; HMAX needs grey images: give `input` one mean and one std"
            )
        if min(images.shape[-2:]) < S1_SIZES[-1]:
            raise ValueError(
                f"images of {tuple(images.shape[-2:])} pixels, but the largest filter has {S1_SIZES[-1]}; "
                "take larger ones (250 in the study)"
            )
        grey = GREY_LEVELS * images
        s1 = [unit(grey) for unit in self.s1_units]
        self.s1(s1)  # result unused; the call makes the concatenated stage available
        c1 = [unit(s1[2 * number : 2 * number + 2]) for number, unit in enumerate(self.c1_units)]
        self.c1(c1)
        s2 = [unit(c1) for unit in self.s2_units]
        self.s2(s2)
        return self.fc(self.c2([unit(of_size) for unit, of_size in zip(self.c2_units, s2, strict=True)]))


def hmax(classes: int = 1000) -> HMAX:
    """HMAX with a linear readout (Riesenhuber & Poggio 1999; Serre et al. 2007; Feather et al. 2023, Methods).

    Images are grey, with values from 0 to 1 (normalization: mean 0, standard deviation 1), and have at least 37 rows
    and columns. All but the readout is fixed: Gabor filters, and patches of the C1 outputs for natural images, 400
    of each of 8 sizes (the universal patch set), which come with the weights.

    Parameters
    ----------
    classes
        Number of class scores.

    Returns
    -------
    HMAX
        Modules ``s1`` (batch, 64, row, column), four orientations for each of 16 scales; ``c1``, ``s2`` and ``c2``
        (batch, unit), the units of all scales (and, before that, sizes of patches) one after the other, since they
        differ in rows and columns; ``fc``. The parts of ``c1`` (8 scales), ``s2`` and ``c2`` (8 sizes of patches) are
        the elements of the lists that the study's synthesis draws from (``metamers.synthesize.schedules.random_unit``).
    """
    return HMAX(classes)


# LowpassAlexNet


class HannPool2d(nn.Module):
    """An average weighted by a Hann window, in place of a maximum or of every n-th output: it does not alias.

    The window has no gain at the frequencies that the outputs cannot carry when its ``size`` is four times the stride
    plus 1: at n/(size − 1) cycles per input, n from 2, the stride's Nyquist frequency among them.

    Parameters
    ----------
    size
        Of the window, in inputs, with the zeros at both its ends, which are left out.
    stride, padding
        As of a pooling.
    """

    def __init__(self, size: int, stride: int, padding: int):
        super().__init__()
        self.stride, self.padding = stride, padding
        window = torch.hann_window(size, periodic=False, dtype=torch.float64)[1:-1]
        window = torch.outer(window, window)
        self.register_buffer("hann_window2d", (window / window.sum()).float()[None, None])

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, channel, row, column) to as many channels of fewer rows and columns."""
        single = values.flatten(0, 1).unsqueeze(1)
        pooled = functional.conv2d(single, self.hann_window2d, stride=self.stride, padding=self.padding)
        return pooled.reshape(*values.shape[:2], *pooled.shape[-2:])


def lowpass_alexnet(classes: int = 1000) -> "AlexNet":
    """LowpassAlexNet: AlexNet with Hann-weighted averages for its poolings and strides (Feather et al. 2023, Methods).

    Parameters
    ----------
    classes
        Number of class scores.

    Returns
    -------
    torchvision.models.AlexNet
        With torchvision's module names. ``features.0`` is the first convolution, of stride 1, a ReLU, and the average;
        so the input of ``features.1`` is never negative. Images have at least 61 rows and columns.
    """
    # Imported here, as below, because the other networks do not need these libraries.
    from torchvision.models import alexnet

    network = alexnet(num_classes=classes)
    network.features[0] = nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, padding=5), nn.ReLU(), HannPool2d(17, stride=4, padding=5)
    )
    for place in (2, 5, 12):
        network.features[place] = HannPool2d(9, stride=2, padding=2)
    return network


# VOneAlexNet


def v1_gabors(cells: int, pixels_per_degree: float) -> dict[str, np.ndarray]:
    """Draw Gabor functions as receptive fields of neurons in the primary visual cortex (Dapello et al. 2020).

    Parameters
    ----------
    cells
        Number of cells; the draw is always the same.
    pixels_per_degree
        Resolution of the images, per degree of visual angle.

    Returns
    -------
    dict
        ``frequency`` in cycles per pixel, ``direction`` and ``phase`` in radians, ``sigma_along`` and ``sigma_across``
        in pixels, each (cell,).
    """
    from scipy.special import ndtr

    random = np.random.RandomState(
        GABOR_SEED
    )  # its numbers never change between versions, so that the draw is the published one

    def quantiles(ranks: np.ndarray, edges: np.ndarray, counts: Sequence[int] | np.ndarray) -> np.ndarray:
        return np.interp(ranks, np.concatenate([[0], np.cumsum(counts) / np.sum(counts)]), edges)

    phase = 2 * np.pi * random.rand(cells)
    direction = np.deg2rad(quantiles(random.rand(cells), ORIENTATION_EDGES, ORIENTATION_CELLS) % 180)
    covariance = [[1, WAVES_FREQUENCY_CORRELATION], [WAVES_FREQUENCY_CORRELATION, 1]]
    along_ranks, frequency_ranks = ndtr(random.multivariate_normal([0, 0], covariance, cells)).T
    across_ranks = random.rand(cells)

    logarithms = np.log10(WAVES_EDGES)
    waves_along = quantiles(along_ranks, logarithms[:-1], WAVES_CELLS.sum(1))
    bins = np.clip(np.searchsorted(logarithms, waves_along) - 1, 0, None)
    waves_across = np.array(
        [quantiles(rank, logarithms, WAVES_CELLS[place]) for rank, place in zip(across_ranks, bins, strict=True)]
    )
    frequency = 2 ** quantiles(frequency_ranks, np.log2(FREQUENCY_EDGES), FREQUENCY_CELLS) / pixels_per_degree
    return {
        "frequency": frequency,
        "direction": direction,
        "phase": phase,
        "sigma_along": 10**waves_along / frequency,
        "sigma_across": 10**waves_across / frequency,
    }


def v1_filters(gabors: dict[str, np.ndarray], phase: float) -> torch.Tensor:
    """Gabor filters of ``v1_gabors`` with a phase in radians added, each in one of the three channels by chance.

    Returns
    -------
    torch.Tensor
        (cell, 3, V1_SIZE, V1_SIZE); an envelope's integral is 1.
    """
    cells = len(gabors["frequency"])
    channels = torch.randint(0, 3, (cells,))
    filters = torch.zeros(cells, 3, V1_SIZE, V1_SIZE)
    for cell, channel in enumerate(channels.tolist()):
        one = {name: values[cell] for name, values in gabors.items()}
        area = 2 * np.pi * one["sigma_along"] * one["sigma_across"]
        filters[cell, channel] = torch.from_numpy(gabor(V1_SIZE, **one | {"phase": one["phase"] + phase}) / area)
    return filters


class VOneBlock(nn.Module):
    """Simple and complex cells of the primary visual cortex, with noise; see ``vone_alexnet``.

    In training, each call draws new noise; in evaluation, the noise drawn by ``fix_noise`` is the same for all images.
    """

    def __init__(self, size: int, pixels_per_degree: float):
        super().__init__()
        self.size = size
        gabors = v1_gabors(2 * V1_CHANNELS, pixels_per_degree)
        spacing = {"stride": V1_STRIDE, "padding": V1_SIZE // 2}
        self.simple_conv_q0 = FixedConvolution(v1_filters(gabors, 0), **spacing)
        self.simple_conv_q1 = FixedConvolution(v1_filters(gabors, np.pi / 2), **spacing)
        self.gabors = nn.Identity()
        self.output = nn.ReLU()
        side = size // V1_STRIDE
        # A non-persistent buffer, because the published weights lack it.
        self.register_buffer("fixed_noise", torch.zeros(1, 2 * V1_CHANNELS, side, side), persistent=False)

    def fix_noise(self) -> None:
        """Draw the noise of evaluation."""
        self.fixed_noise = V1_NOISE_STD * torch.randn_like(self.fixed_noise)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, size, size) to (batch, 2 V1_CHANNELS, size / 4, size / 4), simple cells first.

        Raises
        ------
        ValueError
            When images and noise have different sizes.
        """
        if images.shape[-2:] != (self.size, self.size):
            raise ValueError(
                f"images of {tuple(images.shape[-2:])} pixels, but the noise is for {(self.size, self.size)}; build "
                "the network with their `size`"
            )
        even, odd = self.simple_conv_q0(images), self.simple_conv_q1(images)
        simple = even[:, :V1_CHANNELS].relu()
        energy = even[:, V1_CHANNELS:].square() + odd[:, V1_CHANNELS:].square()
        excited = self.gabors(V1_GAIN * torch.cat([simple, ((energy + V1_TINY) / 2).sqrt()], dim=1))
        noise = V1_NOISE_STD * torch.randn_like(excited) if self.training else self.fixed_noise
        return self.output(excited + noise)


def vone_alexnet(classes: int = 1000, size: int = 224, degrees: float = 8.0) -> nn.Sequential:
    """VOneAlexNet with Gaussian noise: a fixed front end of Gabor filters, then AlexNet (Dapello et al. 2020).

    The noise of evaluation is drawn last, after the weights.

    Parameters
    ----------
    classes
        Number of class scores.
    size
        Rows and columns of the images, a multiple of 4.
    degrees
        Width of the images in degrees of visual angle, which determines the frequencies of the filters.

    Returns
    -------
    torch.nn.Sequential
        Modules ``vone_block``, ``bottleneck``, and ``model``, AlexNet without its first convolution.

    Raises
    ------
    ValueError
        When ``size`` is not a multiple of 4 or ``degrees`` is not above 0.
    """
    if size % V1_STRIDE or size < V1_STRIDE:
        raise ValueError(f"size {size}: wanted a multiple of {V1_STRIDE}, the filters' stride; 224 in the study")
    if not degrees > 0:
        raise ValueError(f"degrees {degrees}: wanted above 0; 8 as published")
    front_end = VOneBlock(size, size / degrees)
    bottleneck = nn.Conv2d(2 * V1_CHANNELS, 64, 1, bias=False)
    nn.init.kaiming_normal_(bottleneck.weight, mode="fan_out", nonlinearity="relu")
    features = nn.Sequential(
        nn.Conv2d(64, 192, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    )
    classifier = nn.Sequential(
        nn.Dropout(),
        nn.Linear(256 * 7 * 7, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, classes),
    )
    front_end.fix_noise()
    back_end = nn.Sequential(
        OrderedDict(features=features, avgpool=nn.AdaptiveAvgPool2d(7), flatten=nn.Flatten(), classifier=classifier)
    )
    return nn.Sequential(OrderedDict(vone_block=front_end, bottleneck=bottleneck, model=back_end))
