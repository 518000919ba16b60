"""Stimuli as a user gives them in Python: paths of files, Pillow's images, NumPy arrays and tensors.

Readers of files are in ``metamers.stimuli.images`` and ``metamers.stimuli.sounds``. ``GIVEN`` has one entry for each
modality of ``metamers.modalities.MODALITIES``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import nn

from metamers.modalities import IMAGENET_INPUT, INTERPOLATIONS
from metamers.stimuli import images, sounds

CHANNELS = (1, 3)
SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
LARGEST_SIDE = 224  # of the images of a network that does not state the size of its input, in pixels
HIGHEST_HZ = 10_000  # of the published cochleagram


def _is_sound(value: Any, sampling_rate_hz: float | None) -> bool:
    """Whether a stimulus is a sound: it has one dimension, comes with its sampling rate, or is a file of sound."""
    if sampling_rate_hz is not None or isinstance(value, tuple):
        return True
    if isinstance(value, str | Path):
        return Path(value).suffix.lower() in SOUND_SUFFIXES
    return not isinstance(value, Image.Image) and np.ndim(_as_array(value, "stimulus")) < 2


def name_of(value: Any) -> str:
    """The name of a stimulus: that of its file without folder and ending, or ``stimulus``."""
    return Path(value).stem if isinstance(value, str | Path) else "stimulus"


def _as_array(value: Any, name: str) -> np.ndarray:
    """A NumPy array or tensor, or nested lists of numbers, as an array.

    Raises
    ------
    TypeError
        When it is something else.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name}: found lists of different lengths; wanted an array with a rectangular shape"
        ) from error
    if array.dtype.kind not in "buif":
        raise TypeError(
            f"{name}: found an object of type {type(value).__name__}; wanted the path of a file, an image of "
            "Pillow, an array or a tensor"
        )
    return array


def as_image(value: Any, size: int | None = None, name: str = "image") -> np.ndarray:
    """Make a stimulus of an image: its central square.

    Parameters
    ----------
    value
        The path of a file; an image of Pillow; or an array or tensor (row, column, channel), (channel, row, column),
        (row, column) or a batch of one of these, of 8 bits (uint8) or of floating-point values 0 to 1, with three
        channels or one (grey).
    size
        Rows and columns in pixels to which files, images of Pillow and 8-bit arrays are resampled, like the images of a
        dataset; None: those of the central square. Other arrays keep their resolution.
    name
        Name of the stimulus in messages.

    Returns
    -------
    numpy.ndarray
        (channel, row, column), float32, values 0 to 1.

    Raises
    ------
    ValueError, TypeError
        When the file cannot be used, or shape or values are not those of an image; the message has the found and the
        wanted ones.
    """
    if isinstance(value, str | Path):
        pixels = images.read_image(value)
    elif isinstance(value, Image.Image):
        pixels = images.rgb_of(value, name)
    else:
        pixels = _channels_last(_as_array(value, name), name)
    if (pixels == pixels[0, 0]).all():
        raise ValueError(f"{name}: all {pixels.shape[0]} × {pixels.shape[1]} pixels have one colour")
    rows, columns = pixels.shape[:2]
    side = min(rows, columns)
    if pixels.dtype == np.uint8:
        return images.square(np.broadcast_to(pixels, (rows, columns, 3)), size or side)
    _check_range(pixels, name)
    top, left = (rows - side) // 2, (columns - side) // 2
    cut = pixels[top : top + side, left : left + side]
    return np.ascontiguousarray(cut.transpose(2, 0, 1), dtype=np.float32)


