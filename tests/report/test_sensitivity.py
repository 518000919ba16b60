"""The page of sensitivities: sentences, tables, figure and stimuli from made-up numbers."""

import re

import numpy as np
import pytest
import xarray as xr

from metamers.beyond.agreement import agreement
from metamers.beyond.sensitivity import distorted_stimuli
from metamers.report.figures import svg
from metamers.report.looks import looks_of
from metamers.report.sensitivity import gallery, part_of, sensitivities_table, sensitivity_table, sensitivity_words

MODELS = ["net_a", "net_b", "recognition_model"]


@pytest.fixture
def found():
    """Two depths, two stimuli, two generation models and a recognition_model, all with a mean sensitivity of 2."""
    rng = np.random.default_rng(0)
    sensitivity = np.empty((2, 2, 2, 2, 3))
    # Sensitivities of net_a, net_b and the recognition_model: the own extremes are 20 and 0.2.
    sensitivity[:, :, 0] = [[20, 10, 4], [0.2, 0.4, 2]]
    sensitivity[:, :, 1] = [[6, 20, 2], [2, 0.2, 2]]
    distortion = rng.standard_normal((2, 2, 2, 2, 3, 4, 4)).astype(np.float32)
    distortion /= np.sqrt(np.square(distortion).sum((-3, -2, -1), keepdims=True))
    signal = ("channel", "row", "column")
    return xr.Dataset(
        {
            "sensitivity": (("depth", "stimulus", "generation_model", "extreme", "sensing_model"), sensitivity),
            "mean_sensitivity": (("depth", "stimulus", "sensing_model"), np.full((2, 2, 3), 2.0)),
            "residual": (("depth", "stimulus", "generation_model", "extreme"), np.full((2, 2, 2, 2), 0.003)),
            "distortion": (("depth", "stimulus", "generation_model", "extreme", *signal), distortion),
            "principal_distortion": (("depth", "stimulus", "principal", *signal), distortion[:, :, 0]),
            "principal_sensitivity": (("depth", "stimulus", "principal", "sensing_model"), sensitivity[:, :, 0]),
            "principal_variance": (("depth", "stimulus"), np.ones((2, 2))),
            "principal_variance_least": (("depth", "stimulus"), np.array([[0.9, 1], [1, 0.7]])),
            "principal_converged": (("depth", "stimulus"), np.array([[True, False], [True, True]])),
            "stimulus_value": (("stimulus", *signal), rng.uniform(0.3, 0.7, (2, 3, 4, 4)).astype(np.float32)),
        },
        coords={
            "depth": [0.5, 1.0],
            "stimulus": ["one", "two"],
            "category": ("stimulus", ["cat <b>", "dog"]),
            "generation_model": MODELS[:2],
            "extreme": ["most", "least"],
            "principal": ["first", "second"],
            "sensing_model": MODELS,
            "sensing_stage": (("depth", "sensing_model"), [["middle"] * 3, ["last"] * 3]),
        },
        attrs={"modality": "vision"},
    )


@pytest.fixture
def agreed(found):
    recognized = {"net_a": np.array([[1, 1.0], [0, 1]]), "net_b": np.array([[1, 0.5], [0, 0]])}
    accepted = {name: np.ones((2, 2), dtype=bool) for name in recognized}
    recognition_models = {"net_a": ["net_b", "recognition_model"], "net_b": ["net_a", "recognition_model"]}
    return agreement(found, recognized, accepted, recognition_models, {name: name for name in MODELS}, 0)


def test_the_table_has_sensitivities_relative_to_the_mean(found, agreed):
    rows = sensitivity_table(found, agreed)["rows"]
    assert [row[:3] for row in rows] == [
        ["net_a", "middle", "0.5"], ["net_a", "last", "1"], ["net_b", "middle", "0.5"], ["net_b", "last", "1"]
    ]  # fmt: skip
    assert rows[0][3:7] == ["10", "0.003", "0.1", "0.003"]
    found["sensitivity"] *= 14.37  # no exponents
    assert sensitivity_table(found, agreed)["rows"][0][3] == "144"
    assert [row[-2:] for row in rows] == [["100%", "2"], ["50%", "2"], ["75%", "2"], ["0%", "2"]]


