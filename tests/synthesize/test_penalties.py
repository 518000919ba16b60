"""Penalties: their closed forms and gradients, what they change in a synthesis, and what they do not."""

import re

import numpy as np
import pytest
import torch

from metamers.synthesize.losses import normalized_error
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.penalties import TERMS, penalty_of
from metamers.synthesize.qualities import quality_attributes
from tests.networks.entries import load, tiny
from tests.synthesize.procedures import ONE_CYCLE, PUBLISHED, TO_TARGET, starts

PROCEDURES = {
    "one_cycle": ONE_CYCLE | {"steps": 60},
    "published": PUBLISHED | {"steps": 12},
    "to_target": TO_TARGET | {"target_error": 0.05, "max_steps": 60},
}
FUNCTIONS = """
import torch

def square(stimuli):
    return stimuli.square().flatten(1).mean(dim=1)

def nothing(stimuli):
    return 0 * square(stimuli)

def changes(stimuli):
    penalties = nothing(stimuli)
    stimuli.data.clamp_(0.4, 0.6)
    return penalties

def negative(stimuli):
    return square(stimuli) - 1

def of_batch(stimuli):
    return stimuli.mean()

def undefined(stimuli):
    return (stimuli.flatten(1).sum(dim=1) - 1e9).log()

def constant(stimuli):
    return torch.zeros(len(stimuli))

def of_numpy(stimuli):
    return square(stimuli).detach().numpy()

def broken(stimuli):
    return stimuli.missing
"""


@pytest.fixture
def model(root):
    return load(tiny(root, "convolutional", {"input": None, "block": "block", "logits": "classify"}))


@pytest.fixture
def natural():
    return torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def functions(tmp_path):
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    return lambda name: {"penalty": {"python": f"{tmp_path / 'functions.py'}:{name}"}}


def made(model, natural, procedure, settings, names="abc"):
    return synthesize(model, "block", natural, starts(model, names), procedure, PROCEDURES[procedure] | settings)


def total_variation(images):
    return TERMS["total_variation"](images, "vision")


def test_total_variation_is_the_squared_difference_between_neighbours_for_each_value():
    image = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]], [[0.2, 0.2], [0.2, 0.2]]]])
    # Rows: 0.5² + 0.5²; columns: 1² + 0²; the second channel is constant, and channels are no neighbours.
    assert total_variation(image).item() == pytest.approx((0.25 + 0.25 + 1) / 8)
    sound = torch.tensor([[0.0, 0.1, -0.1, -0.1], [0.0, 0.0, 0.0, 1.0]])
    assert TERMS["total_variation"](sound, "audio").tolist() == pytest.approx([0.05 / 4, 1 / 4])


def test_range_is_the_sixth_power_of_the_distance_from_the_middle_of_the_limits():
    image = torch.tensor([0.5, 0.0, 1.0, 0.75]).reshape(1, 1, 2, 2)
    assert TERMS["range"](image, "vision").item() == pytest.approx((0 + 1 + 1 + 0.5**6) / 4)
    assert TERMS["range"](torch.tensor([[0.0, -1.0, 0.5, 0.0]]), "audio").item() == pytest.approx((1 + 0.5**6) / 4)


@pytest.mark.parametrize(("modality", "shape"), [("vision", (2, 3, 3, 4)), ("audio", (2, 5))])
@pytest.mark.parametrize("term", TERMS)
def test_gradients_agree_with_finite_differences(term, modality, shape):
    stimuli = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda some: TERMS[term](some, modality), stimuli)


