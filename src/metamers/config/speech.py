"""Synthetic speech as a dataset: its table of sounds, and checks of its settings."""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from metamers.names import FILE_NAME, ConfigurationError, unknown_name

logger = logging.getLogger("metamers")

NO_ACCENTS = ("en-shaw",)
RATE_LIMITS_WPM = (80, 450)  # outside these, espeak-ng speaks at the limit, or with another method
PITCH_LIMITS = (0, 99)
LIMITS = {"rate_wpm": RATE_LIMITS_WPM, "pitch": PITCH_LIMITS, "noise_slope": (-4, 4)}
SNR_LIMITS_DB = (-60, 100)


def espeak_data() -> Path:
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
def voice_identifiers() -> dict[str, str]:
    """Voice → identifier of the voice in espeak-ng, read from the names of its files."""
    data = espeak_data()
    accents = {}
    for path in sorted((data / "lang" / "gmw").glob("en*")):
        # The first language in a voice's file is its own. It may also be used for the languages that follow.
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
    """English voices of espeak-ng: accents such as "en-us", and each accent with every variant, such as "en-us+f3"."""
    return list(voice_identifiers())


def _check_range(value: Any, limits: tuple[float, float], key: str) -> None:
    """Check that a range is two finite numbers within limits, the lower one first."""
    numbers = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    if not numbers or not all(isinstance(x, int | float) and math.isfinite(x) for x in value):
        raise ConfigurationError(f"{key}: found {value!r}; wanted [low, high], two numbers")
    low, high = value
    if low > high:
        raise ConfigurationError(f"{key}: found [{low}, {high}], whose low is above its high; wanted [low, high]")
    if low < limits[0] or high > limits[1]:
        raise ConfigurationError(f"{key}: found [{low}, {high}]; wanted values from {limits[0]} to {limits[1]}")


def _check_words(words: Sequence[str], splits: Iterable[str], key: str) -> None:
    """Check that there are words, each once, and that they can be names of stimuli."""
    if not words:
        raise ConfigurationError(f"{key}: no words; wanted one at least in the dataset's categories")
    if double := sorted(word for word, number in Counter(words).items() if number > 1):
        raise ConfigurationError(f"{key}: {', '.join(double)} more than once; wanted every word once")
    for word in words:
        if not all(FILE_NAME.fullmatch(f"{split}_{word}_0000") for split in splits):
            raise ConfigurationError(
                f"{key}: word {word!r} names stimuli, so it must be a few letters, digits, '.', '_', '+' or '-'"
            )


def check_speech(words: Sequence[str], entry: Mapping[str, Any], key: str) -> None:
    """Check the settings of spoken words, without starting espeak-ng.

    Parameters
    ----------
    words
        Words to speak.
    entry
        ``rate_wpm``, ``pitch`` and ``noise_slope``, each [low, high], and ``splits``: split → ``voices``, ``per_word``
        (utterances of each word) and ``snr_db`` [low, high].
    key
        Key of the entry in the configuration, for messages.

    Raises
    ------
    ConfigurationError
        When a setting is missing or out of range, a voice is unknown, or two splits share a speaker: a model must be
        tested on speakers that it was not trained on.
    """
    for name in (*LIMITS, "splits"):
        if name not in entry:
            raise ConfigurationError(f"{key}.{name}: missing; found {', '.join(entry) or 'nothing'}")
    for name, limits in LIMITS.items():
        _check_range(entry[name], limits, f"{key}.{name}")
    if not entry["splits"]:
        raise ConfigurationError(f"{key}.splits: none; wanted test at least")
    _check_words(words, entry["splits"], key)
    known = voice_identifiers()
    speaks: dict[str, tuple[str, str]] = {}
    for split, settings in entry["splits"].items():
        here = f"{key}.splits.{split}"
        for name in ("voices", "per_word", "snr_db"):
            if name not in settings:
                raise ConfigurationError(f"{here}.{name}: missing; found {', '.join(settings) or 'nothing'}")
        _check_range(settings["snr_db"], SNR_LIMITS_DB, f"{here}.snr_db")
        if not isinstance(settings["per_word"], int) or settings["per_word"] < 1:
            raise ConfigurationError(
                f"{here}.per_word: found {settings['per_word']!r}; wanted a whole number from 1, or leave the split out"
            )
        if not settings["voices"]:
            raise ConfigurationError(f"{here}.voices: none; wanted one at least, as {next(iter(known))}")
        for voice in settings["voices"]:
            if voice not in known:
                raise unknown_name("voice", voice, known, f"{here}.voices")
            # The variant is the speaker; the same speaker may have several accents.
            speaker = voice.partition("+")[2]
            other, listed = speaks.setdefault(speaker, (voice, split))
            if listed != split or settings["voices"].count(voice) > 1:
                raise ConfigurationError(
                    f"{here}.voices: {voice!r} is listed in {listed} already, as {other!r}; wanted no variant in two "
                    "splits, so that none is tested on a speaker of another, and no voice twice"
                )


def digest_of(*parts: object) -> bytes:
    """Bytes that depend only on ``parts``."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()


def speech_table(words: Sequence[str], entry: Mapping[str, Any], key: str) -> list[dict[str, str]]:
    """The table of the sounds of a dataset of spoken words, after a check of its settings.

    The voices of a split alternate. The first voice depends on the word, so that a few utterances of each word still
    include all voices.

    Returns
    -------
    list
        One row for each sound, split by split; within a split, every word occurs once before a word occurs again. A row
        has ``stimulus`` (such as "test_apple_03"), ``file`` (empty), ``category`` and ``label`` (the word), ``speaker``
        (the voice) and ``split``.

    Raises
    ------
    ConfigurationError
        As ``check_speech``.
    """
    check_speech(words, entry, key)
    rows = []
    for split, settings in entry["splits"].items():
        begin = {word: int.from_bytes(digest_of(split, word)[:8], "big") for word in words}
        rows += [
            {
                "stimulus": f"{split}_{word}_{number:02d}",
                "file": "",
                "category": word,
                "label": word,
                "speaker": settings["voices"][(begin[word] + number) % len(settings["voices"])],
                "split": split,
            }
            for number in range(settings["per_word"])
            for word in words
        ]
    return rows