def _channels_last(array: np.ndarray, name: str) -> np.ndarray:
    """An image as (row, column, channel)."""
    expected = "wanted (row, column, 3), (3, row, column) or a grey image (row, column)"
    if array.ndim == 4:
        if len(array) != 1:
            raise ValueError(f"{name}: found a batch of {len(array)} images, shape {array.shape}; wanted one image")
        array = array[0]
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"{name}: found shape {array.shape}; {expected}")
    if array.shape[0] in CHANNELS:
        return array.transpose(1, 2, 0)
    if array.shape[2] in CHANNELS:
        return array
    advice = "; leave out the fourth channel, which is transparency: image[..., :3]" if 4 in array.shape[::2] else ""
    raise ValueError(f"{name}: found shape {array.shape}, without a dimension of 1 or 3 channels; {expected}{advice}")


def _check_range(values: np.ndarray, name: str) -> None:
    """Check that the values of an image that is not uint8 are floating-point numbers from 0 to 1."""
    if values.dtype.kind != "f":
        raise ValueError(
            f"{name}: found values of the type {values.dtype}; wanted uint8 (0 to 255) or floating-point values 0 to 1"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: found NaN or infinite values; wanted values 0 to 1")
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return
    if low < 0:
        advice = "Is the image normalized already? Give it before normalization, which the model does itself"
    else:
        advice = "Divide by 255" if high <= 255 else "Divide by the largest possible value"
    raise ValueError(f"{name}: found values {low:.3g} to {high:.3g}; wanted 0 to 1. {advice}")


def with_rate(value: Any, sampling_rate_hz: float | None, name: str = "sound") -> tuple[Any, int, int]:
    """Find the sampling rate and the length of a sound.

    Parameters
    ----------
    value
        The path of a file, samples, or (samples, sampling rate).
    sampling_rate_hz
        Sampling rate of samples that come without it; not used for files, which state their own.
    name
        Name of the stimulus in messages.

    Returns
    -------
    value
        The path, or the samples (sample,) as an array.
    sampling_rate_hz
        Its sampling rate.
    samples
        Its number of samples.

    Raises
    ------
    ValueError, TypeError
        When the sampling rate is missing or not a positive whole number, or the file or shape is not that of a sound.
    """
    if isinstance(value, str | Path):
        return value, *sounds.rate_and_length(value)
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ValueError(f"{name}: found {len(value)} values; wanted a pair (samples, sampling rate in Hz)")
        value, sampling_rate_hz = value
    if sampling_rate_hz is None:
        raise ValueError(
            f"{name}: samples without sampling rate; wanted sampling_rate_hz=…, a pair (samples, rate), or a file"
        )
    if not isinstance(sampling_rate_hz, Real):
        raise TypeError(
            f"{name}: found a sampling rate of type {type(sampling_rate_hz).__name__}; wanted a number of Hz. A tuple "
            "is a sound with its rate; give several stimuli as a list"
        )
    if not sampling_rate_hz > 0 or sampling_rate_hz != round(sampling_rate_hz):
        raise ValueError(f"{name}: found a sampling rate of {sampling_rate_hz} Hz; wanted a positive whole number")
    samples = _mono(_as_array(value, name), name)
    return samples, round(sampling_rate_hz), len(samples)


def as_sound(value: Any, sampling_rate_hz: float | None, to_hz: int, samples: int, name: str = "sound") -> np.ndarray:
    """Make a stimulus of a sound: mono, of one rate and length, at RMS 0.1, as the sounds of a dataset.

    Parameters
    ----------
    value
        The path of a file; or samples (sample,), (channel, sample) or (sample, channel), floating-point or integers of
        16 or 32 bits; or (samples, sampling rate).
    sampling_rate_hz
        Sampling rate of samples that come without it.
    to_hz, samples
        Sampling rate and number of samples of the stimulus.
    name
        Name of the stimulus in messages.

    Returns
    -------
    numpy.ndarray
        (sample,), float32.

    Raises
    ------
    ValueError, TypeError
        As ``with_rate``, and when the sound is silent or cannot be resampled.
    """
    if isinstance(value, str | Path):
        sound = sounds.read_sound(value, to_hz)
    else:
        at_rate, rate_hz, _ = with_rate(value, sampling_rate_hz, name)
        sound = sounds.resampled(at_rate, rate_hz, to_hz, name)
    return sounds.with_rms(sounds.fit_length(sound, samples, name), name=name)


def _mono(array: np.ndarray, name: str) -> np.ndarray:
    """Samples as (sample,), float32; several channels are averaged."""
    if array.dtype.kind in "iu":
        if array.dtype not in (np.int16, np.int32):
            raise ValueError(
                f"{name}: found samples of the type {array.dtype}; wanted floating-point values, int16 or int32"
            )
        array = array / -float(np.iinfo(array.dtype).min)
    if array.ndim == 2:
        array = array.mean(axis=int(np.argmin(array.shape)))
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name}: found shape {array.shape}; wanted samples (sample,) or (channel, sample)")
    return np.ascontiguousarray(array, dtype=np.float32)


