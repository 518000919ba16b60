"""Sounds of every kind come out right or are refused with their name; exported samples are what was judged."""

import logging
import re

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metamers.stimuli import sounds

RATE = 20_000


def tone(frequency_hz=1000, duration_s=0.5, rate=RATE, amplitude=0.3):
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * rate)) / rate)).astype("f4")


def noise(samples=2000, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def save(path, values, rate=RATE, subtype="PCM_16", format=None):
    soundfile.write(path, values, rate, subtype=subtype, format=format)
    return path


def test_a_16_bit_file_at_the_wanted_rate_is_read_as_it_is(tmp_path, caplog):
    values = tone()
    read = sounds.read_sound(save(tmp_path / "x.wav", values), RATE)
    assert read.dtype == np.float32
    assert read.shape == values.shape
    np.testing.assert_allclose(read, values, atol=1 / 32768)
    assert not caplog.text


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000])
def test_a_tone_of_1_khz_stays_one_at_another_rate(rate, tmp_path, caplog):
    path = save(tmp_path / "x.wav", tone(rate=rate), rate)
    read = sounds.read_sound(path, RATE)
    assert len(read) == pytest.approx(0.5 * RATE, abs=1)
    middle = read[1000:9000]  # 400 whole periods, away from the ends
    np.testing.assert_allclose(middle, tone()[1000:9000], atol=2e-3)
    assert re.search(rf"{path}: .*{rate} Hz.*{RATE} Hz", caplog.text)


def test_what_is_above_the_new_nyquist_frequency_is_gone(tmp_path):
    path = save(tmp_path / "x.wav", tone(10_300, rate=44_100), 44_100)
    assert np.abs(sounds.read_sound(path, RATE)[1000:9000]).max() < 1e-3


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_averaged_and_noted(channels, tmp_path, caplog):
    values = np.stack([noise(seed=seed) for seed in range(channels)], axis=1)
    path = save(tmp_path / "x.wav", values, subtype="FLOAT")
    np.testing.assert_allclose(sounds.read_sound(path, RATE), values.mean(axis=1), atol=1e-6)
    assert f"{path}: {channels} channels" in caplog.text


@pytest.mark.parametrize(("name", "subtype"), [("x.wav", "PCM_U8"), ("x.aiff", "PCM_S8")])
def test_8_bit_sounds_are_accepted_and_noted(name, subtype, tmp_path, caplog):
    path = save(tmp_path / name, noise(), subtype=subtype)
    np.testing.assert_allclose(sounds.read_sound(path, RATE), noise(), atol=1 / 128)
    assert f"{path}: 8-bit" in caplog.text


@pytest.mark.parametrize(
    ("name", "subtype"), [("x.wav", "PCM_24"), ("x.wav", "DOUBLE"), ("x.flac", "PCM_16"), ("x.ogg", "VORBIS")]
)
def test_other_formats_are_read(name, subtype, tmp_path):
    assert sounds.read_sound(save(tmp_path / name, tone(), subtype=subtype), RATE).shape == (10_000,)


def broken(kind, folder):
    path = folder / f"{kind}.wav"
    if kind == "text":
        path.write_text("<html>404</html>" * 10)
    elif kind == "nothing":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "samples":
        save(path, np.zeros(0))
    elif kind in ("nan", "inf"):
        values = noise()
        values[7] = float(kind)
        save(path, values, subtype="FLOAT")
    elif kind.startswith("cut"):
        path = save(path.with_suffix(f".{kind.split('_')[1]}"), noise(20_000))
        path.write_bytes(path.read_bytes()[: -int(kind.split("_")[2])])
    elif kind == "damaged":
        path = save(path.with_suffix(".flac"), noise(20_000))
        raw = bytearray(path.read_bytes())
        raw[5000:9000] = bytes(4000)
        path.write_bytes(raw)
    elif kind == "endless":  # by 4 of the 36 bits that are its number of samples
        path = save(path.with_suffix(".flac"), noise(20_000))
        raw = bytearray(path.read_bytes())
        raw[21] |= 0x0F
        path.write_bytes(raw)
    elif kind == "stream":  # these 36 bits are 0
        path = save(path.with_suffix(".flac"), noise(20_000))
        raw = bytearray(path.read_bytes())
        raw[21:26] = bytes([raw[21] & 0xF0, 0, 0, 0, 0])
        path.write_bytes(raw)
    elif kind == "raw":
        path = save(path, noise()).rename(path.with_suffix(".RAW"))
    return path


@pytest.mark.hostile("a sound of more than 34 million …")
def test_a_sampling_rate_that_cannot_be_is_named():
    for rate, named in ((0, "0 Hz"), (-5, "-5 Hz"), (10**12, "1000000000000 Hz"), (10**400, "Hz")):
        with pytest.raises(ValueError, match=rf"x\.wav: .* {named}"):
            sounds.resampled(np.zeros(100, "f4"), rate, RATE, "x.wav")


