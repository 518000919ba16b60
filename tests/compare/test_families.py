"""Recognition models of one architecture count once, and intervals are valid for new recognition models."""

import numpy as np
import pytest
import xarray as xr

from metamers.compare import recognizability as compare
from metamers.compare.families import families_interval, mean_correct, mean_over_families, names_by_family
from metamers.compare.proportions import proportion_interval
from metamers.config.models import family_of
from metamers.report.tables import recognizability_table

FAMILIES = {"a": "one", "b": "one", "c": "two", "d": "three"}
STIMULI = list("pqrst")


def answered(right):
    """Recognition of five stimuli at one stage; all natural stimuli are recognized."""
    values = np.stack([np.ones(5, dtype=bool), np.broadcast_to(right, 5).astype(bool)])[..., None]
    coords = {"stage": ["natural", "late"], "stimulus": STIMULI, "seed": [0]}
    return xr.Dataset({"correct": (tuple(coords), values)}, coords)


def accepted():
    coords = {"stage": ["late"], "stimulus": STIMULI, "seed": [0]}
    return xr.DataArray(np.ones((1, 5, 1), dtype=bool), coords, tuple(coords))


@pytest.mark.parametrize(
    ("entry", "family"),
    [
        ({"source": {"torchvision": "resnet50"}}, "resnet50"),
        ({"source": {"arguments": {"classes": 3}, "timm": "tf_efficientnet_lite0"}}, "tf_efficientnet_lite0"),
        ({"source": {"timm": "resnet50.a1_in1k"}}, "resnet50"),
        ({"source": {"timm": "hf-hub:timm/resnet50.a2_in1k"}}, "resnet50"),
        ({"source": {"python": "my/net.py:build_net"}}, "build_net"),
        ({"source": {"torchvision": "resnet101"}, "family": "resnet"}, "resnet"),
    ],
)
def test_a_family_is_named_or_is_the_architecture_of_the_source(entry, family):
    assert family_of(entry) == family


def test_related_models_of_the_default_run_are_one_family(root):
    from metamers.config.read import read_yaml

    models = read_yaml(root / "config" / "models.yaml")
    assert len({family_of(models[f"efficientnet_lite{number}"]) for number in range(3)}) == 1
    hearing = ["cochcnn9_standard", "cochcnn9_adversarial", "cochcnn9_random", "cochresnet50_standard", "spectemp"]
    assert [family_of(models[name]) for name in hearing] == ["coch_cnn9"] * 3 + ["coch_resnet50", "spectemp"]


def test_five_models_of_one_family_weigh_as_much_as_one_unrelated_model():
    recognition = {"a": answered(True), "b": answered(True), "c": answered(False)}
    assert (mean_correct(recognition, FAMILIES).sel(stage="late") == 0.5).all()
    values = xr.DataArray([1.0, 1.0, 0.0], {"recognition_model": ["a", "b", "c"]}, ("recognition_model",))
    assert mean_over_families(values, FAMILIES) == 0.5


def test_related_and_unrelated_models_are_reported_separately():
    recognition = {
        "a": answered(True),
        "b": answered(True),
        "c": answered([1, 0, 0, 0, 0]),
        "d": answered([1, 1, 1, 0, 0]),
    }
    found = compare.recognizability_by_others(recognition, accepted(), "a", FAMILIES).sel(stage="late")
    assert found["sibling_models"] == 1
    assert found["unrelated_models"] == pytest.approx(0.4)
    assert found["other_models"] == pytest.approx((1 + 0.2 + 0.6) / 3)
    assert found["other_models_families_standard_error"] == pytest.approx(0.4 / np.sqrt(3))
    assert found["sibling_models_standard_error"] == pytest.approx(float(proportion_interval(1, 5).standard_error))
    assert found["other_models_families_low"] < found["other_models_low"]
    assert found["other_models_families_high"] > found["other_models_high"]


def test_without_unrelated_models_the_mean_exists_and_theirs_is_undefined():
    found = compare.recognizability_by_others({"a": answered(True), "b": answered(False)}, accepted(), "a", FAMILIES)
    assert (found["other_models"].sel(stage="late"), found["sibling_models"].sel(stage="late")) == (0, 0)
    assert found["unrelated_models"].isnull().all()
    for name in ("standard_error", "low", "high"):
        assert found[f"other_models_families_{name}"].isnull().all()


def test_a_single_model_has_no_other_recognition_models():
    found = compare.recognizability_by_others({"a": answered(True)}, accepted(), "a", FAMILIES)
    assert all(found[name].isnull().all() for name in found)


def test_the_dataset_contains_the_family_of_every_model():
    acceptance = {"a": xr.Dataset({"accepted": accepted()}), "c": xr.Dataset({"accepted": accepted()})}
    recognition = {name: {name: answered(True) for name in "abc"} for name in acceptance}
    found = compare.recognizability(acceptance, recognition, FAMILIES)
    assert found["generation_family"].values.tolist() == ["one", "two"]
    assert found["recognition_family"].values.tolist() == ["one", "one", "two"]
    assert found["sibling_models"].sel(generation_model="c").isnull().all()
    nothing = xr.Dataset({name: found["other_models"] * np.nan for name in ("predicted", "low", "high")})
    nothing["reason"] = xr.where(found["other_models"].notnull(), "Too few.", "")
    table = recognizability_table("a", found, nothing)
    assert table["head"][2:5] == ["a (itself)", "b (sibling)", "c"]
    assert all(len(row) == len(table["head"]) for row in table["rows"])


def test_agreement_of_few_families_does_not_make_the_interval_narrow():
    found = families_interval(np.ones((3, 1)), np.array([10]))
    assert found.standard_error > 0.02
    assert found.low == pytest.approx(proportion_interval(1, 10).low)


def test_two_families_are_worth_two_answers():
    found = families_interval(np.array([[0.5], [0.5]]), np.array([1000]))
    assert found.high - found.low > 0.8


def test_the_interval_narrows_with_families_that_differ_equally():
    widths = []
    for number in (3, 6, 20):
        means = np.tile([0.4, 0.6], number)[:number, None] if number > 3 else np.array([[0.4], [0.5], [0.6]])
        found = families_interval(means, np.array([400]))
        widths.append((found.high - found.low).item())
    assert widths == sorted(widths, reverse=True)


def test_names_of_one_family_are_listed_together():
    assert names_by_family(["a", "c", "b"], FAMILIES) == "a and b (family one); c"
