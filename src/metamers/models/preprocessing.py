"""Preprocessing: from stimuli to the inputs of networks, differentiable: normalized images, and cochleagrams of sounds.

A network of sounds may take the waveform instead of the cochleagram, the output of a published front end
(``metamers.models.front_ends``), or that of a user's own module. Each preprocessing knows the shape of its model's
stimuli (``signal_shape``), brings others to that shape (``fit``), and limits values inside the graph as the study's
program does (``limit``).
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from metamers.config.front_ends import front_end_name, front_end_settings
from metamers.models.cochleagram import COCHLEAGRAMS
from metamers.models.front_ends import FRONT_ENDS, NormalizedWaveform
from metamers.models.python_file import module_from_file
from metamers.stimuli.images import to_channels
from metamers.stimuli.sounds import LIMITS, resample


class ImagePreprocessing(nn.Module):
    """Bring images to a model's size and normalize them.

    Parameters
    ----------
    size
        Rows and columns that the network takes, in pixels.
    mean, std
        Of each channel, for values 0 to 1: red, green and blue, or grey for a network of grey images.
    interpolation
        ``bicubic`` or ``bilinear``, antialiased; used only for images of another size.
    crop
        Share of the rows and columns of an image of another size that is cut out of its middle.
    """

    memory_format = torch.channels_last  # of the network: faster
    stage: str | None = None  # as of ``SoundPreprocessing``: a normalized image is no stage of its own
    advice = " Images are square, with `size` rows and columns."

    def __init__(
        self, size: int, mean: list[float], std: list[float], interpolation: str = "bicubic", crop: float = 1.0
    ):
        super().__init__()
        self.size = size
        self.interpolation = interpolation
        # Size of the image before its central square is cut out; rounded down, as timm does (``crop`` has six digits).
        self.whole_size = math.floor(size / crop + 1e-3)
        self.signal_shape = (len(mean), size, size)
        # In the size of an image: with channels last in memory, broadcasting three numbers takes four times as long.
        for name, values in (("mean", mean), ("std", std)):
            image = torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1).expand(1, *self.signal_shape)
            self.register_buffer(name, image.contiguous(), persistent=False)

    def fit(self, images: torch.Tensor) -> torch.Tensor:
        """Bring images (batch, 3 or 1, row, column), values 0 to 1, to (batch, *signal_shape), if they differ."""
        images = to_channels(images, self.signal_shape[0])
        if images.shape[-2:] == (self.size, self.size):
            return images
        size = (self.whole_size, self.whole_size)
        if images.shape[-2:] != size:
            images = nn.functional.interpolate(images, size, mode=self.interpolation, antialias=True).clamp(0, 1)
        first = round((self.whole_size - self.size) / 2)
        return images[..., first : first + self.size, first : first + self.size]

    def limit(self, images: torch.Tensor) -> torch.Tensor:
        """Return images unchanged: the values of every image lie within 0 to 1 already."""
        return images

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3 or 1, row, column), values 0 to 1, to the network's input (batch, *signal_shape)."""
        return (self.fit(images) - self.mean) / self.std

    def example(self) -> torch.Tensor:
        """One random image in the model's size, always the same."""
        return torch.rand(1, *self.signal_shape, generator=torch.Generator().manual_seed(0))


