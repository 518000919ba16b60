"""From stimuli to what networks take: pictures resampled and normalized, sounds to cochleagrams. Differentiable.

Each preprocessing knows the shape of its model's stimuli (``signal_shape``) and brings others to that (``fit``).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from metamers.cochleagram import Cochleagram
from metamers.sounds import resample


class ImagePreprocessing(nn.Module):
    """Bring images to a model's size and normalize them.

    Parameters
    ----------
    size
        Rows and columns that the network takes, in pixels.
    mean, std
        Of the three channels, for values 0 to 1.
    interpolation
        ``bicubic`` or ``bilinear``, antialiased; used only on images of another size.
    """

    def __init__(self, size: int, mean: list[float], std: list[float], interpolation: str = "bicubic"):
        super().__init__()
        self.size = size
        self.interpolation = interpolation
        self.signal_shape = (3, size, size)
        # As large as an image: with channels last in memory, three numbers at a time take four times as long.
        for name, values in (("mean", mean), ("std", std)):
            image = torch.tensor(values).view(1, 3, 1, 1).expand(1, *self.signal_shape)
            self.register_buffer(name, image.contiguous(), persistent=False)

    def fit(self, images: torch.Tensor, _rate: None = None) -> torch.Tensor:
        """Resample images (batch, 3, row, column) to (batch, 3, size, size), values 0 to 1; those that fit stay."""
        if images.shape[-2:] == (self.size, self.size):
            return images
        size = (self.size, self.size)
        return nn.functional.interpolate(images, size, mode=self.interpolation, antialias=True).clamp(0, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, row, column), values 0 to 1, to the network's input (batch, 3, size, size)."""
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
        Arguments of ``metamers.cochleagram.Cochleagram`` other than its defaults, which are the published ones.
    """

    def __init__(self, sampling_rate_hz: float, duration_s: float, cochleagram: Mapping[str, Any] | None = None):
        super().__init__()
        self.sampling_rate_hz = sampling_rate_hz
        self.samples = round(sampling_rate_hz * duration_s)
        self.signal_shape = (self.samples,)
        self.cochleagram = Cochleagram(self.samples, sampling_rate_hz, **cochleagram or {})

    def fit(self, sounds: torch.Tensor, sampling_rate_hz: float) -> torch.Tensor:
        """Sounds (batch, sample) of any rate and length at the model's: resampled; padded or cut on both sides."""
        sounds = resample(sounds, int(sampling_rate_hz), int(self.sampling_rate_hz))
        missing = self.samples - sounds.shape[-1]
        return nn.functional.pad(sounds, (missing // 2, missing - missing // 2)) if missing else sounds

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Sounds (batch, sample) to the network's input, (batch, 1, frequency, time)."""
        return self.cochleagram(sounds).unsqueeze(1)

    def example(self) -> torch.Tensor:
        """One sound that the model takes, noise of RMS 0.1, always the same."""
        return 0.1 * torch.randn(1, *self.signal_shape, generator=torch.Generator().manual_seed(0))


PREPROCESSING: dict[str, type[nn.Module]] = {"vision": ImagePreprocessing, "audio": SoundPreprocessing}
