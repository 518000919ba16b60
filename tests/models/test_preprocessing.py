"""Stimuli of any size, rate and length come to a model as it takes them."""

import pytest
import torch
from torchvision.transforms._presets import ImageClassification

from metamers.models.preprocessing import ImagePreprocessing, SoundPreprocessing


def tone(rate_hz, samples, frequency_hz=440):
    return 0.1 * torch.sin(2 * torch.pi * frequency_hz * torch.arange(samples) / rate_hz)[None]


@pytest.fixture(scope="module")
def hearing():
    return SoundPreprocessing(8000, 0.5, {"high_hz": 4000, "filters": 5, "sample_factor": 1, "taps": 401})


def test_a_network_hears_a_cochleagram_of_one_channel(hearing):
    assert hearing(tone(8000, 4000)).shape == (1, 1, 7, 90)
    assert hearing(hearing.example()).isfinite().all()


@pytest.mark.parametrize(("rate_hz", "samples"), [(8000, 4000), (16_000, 8000), (22_050, 11_025)])
def test_sounds_of_another_rate_are_resampled(hearing, rate_hz, samples):
    fitted = hearing.fit(tone(rate_hz, samples), rate_hz)
    assert fitted.shape == (1, 4000)
    # Away from the ends, where the resampling filter reaches beyond the sound.
    torch.testing.assert_close(fitted[:, 200:-200], tone(8000, 4000)[:, 200:-200], atol=2e-3, rtol=0)


def test_sounds_of_another_length_are_padded_or_cut_on_both_sides(hearing):
    sound = tone(8000, 4000)
    padded = hearing.fit(sound[:, :3000], 8000)
    torch.testing.assert_close(padded[:, 500:3500], sound[:, :3000])
    assert not padded[:, :500].any()
    torch.testing.assert_close(hearing.fit(sound[:, :3997], 8000)[:, 1:3998], sound[:, :3997])  # 1 before, 2 after
    longer = tone(8000, 5000)
    torch.testing.assert_close(hearing.fit(longer, 8000), longer[:, 500:4500])


def test_a_sound_that_fits_stays_as_it_is(hearing):
    sound = tone(8000, 4000)
    assert hearing.fit(sound, 8000) is sound


@pytest.mark.parametrize(("size", "whole"), [(16, 18), (16, 19), (17, 20)])
def test_a_crop_is_that_of_the_evaluation_of_published_weights(size, whole):
    mean, std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    evaluated = ImageClassification(crop_size=size, resize_size=whole, mean=mean, std=std)
    seeing = ImagePreprocessing(size, mean, std, "bilinear", crop=round(size / whole, 6))
    images = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(seeing(images), evaluated(images), rtol=1e-4, atol=1e-5)
    images = images[..., :size, :size]
    assert seeing.fit(images) is images


def test_the_size_before_a_crop_is_that_of_timm():
    assert ImagePreprocessing(224, [0], [1], crop=0.9).whole_size == 248
    assert ImagePreprocessing(224, [0], [1], crop=0.875).whole_size == 256
    assert ImagePreprocessing(224, [0], [1]).whole_size == 224


def test_images_of_another_size_are_resampled_within_their_range():
    seeing = ImagePreprocessing(16, [0.5] * 3, [0.5] * 3)
    fitted = seeing.fit(torch.rand(2, 3, 40, 40))
    assert fitted.shape == (2, 3, 16, 16)
    assert fitted.min() >= 0
    assert fitted.max() <= 1
    torch.testing.assert_close(seeing(fitted), 2 * fitted - 1)
