"""The cochleagram is the published one, at any length and rate, with gradients that are right or, where clipped, finite."""

from pathlib import Path

import numpy as np
import pytest
import torch

from metamers.models.cochleagram import (
    TINY,
    Cochleagram,
    FullRateCochleagram,
    _LoweredEnvelopes,
    compress,
    downsampling_filter,
    erb_filters,
    erb_frequency,
    erb_number,
    rough_cochleagrams,
)
from tests.needs import study_numbers

ROOT = Path(__file__).resolve().parents[2]


def relative(found, wanted):
    return float(torch.linalg.vector_norm(found - wanted) / torch.linalg.vector_norm(wanted))


def noise(samples, seed=0, size=0.1):
    return size * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_published_front_end():
    reference = study_numbers("cochleagram_reference")
    sound = torch.from_numpy(reference["waveform"].values)[None]
    wanted = torch.from_numpy(reference["cochleagram"].values)[None]
    assert relative(Cochleagram(40_000, 20_000)(sound), wanted) < 1e-3
    # So the plain implementation, which needs no reference, stands for it in other tests.
    assert relative(FullRateCochleagram(40_000, 20_000)(sound), wanted) < 1e-4


def test_the_downsampling_filter_is_a_sinc_around_half_the_number_of_its_taps():
    """Its zeros are at multiples of the factor from there; so it is half a sample late, as published."""
    taps = downsampling_filter(taps=1001, factor=100.5)
    zeros = 500.5 + 100.5 * np.array([-3, -1, 1, 3])
    np.testing.assert_allclose(taps[zeros.astype(int)], 0, atol=1e-15)


def speech_like(samples, rate_hz):
    """Harmonics of a gliding voice with syllables, in faint noise."""
    time = torch.arange(samples) / rate_hz
    phase = 2 * np.pi * torch.cumsum(120 + 40 * torch.sin(2 * np.pi * 2 * time), 0) / rate_hz
    voice = sum(torch.sin(k * phase) / k for k in range(1, 30)) * torch.sin(np.pi * 4 * time).clamp(min=0)
    return 0.1 * voice[None] / voice.std() + noise(samples, size=1e-3)


@pytest.mark.parametrize(
    ("sound", "samples", "rate_hz"),
    [("noise", 40_000, 20_000), ("pure tone", 20_000, 20_000), ("speech", 20_000, 20_000), ("speech", 30_030, 22_000)],
)
def test_it_agrees_with_computation_at_the_full_rate(sound, samples, rate_hz):
    tone = 0.1 * torch.sin(2 * np.pi * 1000 * torch.arange(samples) / rate_hz)[None] + noise(samples, size=1e-3)
    heard = {"noise": noise(samples), "speech": speech_like(samples, rate_hz), "pure tone": tone}[sound]
    ours, plain = Cochleagram(samples, rate_hz), FullRateCochleagram(samples, rate_hz)
    assert relative(ours(heard), plain(heard)) < 1e-3


def test_within_the_context_cochleagrams_are_rough_and_after_it_as_before():
    sound = speech_like(20_000, 20_000)
    front_ends = torch.nn.ModuleList([Cochleagram(20_000, 20_000), FullRateCochleagram(20_000, 20_000)])
    before = [front_end(sound) for front_end in front_ends]
    with rough_cochleagrams(front_ends):
        rough = [front_end(sound) for front_end in front_ends]
    assert 1e-5 < relative(rough[0], before[0]) < 1e-3
    assert torch.equal(rough[1], before[1])
    assert torch.equal(front_ends[0](sound), before[0])
    assert not front_ends.state_dict()


def test_two_seconds_at_20_khz_give_the_published_shape():
    assert Cochleagram(40_000, 20_000)(noise(40_000)).shape == (1, 211, 390)


@pytest.mark.parametrize(
    ("samples", "rate_hz"), [(16_000, 16_000), (22_051, 22_050), (44_100, 44_100), (9_973, 20_000)]
)
def test_other_lengths_and_rates_work(samples, rate_hz):
    """22.05 and 44.1 kHz are no multiples of 200 Hz; 9,973 is a prime number."""
    front = Cochleagram(samples, rate_hz, high_hz=7500)
    cochleagram = front(noise(samples))
    assert cochleagram.shape == (1, 211, int((samples - 1001) / (rate_hz / 200)) + 1)
    assert cochleagram.isfinite().all()