def _input_of_images(network: nn.Module, image: Any, _rate: float | None) -> dict[str, Any]:
    """The input of a network: stated by timm, usual in torchvision, or values 0 to 1 in the size of the image."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    channels = 1 if first is not None and first.in_channels == 1 else 3
    stated = getattr(network, "pretrained_cfg", None) or getattr(network, "default_cfg", None)
    if isinstance(stated, Mapping) and {"input_size", "mean", "std"} <= stated.keys():
        interpolation = stated.get("interpolation")
        chosen = interpolation if interpolation in INTERPOLATIONS else INTERPOLATIONS[0]
        mean, std = ([*stated[name]][:channels] for name in ("mean", "std"))
        return {"size": stated["input_size"][-1], "mean": mean, "std": std, "interpolation": chosen}
    if type(network).__module__.startswith("torchvision."):
        return dict(IMAGENET_INPUT)
    size = min(as_image(image).shape[-1], LARGEST_SIDE)
    return {"size": size, "mean": [0.0] * channels, "std": [1.0] * channels}


def _input_of_sounds(_network: nn.Module, sound: Any, sampling_rate_hz: float | None) -> dict[str, Any]:
    """Sounds with the rate and duration of the given one, through the default cochleagram."""
    _, rate_hz, samples = with_rate(sound, sampling_rate_hz)
    lower = {"cochleagram": {"high_hz": rate_hz / 2}} if rate_hz < 2 * HIGHEST_HZ else {}
    return {"sampling_rate_hz": rate_hz, "duration_s": samples / rate_hz} | lower


def _image_for(preprocessing: Any, image: Any, _rate: float | None, name: str) -> np.ndarray:
    return as_image(image, preprocessing.size, name)


def _sound_for(preprocessing: Any, sound: Any, sampling_rate_hz: float | None, name: str) -> np.ndarray:
    return as_sound(sound, sampling_rate_hz, round(preprocessing.sampling_rate_hz), preprocessing.samples, name)


@dataclass(frozen=True)
class Given:
    """What the functions for notebooks do with a user's stimulus of one modality.

    Attributes
    ----------
    recognized
        (stimulus, its sampling rate in Hz or None) → whether it is of this modality. The first modality counts that
        says so.
    input_for
        (network, stimulus, its sampling rate) → ``input`` of a network that the user gives without one.
    stimulus_for
        (preprocessing of a model, stimulus, its sampling rate, its name for messages) → the stimulus (…signal) in the
        model's size or rate.
    """

    recognized: Callable[[Any, float | None], bool]
    input_for: Callable[[nn.Module, Any, float | None], dict[str, Any]]
    stimulus_for: Callable[[Any, Any, float | None, str], np.ndarray]


GIVEN = {
    "vision": Given(lambda value, rate: not _is_sound(value, rate), _input_of_images, _image_for),
    "audio": Given(_is_sound, _input_of_sounds, _sound_for),
}


def modality_of(value: Any, sampling_rate_hz: float | None = None) -> str:
    """The modality of a user's stimulus."""
    return next(modality for modality, reader in GIVEN.items() if reader.recognized(value, sampling_rate_hz))
