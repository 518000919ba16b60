"""Spoken words are the same on every run, as loud in their noise as asked for, and no split hears another's speakers."""

import copy
import hashlib
import itertools
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metamers.config import tables
from metamers.config.speech import check_speech, speech_table, voices
from metamers.names import ConfigurationError
from metamers.stimuli import speech

ROOT = Path(__file__).resolve().parents[2]
WORDS = ROOT / "resources" / "datasets" / "spoken_words.tsv"
SLOWEST_WPM = 120
RATE = 20_000

# Oscillators, echo and breath: what keeps a state in the synthesizer.
STATEFUL = ["en-us", "en-us+f3", "en-gb+whisper", "en-029+croak", "en-gb-scotland+klatt", "en-gb+steph"]


@pytest.fixture
def entry():
    return {
        "rate_wpm": [120, 200],
        "pitch": [30, 70],
        "noise_slope": [-2, 0],
        "splits": {
            "train": {"voices": ["en-us+f1", "en-gb+m3", "en-029+Gene"], "per_word": 3, "snr_db": [0, 20]},
            "validation": {"voices": ["en-gb+Andrea"], "per_word": 1, "snr_db": [5, 15]},
            "test": {"voices": ["en-us+f3", "en-gb+linda"], "per_word": 2, "snr_db": [10, 10]},
        },
    }


def digest(sound):
    return hashlib.sha256(sound.tobytes()).hexdigest()


def rms(sound):
    return np.sqrt(np.mean(np.asarray(sound, dtype=float) ** 2))


