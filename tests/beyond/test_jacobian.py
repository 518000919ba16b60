"""Products with the Jacobian of a stage and its transpose, compared with whole Jacobians and with differences."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from metamers.beyond.jacobian import Jacobian
from metamers.models import cochleagram
from tests.beyond.linear import RNG, SIZE, jacobian_of, linear, matrix_of, stimulus_of
from tests.networks.entries import load, tiny


def dense(jacobian):
    """The Jacobian, (unit, value), from PyTorch's own function."""

    def flat(values):
        return jacobian.model(jacobian.fit(values[None]), jacobian.stage, pass_through=False).flatten()

    return torch.autograd.functional.jacobian(flat, jacobian.stimulus).flatten(1).double().numpy()


@pytest.mark.parametrize("stage", ["block", "logits"])
def test_products_are_those_with_the_whole_jacobian(root, stage):
    stages = {"input": None, "block": {"module": "block", "pass_through_relu": "relu"}, "logits": "classify"}
    jacobian = jacobian_of(load(tiny(root, "convolutional", stages)), stage)
    whole = dense(jacobian)
    rng = np.random.default_rng(0)
    directions, units = rng.standard_normal((3, whole.shape[1])), rng.standard_normal((3, whole.shape[0]))
    np.testing.assert_allclose(
        jacobian.product(jacobian.directions(directions)).numpy(), directions @ whole.T, rtol=1e-4, atol=1e-5
    )
    back = jacobian.transposed(torch.from_numpy(units).float()).flatten(1)
    np.testing.assert_allclose(back.numpy(), units @ whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jacobian.information(directions.T), whole.T @ whole @ directions.T, rtol=1e-3, atol=1e-4)


def test_attention_has_derivatives_in_directions(root):
    """PyTorch's and torchvision's faster forms of attention have none; they are in use again afterwards."""
    model = load(tiny(root, "convolutional", {"input": None, "block": "block", "logits": "classify"}))
    layer = torch.nn.TransformerEncoderLayer(8, 2, 8, dropout=0, batch_first=True).eval().requires_grad_(False)
    model.network.first = (
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Flatten(1, 2), layer, torch.nn.Unflatten(1, (6, 8))
        )
        .requires_grad_(False)
        .eval()
    )
    jacobian = jacobian_of(model, "logits")
    directions = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        jacobian.product(directions),
        directions.flatten(1) @ torch.from_numpy(dense(jacobian)).float().T,
        rtol=1e-3,
        atol=1e-4,
    )
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_derivative_is_that_of_the_activations_and_not_the_one_of_synthesis(root):
    """Synthesis lets gradients pass through the last ReLU; here a unit that is off has no sensitivity."""
    stages = {"input": None, "block": {"module": "block", "pass_through_relu": "relu"}, "logits": "classify"}
    jacobian = jacobian_of(load(tiny(root, "convolutional", stages)), "block")
    off = jacobian.model(jacobian.stimulus[None], "block").flatten() == 0
    assert off.any()
    assert not jacobian.product(torch.ones_like(jacobian.stimulus)[None])[:, off].any()


def test_the_cochleagram_has_derivatives_in_directions_that_are_the_transpose_of_its_gradients():
    torch.manual_seed(0)
    envelopes = (0.2 * torch.rand(2, 3, dtype=torch.float64)).requires_grad_()
    assert gradcheck(
        lambda values: cochleagram.compress(values, 0.3, 1e-8, torch.inf), envelopes, check_forward_ad=True
    )
    for clip in (0.5, 5):
        with torch.autograd.forward_ad.dual_level():
            direction = torch.rand_like(envelopes)
            dual = torch.autograd.forward_ad.make_dual(envelopes.detach(), direction)
            found = torch.autograd.forward_ad.unpack_dual(cochleagram.compress(dual, 0.3, 1e-8, clip)).tangent
        (gradient,) = torch.autograd.grad(cochleagram.compress(envelopes, 0.3, 1e-8, clip).sum(), envelopes)
        torch.testing.assert_close(found, gradient * direction)


@pytest.mark.parametrize("rate", ["band", "full"])
@pytest.mark.parametrize("silent", [False, True])
def test_products_of_sounds_are_adjoint_also_with_silence(root, rate, silent):
    front = {"high_hz": 4000, "filters": 10, "sample_factor": 1, "taps": 201, "rate": rate}
    entry = tiny(root, "hearing", {"input": None, "cochleagram": "preprocessing"}, modality="audio")
    entry["input"] = {"sampling_rate_hz": 8000, "duration_s": 0.25, "cochleagram": front}
    model = load(entry)
    sound = 0.3 * torch.randn(2000, generator=torch.Generator().manual_seed(0))
    if silent:
        sound[:1500] = 0
    jacobian = Jacobian(model, "cochleagram", sound)
    directions = torch.randn(2, 2000, generator=torch.Generator().manual_seed(1))
    found = jacobian.product(directions)
    units = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        (found * units).sum(), (directions * jacobian.transposed(units)).sum(), rtol=1e-3, atol=1e-3
    )


def test_the_derivative_of_a_loud_sound_is_the_difference_of_cochleagrams(root):
    front = {"high_hz": 4000, "filters": 10, "sample_factor": 1, "taps": 201, "gradient_clip": 1e9}
    entry = tiny(root, "hearing", {"input": None, "cochleagram": "preprocessing"}, modality="audio")
    entry["input"] = {"sampling_rate_hz": 8000, "duration_s": 0.25, "cochleagram": front}
    model = load(entry).double()
    sound = 0.2 * torch.randn(2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    direction = torch.randn(1, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = Jacobian(model, "cochleagram", sound).product(direction)[0]
    step = 1e-6
    ends = (model(sound[None] + sign * step * direction, "cochleagram").flatten() for sign in (1, -1))
    difference = torch.sub(*ends) / (2 * step)
    assert torch.linalg.vector_norm(found - difference) < 1e-3 * torch.linalg.vector_norm(difference)


def test_the_mean_sensitivity_is_that_of_the_trace(root):
    model = linear(root, 0)
    found = jacobian_of(model).mean_square_sensitivity(RNG(0))
    assert found == pytest.approx(np.square(matrix_of(model)).sum() / (3 * SIZE**2), rel=0.15)


class NoDirection(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return 2 * values

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def test_an_operation_without_a_derivative_in_a_direction_is_an_error_that_names_the_stage(root):
    model = linear(root, 0)
    model.network.project.register_forward_hook(lambda _module, _inputs, output: NoDirection.apply(output))
    with pytest.raises(ValueError, match=r"model tiny: .*stage 'logits' .*\bjvp\b"):
        jacobian_of(model, "logits").product(torch.ones_like(stimulus_of(model))[None])


def test_silent_bands_have_derivatives_in_directions_that_are_the_transpose_of_their_gradients():
    """Where an amplitude is at its smallest value, the gradient is switched off; so is the derivative in a direction."""
    front = cochleagram.Cochleagram(2000, 8000, high_hz=4000, filters=10, sample_factor=1, taps=201)
    sound = torch.zeros(1, 2000, dtype=torch.float64)
    sound[0, :5] = 1e-9  # below and above the smallest amplitude, in different bands
    front = front.double()
    direction = torch.randn(1, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.autograd.forward_ad.dual_level():
        found = torch.autograd.forward_ad.unpack_dual(
            front(torch.autograd.forward_ad.make_dual(sound, direction))
        ).tangent
    units = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    again = sound.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(front(again), again, units)
    torch.testing.assert_close((found * units).sum(), (gradient * direction).sum(), rtol=1e-6, atol=0)
