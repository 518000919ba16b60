"""Synthesis to several targets gives the metamers of a synthesis to each of them."""

import numpy as np
import pytest
import torch

from metamers.match import match_each
from metamers.run.progress import Progress
from metamers.synthesize.losses import Goal, normalized_error
from metamers.synthesize.metamers import synthesize
from studies.benchmark.several_targets import NULL, loosest_error, matches, metamers_at_matches
from tests.networks.entries import load, tiny
from tests.synthesize.procedures import TO_TARGET, starts

NAMES = "abcdefg"
ERRORS = [0.6, 0.4, 0.2]


@pytest.fixture
def model(root):
    return load(tiny(root, "convolutional", {"input": None, "block": "block", "logits": "classify"}))


@pytest.fixture
def natural():
    return torch.rand(len(NAMES), 3, 8, 8, generator=torch.Generator().manual_seed(0))


def to_several(model, natural, errors=ERRORS, **changed):
    target = model(natural, "block").detach()
    keywords = {key: changed.pop(key) for key in ("progress",) if key in changed}
    return metamers_at_matches(
        lambda some: Goal(model, "block", target[some]), starts(model, NAMES), TO_TARGET | changed, errors, **keywords
    )


@pytest.mark.parametrize("optimizer", ["adam", "adam_mini"])
def test_each_match_has_the_metamers_of_a_synthesis_to_it(model, natural, optimizer):
    metamers, steps = to_several(model, natural, optimizer=optimizer)
    for of_several, taken, target_error in zip(metamers, steps, ERRORS, strict=True):
        settings = TO_TARGET | {"optimizer": optimizer, "target_error": target_error}
        alone, loss = synthesize(model, "block", natural, starts(model, NAMES), "to_target", settings, max_batch_size=4)
        assert torch.equal(of_several, alone)
        np.testing.assert_array_equal(taken, np.isfinite(loss).sum(axis=1))
    assert (np.diff(steps, axis=0) > 0).all()


def test_every_match_is_reached_after_decays_that_were_not_enough(model, natural):
    errors = [0.5, 0.3, 0.2, 0.15]
    metamers, _ = to_several(model, natural, errors, max_steps=2000)
    for of_match, target_error in zip(metamers, errors, strict=True):
        error = normalized_error(model(natural, "block"), model(of_match, "block"))
        assert (error <= target_error).all()
        assert (error > 0.8 * target_error).all()


def test_a_match_that_is_not_reached_has_the_closest_metamer(model, natural):
    metamers, steps = to_several(model, natural, [0.6, 1e-5, 1e-6], max_steps=100)
    assert (steps[1] == 100).all()
    assert torch.equal(metamers[1], metamers[2])
    error = normalized_error(model(natural, "block"), model(metamers[2], "block"))
    assert (error < 0.6).all()
    assert (error > 1e-5).all()


def test_finished_stimuli_are_kept_after_an_interruption(model, natural, tmp_path):
    whole = to_several(model, natural)
    calls = []

    class Interrupted(Progress):
        def finish(self, part, state):
            self.save(part, state)
            calls.append(part)
            if len(calls) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_several(model, natural, progress=Interrupted(tmp_path, "a" * 64))
    metamers, steps = to_several(model, natural, progress=Progress(tmp_path, "a" * 64))
    assert torch.equal(metamers, whole[0])
    np.testing.assert_array_equal(steps, whole[1])


def test_the_loosest_match_has_the_largest_measures_of_the_null_distribution():
    generator = torch.Generator().manual_seed(0)
    other = 3 + torch.randn(2, 50_000, generator=generator)
    activations = other + 0.5 * torch.randn(other.shape, generator=generator)
    measured = match_each(activations.numpy(), other.numpy())
    snr, r, error = (measured[name].mean() for name in ("snr_db", "pearson_r", "normalized_error"))
    assert loosest_error(activations, snr, 0.1) == pytest.approx(error, rel=0.01)
    assert loosest_error(activations, -5, r) == pytest.approx(error, rel=0.01)
    assert loosest_error(activations, np.nan, r) == pytest.approx(error, rel=0.01)


def test_a_closest_match_that_is_not_close_is_refused():
    with pytest.raises(ValueError, match=r"^benchmark\.convergence\.closest: .*\b0\.9\b.*\b0\.25\b"):
        matches(0.9, [], 0.25)


def test_matches_lie_between_those_of_the_null_distribution_and_the_closest_one():
    errors = [0.4, 0.28, 0.2, 0.14, 0.1, 0.07, 0.05]
    assert matches(0.067, errors, 0.25) == {NULL: 0.25, "0.2": 0.2, "0.14": 0.14, "0.1": 0.1, "0.067": 0.067}
