"""What differs between stimuli that are seen and that are heard: dimensions, limits, start noise, exported form.

Whoever judges a stimulus, person or model, judges what is exported: an 8-bit picture or a 16-bit sound. The files
themselves are for ``metamers.images`` and ``metamers.sounds``.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metamers import images, sounds


@dataclass(frozen=True)
class Start:
    """The independent normal noise that synthesis starts from, in units of the stimulus.

    Attributes
    ----------
    mean, standard_deviation
        Of each value.
    """

    mean: float
    standard_deviation: float


@dataclass(frozen=True)
class Modality:
    """How stimuli of one modality are represented, initialized and exported.

    Attributes
    ----------
    dims
        Dimensions of one stimulus.
    limits
        Smallest and largest value of a stimulus.
    start
        What synthesis starts from (Feather et al. 2023, Methods, metamer generation), unless a model's registry entry
        says otherwise.
    suffix
        Of exported files.
    write
        (values, path, sampling rate in Hz or None) → an exported file.
    read
        Path of an exported file → values, float32.
    as_exported
        Values → what ``read`` would give of them after ``write``, bit for bit.
    """

    dims: tuple[str, ...]
    limits: tuple[float, float]
    start: Start
    suffix: str
    write: Callable[[np.ndarray, Path, float | None], None]
    read: Callable[[Path], np.ndarray]
    as_exported: Callable[[np.ndarray], np.ndarray]


MODALITIES = {
    "vision": Modality(
        dims=("channel", "row", "column"),
        limits=(0, 1),
        start=Start(mean=0.5, standard_deviation=0.05),
        suffix=".png",
        write=lambda values, path, _rate: images.write_image(values, path),
        read=images.read_exported_image,
        as_exported=lambda values: images.three_channels(images.eight_bit(values)).astype(np.float32) / 255,
    ),
    "audio": Modality(
        dims=("sample",),
        limits=sounds.LIMITS,
        start=Start(mean=0.0, standard_deviation=1e-7),
        suffix=".wav",
        write=sounds.write_sound,
        read=sounds.read_exported_sound,
        as_exported=lambda values: sounds.sixteen_bit(values).astype(np.float32) / 32768,
    ),
}


def _normal(shape: Sequence[int], stimulus: str, seed: int, run_seed: int) -> np.ndarray:
    """Standard normal numbers of one metamer's own generator, so that they do not depend on what is in its batch."""
    entropy = hashlib.sha256(f"{run_seed}/{stimulus}/{seed}".encode()).digest()
    return np.random.default_rng(list(entropy)).standard_normal(shape)


def _as_start(modality: str, noise: np.ndarray, start: Start | None) -> np.ndarray:
    """Noise of mean 0 and standard deviation 1 brought to a start's, within the modality's limits, float32."""
    kind = MODALITIES[modality]
    start = start or kind.start
    return np.clip(start.mean + start.standard_deviation * noise, *kind.limits).astype(np.float32)


def start_noise(
    modality: str, shape: Sequence[int], stimulus: str, seed: int, run_seed: int, start: Start | None = None
) -> np.ndarray:
    """The noise that the synthesis of one metamer starts from.

    One generator per stimulus and seed, so that a start does not depend on what else is in the batch.

    Parameters
    ----------
    modality
        A name from ``MODALITIES``.
    shape
        Of one stimulus.
    stimulus
        Its name.
    seed, run_seed
        Of this metamer, and of the run.
    start
        Mean and standard deviation; None for the modality's.

    Returns
    -------
    numpy.ndarray
        Of ``shape``, float32, within the modality's limits.
    """
    return _as_start(modality, _normal(shape, stimulus, seed, run_seed), start)


def pink_noise(
    modality: str, shape: Sequence[int], stimulus: str, seed: int, run_seed: int, start: Start | None = None
) -> np.ndarray:
    """As ``start_noise``, with equal power in each octave of frequency: the same noise, filtered.

    Each channel is filtered separately. Mean and standard deviation are those of ``start_noise``.
    """
    dimensions = len(MODALITIES[modality].dims[-2:])
    return _as_start(modality, pink(_normal(shape, stimulus, seed, run_seed), dimensions), start)


def pink(noise: np.ndarray, dimensions: int) -> np.ndarray:
    """White noise filtered so that each octave of frequency has equal power, with mean 0 and standard deviation 1.

    Power falls with frequency f as 1/f in a sound, of one dimension, and as 1/f² in a picture, of two, as it does in
    natural ones (Field 1987, Journal of the Optical Society of America A 4, 2379-2394).

    Parameters
    ----------
    noise
        (…, n) or (…, row, column).
    dimensions
        1 or 2: how many of the last ones are filtered, each of the others on its own.
    """
    size, axes = noise.shape[-dimensions:], tuple(range(-dimensions, 0))
    squares = [np.fft.fftfreq(n) ** 2 for n in size[:-1]] + [np.fft.rfftfreq(size[-1]) ** 2]
    frequency = np.sqrt(sum(np.meshgrid(*squares, indexing="ij")))
    with np.errstate(divide="ignore"):
        gain = np.where(frequency > 0, frequency ** (-len(size) / 2), 0)
    filtered = np.fft.irfftn(np.fft.rfftn(noise, axes=axes) * gain, size, axes)
    return filtered / filtered.std(axes, keepdims=True)
