"""Synthetic speech: spoken words from espeak-ng in noise, for training and testing models without recordings.

The list of sounds follows from the configuration alone (``metamers.config.speech.speech_table``), so that the workflow
can be planned without the synthesizer. A sound depends on the run seed and its split, word and number only, not on the
other sounds.
"""

import ctypes
import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metamers.names import unknown_name

if TYPE_CHECKING:
    import xarray as xr

from metamers.config.speech import (
    PITCH_LIMITS,
    RATE_LIMITS_WPM,
    digest_of,
    espeak_data,
    speech_table,
    voice_identifiers,
    voices,
)

logger = logging.getLogger("metamers")

SILENCE = 0.01  # of the largest amplitude; below it, the beginning and the end are silent
LOWEST_HZ = 50.0  # of the noise: the lowest frequency of the cochleagram (Feather et al. 2023, Methods)
PROGRESS_S = 5.0

# Of espeak-ng's speak_lib.h.
SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
RATE, PITCH = 1, 3
CHARACTER_POSITION = 1
UTF8 = 1
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

_one_at_a_time = threading.Lock()


def say(word: str, voice: str, rate_wpm: int, pitch: int) -> tuple[np.ndarray, int]:
    """A word spoken by espeak-ng, without the silence before and after it.

    Every call gives the same bytes. espeak-ng keeps the phases of its oscillators, its echo and its random numbers
    between utterances, and restarting it does not reset all of them. So the library is loaded anew for each utterance
    (about 2 ms), and its random generators, including that of the C library, are seeded. Only one thread of a process
    speaks at a time.

    Parameters
    ----------
    word
        The word to speak.
    voice
        A name from ``metamers.config.speech.voices``.
    rate_wpm
        Words per minute, 80 to 450; it scales the rate of variants that have their own.
    pitch
        0 to 99; 50 is the voice's normal pitch.

    Returns
    -------
    sound : numpy.ndarray
        Shape (sample,), float32, within -1 to 1.
    sampling_rate_hz : int
        Of the sound.

    Raises
    ------
    ConfigurationError
        When espeak-ng does not have the voice; it would use another one.
    ValueError
        When rate or pitch are out of range, or the sound is silent.
    """
    if voice not in voice_identifiers():
        raise unknown_name("voice", voice, voices(), "voice")
    for what, value, (low, high) in (("rate_wpm", rate_wpm, RATE_LIMITS_WPM), ("pitch", pitch, PITCH_LIMITS)):
        if not low <= value <= high:
            raise ValueError(f"{what}: found {value}; wanted {low} to {high}")
    with _one_at_a_time:
        levels, sampling_rate_hz = _synthesize(word, voice_identifiers()[voice], rate_wpm, pitch)
    loudness = np.abs(levels.astype(np.int32))
    if loudness.size == 0 or loudness.max() == 0:
        raise ValueError(
            f"the output of espeak-ng for {word!r} with voice {voice!r} is silent; wanted a word in letters"
        )
    heard = np.flatnonzero(loudness > SILENCE * loudness.max())
    return levels[heard[0] : heard[-1] + 1].astype(np.float32) / 32768, sampling_rate_hz


def _synthesize(word: str, identifier: str, rate_wpm: int, pitch: int) -> tuple[np.ndarray, int]:
    """The output of a newly loaded espeak-ng: int16 levels and their sampling rate."""
    import _ctypes

    import espeakng_loader

    pieces: list[np.ndarray] = []

    def keep(levels, count, _events):
        if levels and count > 0:
            pieces.append(np.ctypeslib.as_array(levels, (count,)).copy())
        return 0

    callback = CALLBACK(keep)  # the library calls it, so it must exist as long as the library
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        sampling_rate_hz = library.espeak_Initialize(SYNCHRONOUS, 0, str(espeak_data()).encode(), DO_NOT_EXIT)
        if sampling_rate_hz <= 0:
            raise RuntimeError(
                f"espeak-ng does not start with its data in {espeak_data()}; install espeakng-loader again"
            )
        try:
            library.espeak_SetSynthCallback(callback)
            library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            ctypes.CDLL(None).srand(1)
            if library.espeak_SetVoiceByName(identifier.encode()) != 0:
                raise RuntimeError(f"espeak-ng cannot read its voice {identifier!r}; install espeakng-loader again")
            library.espeak_SetParameter(RATE, rate_wpm, 0)
            library.espeak_SetParameter(PITCH, pitch, 0)
            text = word.encode()
            library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, CHARACTER_POSITION, 0, UTF8, None, None)
            library.espeak_Synchronize()
        finally:
            library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)
    return np.concatenate([np.zeros(0, np.int16), *pieces]), sampling_rate_hz