def test_every_model_has_a_column_and_every_distortion_a_row(found):
    table = sensitivities_table(found)
    assert table["head"] == ["Distortion", "Position", *MODELS]
    assert len(table["rows"]) == 2 * (2 * 2 + 2)
    assert table["rows"][1] == ["least, net_a", "0.5", "0.1", "0.2", "1"]
    assert table["rows"][4][:2] == ["first principal", "0.5"]


def test_the_words_give_agreement_and_correlation(found, agreed):
    words = sensitivity_words(found, agreed)
    means = agreed["mean_agreement"].values
    assert re.search(rf"\b0\.5 \D*{means[0, 0]:.2f} \w+ net_a, {means[1, 0]:.2f} \w+ net_b\.", words)
    assert re.search(rf"\b4 \D*{float(agreed['spearman_rho']):.2f}", words)
    assert "1 of 4 " in words
    assert "10%" not in words
    three = sensitivity_words(found.isel(generation_model=[0, 1, 1]), agreed)
    assert re.search(r"\b10% \D*\b30%", three)
    few = agreed.assign(spearman_rho=np.nan, points=2)
    assert re.search(r"\b2 [^\d.]*\.", sensitivity_words(found, few))
    assert "nan" not in sensitivity_words(found, few)
    negative = agreed.assign(spearman_rho=-0.5, low=-0.9, high=0.1)
    assert re.search(r"−0\.50 \(95% \w+ −0\.90 \w+ 0\.10\b", sensitivity_words(found, negative))


def addresses_of(made):
    return {(*key, name): f"{key[1]}_{name}.png" for key, of_stimulus in made.items() for name in of_stimulus}


def test_stimuli_of_all_distortions_are_shown_with_what_they_are(found, agreed):
    made = distorted_stimuli(found, 0.1)
    assert len(made) == 2 * 2
    for (depth, stimulus), of_stimulus in made.items():
        assert len(of_stimulus) == 7
        at = found.sel(depth=depth, stimulus=stimulus)
        natural = of_stimulus.pop("natural")
        np.testing.assert_array_equal(natural, at["stimulus_value"])
        for which, values in of_stimulus.items():
            name, _, extreme = which.rpartition("_")
            wanted = (
                at["principal_distortion"].sel(principal=extreme)
                if name == "principal"
                else at["distortion"].sel(generation_model=name, extreme=extreme)
            )
            change = values - natural
            assert float((change * wanted).sum()) > 0.89 * np.linalg.norm(change)
            assert 0 <= values.min() <= values.max() <= 1
    addresses = addresses_of(distorted_stimuli(found, 0.1))
    rows = gallery(found, addresses)
    assert [len(row) for row in rows] == [7] * 4
    captions = ["natural.* cat <b>", "most.* net_a .*last", "least.* net_a .*last", "most.* net_b .*last"]
    captions += ["least.* net_b .*last", "first .*1", "second .*1"]
    assert all(re.fullmatch(caption, one["what"]) for caption, one in zip(captions, rows[1], strict=True))
    assert [one["picture"] for one in rows[1]][:2] == ["one_natural.png", "one_net_a_most.png"]
    part = part_of(found, agreed, looks_of(MODELS), addresses, 0.1)
    assert part["lead"] == rows[1]
    assert part["principal"]
    assert (part["file"], part["agreement_file"]) == ("beyond/sensitivity/vision.nc", "beyond/agreement/vision.nc")
    drawn = svg(part["figure"]).decode()
    assert all(name in drawn for name in MODELS[:2])
    assert part["few"]  # fewer than five stimuli: the numbers are folded


def test_without_principal_distortions_there_is_no_row_of_them(found):
    names = ["principal_distortion", "principal_sensitivity", "principal_variance", "principal_converged", "principal"]
    alone = found.drop_vars(names)
    assert len(sensitivities_table(alone)["rows"]) == 2 * 2 * 2
    made = distorted_stimuli(alone, 0.1)
    assert [len(of_stimulus) for of_stimulus in made.values()] == [5] * 4
    assert len(gallery(alone, addresses_of(made))[0]) == 5
