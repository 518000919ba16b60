"""Spoken words from espeak-ng, in noise: what a model of hearing is trained and tested on where no recordings are.

Which sounds there are follows from the configuration alone (``speech_table``); that and the checks start neither the
synthesizer nor anything slow, for they run before every start of the workflow. What a sound is depends on the run's
seed, its split, word and number, never on which others are made.
"""

import ctypes
import hashlib
import logging
import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metamers.names import FILE_NAME, ConfigurationError, unknown_name

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger("metamers")

RATE_LIMITS_WPM = (80, 450)  # beyond them espeak-ng speaks at the limit, or by another method
PITCH_LIMITS = (0, 99)
LIMITS = {"rate_wpm": RATE_LIMITS_WPM, "pitch": PITCH_LIMITS, "noise_slope": (-4, 4)}
SNR_LIMITS_DB = (-60, 100)

SILENCE = 0.01  # of the largest amplitude; below it, a beginning or an end is no speech
LOWEST_HZ = 50.0  # of the noise: the lowest frequency of the cochleagram (Feather et al. 2023, Methods)
PROGRESS_S = 5.0

# Of espeak-ng's speak_lib.h.
SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
RATE, PITCH = 1, 3
CHARACTER_POSITION = 1
UTF8 = 1
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

# The Shavian alphabet's, which reads no Latin letters.
NO_ACCENTS = ("en-shaw",)

_one_at_a_time = threading.Lock()


def _data() -> Path:
    """The folder of espeak-ng's data in its package."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise ConfigurationError(
            "spoken words need the package 'espeakng-loader', which is not installed in this environment; "
            "`make run` installs all that the lock names"
        ) from error
    return Path(espeakng_loader.get_data_path())


@lru_cache(maxsize=1)
def _identifiers() -> dict[str, str]:
    """Voice → espeak-ng's own identifier of it, read from the names of its files."""
    data = _data()
    accents = {}
    for path in sorted((data / "lang" / "gmw").glob("en*")):
        # The first language of a voice's file is its own; further ones are what it stands in for.
        languages = [line.split()[1] for line in path.read_text("utf-8").splitlines() if line.startswith("language ")]
        accents[languages[0]] = f"gmw/{path.name}"
    variants = sorted(path.name for path in (data / "voices" / "!v").iterdir())
    return {
        f"{accent}{variant}": f"{identifier}{variant}"
        for accent, identifier in sorted(accents.items())
        if accent not in NO_ACCENTS
        for variant in ("", *(f"+{name}" for name in variants))
    }


def voices() -> list[str]:
    """Voices that espeak-ng has for English: accents, as "en-us", and each with every variant, as "en-us+f3"."""
    return list(_identifiers())


def say(word: str, voice: str, rate_wpm: int, pitch: int) -> tuple[np.ndarray, int]:
    """A word spoken by espeak-ng, the silence before and after it cut off.

    The same bytes on every call. espeak-ng keeps the phases of its oscillators, its echo and its random numbers from
    one utterance to the next, beyond what ending and starting it again resets, so the library is loaded anew for each
    (about 2 ms) and the generators that it draws from are seeded, the C library's included. In one process, one thread
    speaks at a time.

    Parameters
    ----------
    word
        To be spoken.
    voice
        One of ``voices``.
    rate_wpm
        Words per minute, 80 to 450. Some variants have a rate of their own, which this scales.
    pitch
        0 to 99, where 50 is the voice's own.

    Returns
    -------
    sound : numpy.ndarray
        Shape (sample,), float32, within -1 to 1.
    sampling_rate_hz : int
        Of the sound.

    Raises
    ------
    ConfigurationError
        When espeak-ng has no such voice; left to itself it would speak with another.
    ValueError
        When rate or pitch are out of range, or nothing is to be heard.
    """
    if voice not in _identifiers():
        raise unknown_name("voice", voice, voices(), "voice")
    for what, value, (low, high) in (("rate_wpm", rate_wpm, RATE_LIMITS_WPM), ("pitch", pitch, PITCH_LIMITS)):
        if not low <= value <= high:
            raise ValueError(f"{what}: found {value}; wanted {low} to {high}")
    with _one_at_a_time:
        levels, sampling_rate_hz = _synthesize(word, _identifiers()[voice], rate_wpm, pitch)
    loudness = np.abs(levels.astype(np.int32))
    if loudness.size == 0 or loudness.max() == 0:
        raise ValueError(f"espeak-ng says nothing for {word!r} with voice {voice!r}; wanted a word in letters")
    heard = np.flatnonzero(loudness > SILENCE * loudness.max())
    return levels[heard[0] : heard[-1] + 1].astype(np.float32) / 32768, sampling_rate_hz