@pytest.mark.hostile("a sound of more than 34 million …")
@pytest.mark.parametrize("rate", [0, 1, 2**31, 2**32 - 5])
def test_a_file_with_a_sampling_rate_that_cannot_be_is_named(tmp_path, rate):
    path = save(tmp_path / "x.wav", tone())
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.wav: "):
        sounds.read_sound(path, RATE)


@pytest.mark.hostile(
    "Stimuli",
    "a sound called `.raw`; a FLAC file whose header does not state its length",
    "refused, in your own folder before the first job",
)
@pytest.mark.hostile(
    "Stimuli", "sounds that are empty, cut off, silent, NaN, of an absurd rate or length", "refused by name"
)
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file"),
        ("folder", "no such file"),
        ("text", "not a sound"),
        ("nothing", "not a sound"),
        ("samples", "no samples"),
        ("cut_wav_2", "cut off"),
        ("cut_wav_39990", "cut off"),
        ("cut_aiff_9000", "cut off"),
        ("cut_flac_3", "cut off"),
        ("cut_flac_9000", "cut off"),
        ("damaged", "damaged"),
        ("nan", "NaN"),
        ("inf", "NaN"),
        ("endless", "6[0-9]{10} samples"),
        ("stream", "FLAC .*length"),
        ("raw", ".raw .*WAV or FLAC"),
    ],
)
def test_what_is_no_usable_sound_is_refused_by_name(kind, message, tmp_path):
    path = broken(kind, tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        sounds.read_sound(path, RATE)
    assert str(path) in str(error.value)


def test_a_file_written_as_a_stream_of_unknown_length_is_no_cut_one(tmp_path):
    path = save(tmp_path / "x.wav", tone())
    raw = bytearray(path.read_bytes())
    raw[4:8] = raw[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(raw)
    assert sounds.read_sound(path, RATE).shape == (10_000,)


@given(have=st.integers(1, 50), want=st.integers(1, 50))
def test_length_is_fitted_about_the_middle(have, want):
    sound = np.arange(1, have + 1, dtype=np.float32)
    fitted = sounds.fit_length(sound, want, "x")
    assert len(fitted) == want
    if want >= have:
        start = (want - have) // 2
        np.testing.assert_array_equal(fitted[start : start + have], sound)
        assert fitted.sum() == sound.sum()
    else:
        start = (have - want) // 2
        np.testing.assert_array_equal(fitted, sound[start : start + want])


@pytest.mark.parametrize(("want", "note"), [(3, "owl: 5 .* 3"), (9, "owl: 5 .*silence.* 9")])
def test_a_change_of_length_is_noted(want, note, caplog):
    sounds.fit_length(np.ones(5), want, "owl")
    assert re.search(note, caplog.text)
    caplog.clear()
    sounds.fit_length(np.ones(5), 5, "owl")
    assert not caplog.text


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 20_000), (22_051, 20_000), (19_997, 20_000)])
def test_resampling_keeps_a_sound_whatever_the_ratio_of_the_rates(from_hz, to_hz):
    """22,051 and 19,997 Hz are in no ratio of small numbers to 20 kHz; a sinc filter would need gigabytes."""
    given, wanted = (torch.sin(2 * torch.pi * 500 * torch.arange(rate) / rate) for rate in (from_hz, to_hz))
    resampled = sounds.resample(given, from_hz, to_hz)
    assert len(resampled) == to_hz
    torch.testing.assert_close(resampled[200:-200], wanted[200:-200], atol=2e-3, rtol=0)


@given(
    arrays.arrays(np.float32, st.integers(1, 100), elements=st.floats(-1e6, 1e6, width=32)).filter(
        lambda sound: np.std(sound.astype(float)) > 1e-3
    ),
    st.floats(1e-3, 1),
)
def test_the_wanted_rms_is_met(sound, rms):
    scaled = sounds.with_rms(sound, rms)
    assert scaled.dtype == np.float32
    assert np.sqrt(np.mean(scaled.astype(float) ** 2)) == pytest.approx(rms, rel=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 0.0], "owl: silent"),
        ([1e-5, -1e-5], "owl: silent"),
        ([0.1, 0.1], "owl: silent"),
        ([], "owl: no samples"),
        ([0.1, np.nan], "owl: NaN"),
    ],
)
def test_what_has_no_rms_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        sounds.with_rms(np.array(values), name="owl")