def coloured_noise(samples: int, slope: float, rng: np.random.Generator, lowest: float = 0.0) -> np.ndarray:
    """Gaussian noise with RMS 1 and a power spectrum proportional to frequency to the power of ``slope``.

    Parameters
    ----------
    samples
        Number of samples, at least 2.
    slope
        0 white, -1 pink, -2 brown.
    rng
        Random generator of the noise.
    lowest
        Lowest frequency with power, in cycles per sample. Without it, nearly all power of brown noise would be at
        inaudible frequencies.

    Returns
    -------
    numpy.ndarray
        Shape (sample,), float32, mean 0.

    Raises
    ------
    ValueError
        When no frequency above 0 is left.
    """
    frequency = np.fft.rfftfreq(samples)
    passed = (frequency > 0) & (frequency >= lowest)
    if not passed.any():
        raise ValueError(f"noise of {samples} samples has no frequency from {lowest} cycles per sample; wanted more")
    gain = np.zeros_like(frequency)
    gain[passed] = frequency[passed] ** (slope / 2)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * gain, samples)
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)


def embed(
    speech: np.ndarray, noise: np.ndarray, snr_db: float, samples: int, position: float, name: str = "speech"
) -> np.ndarray:
    """Speech in noise, at RMS 0.1.

    Parameters
    ----------
    speech
        Shape (sample,). If it is too long, its middle is taken, with a note in the log.
    noise
        Shape (samples,).
    snr_db
        Power of the speech over its own duration relative to that of the noise, in dB.
    samples
        Number of samples of the result.
    position
        Position of the speech in the sound: 0 at the beginning, 1 at the end.
    name
        Name of the speech in the log and in errors.

    Returns
    -------
    numpy.ndarray
        Shape (samples,), float32.

    Raises
    ------
    ValueError
        When the noise has another length, the position is out of range, or either is silent.
    """
    from metamers.stimuli import sounds

    if len(noise) != samples:
        raise ValueError(f"{name}: noise of {len(noise)} samples; wanted {samples}")
    if not 0 <= position <= 1:
        raise ValueError(f"{name}: position {position}; wanted 0 to 1")
    if len(speech) > samples:
        speech = sounds.fit_length(speech, samples, name)
    level = 10 ** (snr_db / 20)
    mixed = sounds.with_rms(noise, 1, f"{name}: its noise").astype(np.float64)
    first = round(position * (samples - len(speech)))
    mixed[first : first + len(speech)] += level * sounds.with_rms(speech, 1, name).astype(np.float64)
    return sounds.with_rms(mixed, name=name)


def spoken_words(
    words: Sequence[str],
    entry: Mapping[str, Any],
    sampling_rate_hz: int,
    duration_s: float,
    seed: int,
    splits: Iterable[str] | None = None,
) -> "xr.Dataset":
    """Words spoken by many voices in noise, each sound at RMS 0.1.

    Rate, pitch, signal-to-noise ratio, slope of the noise and position are drawn uniformly from the sound's own random
    generator, seeded by ``seed``, split, word and number.

    Parameters
    ----------
    words, entry
        Words, and the registry's ``speech`` entry.
    sampling_rate_hz, duration_s
        Sampling rate and duration of every sound.
    seed
        Run seed.
    splits
        Splits of ``entry`` to make; None: all.

    Returns
    -------
    xarray.Dataset
        ``stimulus_value`` (stimulus, sample), float32, with ``category``, ``label``, ``speaker`` and ``split`` as
        ``speech_table`` lists them, and ``snr_db``, ``rate_wpm`` and ``pitch`` of each.

    Raises
    ------
    ConfigurationError
        As ``check_speech``, and for a split that ``entry`` does not have.
    """
    import torch

    from metamers.stimuli import sounds

    rows = speech_table(words, entry, "speech")
    if splits is not None:
        splits = list(splits)
        for split in splits:
            if split not in entry["splits"]:
                raise unknown_name("split", split, entry["splits"], "speech.splits")
        rows = [row for row in rows if row["split"] in splits]
    samples = round(sampling_rate_hz * duration_s)
    values = np.empty((len(rows), samples), dtype=np.float32)
    drawn = {name: np.empty(len(rows)) for name in ("snr_db", "rate_wpm", "pitch")}
    began = said = time.monotonic()
    for index, row in enumerate(rows):
        split, name = row["split"], row["stimulus"]
        number = int(name.rsplit("_", 1)[1])
        rng = np.random.default_rng(list(digest_of(seed, split, row["category"], number)))
        rate_wpm = round(rng.uniform(*entry["rate_wpm"]))
        pitch = round(rng.uniform(*entry["pitch"]))
        snr_db = rng.uniform(*entry["splits"][split]["snr_db"])
        slope, position = rng.uniform(*entry["noise_slope"]), rng.uniform()
        word, rate_hz = say(row["category"], row["speaker"], rate_wpm, pitch)
        noise = coloured_noise(samples, slope, rng, lowest=LOWEST_HZ / sampling_rate_hz)
        speech = sounds.resample(torch.from_numpy(word), rate_hz, sampling_rate_hz).numpy()
        values[index] = embed(speech, noise, snr_db, samples, position, name)
        for fact, value in (("snr_db", snr_db), ("rate_wpm", rate_wpm), ("pitch", pitch)):
            drawn[fact][index] = value
        now, done = time.monotonic(), index + 1
        if now - said > PROGRESS_S or done == len(rows):
            said = now
            left = (now - began) / done * (len(rows) - done)
            logger.info("spoken words: %d of %d, %.0f s left", done, len(rows), left)
    return sounds.labelled_sounds(values, rows, sampling_rate_hz).assign(
        {fact: ("stimulus", column) for fact, column in drawn.items()}
    )