def _synthesize(word: str, identifier: str, rate_wpm: int, pitch: int) -> tuple[np.ndarray, int]:
    """What a newly loaded espeak-ng says: int16 levels, and their sampling rate."""
    import _ctypes

    import espeakng_loader

    pieces: list[np.ndarray] = []

    def keep(levels, count, _events):
        if levels and count > 0:
            pieces.append(np.ctypeslib.as_array(levels, (count,)).copy())
        return 0

    callback = CALLBACK(keep)  # referenced until the library is gone, which calls it
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        sampling_rate_hz = library.espeak_Initialize(SYNCHRONOUS, 0, str(_data()).encode(), DO_NOT_EXIT)
        if sampling_rate_hz <= 0:
            raise RuntimeError(f"espeak-ng does not start with its data in {_data()}; install espeakng-loader anew")
        try:
            library.espeak_SetSynthCallback(callback)
            library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            ctypes.CDLL(None).srand(1)
            if library.espeak_SetVoiceByName(identifier.encode()) != 0:
                raise RuntimeError(f"espeak-ng cannot read its voice {identifier!r}; install espeakng-loader anew")
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
    """Gaussian noise whose power spectrum goes with frequency to the power of ``slope``, with RMS 1.

    Parameters
    ----------
    samples
        How many, 2 or more.
    slope
        0 white, -1 pink, -2 brown.
    rng
        What the noise is drawn from.
    lowest
        Lowest frequency with power, in cycles per sample; else nearly all power of brown noise lies where nobody
        hears it.

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
        Shape (sample,). Of speech that is too long, the middle is taken, with a note in the log.
    noise
        Shape (samples,).
    snr_db
        Power of the speech over its own duration against that of the noise, in dB.
    samples
        Of the result.
    position
        Of the speech, as a part of the free room: 0 at the beginning, 1 at the end.
    name
        What notes and errors call the speech.

    Returns
    -------
    numpy.ndarray
        Shape (samples,), float32.

    Raises
    ------
    ValueError
        When the noise has another length, the position is out of range, or either is silent.
    """
    from metamers import sounds  # here, since the workflow's start needs the checks of this module alone

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


def _check_range(found: Any, limits: tuple[float, float], key: str) -> None:
    """A range is two finite numbers, low first, within limits."""
    numbers = isinstance(found, Sequence) and not isinstance(found, str) and len(found) == 2
    if not numbers or not all(isinstance(x, int | float) and math.isfinite(x) for x in found):
        raise ConfigurationError(f"{key}: found {found!r}; wanted [low, high], two numbers")
    low, high = found
    if low > high:
        raise ConfigurationError(f"{key}: found [{low}, {high}], whose low is above its high; wanted [low, high]")
    if low < limits[0] or high > limits[1]:
        raise ConfigurationError(f"{key}: found [{low}, {high}]; wanted values from {limits[0]} to {limits[1]}")


def _check_words(words: Sequence[str], splits: Iterable[str], key: str) -> None:
    """There are words, each once, that can name stimuli."""
    if not words:
        raise ConfigurationError(f"{key}: no words; wanted one at least in the dataset's categories")
    if double := sorted({word for word in words if list(words).count(word) > 1}):
        raise ConfigurationError(f"{key}: {', '.join(double)} more than once; wanted every word once")
    for word in words:
        if not all(FILE_NAME.fullmatch(f"{split}_{word}_0000") for split in splits):
            raise ConfigurationError(
                f"{key}: word {word!r} names stimuli, so it must be a few letters, digits, '.', '_', '+' or '-'"
            )


