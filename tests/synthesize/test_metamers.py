"""Metamers where algebra says what they are, and where nothing can be synthesized."""

import itertools

import numpy as np
import pytest
import torch

from metamers.match import match
from metamers.modalities import MODALITIES
from metamers.models.model import activations
from metamers.plan.steps import default_configuration
from metamers.synthesize.losses import Goal, make_loss, normalized_error
from metamers.synthesize.metamers import metamers_dataset, synthesize
from metamers.synthesize.optimize import as_leaf, gradient_steps
from metamers.synthesize.procedures import PROCEDURES, Published
from metamers.synthesize.qualities import FIXED_QUALITIES, QUALITIES, number_of_steps, with_number_of_steps
from tests.networks.entries import load, tiny
from tests.synthesize.procedures import ONE_CYCLE, PUBLISHED, starts


@pytest.fixture
def linear(root):
    return load(tiny(root, "linear", {"input": None, "project": "project", "logits": "classify"}))


@pytest.fixture
def natural(linear):
    # Near the start, so that the values stay within 0 to 1 and the algebra holds.
    noise = torch.randn(3, *linear.preprocessing.signal_shape, generator=torch.Generator().manual_seed(1))
    return (0.5 + 0.05 * noise).clamp(0, 1)


def test_the_loss_is_the_normalized_error_of_each_stimulus():
    a, b = torch.rand(2, 3, 4), torch.rand(2, 3, 4)
    for n in range(2):
        wanted = match(a[n].numpy(), b[n].numpy())["normalized_error"]
        assert normalized_error(a, b)[n].item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("procedure", "settings"), [("one_cycle", ONE_CYCLE), ("published", PUBLISHED)])
def test_at_the_input_stage_the_metamer_is_the_stimulus(linear, natural, procedure, settings):
    metamers, loss = synthesize(linear, "input", natural, starts(linear, "abc"), procedure, settings)
    assert (normalized_error(natural, metamers) < 0.02).all()
    assert loss.shape == (3, settings["steps"] * (settings.get("halvings", 0) + 1))


@pytest.mark.parametrize(
    ("procedure", "settings"),
    [
        pytest.param("published", {"steps": 3000, "step_size": 0.5, "halvings": 12}, marks=pytest.mark.slow),
        ("one_cycle", ONE_CYCLE | {"optimizer": "adam_mini", "steps": 3000, "learning_rate": 0.01, "low_precision": 0}),
    ],
)
def test_the_metamer_of_a_linear_model_is_noise_plus_the_projection_of_the_difference(
    linear, natural, procedure, settings
):
    # Steps along gradients only move within the row space of the matrix W, so the metamer is
    # noise + W⁺W (natural − noise): equal in what the model sees, untouched in what it does not.
    start = starts(linear, "abc")
    metamers, _ = synthesize(linear, "project", natural, start, procedure, settings)
    matrix = linear.network.project.weight.double()
    projection = torch.linalg.pinv(matrix) @ matrix
    difference = (natural - start).double().flatten(1)
    wanted = start.double().flatten(1) + difference @ projection.T
    torch.testing.assert_close(metamers.double().flatten(1), wanted, atol=2e-4, rtol=0)
    assert (difference - difference @ projection.T).abs().max() > 0.05  # the unseen part is not small


def test_the_default_procedure_matches_a_linear_model_too(linear, natural):
    metamers, _ = synthesize(linear, "project", natural, starts(linear, "abc"), "one_cycle", ONE_CYCLE)
    assert (normalized_error(linear(natural, "project"), linear(metamers, "project")) < 0.01).all()


@pytest.mark.parametrize("quality", FIXED_QUALITIES)
def test_a_metamer_does_not_depend_on_its_batch(root, quality):
    stages = {"input": None, "pooled": "pool", "logits": "classify"}
    model = load(tiny(root, "convolutional", stages))
    natural = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    procedure = QUALITIES[quality]
    settings = with_number_of_steps(default_configuration()["synthesis"][quality]["vision"], 24)
    together, _ = synthesize(model, "logits", natural, starts(model, "abcd"), procedure, settings)
    for n, name in enumerate("abcd"):
        alone, _ = synthesize(model, "logits", natural[n : n + 1], starts(model, name), procedure, settings)
        torch.testing.assert_close(alone[0], together[n], atol=1e-4, rtol=0)


def test_the_same_twice_to_the_bit(linear, natural):
    results = [synthesize(linear, "logits", natural, starts(linear, "abc"), "one_cycle", ONE_CYCLE) for _ in range(2)]
    assert torch.equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_the_published_steps_have_their_length_and_halve(linear, natural):
    sizes = []
    metamers = starts(linear, "abc").requires_grad_()
    for step in PROCEDURES["published"](metamers, steps=2, step_size=1.0, halvings=2):
        metamers.grad = torch.randn_like(metamers)
        before = metamers.detach().clone()
        with torch.no_grad():
            step()
        sizes.append(torch.linalg.vector_norm((metamers - before).flatten(1), dim=1))
    wanted = torch.tensor([1, 1, 0.5, 0.5, 0.25, 0.25])[:, None].expand(-1, 3)
    torch.testing.assert_close(torch.stack(sizes).detach(), wanted, atol=1e-3, rtol=1e-3)


def test_a_compiled_model_may_compute_in_the_models_place(linear, natural):
    losses = []
    for forward in (None, torch.compile(linear, backend="eager")):
        metamers = as_leaf(starts(linear, "abc"))
        steps = PROCEDURES["published"](metamers, steps=5, step_size=1.0, halvings=0)
        target = linear(natural, "project").detach()
        loss = make_loss(Goal(linear, "project", target), forward=forward)
        losses.append(torch.stack(list(gradient_steps(loss, metamers, steps, (0, 1)))))
    torch.testing.assert_close(*losses)


