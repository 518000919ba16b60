"""Synthesis starts from the published noise, and what is judged is what was exported."""

import numpy as np
import pytest

from metamers.modalities import MODALITIES
from metamers.stimuli.formats import FORMATS
from metamers.synthesize import noise as stimuli_noise


def test_the_start_is_the_published_noise_whatever_else_is_in_the_batch():
    noise = stimuli_noise.start_noise("vision", (3, 64, 64), "a", 0, run_seed=0)
    assert noise.mean() == pytest.approx(0.5, abs=0.002)
    assert noise.std() == pytest.approx(0.05, abs=0.001)
    np.testing.assert_array_equal(noise, stimuli_noise.start_noise("vision", (3, 64, 64), "a", 0, run_seed=0))
    others = [("b", 0, 0), ("a", 1, 0), ("a", 0, 1)]
    for stimulus, seed, run_seed in others:
        assert (noise != stimuli_noise.start_noise("vision", (3, 64, 64), stimulus, seed, run_seed)).any()
    sound = stimuli_noise.start_noise("audio", (20_000,), "a", 0, run_seed=0)
    assert sound.std() == pytest.approx(1e-7, rel=0.05)


@pytest.mark.parametrize(("modality", "shape"), [("vision", (3, 8, 8)), ("audio", (500,))])
def test_what_is_read_back_is_what_was_said_to_be_exported(modality, shape, tmp_path):
    form = FORMATS[modality]
    values = np.random.default_rng(0).uniform(-0.2, 1.2, shape).astype(np.float32)
    path = tmp_path / f"x{MODALITIES[modality].suffix}"
    form.write(values, path, **dict.fromkeys(MODALITIES[modality].sampling, 20_000))
    np.testing.assert_array_equal(form.read(path), form.as_exported(values))
