"""Examples on the overview: chosen by the rule, with the answers that the models gave."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from metamers.compare.contrasts import contrasts
from metamers.compare.verdict import contrast_evidence
from metamers.report import example_stimuli
from tests.report.sites import Run, relation_of

STAGES = ["input", "block 1", "block/2", "logits"]
STIMULI = ["a", "b", "c", "d"]


def accepted(values: np.ndarray, stages: list[str] = STAGES) -> xr.DataArray:
    """Acceptance (stage, stimulus) of one seed."""
    stimuli = STIMULI[: values.shape[1]]
    labels = ("stimulus", [f"label {name}" for name in stimuli])
    coords = {"stage": stages, "stimulus": stimuli, "seed": [7], "category": ("stimulus", stimuli), "label": labels}
    return xr.DataArray(values[..., None], coords, ("stage", "stimulus", "seed"))


def acceptance(values: np.ndarray) -> xr.Dataset:
    """Acceptance with a normalized error that is a hundredth of the place of the metamer."""
    of = accepted(values)
    return xr.Dataset({"accepted": of, "normalized_error": of.copy(data=np.arange(of.size).reshape(of.shape) / 100)})


def answered(right: np.ndarray, wrong: str = "none") -> xr.Dataset:
    """Answers (stage, stimulus) of one recognition model, the stage ``natural`` first."""
    of = accepted(right, ["natural", *STAGES])
    return xr.Dataset({"correct": of, "answer": xr.where(of, of["category"], wrong).transpose(*of.dims)})


def test_stages_of_an_example_are_the_first_after_the_input_the_last_and_some_between():
    assert example_stimuli.stages_of_example(STAGES) == STAGES[1:]
    many = ["input", *(f"s{n}" for n in range(9))]
    assert example_stimuli.stages_of_example(many) == ["s0", "s2", "s4", "s6", "s8"]
    assert example_stimuli.stages_of_example(["input"]) == ["input"]


def test_the_stimulus_nearest_to_the_mean_is_chosen_and_no_other():
    """Most are recognized at the first two stages only; the one that is always recognized is not typical."""
    right = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]], bool)
    of = accepted(np.ones((4, 4), bool))
    assert example_stimuli.nearest_to_mean(accepted(right).astype(float), of) == ("b", 7)
    refused = np.ones((4, 4), bool)
    refused[2, 1] = False
    assert example_stimuli.nearest_to_mean(accepted(right).astype(float), accepted(refused)) == ("c", 7)


def test_a_stimulus_with_the_most_accepted_metamers_is_chosen_if_none_has_all():
    some = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 0], [0, 0, 1]], bool)
    assert example_stimuli.nearest_to_mean(accepted(np.ones((4, 3))), accepted(some)) == ("b", 7)
    none = accepted(np.zeros((4, 3), bool))
    assert example_stimuli.nearest_to_mean(accepted(np.ones((4, 3))), none) == ("a", 7)


def test_answers_are_counted_and_the_rarer_ones_are_summed():
    given = {"m1": "dog", "m2": "cat", "m3": "dog", "m4": "owl", "m5": "ape"}
    assert example_stimuli.answers_of(given, "dog") == [
        {"answer": "dog", "right": True, "who": "2 of 5 others"},
        {"answer": "ape", "right": False, "who": "1 of 5 others"},
        {"answer": None, "right": False, "who": "2 of 5 others"},
    ]
    assert example_stimuli.answers_of({"alone": "cat"}, "dog") == [{"answer": "cat", "right": False, "who": "alone"}]
    assert example_stimuli.answers_of({}, "dog") == []


def test_an_example_has_the_answers_and_files_of_its_metamers():
    itself = answered(np.ones((5, 3), bool))
    other = answered(np.array([[1] * 3, [1] * 3, [1] * 3, [0, 0, 0], [0, 0, 1]], bool), "owl")
    found = example_stimuli.example(
        "net", "audio", acceptance(np.ones((4, 3), bool)), {"net": itself, "recognition_model": other}
    )
    assert (found["whole"], found["candidates"], found["stimuli"], found["judged"]) == (True, 3, 3, True)
    first, *_, last = found["cells"]
    assert [cell["stage"] for cell in found["cells"]] == ["natural", *STAGES[1:]]
    assert (first["picture"], first["sound"]) == ("media/net/natural/a.png", "media/net/natural/a.wav")
    assert found["cells"][2]["sound"] == "media/net/block_2/a_7.wav"
    assert found["cells"][2]["link"] == "browser.html#model=net&stage=block%2F2&stimulus=a&seed=7"
    assert (last["itself"], last["right"], last["others"]) == (
        "a", True, [{"answer": "owl", "right": False, "who": "recognition_model"}]
    )  # fmt: skip
    alone = example_stimuli.example("net", "vision", acceptance(np.zeros((4, 3), bool)), {"net": itself})
    assert (first["error"], last["error"]) == (None, 0.09)  # of the first stimulus at the last of four stages
    assert not alone["judged"]
    assert not alone["whole"]
    assert alone["cells"][-1]["others"] == []
    assert alone["cells"][0]["sound"] is None
    assert [cell["accepted"] for cell in alone["cells"]] == [True, False, False, False]


def test_the_model_of_the_example_has_the_most_stages():
    models = {
        "ear": {"modality": "audio", "chosen": STAGES * 2},
        "few": {"modality": "vision", "chosen": ["input", "logits"]},
        "many": {"modality": "vision", "chosen": STAGES[1:]},
    }
    assert example_stimuli.example_model(models, "vision") == "many"


def training(perturbation: dict | None) -> xr.Dataset:
    """Attributes of a trained model."""
    return xr.Dataset(
        attrs={"training": json.dumps({"perturbation": perturbation}), "attack": "{}", "model": '{"modality": "audio"}'}
    )


def test_models_with_adversarial_training_are_known_from_training_or_from_the_publication():
    published = {"vision 0": "adversarial", "vision 1": "standard"}
    assert set(relation_of()["model_class"].values.ravel()) >= set(published.values())
    models = {name: {"published_as": None} for name in ("plain", "noisy", "robust", "own")}
    models |= {"public": {"published_as": "vision 0"}, "public plain": {"published_as": "vision 1"}}
    trained = {
        "plain": training(None),
        "noisy": training({"kind": "random"}),
        "robust": training({"kind": "adversarial"}),
    }
    assert example_stimuli.adversarially_trained(models, trained, relation_of()) == {"robust", "public"}


@pytest.fixture(scope="module")
def compared() -> tuple[Run, xr.Dataset]:
    """Two models and their contrast; all metamers of the last stage except one are accepted."""
    run = Run(
        Path("nowhere"),
        {"plain": "audio", "robust": "audio"},
        STAGES,
        stimuli=3,
        seeds=1,
        recognition_models={"audio": ["recognition_model"]},
    )
    families = dict.fromkeys(["plain", "robust"], "net") | {"recognition_model": "recognition_model"}
    given = (run.recognition, run.acceptance, families)
    sides = [(["robust"], ["plain"]), (["plain"], ["robust"])]
    found = contrasts(sides, *given)
    evidence = contrast_evidence(found, sides, run.acceptance, families, {model: {} for model in run.models})
    return run, found.merge(evidence)


def test_a_remedy_is_a_model_with_adversarial_training_against_one_without(compared):
    _, found = compared
    assert example_stimuli.remedies(found, {"robust"}) == ["robust - plain"]
    assert example_stimuli.remedies(found, set()) == []
    assert example_stimuli.remedies(found, {"robust", "plain"}) == []


def test_a_remedy_has_its_numbers_and_a_metamer_of_each_model(compared):
    run, found = compared
    shown = example_stimuli.remedy(found.sel(contrast="robust - plain"), "audio", run.acceptance, run.recognition)
    assert f"{shown['n']} of the 20 " in shown["missing"]
    assert shown["n"] == int(found["late_n"].sel(contrast="robust - plain"))
    assert [(one["model"], one["stage"]) for one in shown["cells"]] == [
        ("plain", "natural"), ("plain", "logits"), ("robust", "logits")
    ]  # fmt: skip
    assert all(one["accepted"] for one in shown["cells"])
    assert {said["who"] for one in shown["cells"] for said in one["others"]} == {"recognition_model"}
    nothing = {name: data.assign(accepted=data["accepted"] & False) for name, data in run.acceptance.items()}
    assert (
        example_stimuli.remedy(found.sel(contrast="robust - plain"), "audio", nothing, run.recognition)["cells"] == []
    )


def test_a_remedy_shows_a_stimulus_that_is_recognized_when_it_is_natural(compared):
    run, found = compared
    given = {name: data.assign(accepted=data["accepted"] | True) for name, data in run.acceptance.items()}
    stimuli = run.acceptance["plain"]["stimulus"].values
    for known in stimuli:
        recognition = {
            model: {name: data.copy(deep=True) for name, data in of.items()} for model, of in run.recognition.items()
        }
        for of_model in recognition.values():
            of_model["recognition_model"]["correct"].loc[{"stage": "natural"}] = stimuli[:, None] == known
        shown = example_stimuli.remedy(found.sel(contrast="robust - plain"), "audio", given, recognition)
        assert all(f"/{known}" in one["picture"] for one in shown["cells"])