def test_images_stay_within_their_range(root):
    model = load(tiny(root, "convolutional", {"input": None, "logits": "classify"}))
    natural = torch.zeros(1, 3, 8, 8)
    natural[..., 4:] = 1
    metamers, _ = synthesize(
        model, "input", natural, starts(model, "a"), "one_cycle", ONE_CYCLE | {"learning_rate": 0.5}
    )
    assert metamers.min() >= 0
    assert metamers.max() <= 1


def test_the_default_procedure_matches_deep_stages_above_other_stimuli(root):
    model = load(tiny(root, "convolutional", {"input": None, "block": "block", "logits": "classify"}))
    natural = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    metamers, loss = synthesize(model, "block", natural, starts(model, "abc"), "one_cycle", ONE_CYCLE)
    a, b = activations(model, natural, "block"), activations(model, metamers, "block")
    assert min(match(a[n], b[n])["spearman_rho"] for n in range(3)) > match(a[0], a[1])["spearman_rho"]
    assert (loss[:, -1] < 0.25 * loss[:, 0]).all()


@pytest.mark.hostile("Models", "no gradient at a stage; activations all zero", "refused, with the stages that would do")
def test_a_stage_that_no_gradient_reaches_is_refused_with_those_that_would_do(root):
    model = load(tiny(root, "rounding", {"input": None, "conv": "convolve", "round": "round", "logits": "classify"}))
    natural = torch.rand(1, 3, 8, 8)
    for stage in ("round", "logits"):
        with pytest.raises(ValueError, match=rf"stage '{stage}'.*\(input, conv\)"):
            synthesize(model, stage, natural, starts(model, "a"), "one_cycle", ONE_CYCLE)
    synthesize(model, "conv", natural, starts(model, "a"), "one_cycle", ONE_CYCLE | {"steps": 2})


@pytest.mark.hostile(
    "Models", "NaN or infinity in activations or gradients", "refused before synthesis, or when the loss becomes NaN"
)
def test_a_model_that_gives_nan_is_refused(linear, natural):
    linear.network.project.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"\bactivations .*stage 'project' .*\bfinite"):
        synthesize(linear, "project", natural, starts(linear, "abc"), "one_cycle", ONE_CYCLE)


def test_a_stimulus_without_activations_is_refused(linear, natural):
    linear.network.project.weight.zero_()
    linear.network.project.weight[0, 0] = 1
    for n in range(3):
        natural[:, 0, 0, 0] = 1
        natural[n, 0, 0, 0] = 0.5  # preprocessing makes it 0, and the model sees nothing else
        with pytest.raises(ValueError, match=r"\bzero .*stage 'project'"):
            synthesize(linear, "project", natural, starts(linear, "abc"), "one_cycle", ONE_CYCLE)


@pytest.mark.parametrize(("modality", "shape"), [("vision", (3, 4, 4)), ("audio", (16,))])
def test_a_file_of_metamers_names_the_dimensions_of_the_modality_s_signal(modality, shape):
    rng = np.random.default_rng(0)
    metamers, loss = rng.uniform(size=(2, 5, *shape)), rng.uniform(size=(2, 5, 7))
    measured = {"pearson_r": rng.uniform(size=(2, 5)), "natural_category": np.array(["cat", "dog"])}
    found = metamers_dataset(
        modality, ("stimulus", "seed"), metamers, measured, {"stimulus": ["a", "b"]}, {"sampling_rate_hz": 2e4}, loss
    )
    assert found["metamer"].dims == ("stimulus", "seed", *MODALITIES[modality].dims)
    assert found["pearson_r"].dims == ("stimulus", "seed")
    assert found["natural_category"].dims == ("stimulus",)
    assert found["loss"].dims == ("stimulus", "seed", "step")
    assert found.attrs == {"sampling_rate_hz": 2e4}


@pytest.mark.parametrize(("steps", "sizes"), [(2, [2, 2, 2, 2]), (1.75, [2, 2, 2, 1]), (2.25, [3, 2, 2, 2])])
def test_passes_of_a_fraction_of_steps_differ_by_one_step(steps, sizes):
    metamers = torch.zeros(1, 1)
    taken = []
    for step in Published(metamers, steps=steps, step_size=1.0, halvings=3):
        metamers.grad = torch.ones(1, 1)
        before = metamers.clone()
        step()
        taken.append(float((before - metamers).item()))
    np.testing.assert_allclose(taken, np.repeat([1, 1 / 2, 1 / 4, 1 / 8], sizes), rtol=1e-6)
    assert number_of_steps({"steps": steps, "halvings": 3}) == len(taken)
    assert with_number_of_steps({"halvings": 3}, len(taken)) == {"steps": steps, "halvings": 3}


def test_passes_of_a_fraction_of_steps_are_continued_where_they_were():
    def run(taken):
        """Metamers after nine steps, of which a second procedure takes all but the first ``taken``."""
        metamers = torch.zeros(1, 1)
        state = {"taken": 0}
        for _ in range(2):
            procedure = Published(metamers, steps=2.25, step_size=1.0, halvings=3)
            procedure.load(state)
            for step in itertools.islice(procedure, taken if state["taken"] == 0 else None):
                metamers.grad = torch.ones(1, 1)
                step()
            state = procedure.state()
        assert state == {"taken": 9}
        return metamers

    assert {float(run(taken)) for taken in range(1, 9)} == {float(run(9))}