def check_speech(words: Sequence[str], entry: Mapping[str, Any], key: str) -> None:
    """Check a configuration of spoken words; quick, without starting espeak-ng.

    Parameters
    ----------
    words
        To be spoken.
    entry
        ``rate_wpm``, ``pitch`` and ``noise_slope``, each [low, high], and ``splits``: split → ``voices``, ``per_word``
        (utterances of each word) and ``snr_db`` [low, high].
    key
        Of the entry in the configuration, for errors.

    Raises
    ------
    ConfigurationError
        When something is missing or out of range, a voice is unknown, or two splits share one: a model is to be tested
        on speakers that it has not heard.
    """
    for name in (*LIMITS, "splits"):
        if name not in entry:
            raise ConfigurationError(f"{key}.{name}: missing; found {', '.join(entry) or 'nothing'}")
    for name, limits in LIMITS.items():
        _check_range(entry[name], limits, f"{key}.{name}")
    if not entry["splits"]:
        raise ConfigurationError(f"{key}.splits: none; wanted test at least")
    _check_words(words, entry["splits"], key)
    known = _identifiers()
    speaks: dict[str, tuple[str, str]] = {}
    for split, wanted in entry["splits"].items():
        here = f"{key}.splits.{split}"
        for name in ("voices", "per_word", "snr_db"):
            if name not in wanted:
                raise ConfigurationError(f"{here}.{name}: missing; found {', '.join(wanted) or 'nothing'}")
        _check_range(wanted["snr_db"], SNR_LIMITS_DB, f"{here}.snr_db")
        if not isinstance(wanted["per_word"], int) or wanted["per_word"] < 1:
            raise ConfigurationError(
                f"{here}.per_word: found {wanted['per_word']!r}; wanted a whole number from 1, or leave the split out"
            )
        if not wanted["voices"]:
            raise ConfigurationError(f"{here}.voices: none; wanted one at least, as {next(iter(known))}")
        for voice in wanted["voices"]:
            if voice not in known:
                raise unknown_name("voice", voice, known, f"{here}.voices")
            # The variant is who speaks, in whatever accent.
            speaker = voice.partition("+")[2]
            other, listed = speaks.setdefault(speaker, (voice, split))
            if listed != split or wanted["voices"].count(voice) > 1:
                raise ConfigurationError(
                    f"{here}.voices: {voice!r} is listed in {listed} already, as {other!r}; wanted no variant in two "
                    "splits, so that none is tested on a speaker of another, and no voice twice"
                )


def _digest(*parts: object) -> bytes:
    """Bytes that depend on what is named alone."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()


def speech_table(words: Sequence[str], entry: Mapping[str, Any], key: str) -> list[dict[str, str]]:
    """The sounds that a configuration of spoken words asks for, checked.

    The voices of a split take turns; with which the turns begin differs between words, so that few utterances of each
    word still bring all voices in.

    Returns
    -------
    list
        Of each sound, split by split, every word once before any comes again: ``stimulus`` (as "test_apple_03"),
        ``file`` (empty), ``category`` and ``label`` (the word), ``speaker`` (the voice) and ``split``.

    Raises
    ------
    ConfigurationError
        As ``check_speech``.
    """
    check_speech(words, entry, key)
    rows = []
    for split, wanted in entry["splits"].items():
        begin = {word: int.from_bytes(_digest(split, word)[:8], "big") for word in words}
        rows += [
            {
                "stimulus": f"{split}_{word}_{number:02d}",
                "file": "",
                "category": word,
                "label": word,
                "speaker": wanted["voices"][(begin[word] + number) % len(wanted["voices"])],
                "split": split,
            }
            for number in range(wanted["per_word"])
            for word in words
        ]
    return rows


def spoken_words(
    words: Sequence[str],
    entry: Mapping[str, Any],
    sampling_rate_hz: int,
    duration_s: float,
    seed: int,
    splits: Iterable[str] | None = None,
) -> "xr.Dataset":
    """Words spoken by many voices in noise, each sound at RMS 0.1.

    Rate, pitch, signal-to-noise ratio, slope of the noise and position are drawn uniformly from a generator of the
    sound's own, seeded by ``seed``, split, word and number.

    Parameters
    ----------
    words, entry
        As ``check_speech`` takes them.
    sampling_rate_hz, duration_s
        Of every sound.
    seed
        The run's.
    splits
        Those of ``entry`` to make; all if None.

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

    from metamers import sounds

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
        rng = np.random.default_rng(list(_digest(seed, split, row["category"], number)))
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
        {fact: ("stimulus", found) for fact, found in drawn.items()}
    )
