"""Noise: the start of each metamer, white or pink, from one random generator for each stimulus and metamer seed.

Mean and standard deviation belong to the modality (``metamers.modalities``) or the model's registry entry.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from metamers.modalities import MODALITIES, Start


def generator_of(*names: str | int) -> np.random.Generator:
    """The random generator of a thing, given its names: it does not depend on what else a job computes.

    Examples
    --------
    >>> from metamers.synthesize.noise import generator_of
    >>> generator_of(0, "dog", 1).random() == generator_of(0, "dog", 1).random()
    True
    """
    entropy = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng(list(entropy))


def _normal(shape: Sequence[int], stimulus: str, seed: int, run_seed: int) -> np.ndarray:
    """Standard normal numbers from the metamer's own generator, so that they do not depend on its batch."""
    return generator_of(run_seed, stimulus, seed).standard_normal(shape)


def _as_start(modality: str, noise: np.ndarray, start: Start | None) -> np.ndarray:
    """Scale standard normal noise to the mean and standard deviation of a start, within the modality's limits."""
    kind = MODALITIES[modality]
    start = start or kind.start
    return np.clip(start.mean + start.standard_deviation * noise, *kind.limits).astype(np.float32)


def start_noise(
    modality: str, shape: Sequence[int], stimulus: str, seed: int, run_seed: int, start: Start | None = None
) -> np.ndarray:
    """The noise that the synthesis of one metamer starts from.

    Each stimulus and metamer seed has its own generator, so a start does not depend on the rest of the batch.

    Parameters
    ----------
    modality
        A name from ``metamers.modalities.MODALITIES``.
    shape
        Shape of one stimulus.
    stimulus
        Name of the stimulus.
    seed, run_seed
        Metamer seed and run seed.
    start
        Mean and standard deviation of the noise; None: those of the modality.

    Returns
    -------
    numpy.ndarray
        Noise with this ``shape``, float32, within the modality's limits.

    Examples
    --------
    >>> from metamers.synthesize.noise import start_noise
    >>> noise = start_noise("vision", (3, 64, 64), "dog", seed=0, run_seed=0)
    >>> round(float(noise.mean()), 2), round(float(noise.std()), 2)
    (0.5, 0.05)
    """
    return _as_start(modality, _normal(shape, stimulus, seed, run_seed), start)


def pink_noise(
    modality: str, shape: Sequence[int], stimulus: str, seed: int, run_seed: int, start: Start | None = None
) -> np.ndarray:
    """The noise of ``start_noise``, filtered so that each octave of frequency has equal power.

    Each channel is filtered separately. Parameters, mean and standard deviation are those of ``start_noise``.

    Examples
    --------
    >>> from metamers.synthesize.noise import pink_noise
    >>> noise = pink_noise("vision", (3, 64, 64), "dog", seed=0, run_seed=0)
    >>> round(float(noise.mean()), 2), round(float(noise.std()), 2)
    (0.5, 0.05)
    """
    dimensions = len(MODALITIES[modality].dims[-2:])
    return _as_start(modality, pink(_normal(shape, stimulus, seed, run_seed), dimensions), start)


def pink(noise: np.ndarray, dimensions: int) -> np.ndarray:
    """White noise filtered so that each octave of frequency has equal power, with mean 0 and standard deviation 1.

    Power falls with frequency f as 1/f in one dimension (sounds), and as 1/f² in two (images), as in natural images
    (Field 1987, Journal of the Optical Society of America A 4, 2379-2394).

    Parameters
    ----------
    noise
        (…, n) or (…, row, column).
    dimensions
        Number of last dimensions that are filtered together, 1 or 2; each index of the others is filtered separately.

    Returns
    -------
    numpy.ndarray
        Filtered noise with the shape of ``noise``.

    Examples
    --------
    Two octaves have the same power.

    >>> import numpy as np
    >>> from metamers.synthesize.noise import pink
    >>> sound = pink(np.random.default_rng(0).standard_normal(2**16), dimensions=1)
    >>> power = np.abs(np.fft.rfft(sound)) ** 2
    >>> round(float(power[1024:2048].sum() / power[8192:16384].sum()), 1)
    1.0
    """
    size, axes = noise.shape[-dimensions:], tuple(range(-dimensions, 0))
    squares = [np.fft.fftfreq(n) ** 2 for n in size[:-1]] + [np.fft.rfftfreq(size[-1]) ** 2]
    frequency = np.sqrt(sum(np.meshgrid(*squares, indexing="ij")))
    with np.errstate(divide="ignore"):
        gain = np.where(frequency > 0, frequency ** (-len(size) / 2), 0)
    filtered = np.fft.irfftn(np.fft.rfftn(noise, axes=axes) * gain, size, axes)
    return filtered / filtered.std(axes, keepdims=True)
