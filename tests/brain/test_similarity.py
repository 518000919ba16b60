"""Representational similarity does not depend on rotation, scale or order of the units."""

import re

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from scipy.spatial.distance import squareform

from metamers.brain import similarity
from metamers.brain import simulate as brain_simulate
from metamers.report.brain import similarity_findings

RNG = np.random.default_rng(0)
VALUES = RNG.standard_normal((7, 12))
NAMES = np.array([f"stimulus_{n}" for n in range(7)])


def rotation(size):
    """A random rotation that preserves the mean over units, on which the correlation depends."""
    basis = np.linalg.qr(np.column_stack([np.ones(size), RNG.standard_normal((size, size - 1))]))[0]
    turned = np.eye(size)
    turned[1:, 1:] = scipy.stats.special_ortho_group.rvs(size - 1, random_state=0)
    return basis @ turned @ basis.T


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values @ rotation(12),
        lambda values: values[:, RNG.permutation(12)],
        lambda values: 3 * values + 5,
        lambda values: values * np.arange(1, 8)[:, None],
        lambda values: values.reshape(7, 3, 4),
    ],
)
def test_dissimilarity_is_invariant_under_rotation_scaling_shift_and_order_of_units(change):
    np.testing.assert_allclose(similarity.dissimilarity(change(VALUES)), similarity.dissimilarity(VALUES), atol=1e-12)


def test_dissimilarity_is_one_minus_the_correlation_of_each_pair():
    np.testing.assert_allclose(squareform(similarity.dissimilarity(VALUES)), 1 - np.corrcoef(VALUES), atol=1e-12)


def test_opposite_activations_have_the_largest_dissimilarity():
    assert similarity.dissimilarity(np.stack([VALUES[0], -VALUES[0]])) == pytest.approx(2)


def test_representations_are_compared_by_spearman_correlation():
    given = RNG.standard_normal((4, 21)).round(1)  # with ties
    np.testing.assert_allclose(
        similarity.rank_correlations(given), scipy.stats.spearmanr(given, axis=1).statistic, atol=1e-12
    )


def test_any_increasing_function_of_dissimilarity_has_correlation_1():
    one = similarity.dissimilarity(VALUES)
    np.testing.assert_allclose(
        similarity.rank_correlations(np.stack([one, one**3, -one])), [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
    )


def test_a_constant_stage_is_undefined_and_does_not_change_the_others():
    constant = similarity.dissimilarity(np.ones((7, 3)))
    found = similarity.rank_correlations(np.stack([similarity.dissimilarity(VALUES), constant]))
    assert found[0, 0] == pytest.approx(1)
    assert np.isnan(found[0, 1])
    assert np.isnan(found[1]).all()


def test_a_brain_of_one_voxel_is_refused():
    made = brain_simulate.simulated_brain(RNG.standard_normal((9, 4)), range(9), 2, 2, 2, noise=1, seed=0)
    with pytest.raises(ValueError, match=r"responses: (?!.*simulated_1).*simulated_2\b"):
        similarity.participant_dissimilarities(made.isel(voxel=slice(3)))


def test_the_generating_stage_is_most_similar_to_the_brain():
    rng = np.random.default_rng(1)
    names = np.array([f"stimulus_{n}" for n in range(25)])
    stages = {"one": rng.standard_normal((25, 40)), "other": rng.standard_normal((25, 40))}
    pairs = xr.Dataset(
        {"dissimilarity": (("stage", "pair"), [similarity.dissimilarity(v) for v in stages.values()])},
        coords={"stage": list(stages)},
    )
    made = brain_simulate.simulated_brain(
        stages["other"], names, participants=3, voxels=60, repetitions=3, noise=0.3, seed=0
    )
    found = similarity.similarity({"model": pairs}, similarity.participant_dissimilarities(made), names)
    assert found["spearman_rho"].shape == (2, 2)
    assert found["representation_stage"].values.tolist() == ["one", "other"]
    assert found["stimulus_b"].values[:24].tolist() == names[1:].tolist()
    brains = found["brain_spearman_rho"].values
    assert (brains[:, 1] > 0.5).all()
    assert (brains[:, 0] < 0.2).all()
    assert (found["brain_agreement"] > 0.5).all()
    assert "brain_agreement" not in similarity.similarity({"model": pairs}, None, names)


def test_the_finding_is_the_agreement_of_the_last_stages_of_different_models():
    rng = np.random.default_rng(2)
    models = {}
    for name in ("a", "b", "c"):
        values = [similarity.dissimilarity(rng.standard_normal((7, 12))) for _ in range(2)]
        models[name] = xr.Dataset({"dissimilarity": (("stage", "pair"), values)}, coords={"stage": ["early", "late"]})
    found = similarity.similarity(models, None, NAMES)
    rho = found["spearman_rho"].values[1::2, 1::2][np.triu_indices(3, 1)]
    low, high = (f"{value:.2f}".replace("-", "−") for value in (rho.min(), rho.max()))
    (sentence,) = similarity_findings({"vision": found})
    assert re.search(rf"^Vision: .*\b3 models {low} to {high} \(3 pairs, 7 images\b", sentence)
    of_model = similarity.similarity({"a": models["a"]}, None, NAMES)
    (alone,) = similarity_findings({"vision": of_model})
    assert re.search(r"^Vision: .* a .*\(1 pair, 7 images\b", alone)
    assert f"{float(of_model['spearman_rho'][0, 1]):.2f}".replace("-", "−") in alone
    found["spearman_rho"][:] = np.nan
    assert similarity_findings({"vision": found}) == []