def test_the_penalty_is_the_weighted_sum_of_the_terms(natural):
    both = penalty_of({"penalty": {"total_variation": 3.0, "range": 0.5}}, "vision")
    expected = 3 * total_variation(natural) + 0.5 * TERMS["range"](natural, "vision")
    torch.testing.assert_close(both(natural), expected)
    assert penalty_of({}, "vision") is penalty_of({"penalty": {}}, "vision") is None


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_metamers_with_a_penalty_have_less_of_its_term_and_match_less(model, natural, procedure, term):
    penalty = {"penalty": {term: 100.0}}
    (without, loss), (lower, of_lower) = (made(model, natural, procedure, one) for one in ({}, penalty))
    assert (TERMS[term](lower, "vision") < 0.2 * TERMS[term](without, "vision")).all()
    exact, error = (normalized_error(model(natural, "block"), model(one, "block")) for one in (without, lower))
    assert (error > exact).all()
    # The recorded loss is that of the activations alone: the start is the same.
    assert of_lower[:, 0] == pytest.approx(loss[:, 0])


@pytest.mark.parametrize("procedure", PROCEDURES)
@pytest.mark.parametrize("name", ["nothing", "changes"])
def test_without_a_penalty_metamers_are_to_the_bit_those_of_a_penalty_of_0(model, natural, procedure, functions, name):
    """A function cannot change the stimuli that it gets."""
    without, loss = made(model, natural, procedure, {})
    same, same_loss = made(model, natural, procedure, functions(name))
    assert torch.equal(same, without)
    assert np.array_equal(same_loss, loss, equal_nan=True)


def test_a_metamer_with_a_penalty_does_not_depend_on_its_batch(model, natural):
    settings = {"penalty": {"total_variation": 5.0, "range": 1.0}, "low_precision": 0}
    natural = torch.cat([natural, natural.flip(0)])
    together, _ = made(model, natural, "one_cycle", settings, "abcdef")
    apart, _ = made(model, natural[2:], "one_cycle", settings, "cdef")
    assert torch.equal(together[2:], apart)


def test_a_function_of_the_user_takes_the_place_of_the_terms(model, natural, functions):
    (without, _), (dark, _) = (made(model, natural, "one_cycle", one) for one in ({}, functions("square")))
    assert (dark.mean(dim=(1, 2, 3)) < without.mean(dim=(1, 2, 3))).all()


@pytest.mark.hostile(
    "Models",
    "a penalty of your own that raises an error, or gives another shape, no tensor, NaN, numbers below 0, or no gradient",
    "synthesis stops with a sentence that names the key, the function, what it did, and what is wanted",
)
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("of_batch", r"\(\)"),
        ("of_numpy", "ndarray"),
        ("undefined", r"\[nan, nan, nan\]"),
        ("negative", r"\[-"),
        ("constant", "gradient"),
        ("broken", r"AttributeError \(.*'missing'\)"),
    ],
)
def test_what_a_function_of_the_user_gives_is_checked(natural, functions, name, problem):
    said = rf"^synthesis\.penalty\.python: .*functions\.py:{name} .*{problem}.*\b3 stimuli.*\(3,\)"
    with pytest.raises((ValueError, RuntimeError), match=said):
        penalty_of(functions(name), "vision")(natural.requires_grad_())


def test_a_file_that_cannot_be_imported_or_is_without_the_function_is_named(functions, tmp_path):
    with pytest.raises(ValueError, match=r"^synthesis\.penalty\.python: .*functions\.py .*\bother$"):
        penalty_of(functions("other"), "vision")
    (tmp_path / "functions.py").write_text("import no_such_module")
    with pytest.raises(ValueError, match=r"^synthesis\.penalty\.python: .*ModuleNotFoundError"):
        penalty_of(functions("square"), "vision")


def test_files_name_the_penalty():
    settings = {"steps": 3, "penalty": {"total_variation": 10.0, "range": 0.5}}
    terms = quality_attributes("standard", settings)["penalty"]
    assert re.fullmatch(r"total_variation \(.*\b10\), range \(.*\b0\.5\)", terms)
    assert quality_attributes("standard", {"penalty": {"python": "a.py:f"}})["penalty"].endswith(" a.py:f")
    assert "penalty" not in quality_attributes("standard", {"steps": 3})