class SoundPreprocessing(nn.Module):
    """Sounds to cochleagrams, to waveforms, or to the output of a published front end or a user's own module.

    Parameters
    ----------
    sampling_rate_hz, duration_s
        Sampling rate and duration of the model's sounds.
    cochleagram
        ``rate``: the computation, ``band`` (default) or ``full`` (``metamers.models.cochleagram.COCHLEAGRAMS``); other
        keys are its arguments, whose defaults are the published values.
    preprocessing
        ``cochleagram``; ``waveform``, for a network that takes the sound itself; a name of
        ``metamers.models.front_ends.FRONT_ENDS``, or ``{"name": NAME, "arguments": {…}}``; or a user's own module in
        their place, as ``{"python": "FILE.py:FUNCTION", "arguments": {…}}``: the function returns a differentiable
        module from (batch, sample) to (batch, …).

    Raises
    ------
    ValueError, FileNotFoundError
        When a cochleagram with these arguments is impossible, or the user's module cannot be built.
    """

    def __init__(
        self,
        sampling_rate_hz: float,
        duration_s: float,
        cochleagram: Mapping[str, Any] | None = None,
        preprocessing: str | Mapping[str, Any] = "cochleagram",
    ):
        super().__init__()
        self.sampling_rate_hz = sampling_rate_hz
        self.samples = round(sampling_rate_hz * duration_s)
        self.signal_shape = (self.samples,)
        self.computes_cochleagrams = preprocessing == "cochleagram"
        if self.computes_cochleagrams:
            parameters = {"rate": "band"} | dict(cochleagram or {})
            computed = COCHLEAGRAMS[parameters.pop("rate")](self.samples, sampling_rate_hz, **parameters)
            one_channel = nn.Unflatten(1, (1, computed.channels))
            self.front_end: nn.Module = nn.Sequential(OrderedDict(cochleagram=computed, one_channel=one_channel))
        elif preprocessing == "waveform":
            self.front_end = nn.Identity()
        elif name := front_end_name(preprocessing):
            settings = front_end_settings(preprocessing, sampling_rate_hz, duration_s)
            self.front_end = FRONT_ENDS[name](sampling_rate_hz, **settings)
        else:
            place, arguments = preprocessing["python"], preprocessing.get("arguments", {})
            self.front_end = module_from_file(place, arguments, "preprocessing.python").eval()

    @property
    def stage(self) -> str | None:
        """The name of the stage at the output of the preprocessing; None if that is the sound itself or normalized."""
        if self.computes_cochleagrams:
            return "cochleagram"
        return None if isinstance(self.front_end, nn.Identity | NormalizedWaveform) else "preprocessing"

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory format of the network.

        Channels last is faster for cochleagrams. PyTorch 2.11 takes 50 GB for a long kernel over a waveform in it.
        """
        return torch.channels_last if self.computes_cochleagrams else torch.contiguous_format

    @property
    def advice(self) -> str:
        """Advice that ends the message about a network that does not run on its input; empty if there is none."""
        if isinstance(self.front_end, nn.Identity):
            return " A network of cochleagrams needs `input` without `preprocessing: waveform`."
        return (
            " A network of waveforms needs `preprocessing: waveform` in `input`." if self.computes_cochleagrams else ""
        )

    def fit(self, sounds: torch.Tensor, sampling_rate_hz: float) -> torch.Tensor:
        """Resample sounds (batch, sample) to the model's rate, and pad or cut both ends to its length."""
        sounds = resample(sounds, int(sampling_rate_hz), int(self.sampling_rate_hz))
        missing = self.samples - sounds.shape[-1]
        return nn.functional.pad(sounds, (missing // 2, missing - missing // 2)) if missing else sounds

    def limit(self, sounds: torch.Tensor) -> torch.Tensor:
        """Clamp sounds (batch, sample), natural ones too, to -1 to 1; the gradient is 0 outside."""
        return sounds.clamp(*LIMITS)

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Sounds (batch, sample) to the network's input.

        Cochleagrams (batch, 1, frequency, time), waveforms (batch, sample), or what the front end or the user's module
        gives.
        """
        return self.front_end(self.limit(sounds))

    def example(self) -> torch.Tensor:
        """One sound in the model's length, noise of RMS 0.1, always the same."""
        return 0.1 * torch.randn(1, *self.signal_shape, generator=torch.Generator().manual_seed(0))


PREPROCESSING: dict[str, type[nn.Module]] = {"vision": ImagePreprocessing, "audio": SoundPreprocessing}


def build_preprocessing(name: str, entry: Mapping[str, Any]) -> nn.Module:
    """Build the preprocessing of a registry entry.

    Parameters
    ----------
    name, entry
        The registry's name and entry.

    Raises
    ------
    ValueError
        When a value of ``input`` is impossible, or the user's module cannot be built; the message names the model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return PREPROCESSING[entry["modality"]](**entry["input"])
        except Exception as error:  # a user's function may raise anything
            raise ValueError(f"models: {name}.input: {entry['input']} fails: {error}") from error