def test_export_has_65536_levels_and_clips():
    values = np.array([-2, -1, -0.5, 0, 1 / 32768, 0.6 / 32768, 32767 / 32768, 1, 2])
    np.testing.assert_array_equal(
        sounds.sixteen_bit(values), np.array([-32768, -32768, -16384, 0, 1, 1, 32767, 32767, 32767], np.int16)
    )
    assert sounds.sixteen_bit(values).dtype == np.int16


@given(arrays.arrays(np.float32, st.integers(1, 60), elements=st.floats(-1.5, 1.5, width=32)))
def test_what_was_exported_is_read_bit_for_bit(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "deep" / "folder" / "x.wav"
    sounds.write_sound(values, path, RATE)
    read = sounds.read_exported_sound(path)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, sounds.sixteen_bit(values) / np.float32(32768))
    np.testing.assert_array_equal(sounds.sixteen_bit(read), sounds.sixteen_bit(values))
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.subtype, info.format) == (RATE, 1, "PCM_16", "WAV")


def test_clipped_values_are_counted_in_the_log(tmp_path, caplog):
    sounds.write_sound(np.array([0.5, 1.5, -1.5, 1.0, -1.0]), tmp_path / "x.wav", RATE)
    assert f"{tmp_path / 'x.wav'}: 2 of 5 " in caplog.text
    caplog.clear()
    sounds.write_sound(np.array([0.5, 1.0, -1.0]), tmp_path / "x.wav", RATE)
    assert not caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_is_not_exported(value, tmp_path):
    with pytest.raises(ValueError, match="NaN"):
        sounds.write_sound(np.array([0.1, value]), tmp_path / "x.wav", RATE)
    assert not (tmp_path / "x.wav").exists()


def test_only_what_was_exported_is_read_as_exported(tmp_path):
    with pytest.raises(ValueError, match=r"x\.wav: "):
        sounds.read_exported_sound(tmp_path / "x.wav")
    with pytest.raises(ValueError, match=r"x\.wav: .*PCM_24"):
        sounds.read_exported_sound(save(tmp_path / "x.wav", noise(), subtype="PCM_24"))
    (tmp_path / "x.wav").write_text("<html>")
    with pytest.raises(ValueError, match="damaged"):
        sounds.read_exported_sound(tmp_path / "x.wav")


def row(name, **facts):
    return {"stimulus": name, "file": f"{name}.wav", "category": "c", "label": "l", "speaker": "", "split": ""} | facts


def test_a_dataset_holds_sounds_of_one_length_and_level(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    save(tmp_path / "short.wav", noise(1000))
    save(tmp_path / "long.wav", noise(3000, seed=1))
    save(tmp_path / "right.wav", noise(2000, seed=2))
    rows = [row("short", speaker="s1", split="test"), row("long"), row("right", category="d")]
    dataset = sounds.sound_dataset(rows, tmp_path, RATE, 0.1)
    assert dataset.stimulus_value.dims == ("stimulus", "sample")
    assert dataset.stimulus_value.shape == (3, 2000)
    assert dataset.stimulus_value.dtype == np.float32
    assert dataset.attrs == {"sampling_rate_hz": RATE}
    np.testing.assert_allclose(np.sqrt((dataset.stimulus_value.astype(float) ** 2).mean("sample")), 0.1, rtol=1e-5)
    assert dataset.stimulus.to_series().tolist() == ["short", "long", "right"]
    for name, values in {
        "category": ["c", "c", "d"],
        "label": ["l", "l", "l"],
        "speaker": ["s1", "", ""],
        "split": ["test", "", ""],
    }.items():
        assert dataset[name].dims == ("stimulus",)
        assert dataset[name].values.tolist() == values
    assert "short.wav: 1000 samples" in caplog.text
    assert "right.wav" not in caplog.text


def test_the_same_sound_twice_is_refused(tmp_path):
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        save(tmp_path / f"{name}.wav", noise(seed=seed))
    with pytest.raises(ValueError, match=r"a\.wav and c\.wav"):
        sounds.sound_dataset([row(name) for name in "abc"], tmp_path, RATE, 0.1)


@pytest.mark.hostile("sounds that are empty, cut off …")
def test_every_file_of_a_dataset_that_cannot_be_used_is_named_at_once(tmp_path):
    save(tmp_path / "good.wav", noise(2000))
    save(tmp_path / "silent.wav", np.zeros(2000))
    (tmp_path / "text.wav").write_text("no sound")
    names = ("good", "silent", "text", "missing")
    with pytest.raises(ValueError, match=r"^3 ") as error:
        sounds.sound_dataset([row(name) for name in names], tmp_path, RATE, 0.1)
    lines = str(error.value).splitlines()[1:]
    reasons = ("silent", "not a sound", "no such file")
    for name, reason, line in zip(names[1:], reasons, lines, strict=True):
        assert re.search(rf"\b{name}\.wav: .*{reason}", line)