def test_a_sound_s_cochleagram_does_not_depend_on_its_rate_where_that_carries_the_band():
    time_20, time_40 = torch.arange(20_000) / 20_000, torch.arange(40_000) / 40_000
    sounds = [
        0.1 * torch.sin(2 * np.pi * 500 * t)[None] * (1 + torch.sin(2 * np.pi * 4 * t)) for t in (time_20, time_40)
    ]
    # The filters' taps are counted in samples, so twice as many at twice the rate.
    slow = Cochleagram(20_000, 20_000, high_hz=8000)(sounds[0])
    fast = Cochleagram(40_000, 40_000, high_hz=8000, taps=2001)(sounds[1])
    loud = slow > 0.1 * slow.max()
    assert ((slow - fast[..., : slow.shape[-1]])[loud].abs() / slow[loud]).max() < 0.02


def test_a_tone_shows_at_its_frequency():
    front = Cochleagram(20_000, 20_000)
    tone = 0.1 * torch.sin(2 * np.pi * 1000 * torch.arange(20_000) / 20_000)[None]
    channel = int(front(tone)[0].mean(-1).argmax())
    assert abs(front.center_frequencies_hz[channel] / 1000 - 1) < 0.05


@pytest.mark.parametrize("samples", [20_000, 20_001])
def test_squared_gains_add_to_one(samples):
    gains = erb_filters(samples, 20_000, 50, 10_000, 50, 4)
    assert gains.shape == (211, samples // 2 + 1)
    np.testing.assert_allclose((gains**2).sum(0), 1, atol=1e-12)


def test_the_first_centre_is_one_distance_above_the_low_end_and_the_last_one_below_the_high_end():
    """docs/explanation/cochleagram.md: 203 centres, between 4 low-pass and 4 high-pass filters."""
    centres = erb_number(Cochleagram(20_000, 20_000).center_frequencies_hz[4:-4])
    low, high = erb_number(50.0), erb_number(10_000.0)
    np.testing.assert_allclose(centres, low + np.arange(1, 204) * (high - low) / 204)


def test_the_erb_scale_and_its_inverse():
    frequencies = np.array([50.0, 1000, 10_000])
    np.testing.assert_allclose(erb_frequency(erb_number(frequencies)), frequencies)
    # Glasberg & Moore (1990): 24.7 Hz (1 + 4.37 f/kHz) wide at 1 kHz, where a number is one bandwidth.
    step = erb_frequency(erb_number(1000.0) + 0.5) - erb_frequency(erb_number(1000.0) - 0.5)
    assert step == pytest.approx(24.7 * (4.37 + 1), rel=0.02)


def test_gradients_agree_with_finite_differences():
    front = Cochleagram(1_500, 20_000, gradient_clip=np.inf).double()
    sound = noise(1_500).double()
    rng = torch.Generator().manual_seed(1)
    weights = torch.randn(211, front.times, generator=rng, dtype=torch.float64)
    heard = sound.clone().requires_grad_()
    (front(heard) * weights).sum().backward()
    for _ in range(5):
        direction = torch.randn(1, 1_500, generator=rng, dtype=torch.float64)
        step = 1e-6
        with torch.no_grad():
            rise = ((front(sound + step * direction) - front(sound - step * direction)) * weights).sum() / (2 * step)
        assert float((heard.grad * direction).sum()) == pytest.approx(float(rise), rel=1e-4)


def test_the_compression_s_derivative_is_clipped_as_published():
    envelopes = torch.tensor([-1e-3, 0.0, 1e-4, 1.0], requires_grad=True)
    compressed = compress(envelopes, power=0.3, offset=1e-8, gradient_clip=5)
    compressed.sum().backward()
    np.testing.assert_allclose(compressed.detach(), [1e-8**0.3, 1e-8**0.3, (1e-4 + 1e-8) ** 0.3, 1], rtol=1e-4)
    np.testing.assert_allclose(envelopes.grad, [5, 5, 5, 0.3], rtol=1e-5)


@pytest.mark.parametrize("kind", ["silence", "clipping", "click", "faint"])
def test_extreme_sounds_give_finite_values_and_gradients(kind):
    sound = torch.zeros(1, 20_000)
    if kind == "clipping":
        sound = (10 * noise(20_000, size=1)).clamp(-1, 1)
    elif kind == "click":
        sound[0, 10_000] = 1
    elif kind == "faint":
        sound = noise(20_000, size=1e-7)
    sound.requires_grad_()
    cochleagram = Cochleagram(20_000, 20_000)(sound)
    cochleagram.square().sum().backward()
    assert cochleagram.isfinite().all()
    assert sound.grad.isfinite().all()
    if kind != "silence":
        assert sound.grad.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 1000}, "1000 .*1001"),
        ({"sampling_rate_hz": 16_000}, "high_hz 10000: .*8000"),
        ({"low_hz": 0}, "low_hz 0"),
    ],
)
def test_what_cannot_be_computed_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        Cochleagram(**({"n_samples": 20_000, "sampling_rate_hz": 20_000} | arguments))


