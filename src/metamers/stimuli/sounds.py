"""Sounds: from files to arrays of one rate, length and level, and from arrays to the files that observers hear.

A sound is an array (sample,) of float32, mono, nominally within -1 to 1. Observers, human or model, judge the exported
16-bit sound. Cochleagrams are in ``metamers.models.cochleagram``.
"""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import xarray as xr

from metamers.config.unreadable import sound_file_problem
from metamers.foreign.isolated import read_isolated
from metamers.modalities import MODALITIES
from metamers.stimuli.labels import labelled_stimuli, read_stimuli

if TYPE_CHECKING:
    import torch

logger = logging.getLogger("metamers")

LIMITS = MODALITIES["audio"].limits
RMS = 0.1  # root mean square of every sound that is presented (Feather et al. 2023, Methods)

# The decoder reads the rest of a truncated WAV or AIFF file and reports the truncation in its log only.
CUT_OFF = re.compile(r"^\s*(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
UNKNOWN_LENGTH = 0x7FFFFF00  # programs that write a stream of unknown length state a length above this

QUIETEST = 1e-4  # smallest RMS about the mean of a sound that is not silent: three steps of 16 bits
LONGEST = 2**25  # largest number of samples, over all channels and after resampling: twelve minutes at 44,100 Hz
RATES_HZ = (100, 1_000_000)  # sampling rates of files, from seismographs to bat detectors
LARGEST_RATIO = 2000  # ratio of a rate to the common divisor of both rates, up to which sinc interpolation is fast
LARGEST_KERNEL = 2**22  # largest number of values in its filters, which grows with the product of both ratios
LOWPASS_WIDTH = 64  # zero crossings of the resampling filter: an edge within 1.6 % of the lower Nyquist frequency


@lru_cache(maxsize=8)
def _interpolation(from_hz: int, to_hz: int, dtype: "torch.dtype", device: "torch.device") -> "torch.nn.Module":
    """The windowed sinc interpolation between two rates; its filters take longer to compute than to apply."""
    from torchaudio.transforms import Resample

    return Resample(from_hz, to_hz, lowpass_filter_width=LOWPASS_WIDTH, dtype=dtype).to(device)


def resample(sounds: "torch.Tensor", from_hz: int, to_hz: int) -> "torch.Tensor":
    """Sounds (…, sample) at another sampling rate, differentiable.

    The method is windowed sinc interpolation. If the ratio of the rates is not a ratio of small integers, that would
    need gigabytes; then the spectrum is cut or padded, which treats the sound as periodic.
    """
    if from_hz == to_hz:
        return sounds
    import torch  # here, because writing sounds does not need it

    before, after = (rate // math.gcd(from_hz, to_hz) for rate in (from_hz, to_hz))
    width = LOWPASS_WIDTH * before / min(before, after)
    if before <= LARGEST_RATIO and after * (2 * width + before) <= LARGEST_KERNEL:
        return _interpolation(from_hz, to_hz, sounds.dtype, sounds.device)(sounds)
    before = sounds.shape[-1]
    after = round(before * to_hz / from_hz)
    spectrum = torch.fft.rfft(sounds)[..., : min(before, after) // 2 + 1]
    return torch.fft.irfft(spectrum, after) * (after / before)


def resampled(sound: np.ndarray, from_hz: int, to_hz: int, name: str) -> np.ndarray:
    """Bring a sound of a file, (sample,), to another sampling rate; the log states both rates if they differ.

    Parameters
    ----------
    sound
        Shape (sample,).
    from_hz, to_hz
        Its sampling rate, and the wanted one.
    name
        Name of the sound in messages.

    Raises
    ------
    ValueError
        When its sampling rate is not among ``RATES_HZ``, or it would have no sample or more than ``LONGEST``.
    """
    if not RATES_HZ[0] <= from_hz <= RATES_HZ[1]:
        stated = from_hz if abs(from_hz) < 10**15 else "more than a quadrillion"
        raise ValueError(f"{name}: a sampling rate of {stated} Hz, wanted {RATES_HZ[0]} to {RATES_HZ[1]} Hz")
    if from_hz == to_hz:
        return sound
    samples = len(sound) * to_hz // from_hz
    if not 1 <= samples <= LONGEST:
        raise ValueError(
            f"{name}: {len(sound)} samples at {from_hz} Hz are {samples} at {to_hz} Hz, wanted 1 to {LONGEST}; is its "
            "sampling rate wrong?"
        )
    import torch

    logger.warning("%s: sampled at %d Hz, resampled to %d Hz", name, from_hz, to_hz)
    return resample(torch.from_numpy(sound), from_hz, to_hz).numpy()


def read_sound(path: str | Path, sampling_rate_hz: int) -> np.ndarray:
    """Read one sound file from outside, mono, at the wanted sampling rate, in a separate process.

    Several channels are averaged, other rates resampled, and 8-bit files accepted, each with a note in the log.

    Returns
    -------
    numpy.ndarray
        Shape (sample,), float32, nominally within -1 to 1.

    Raises
    ------
    ValueError
        When the file is missing, not a sound, damaged, cut off, empty, too long, too short for a sample at the wanted
        rate, of an implausible rate, holds NaN or infinite values, or crashes its reader.
    OSError
        When memory or time ran out for it.
    """
    return _mono(path, sampling_rate_hz, *read_isolated(_decoded, path))


def _mono(path: str | Path, sampling_rate_hz: int, channels: np.ndarray, rate: int, subtype: str) -> np.ndarray:
    """Average the channels of a sound file and resample them, with notes in the log."""
    if not np.isfinite(channels).all():
        raise ValueError(f"{path}: NaN or infinite values; save it again as 16-bit or finite floating-point sound")
    if subtype in ("PCM_U8", "PCM_S8"):
        logger.warning("%s: 8-bit sound, whose quantization noise can be heard", path)
    if channels.shape[1] > 1:
        logger.warning("%s: %d channels, averaged to one", path, channels.shape[1])
    return resampled(channels.mean(axis=1), rate, sampling_rate_hz, str(path))


def rate_and_length(path: str | Path) -> tuple[int, int]:
    """The sampling rate of a sound file in Hz, and its number of samples in one channel.

    Raises
    ------
    ValueError
        When the file is missing or not a sound.
    """
    return read_isolated(_rate_and_length, path)


def _rate_and_length(path: Path) -> tuple[int, int]:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    if (problem := sound_file_problem(path)) is not None:
        raise ValueError(f"{path}: {problem}")
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path}: not a sound that can be read ({error.error_string}); wanted WAV, FLAC, OGG, MP3 or AIFF"
        ) from error
    return info.samplerate, info.frames


def _decoded(path: Path) -> tuple[np.ndarray, int, str]:
    """Read a complete sound file: values (sample, channel), sampling rate and type of samples."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: not a sound that can be read: the file is empty; fetch or save it again")
    if (problem := sound_file_problem(path)) is not None:
        raise ValueError(f"{path}: {problem}")
    try:
        with soundfile.SoundFile(path) as file:
            frames = file.frames
            if frames * file.channels > LONGEST:
                raise ValueError(
                    f"{path}: its header states {frames} samples in {file.channels} channels, wanted at most "
                    f"{LONGEST} in all: the file is damaged or must be shortened"
                )
            channels = file.read(dtype="float32", always_2d=True)
            rate, subtype, said = file.samplerate, file.subtype, file.extra_info
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path}: not a sound that can be read, damaged or cut off ({error.error_string}); "
            "wanted WAV, FLAC, OGG, MP3 or AIFF: fetch or save it again"
        ) from error
    for stated, read in CUT_OFF.findall(said):
        if int(read) < int(stated) < UNKNOWN_LENGTH:
            raise ValueError(f"{path}: damaged or cut off ({read} of {stated} bytes of sound); fetch or save it again")
    if len(channels) == 0:
        raise ValueError(f"{path}: no samples, or cut off before the first; leave it out or fetch it again")
    if len(channels) < frames:
        raise ValueError(f"{path}: damaged or cut off ({len(channels)} of {frames} samples); fetch or save it again")
    return channels, rate, subtype


def fit_length(sound: np.ndarray, samples: int, name: str) -> np.ndarray:
    """Bring a sound (sample,) to a length: add silence on both sides, or take its middle; the log states both lengths.

    Parameters
    ----------
    sound
        Shape (sample,).
    samples
        Number of samples of the result.
    name
        Name of the sound in the log.
    """
    have = len(sound)
    if have == samples:
        return sound
    if have < samples:
        logger.warning("%s: %d samples, filled up with silence to %d", name, have, samples)
        before = (samples - have) // 2
        return np.pad(sound, (before, samples - have - before))
    logger.warning("%s: %d samples, cut to the middle %d", name, have, samples)
    first = (have - samples) // 2
    return sound[first : first + samples]


def with_rms(sound: np.ndarray, rms: float = RMS, name: str = "") -> np.ndarray:
    """A sound scaled to a root mean square.

    Returns
    -------
    numpy.ndarray
        Shape of ``sound``, float32.

    Raises
    ------
    ValueError
        When the sound has no samples, is silent or nearly silent, or is not finite.
    """
    name = name or "a sound"
    values = np.asarray(sound, dtype=np.float64)
    if values.size == 0:
        raise ValueError(f"{name}: no samples, so there is nothing to scale to RMS {rms}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: NaN or infinite values cannot be scaled to RMS {rms}")
    # A constant signal is inaudible, too.
    if (heard := np.std(values)) < QUIETEST:
        raise ValueError(
            f"{name}: silent (RMS {heard:.1e} about its mean, wanted {QUIETEST:g} at least), so it cannot be scaled to "
            f"RMS {rms}; leave it out"
        )
    return (values * (rms / np.sqrt(np.mean(values**2)))).astype(np.float32)


def sixteen_bit(values: np.ndarray) -> np.ndarray:
    """Round values -1 to 1 to the nearest of 65536 levels, int16, as in exported files; values outside are clipped.

    Raises
    ------
    ValueError
        When a value is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("a sound with NaN or infinite values cannot be exported")
    return np.clip(np.rint(np.asarray(values, dtype=np.float64) * 32768), -32768, 32767).astype(np.int16)


def write_sound(values: np.ndarray, path: str | Path, sampling_rate_hz: int) -> None:
    """Export a sound (sample,) of values -1 to 1 as 16-bit WAV; the log has the number of clipped values."""
    path = Path(path)
    levels = sixteen_bit(values)
    if clipped := int((np.abs(values) > 1).sum()):
        logger.warning("%s: %d of %d values beyond -1 to 1, clipped", path, clipped, np.size(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, levels, sampling_rate_hz, subtype="PCM_16", format="WAV")


def read_exported_sound(path: str | Path) -> np.ndarray:
    """Read a sound that a run has exported: (sample,), float32, exactly its 16-bit levels divided by 32768.

    Raises
    ------
    ValueError
        As ``read_sound``, and when the file is not mono with 16 bits.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: damaged or cut off ({error.error_string}); export it again") from error
    if info.channels != 1 or info.subtype != "PCM_16":
        raise ValueError(f"{path}: {info.channels} channels of {info.subtype}; an exported sound is one of PCM_16")
    return _mono(path, info.samplerate, *_decoded(path))


def labelled_sounds(values: np.ndarray, rows: Sequence[Mapping[str, str]], sampling_rate_hz: int) -> xr.Dataset:
    """Sounds with their labels as one Dataset.

    Parameters
    ----------
    values
        Shape (stimulus, sample), float32.
    rows
        Labels, as for ``metamers.stimuli.labels.labelled_stimuli``.
    sampling_rate_hz
        Sampling rate, an attribute of the Dataset.

    Returns
    -------
    xarray.Dataset
        ``stimulus_value`` (stimulus, sample), with ``category``, ``label``, ``speaker`` and ``split``.
    """
    return labelled_stimuli("audio", values, rows).assign_attrs(sampling_rate_hz=sampling_rate_hz)


def sound_dataset(
    rows: Sequence[Mapping[str, str]], folder: str | Path, sampling_rate_hz: int, duration_s: float
) -> xr.Dataset:
    """All sounds of a dataset, of one length and at RMS 0.1.

    Parameters
    ----------
    rows
        ``file`` and labels of each sound.
    folder
        The folder of the files.
    sampling_rate_hz, duration_s
        Sampling rate and duration of every sound in the Dataset.

    Returns
    -------
    xarray.Dataset
        See ``labelled_sounds``.

    Raises
    ------
    ValueError
        When files cannot be used, or two files hold the same sound; the message has all of them.
    """
    samples = round(sampling_rate_hz * duration_s)

    def stimulus(path: Path, decoded: tuple[np.ndarray, int, str]) -> np.ndarray:
        sound = fit_length(_mono(path, sampling_rate_hz, *decoded), samples, str(path))
        return with_rms(sound, name=str(path))

    values = read_stimuli(rows, folder, (samples,), _decoded, stimulus, "sound")
    return labelled_sounds(values, rows, sampling_rate_hz)
