"""From stimuli to the inputs of networks: images resampled and normalized, sounds to cochleagrams. Differentiable.

Each preprocessing knows the shape of its model's stimuli (``signal_shape``), brings others to that shape (``fit``), and
limits values inside the graph as the study's program does (``limit``).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from metamers.cochleagram import COCHLEAGRAMS
from metamers.images import to_channels
from metamers.sounds import LIMITS, resample


class ImagePreprocessing(nn.Module):
    """Bring images to a model's size and normalize them.

    Parameters
    ----------
    size
        Rows and columns that the network takes, in pixels.
    mean, std
        Of each channel, for values 0 to 1: of red, green and blue, or of grey, for a network that takes grey images.
    interpolation
        ``bicubic`` or ``bilinear``, antialiased; used only on images of another size.
    """

    def __init__(self, size: int, mean: list[float], std: list[float], interpolation: str = "bicubic"):
        super().__init__()
        self.size = size
        self.interpolation = interpolation
        self.signal_shape = (len(mean), size, size)
        # As large as an image: with channels last in memory, three numbers at a time take four times as long.
        for name, values in (("mean", mean), ("std", std)):
            image = torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1).expand(1, *self.signal_shape)
            self.register_buffer(name, image.contiguous(), persistent=False)

    def fit(self, images: torch.Tensor, _rate: None = None) -> torch.Tensor:
        """Images (batch, 3 or 1, row, column) to (batch, *signal_shape), values 0 to 1; unchanged if they fit."""
        images = to_channels(images, self.signal_shape[0])
        if images.shape[-2:] == (self.size, self.size):
            return images
        size = (self.size, self.size)
        return nn.functional.interpolate(images, size, mode=self.interpolation, antialias=True).clamp(0, 1)

    def limit(self, images: torch.Tensor) -> torch.Tensor:
        """Images as they are: every image that models see lies within 0 to 1 already."""
        return images

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3 or 1, row, column), values 0 to 1, to the network's input (batch, *signal_shape)."""
        return (self.fit(images) - self.mean) / self.std

    def example(self) -> torch.Tensor:
        """One random image that the model takes, always the same."""
        return torch.rand(1, *self.signal_shape, generator=torch.Generator().manual_seed(0))


class SoundPreprocessing(nn.Module):
    """Sounds to cochleagrams.

    Parameters
    ----------
    sampling_rate_hz, duration_s
        Of the sounds that the model takes.
    cochleagram
        ``rate``: ``band`` (default) or ``full``, which computation is used (``metamers.cochleagram.COCHLEAGRAMS``); and
        its arguments other than the defaults, which are the published ones.
    """

    def __init__(self, sampling_rate_hz: float, duration_s: float, cochleagram: Mapping[str, Any] | None = None):
        super().__init__()
        self.sampling_rate_hz = sampling_rate_hz
        self.samples = round(sampling_rate_hz * duration_s)
        self.signal_shape = (self.samples,)
        parameters = {"rate": "band"} | dict(cochleagram or {})
        front_end = COCHLEAGRAMS[parameters.pop("rate")]
        self.cochleagram = front_end(self.samples, sampling_rate_hz, **parameters)

    def fit(self, sounds: torch.Tensor, sampling_rate_hz: float) -> torch.Tensor:
        """Sounds (batch, sample) of any rate and length at the model's: resampled; padded or cut on both sides."""
        sounds = resample(sounds, int(sampling_rate_hz), int(self.sampling_rate_hz))
        missing = self.samples - sounds.shape[-1]
        return nn.functional.pad(sounds, (missing // 2, missing - missing // 2)) if missing else sounds

    def limit(self, sounds: torch.Tensor) -> torch.Tensor:
        """Sounds (batch, sample) clamped to -1 to 1, natural ones too, without gradient beyond."""
        return sounds.clamp(*LIMITS)

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Sounds (batch, sample) to the network's input, (batch, 1, frequency, time)."""
        return self.cochleagram(self.limit(sounds)).unsqueeze(1)

    def example(self) -> torch.Tensor:
        """One sound that the model takes, noise of RMS 0.1, always the same."""
        return 0.1 * torch.randn(1, *self.signal_shape, generator=torch.Generator().manual_seed(0))


PREPROCESSING: dict[str, type[nn.Module]] = {"vision": ImagePreprocessing, "audio": SoundPreprocessing}