# A sound and the batch that it is in


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def with_gradient(front_end, sounds):
    sounds = sounds.clone().requires_grad_()
    made = front_end(sounds)
    (gradient,) = torch.autograd.grad(made.square().sum(), sounds)
    return made.detach(), gradient


def test_the_gradient_of_a_sound_does_not_depend_on_silence_beside_it():
    """Where an amplitude is the smallest there is, the gradient is switched off, of that sound alone."""
    front_end = Cochleagram(20_000, 20_000)
    sound, other, silence = noise(20_000), noise(20_000, seed=1), torch.zeros(1, 20_000)
    made, gradient = with_gradient(front_end, torch.cat([sound, other]))
    beside_silence, its_gradient = with_gradient(front_end, torch.cat([sound, silence]))
    assert torch.equal(beside_silence[0], made[0])
    assert torch.equal(its_gradient[0], gradient[0])


def test_on_one_thread_a_sound_has_the_same_bits_in_any_batch_of_two_or_more(one_thread):
    front_end = Cochleagram(20_000, 20_000)
    sounds = torch.cat([noise(20_000, seed) for seed in range(5)])
    made, gradient = with_gradient(front_end, sounds)
    for batch in ([1, 0], [1, 2, 0], [4, 3, 2, 0]):
        among_others, its_gradient = with_gradient(front_end, sounds[batch])
        assert torch.equal(among_others[-1], made[0])
        assert torch.equal(its_gradient[-1], gradient[0])


def test_a_compressed_envelope_has_the_same_bits_wherever_it_lies():
    """Also at the end of a tensor, whose last values fill no vector register."""
    envelopes = torch.rand(40, 211 * 19, generator=torch.Generator().manual_seed(0)) - 0.1

    def compressed(rows):
        given = rows.clone().requires_grad_()
        made = compress(given, 0.3, 1e-8, 5)
        (gradient,) = torch.autograd.grad(made.sum(), given)
        return made.detach(), gradient

    whole, gradient = compressed(envelopes)
    for row in range(len(envelopes)):
        alone, its_gradient = compressed(envelopes[row : row + 1])
        assert torch.equal(alone[0], whole[row])
        assert torch.equal(its_gradient[0], gradient[row])


class OnCard(torch.Tensor):
    """A tensor that says that it is on a card, and cannot be asked for a value."""

    device = torch.device("cuda")

    def __bool__(self):
        raise AssertionError("a question to the card")


def test_on_a_card_nothing_is_asked_and_the_gradient_is_switched_off_in_the_same_places():
    made_up = torch.Generator().manual_seed(0)
    bands = torch.randn(3, 4, 50, 2, generator=made_up)
    bands[1, 2, 10:20] *= 1e-9
    bands[2] = 0
    bands = torch.view_as_complex(bands)
    envelopes = bands.abs().clamp(min=TINY)
    given = torch.rand(3, 4, 50, generator=made_up)
    on_cpu, on_card = given.clone(), given.clone().as_subclass(OnCard)
    _LoweredEnvelopes._switch_off(on_cpu, bands, envelopes)
    _LoweredEnvelopes._switch_off(on_card, bands, envelopes.as_subclass(OnCard))
    assert torch.equal(on_card.as_subclass(torch.Tensor), on_cpu)
    assert torch.equal(on_cpu[0], given[0])
    assert not on_cpu[2].any()
    assert not torch.equal(on_cpu[1], given[1])
