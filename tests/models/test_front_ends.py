"""Front ends of published networks: equal to the publishers' own extractors in float32, with a gradient."""

import pytest
import torch

from metamers.config.front_ends import FRONT_END_DEFAULTS, START_DEVIATIONS
from metamers.interactive import natural_stimuli
from metamers.models.load import start_of
from metamers.models.preprocessing import SoundPreprocessing
from metamers.names import ConfigurationError
from metamers.stimuli.sounds import resample
from tests.needs import without

RATE = 16000


@pytest.fixture(scope="module")
def words():
    """Spoken words at the rate of the networks, (stimulus, sample)."""
    found = natural_stimuli("audio").isel(stimulus=slice(0, 3))
    return resample(torch.from_numpy(found["stimulus_value"].values).float(), found.attrs["sampling_rate_hz"], RATE)


def sounds_of(words, kind, samples):
    """Three sounds of a length: noise, noise that fades out to silence, or words (repeated, where they are shorter)."""
    generator = torch.Generator().manual_seed(samples)
    noise = 0.1 * torch.randn(3, samples, generator=generator).clamp(-9, 9)
    fading = torch.linspace(2, -1, samples).clamp(min=0)
    return {
        "noise": noise,
        "fading": noise * fading,
        "words": words.repeat(1, -(-samples // words.shape[1]))[:, :samples],
    }[kind]


def preprocessing_of(front_end, samples, **arguments):
    given = {"name": front_end, "arguments": arguments} if arguments else front_end
    return SoundPreprocessing(RATE, samples / RATE, preprocessing=given)


def publisher_s(front_end, arguments):
    """The publisher's extractor with the same settings."""
    transformers = pytest.importorskip("transformers", reason=without("transformers"))
    if front_end == "whisper_log_mel":
        names = {"mels": "feature_size", "window": "n_fft", "hop": "hop_length", "padded_s": "chunk_length"}
        return transformers.WhisperFeatureExtractor(**{names[key]: value for key, value in arguments.items()})
    if front_end == "ast_log_mel":
        names = {"mels": "num_mel_bins", "frames": "max_length", "mean": "mean", "std": "std"}
        return transformers.ASTFeatureExtractor(**{names[key]: value for key, value in arguments.items()})
    return transformers.Wav2Vec2FeatureExtractor()


@pytest.mark.parametrize("kind", ["noise", "fading", "words"])
@pytest.mark.parametrize(
    ("front_end", "samples", "arguments"),
    [
        ("whisper_log_mel", 1, {"padded_s": 2}),
        ("whisper_log_mel", 16001, {}),
        ("whisper_log_mel", 32000, {"padded_s": 2, "mels": 128}),
        ("whisper_log_mel", 7777, {"padded_s": 1, "mels": 40, "window": 512, "hop": 128}),
        ("ast_log_mel", 400, {}),
        ("ast_log_mel", 16001, {}),
        ("ast_log_mel", 32000, {"frames": 198, "mels": 64, "mean": -6.0, "std": 3.0}),
        ("normalized_waveform", 400, {}),
        ("normalized_waveform", 32001, {}),
    ],
)
def test_they_are_the_publishers_extractors(front_end, samples, arguments, kind, words):
    sounds = sounds_of(words, kind, samples)
    extracted = publisher_s(front_end, arguments)([*sounds.numpy()], sampling_rate=RATE, return_tensors="pt")
    (expected,) = extracted.values()
    assert expected.dtype == torch.float32
    computed = preprocessing_of(front_end, samples, **arguments)(sounds)
    torch.testing.assert_close(computed, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("front_end", FRONT_END_DEFAULTS)
def test_a_gradient_reaches_every_sample_of_each_sound(front_end, words):
    natural = words[:, :RATE].clamp(-0.9, 0.9)
    start = start_of({"modality": "audio", "input": {"preprocessing": front_end}})
    noise = start.standard_deviation * torch.randn(3, RATE, generator=torch.Generator().manual_seed(0))
    preprocessing = preprocessing_of(front_end, RATE)
    for sounds in (natural, noise, torch.zeros(1, RATE)):
        sounds.requires_grad_()
        computed = preprocessing(sounds)
        weights = torch.randn(computed.shape, generator=torch.Generator().manual_seed(1))
        (gradient,) = torch.autograd.grad((computed * weights).sum(), sounds)
        assert gradient.isfinite().all()
        if sounds.any():
            reached = gradient[:, :-600].ne(0).double().mean(1)  # the last samples are in no whole frame
            assert (reached > 0.95).all(), reached


@pytest.mark.parametrize("front_end", START_DEVIATIONS)
def test_synthesis_starts_above_the_floor_of_the_logarithm(front_end):
    entry = {"modality": "audio", "input": {"preprocessing": {"name": front_end}}}
    assert start_of(entry).standard_deviation == START_DEVIATIONS[front_end]
    assert start_of(entry | {"start": {"standard_deviation": 0.01}}).standard_deviation == 0.01
    quiet = (1e-7 * torch.randn(1, RATE)).requires_grad_()
    (gradient,) = torch.autograd.grad(preprocessing_of(front_end, RATE)(quiet).sum(), quiet)
    assert not gradient.any()  # as from the start of other sounds


def test_a_sound_has_the_same_values_alone_and_in_a_batch(words):
    sounds = words[:, :RATE] * torch.tensor([[1.0], [0.1], [0.001]])
    for front_end in FRONT_END_DEFAULTS:
        preprocessing = preprocessing_of(front_end, RATE)
        alone = torch.cat([preprocessing(sound) for sound in sounds.split(1)])
        torch.testing.assert_close(preprocessing(sounds), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling_rate_hz": 8000, "duration_s": 1, "preprocessing": "whisper_log_mel"}, r"\b8000 Hz"),
        ({"duration_s": 31, "preprocessing": "whisper_log_mel"}, r"\b496000 .*\b1 to 480000\b"),
        ({"duration_s": 11, "preprocessing": "ast_log_mel"}, r"\b176000 .*\b400 to 164239\b"),
        ({"duration_s": 0.02, "preprocessing": "ast_log_mel"}, r"\b320 .*\b400 to "),
        (
            {"duration_s": 0.01, "preprocessing": {"name": "whisper_log_mel", "arguments": {"padded_s": 0.01}}},
            "padded_s: 0.01 s .*160.*400",
        ),
    ],
)
def test_sounds_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        SoundPreprocessing(**{"sampling_rate_hz": RATE} | settings)