def test_english_voices_are_accents_with_and_without_variants():
    found = voices()
    assert {"en-us", "en-gb", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-us-nyc", "en-us+f3", "en-gb+m1"} <= {*found}
    assert len(found) == len(set(found)) > 500
    assert not [voice for voice in found if voice.startswith("en-shaw")]


def test_every_accent_is_spoken_in_its_own_way():
    accents = [voice for voice in voices() if "+" not in voice]
    assert len({digest(speech.say("orange", accent, 150, 50)[0]) for accent in accents}) == len(accents)


def test_a_word_has_no_silence_around_it_and_stays_within_limits():
    sound, rate = speech.say("apple", "en-us+f3", 150, 50)
    assert rate == 22_050
    assert sound.dtype == np.float32
    assert sound.ndim == 1
    assert 0.2 < len(sound) / rate < 0.8
    peak = np.abs(sound).max()
    assert min(abs(sound[0]), abs(sound[-1])) > 0.01 * peak
    assert 0.01 < peak <= 1


def test_the_same_word_is_the_same_bytes_whatever_was_said_before():
    asked = [(word, voice, rate, 50) for voice in STATEFUL for word in ("fish", "thunder") for rate in (120, 200)]
    first = {one: digest(speech.say(*one)[0]) for one in asked}
    assert len(set(first.values())) == len(asked)
    for one in [*reversed(asked), *asked]:
        assert digest(speech.say(*one)[0]) == first[one]


def test_the_same_word_is_the_same_bytes_in_a_fresh_process():
    code = (
        "import sys, hashlib; from metamers.stimuli import speech\n"
        "for voice in sys.argv[1:]: print(hashlib.sha256(speech.say('night', voice, 150, 60)[0].tobytes()).hexdigest())"
    )
    # Backwards there, so that neither process says a word after the same others.
    done = subprocess.run(
        [sys.executable, "-c", code, *reversed(STATEFUL)],
        cwd=ROOT / "src", capture_output=True, text=True, check=True,
    )  # fmt: skip
    here = [digest(speech.say("night", voice, 150, 60)[0]) for voice in STATEFUL]
    assert done.stdout.split()[::-1] == here


def test_a_higher_rate_is_shorter_and_a_higher_pitch_is_higher():
    slow, fast = (len(speech.say("garden", "en-gb+m3", rate, 50)[0]) for rate in (120, 200))
    assert fast < 0.75 * slow

    def fundamental(pitch):
        sound, rate = speech.say("lemon", "en-gb+m7", 120, pitch)
        vowel = sound[len(sound) // 4 : len(sound) // 4 + 2205]
        lags = np.correlate(vowel, vowel, "full")[len(vowel) - 1 :]
        shortest = rate // 250
        return rate / (shortest + lags[shortest : rate // 50].argmax())

    assert fundamental(80) > 1.3 * fundamental(20)


@pytest.mark.parametrize("voice", ["en-us+nonsense", "xx", "en-us+F3", "", "f3", "en-us+"])
def test_a_voice_that_there_is_not_is_refused_rather_than_replaced(voice):
    with pytest.raises(ConfigurationError, match=re.escape(repr(voice))):
        speech.say("apple", voice, 150, 50)


@pytest.mark.parametrize(("rate", "pitch", "message"), [(20, 50, "rate_wpm: .*20"), (150, 100, "pitch: .*100")])
def test_rate_and_pitch_have_limits(rate, pitch, message):
    with pytest.raises(ValueError, match=message):
        speech.say("apple", "en-us", rate, pitch)


def test_what_is_no_word_is_refused():
    with pytest.raises(ValueError, match="'' "):
        speech.say("", "en-us", 150, 50)


@pytest.mark.parametrize("slope", [0, -0.5, -1, -2, 1])
def test_noise_has_the_slope_asked_for(slope):
    noise = speech.coloured_noise(2**17, slope, np.random.default_rng(0))
    assert noise.dtype == np.float32
    assert rms(noise) == pytest.approx(1, abs=1e-5)
    power = np.abs(np.fft.rfft(noise.astype(float))[1:]) ** 2
    edges = np.geomspace(16, len(power), 20).astype(int)
    bands = np.log([power[low:high].mean() for low, high in itertools.pairwise(edges)])
    centers = np.log([np.exp(np.log(np.arange(low, high)).mean()) for low, high in itertools.pairwise(edges)])
    assert np.polyfit(centers, bands, 1)[0] == pytest.approx(slope, abs=0.05)


def test_noise_has_nothing_below_its_lowest_frequency():
    noise = speech.coloured_noise(RATE, -2, np.random.default_rng(0), lowest=50 / RATE)
    power = np.abs(np.fft.rfft(noise.astype(float))) ** 2
    assert power[:50].max() < 1e-9 * power[50:].max()
    with pytest.raises(ValueError, match="no frequency"):
        speech.coloured_noise(1, 0, np.random.default_rng(0))


@settings(max_examples=30, deadline=None)
@given(snr_db=st.floats(-20, 40), position=st.floats(0, 1), loudness=st.floats(0.01, 3))
def test_the_signal_to_noise_ratio_is_met_wherever_the_speech_lies(snr_db, position, loudness):
    word, _ = speech.say("music", "en-us+f3", 150, 50)
    noise = speech.coloured_noise(RATE, -1, np.random.default_rng(1))
    mixed = speech.embed(loudness * word, 7 * noise, snr_db, RATE, position)
    assert mixed.shape == (RATE,)
    assert mixed.dtype == np.float32
    assert rms(mixed) == pytest.approx(0.1, rel=1e-4)
    placed = np.zeros(RATE)
    first = round(position * (RATE - len(word)))
    placed[first : first + len(word)] = word
    (of_speech, of_noise), rest, *_ = np.linalg.lstsq(np.stack([placed, noise], axis=1), mixed.astype(float))
    assert rest[0] < 1e-6
    assert 20 * np.log10(of_speech * rms(word) / (of_noise * rms(noise))) == pytest.approx(snr_db, abs=0.1)


def test_speech_that_is_too_long_is_cut_with_a_note(caplog):
    noise = np.random.default_rng(0).standard_normal(100)
    mixed = speech.embed(np.sin(np.arange(300.0)), noise, 60, 100, 0.3, "test_apple_03")
    assert re.search("test_apple_03: 300 .*100", caplog.text)
    assert np.corrcoef(mixed, np.sin(np.arange(100.0, 200.0)))[0, 1] > 0.999


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": 1.5}, r"position 1\.5"),
        ({"noise": np.ones(9)}, "noise .*9 .*10"),
        ({"speech": np.zeros(3)}, "silent"),
    ],
)
def test_what_cannot_be_mixed_is_refused(change, message):
    given = {"speech": np.ones(3), "noise": np.ones(10), "snr_db": 0, "samples": 10, "position": 0.5}
    with pytest.raises(ValueError, match=message):
        speech.embed(**(given | change))


def test_the_words_of_the_dataset_fit_into_a_second_and_sound_different():
    words = list(tables.category_classes("spoken_words", {"categories": WORDS}))
    assert len(words) == len(set(words)) == 24
    spoken = [speech.say(word, voice, SLOWEST_WPM, 50) for word in words for voice in ("en-us+f4", "en-029+m4")]
    assert max(len(sound) / rate for sound, rate in spoken) < 0.9
    assert len({digest(sound) for sound, _ in spoken}) == len(spoken)


def test_a_dataset_holds_what_its_table_lists(entry, caplog):
    caplog.set_level(logging.INFO, logger="metamers")
    words = ["apple", "fish"]
    dataset = speech.spoken_words(words, entry, RATE, 1, seed=0)
    table = speech_table(words, entry, "speech")
    assert len(table) == 2 * (3 + 1 + 2)
    for name in ("stimulus", "category", "label", "speaker", "split"):
        assert dataset[name].values.tolist() == [row[name] for row in table]
    assert table[-1] | {"speaker": "?"} == {
        "stimulus": "test_fish_01", "file": "", "category": "fish", "label": "fish", "speaker": "?", "split": "test",
    }  # fmt: skip
    assert dataset.stimulus_value.dims == ("stimulus", "sample")
    assert dataset.stimulus_value.shape == (12, RATE)
    assert dataset.stimulus_value.dtype == np.float32
    assert dataset.attrs == {"sampling_rate_hz": RATE}
    np.testing.assert_allclose([rms(sound) for sound in dataset.stimulus_value.values], 0.1, rtol=1e-4)
    assert len({digest(sound) for sound in dataset.stimulus_value.values}) == 12
    assert ((dataset.rate_wpm >= 120) & (dataset.rate_wpm <= 200)).all()
    assert ((dataset.pitch >= 30) & (dataset.pitch <= 70)).all()
    assert (dataset.snr_db.sel(stimulus=dataset.split == "test") == 10).all()
    assert "12 of 12" in caplog.text
    for split, wanted in entry["splits"].items():
        for word in words:
            of_word = [row["speaker"] for row in table if row["split"] == split and row["category"] == word]
            assert set(of_word) == set(wanted["voices"])


def test_a_sound_does_not_depend_on_which_others_are_made(entry):
    every = speech.spoken_words(["apple", "fish"], entry, RATE, 1, seed=0)
    alone = speech.spoken_words(["fish"], entry, RATE, 1, seed=0, splits=["test"])
    assert alone.stimulus.values.tolist() == ["test_fish_00", "test_fish_01"]
    more = copy.deepcopy(entry)
    more["splits"]["test"]["per_word"] = 4
    longer = speech.spoken_words(["fish"], more, RATE, 1, seed=0, splits=["test"])
    for name in alone.data_vars:
        np.testing.assert_array_equal(alone[name], every[name].sel(stimulus=alone.stimulus))
        np.testing.assert_array_equal(alone[name], longer[name].sel(stimulus=alone.stimulus))
    other = speech.spoken_words(["fish"], entry, RATE, 1, seed=1, splits=["test"])
    assert (other.rate_wpm.values != alone.rate_wpm.values).any()


def test_a_split_that_there_is_not_cannot_be_made(entry):
    with pytest.raises(ConfigurationError, match=r"'tset'.*'test'"):
        speech.spoken_words(["fish"], entry, RATE, 1, seed=0, splits=["tset"])


def changed(entry, path, value):
    *folders, last = path.split(".")
    inner = entry
    for folder in folders:
        inner = inner[folder]
    inner[last] = value
    return entry


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("splits.test.voices", [], r"k\.splits\.test\.voices: "),
        ("splits.test.per_word", 0, r"k\.splits\.test\.per_word: .*0"),
        ("splits.test.per_word", 1.5, r"per_word: .*1\.5"),
        ("splits.test.voices", ["en-us+f33"], r"k\.splits\.test\.voices: .*'en-us\+f33'"),
        ("splits.test.voices", ["en-us+f1"], r"k\.splits\.test\.voices: 'en-us\+f1' .*train"),
        ("splits.test.voices", ["en-us", "en-us"], "'en-us' .*test"),
        ("splits.test.snr_db", [5, 0], r"k\.splits\.test\.snr_db: .*\[5, 0\]"),
        ("splits.test.snr_db", [0, float("nan")], r"snr_db: .*\[0, nan\]"),
        ("splits.test", {"voices": ["en-us"], "per_word": 1}, r"k\.splits\.test\.snr_db: missing"),
        ("splits", {}, r"k\.splits: "),
        ("rate_wpm", [200, 120], r"k\.rate_wpm: .*\[200, 120\]"),
        ("rate_wpm", [60, 120], r"k\.rate_wpm: .*\[60, 120\].* 80 to 450"),
        ("pitch", [0, 120], r"k\.pitch: .*\[0, 120\].* 0 to 99"),
        ("pitch", 50, r"k\.pitch: .*50"),
        ("noise_slope", ["a", "b"], r"k\.noise_slope: .*\['a', 'b'\]"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_key(path, value, message, entry):
    with pytest.raises(ConfigurationError, match=message):
        check_speech(["apple"], changed(entry, path, value), "k")


def test_missing_settings_and_wrong_words_are_named(entry):
    for missing in entry:
        with pytest.raises(ConfigurationError, match=rf"k\.{missing}: "):
            check_speech(["apple"], {key: value for key, value in entry.items() if key != missing}, "k")
    for words, message in (([], "k: "), (["fish", "fish"], "k: fish "), (["a/b"], "k: .*'a/b'")):
        with pytest.raises(ConfigurationError, match=message):
            check_speech(words, entry, "k")


def test_the_check_starts_nothing_heavy(entry):
    code = (
        f"import sys; from metamers.config.speech import check_speech; check_speech(['apple'], {entry!r}, 'k')\n"
        "assert not {'torch', 'xarray', 'soundfile'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", check=True)
