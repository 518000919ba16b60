"""Comparisons of the extensions, in small cases that can be counted by hand."""

import re

import numpy as np
import pytest
import xarray as xr
from markupsafe import escape

from metamers.beyond import compare as beyond_compare
from metamers.beyond.chosen import cases_of, dissenters, other_stimuli, sets_of, stages_at
from metamers.beyond.settings import BeyondSettings
from metamers.config.models import ModelEntry
from metamers.match import NULL_MEASURES
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults
from metamers.report.beyond import (
    Addresses,
    cell,
    ensemble_words,
    file_name,
    gallery,
    lead_cells,
    leads_of,
    parts_of,
)
from metamers.report.beyond_figures import controversial_figure, ensemble_figure, invariance_figure, starts_figure
from metamers.report.beyond_leads import best
from metamers.report.figures import svg
from metamers.report.looks import looks_of
from metamers.report.navigation import PAGES, navigation_context
from metamers.report.render import render
from tests.report.sites import LINKED

# Plans


def rows(**categories):
    return [{"stimulus": name, "category": category} for name, category in categories.items()]


def test_another_stimulus_is_the_next_of_another_category_round_in_a_circle():
    assert other_stimuli(rows(a="cat", b="cat", c="dog", d="owl")) == {"a": "c", "b": "c", "c": "d", "d": "a"}
    assert other_stimuli(rows(a="word", b="word", c="word")) == {"a": "b", "b": "c", "c": "a"}


def test_stages_are_the_nearest_to_a_depth_among_those_that_are_generated():
    stages = ["input", "one", "two", "three", "four"]
    assert stages_at([0.25, 0.5, 0.6, 1], stages, stages) == ["one", "two", "two", "four"]
    assert stages_at([0.05, 0.625], stages, stages) == ["one", "two"]  # never the input; of two as near the earlier
    assert stages_at([0.25, 0.5], stages, ["input", "three", "four"]) == ["three", "three"]


def test_of_two_models_one_dissents_and_of_more_each_in_turn():
    assert dissenters(["a", "b"]) == ["b"]
    assert dissenters(["a", "b", "c"]) == ["a", "b", "c"]
    cases = cases_of("controversial", ["a", "b", "c"])
    assert cases["b"] == {"matched": {"a": "own", "b": "other", "c": "own"}, "start": "noise"}
    assert cases_of("ensemble", ["a", "b"]) == {"together": {"matched": {"a": "own", "b": "own"}, "start": "noise"}}
    starts = cases_of("starts", ["a"], ["pink_noise", "stimulus"])
    assert starts == {kind: {"matched": {"a": "own"}, "start": kind} for kind in ("pink_noise", "stimulus")}


def resolved(root, monkeypatch, **settings):
    monkeypatch.chdir(root)
    return config.make_plan(merge_defaults(settings)).beyond


def test_the_default_run_takes_two_architectures_of_its_first_modality(root, monkeypatch):
    found = resolved(root, monkeypatch)
    models = ["efficientnet_lite0", "efficientnet_lite1"]
    assert list(found.sets) == [f"starts_{name}" for name in models]
    assert found.recognition_models == {"vision": ["efficientnet_lite2"]}


def test_an_ensemble_has_the_stage_of_each_model_at_the_depth(root, monkeypatch):
    chosen = {"generation_models": ["efficientnet_lite0", "efficientnet_lite1"], "comparison": {"contrasts": []}}
    found = resolved(root, monkeypatch, **chosen, beyond={"ensemble": {"depths": [0.625], "stimuli": 4}})
    made = found.sets["ensemble_vision"]
    assert made.members == {"efficientnet_lite0": ["block_11"], "efficientnet_lite1": ["block_15"]}
    assert len(made.stimuli) == 4
    assert all(name != other for name, other in made.stimuli.items())


def test_models_of_both_modalities_have_sets_and_recognition_models_of_their_own(root, monkeypatch):
    chosen = ["efficientnet_lite0", "efficientnet_lite1", "cochcnn9_standard", "cochresnet50_standard", "spectemp"]
    found = resolved(
        root,
        monkeypatch,
        generation_models=chosen,
        recognition_models=[*chosen, "efficientnet_lite2", "cochcnn9_adversarial", "cochcnn9_random"],
        comparison={"contrasts": []},
        beyond={"models": chosen, "starts": None}
        | {part: {"depths": [1], "stimuli": 2} for part in ("ensemble", "controversial")},
    )
    assert list(found.sets) == ["ensemble_vision", "ensemble_audio", "controversial_vision", "controversial_audio"]
    assert found.recognition_models["audio"] == ["cochcnn9_adversarial", "cochcnn9_random"]
    assert list(found.sets["controversial_audio"].cases) == chosen[2:]


def test_a_run_that_leaves_the_choice_and_has_nobody_to_judge_makes_nothing(root, monkeypatch):
    seeing = {"generation_models": ["efficientnet_lite0"], "recognition_models": ["efficientnet_lite0"]}
    assert resolved(root, monkeypatch, **seeing, comparison={"contrasts": []}).sets == {}
    assert resolved(root, monkeypatch, beyond={"models": []}).sets == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": ["efficientnet_lite3"]}, r"beyond\.models\.0: .*'efficientnet_lite3'"),
        (
            {"models": ["efficientnet_lite0"], "ensemble": {"depths": [1], "stimuli": 2}},
            r"beyond\.models\.0: .*'vision'.*null",
        ),
        ({"ensemble": {"depths": [0]}}, r"beyond\.ensemble\.depths\.0: 0\b"),
        ({"starts": {"kinds": ["blue_noise"]}}, r"beyond\.starts\.kinds\.0: 'blue_noise'"),
        (
            {"controversial": {"depths": [1], "stimuli": 0}},
            r"beyond\.controversial\.stimuli: 0 .* 1\b",
        ),
    ],
)
def test_what_is_wrong_is_said_before_the_first_job(root, monkeypatch, settings, message):
    with pytest.raises(config.ConfigurationError, match=message):
        resolved(root, monkeypatch, beyond=settings)


def test_models_that_nobody_else_can_judge_are_refused(root, monkeypatch):
    chosen = ["efficientnet_lite0", "efficientnet_lite1"]
    changed = {"generation_models": chosen, "recognition_models": chosen, "comparison": {"contrasts": []}}
    with pytest.raises(config.ConfigurationError, match=r"recognition_models: .*'vision'"):
        resolved(root, monkeypatch, **changed, beyond={"models": chosen})
    changed |= {"generation_models": [{"model": name, "stages": ["input"]} for name in chosen]}
    with pytest.raises(config.ConfigurationError, match=r"beyond\.models\.0: .*'input'"):
        resolved(
            root, monkeypatch, **changed | {"recognition_models": ["efficientnet_lite2"]}, beyond={"models": chosen}
        )


# Answers. Two members, first at stage "early" then "late", second at "front" then "back"; stimuli a, b, c.

LOOKS = looks_of(["first", "second", "third"])
FAMILIES = {"third": "one", "fourth": "another"}
STIMULI, CATEGORIES, OTHERS = ["a", "b", "c"], ["cat", "dog", "owl"], ["dog", "owl", "cat"]


def null(*stages):
    """The largest null values: 0.5 for Spearman's rho, less for the other measures."""
    of_measure = {"pearson_r": 0.4, "snr_db": 3.0}
    largest = [[of_measure.get(name, 0.5) for name in NULL_MEASURES]] * len(stages)
    return xr.Dataset(
        {"largest": (("stage", "measure"), largest), "undefined_pairs": (("stage", "measure"), np.zeros_like(largest))},
        {"stage": list(stages), "measure": list(NULL_MEASURES)},
    )


NULLS = {"first": null("early", "late"), "second": null("front", "back")}


def a_set(part, cases, matches_other, members=("first", "second")):
    """A set whose metamers all match well and have the wanted category."""
    stages = {"first": ["early", "late"], "second": ["front", "back"]}
    dims, shape = ("stimulus", "case", "depth", "member"), (3, len(cases), 2, len(members))
    wanted = np.where(
        np.array(matches_other)[None, :, None], np.reshape(OTHERS, (3, 1, 1, 1)), np.reshape(CATEGORIES, (3, 1, 1, 1))
    )
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "metamer": (
                ("stimulus", "case", "depth", "channel", "row", "column"),
                rng.random((3, len(cases), 2, 3, 4, 4)),
            ),
            **{name: (dims, np.full(shape, 0.9)) for name in NULL_MEASURES},
            "snr_db": (dims, np.full(shape, 20.0)),
            "normalized_error": (dims, np.full(shape, 0.1)),
            "other_error": (dims, np.full(shape, 1.2)),
            "predicted_category": (dims, np.broadcast_to(wanted, shape)),
            "natural_category": (("stimulus", "case", "member"), np.broadcast_to(wanted, shape)[:, :, 0]),
        },
        coords={
            "stimulus": STIMULI,
            "category": ("stimulus", CATEGORIES),
            "other_stimulus": ("stimulus", ["b", "c", "a"]),
            "other_category": ("stimulus", OTHERS),
            "case": list(cases),
            "depth": [0.5, 1.0],
            "member": list(members),
            "member_stage": (("member", "depth"), [stages[name] for name in members]),
            "matches_other": (("case", "member"), matches_other),
        },
        attrs={"part": part, "modality": "vision"},
    )


def of_all(made):
    """Which of a set's metamers are accepted, by all measures."""
    return beyond_compare.acceptance(made, NULLS, NULL_MEASURES)["accepted"]


def answered(made, answers):
    """Answers of two recognition models, (recognition model, stimulus), for every case and depth."""
    shape = (2, 3, made.sizes["case"], 2)
    given = np.broadcast_to(np.array(answers)[:, :, None, None], shape)
    kept = ["stimulus", "category", "other_stimulus", "other_category", "case", "depth"]
    return xr.Dataset(
        {"answer": (("recognition_model", "stimulus", "case", "depth"), given)},
        coords={key: made[key] for key in kept} | {"recognition_model": ["third", "fourth"]},
    )


def in_run(answers, stages):
    """Answers of one recognition model to the run's own metamers; its answers to natural stimuli are correct."""
    given = np.array([CATEGORIES, *[answers] * len(stages)])[:, :, None]
    found = xr.Dataset(
        {"answer": (("stage", "stimulus", "seed"), given)},
        {"stage": ["natural", *stages], "stimulus": STIMULI, "seed": [0], "category": ("stimulus", CATEGORIES)},
    )
    return found.assign(correct=found["answer"] == found["category"])


def accepted(stages, *which):
    values = np.broadcast_to(np.array(which or (True, True, True))[None, :, None], (2, 3, 1))
    return xr.Dataset(
        {"accepted": (("stage", "stimulus", "seed"), values)}, {"stage": list(stages), "stimulus": STIMULI}
    )


def test_a_metamer_is_accepted_if_every_model_is_matched_and_sees_what_it_should():
    made = a_set("controversial", ["second"], [[False, True]])
    assert beyond_compare.acceptance(made, NULLS, NULL_MEASURES)["accepted"].all()
    # One measure below the null distribution's largest, of one member at one depth.
    made["pearson_r"][0, 0, 1, 1] = 0.39
    # The dissenter sees the stimulus instead of the other one.
    made["predicted_category"] = made["predicted_category"].astype(object)
    made["predicted_category"][1, 0, 0, 1] = "dog"
    found = beyond_compare.acceptance(made, NULLS, NULL_MEASURES)
    assert found["accepted"].sel(case="second").values.tolist() == [[True, False], [False, True], [True, True]]
    assert not found["above_null"][0, 0, 1, 1]
    assert not found["category_preserved"][1, 0, 0, 1]
    # Where that measure does not decide it is accepted; so is one whose stimulus the model names wrongly in the same way.
    assert beyond_compare.acceptance(made, NULLS, ["spearman_rho"])["accepted"][0, 0, 1]
    made["natural_category"] = made["natural_category"].astype(object)
    made["natural_category"][1, 0, 1] = "dog"
    found = beyond_compare.acceptance(made, NULLS, NULL_MEASURES)
    assert found["accepted"].sel(case="second").values.tolist() == [[True, False], [True, False], [True, True]]


@pytest.fixture(scope="module")
def together():
    made = a_set("ensemble", ["together"], [[False, False]])
    recognition = answered(made, [["cat", "dog", "cat"], ["cat", "cat", "cat"]])  # 100, 50, 0%
    run = {
        "first": dict.fromkeys(FAMILIES, in_run(["cat", "cat", "cat"], ["early", "late"])),  # 100, 0, 0%
        "second": dict.fromkeys(FAMILIES, in_run(["dog", "dog", "cat"], ["front", "back"])),  # 0, 100, 0%
    }
    return made, recognition, run


def test_an_ensemble_is_compared_with_each_model_alone_on_the_same_stimuli(together):
    made, recognition, run = together
    acceptance = {"first": accepted(["early", "late"]), "second": accepted(["front", "back"], True, True, False)}
    found = beyond_compare.ensemble(made, of_all(made), recognition, run, acceptance, FAMILIES)
    assert found["generation_model"].values.tolist() == ["first", "second", "first + second"]
    assert found["stage"].sel(generation_model="first + second").values.tolist() == ["early + front", "late + back"]
    assert found["n"].values.tolist() == [2, 2]  # c is not accepted of the second model
    np.testing.assert_allclose(found["proportion_correct"], [[0.5] * 2, [0.5] * 2, [0.75] * 2])
    np.testing.assert_allclose(found["difference"], 0.25)
    assert (found["low"] < 0).all()  # of two stimuli, which tell nearly nothing
    assert (found["natural_recognized"] == 1).all()


def test_an_ensemble_of_which_nothing_is_accepted_has_no_proportion(together):
    made, recognition, run = together
    acceptance = {name: accepted(NULLS[name]["stage"].values, False, False, False) for name in run}
    found = beyond_compare.ensemble(made, of_all(made), recognition, run, acceptance, FAMILIES)
    assert found["proportion_correct"].isnull().all()
    assert (found["n"] == 0).all()
    svg(ensemble_figure(found, LOOKS))
    words = ensemble_words(found)
    assert "0.5" in words
    assert "%" not in words


def test_recognition_models_side_with_either_or_with_neither():
    made = a_set("controversial", ["second"], [[False, True]])
    recognition = answered(made, [["cat", "owl", "ape"], ["dog", "owl", "owl"]])
    found = beyond_compare.controversial(made, of_all(made), recognition, FAMILIES).sel(case="second", depth=1)
    assert found["answered_own"].values.tolist() == [0.5, 0, 0.5]
    assert found["answered_other"].values.tolist() == [0.5, 1, 0]
    assert float(found["proportion_own"]) == pytest.approx(1 / 3)
    assert float(found["proportion_other"]) == pytest.approx(1 / 2)
    assert float(found["preference"]) == pytest.approx(-1 / 6)
    assert int(found["n"]) == 3


def test_recognition_models_of_one_family_side_together():
    made = a_set("controversial", ["second"], [[False, True]])
    recognition = answered(made, [["cat", "owl", "ape"], ["dog", "owl", "owl"]])
    third = recognition.sel(recognition_model=["fourth"]).assign_coords(recognition_model=["its sibling"])
    recognition = xr.concat([recognition, third], "recognition_model", data_vars="minimal")
    families = FAMILIES | {"its sibling": "another"}
    found = beyond_compare.controversial(made, of_all(made), recognition, families).sel(case="second", depth=1)
    assert found["answered_own"].values.tolist() == [0.5, 0, 0.5]


@pytest.fixture(scope="module")
def started():
    made = {"first": a_set("starts", ["pink_noise", "stimulus"], [[False]] * 2, members=["first"])}
    recognition = {"first": answered(made["first"], [["cat", "owl", "owl"], ["dog", "owl", "owl"]])}
    run = {"first": dict.fromkeys(FAMILIES, in_run(["cat", "dog", "cat"], ["early", "late"]))}
    kept = {"first": of_all(made["first"])}
    acceptance = {"first": accepted(["early", "late"])}
    return beyond_compare.starts(made, kept, recognition, run, acceptance, FAMILIES), made["first"]


def test_starts_are_set_beside_the_runs_own_noise(started):
    found = started[0].sel(generation_model="first", depth=0.5)
    assert found["start"].values.tolist() == ["noise", "pink_noise", "stimulus"]
    assert str(found["stage"].values) == "early"
    np.testing.assert_allclose(found["proportion_correct"], [2 / 3, 0.5, 0.5])
    # Of the run's own, c is taken for the cat that its other stimulus shows.
    np.testing.assert_allclose(found["proportion_other"], [1 / 3, 0.5, 0.5])
    assert found["recognized"].sel(start="stimulus").values.tolist() == [0.5, 0, 1]


# Page


@pytest.fixture(scope="module")
def left_free():
    starts, shape = ["noise", "other_noise", "stimulus"], (3, 2, 3, 4)
    dims = ("start", "depth", "stimulus", "measured_stage")
    rng = np.random.default_rng(1)
    return xr.Dataset(
        {
            "relative_difference": (dims, rng.random(shape)),
            "start_difference": (("start", "stimulus", "measured_stage"), rng.random((3, 3, 4))),
            "remaining": (dims[:3], rng.random((3, 2, 3))),
        },
        {
            "start": starts,
            "depth": [0.5, 1.0],
            "stage": ("depth", ["early", "late"]),
            "measured_stage": ["input", "early", "late", "logits"],
        },
        attrs={"modality": "vision"},
    )


def addresses_of(name: str, made: xr.Dataset) -> Addresses:
    """Addresses of the files of a set; those of the run's own metamers are left out of controversial sets."""
    stages = (("first", ("early", "late")), ("second", ("front", "back")))
    run = {(m, s, n): f"media/{m}/{s}/{n}_0.png" for m, places in stages for s in places for n in STIMULI}
    own = {
        file_name(stimulus, place, case): f"media/_beyond/{name}/{file_name(stimulus, place, case)}.png"
        for stimulus in STIMULI
        for place in range(made.sizes["depth"])
        for case in map(str, made["case"].values)
    }
    natural = {stimulus: f"media/_beyond/natural_vision/{stimulus}.png" for stimulus in STIMULI}
    return Addresses(natural, run if made.attrs["part"] != "controversial" else {}, own)


@pytest.fixture(scope="module")
def page(together, started, left_free):
    made, recognition, run = together
    acceptance = {name: accepted(NULLS[name]["stage"].values) for name in run}
    whole = beyond_compare.ensemble(made, of_all(made), recognition, run, acceptance, FAMILIES)
    apart = a_set("controversial", ["second"], [[False, True]])
    sides = beyond_compare.controversial(
        apart, of_all(apart), answered(apart, [["cat", "owl", "<b>"], ["dog"] * 3]), FAMILIES
    )
    starts, begun = (each.copy() for each in started)
    begun["category"] = ("stimulus", ["cat <b>", "dog", "owl"])
    sets = {"ensemble_vision": made, "controversial_vision": apart, "starts_first": begun}
    found = {name: addresses_of(name, one) for name, one in sets.items()}
    galleries = {name: gallery(one, found[name]) for name, one in sets.items()}
    for one in (whole, sides, starts):
        one.attrs["judged_by"] = "third, fourth"
        one.attrs["modality"] = "vision"
    starts = starts.sel(start=["noise", "stimulus"])
    given = whole, sides, starts, {"first": left_free}
    leads = leads_of("vision", *given)
    for lead in leads.values():
        lead["cells"] = lead_cells(lead, sets, found)
    parts = parts_of("vision", *given, galleries, leads, LOOKS)
    for part in parts:
        assert svg(part["figure"]).startswith(b"<?xml")
        part["figure"] = f"beyond_{part['identifier']}"
    context = {"run": "small", "parts": parts} | navigation_context("beyond", PAGES, LINKED, "standard")
    return render("beyond.html.j2", context), parts


def test_the_page_has_its_parts_with_numbers_tables_and_pictures(page):
    text, parts = page
    words = {part["kind"]: part["words"] for part in parts}
    assert list(words) == ["starts", "controversial", "ensemble", "invariance"]
    assert all(str(escape(of_part)) in text for of_part in words.values())
    assert re.findall(r"\d+%", words["ensemble"])[:3] == ["33%", "33%", "50%"]  # first, second, both
    assert re.findall(r"\d+%", words["controversial"])[:2] == ["33%", "33%"]  # against the second model, and with it
    assert [re.search(r"\+\d+(?= points)", words[kind])[0] for kind in ("ensemble", "controversial")] == ["+17", "+0"]
    assert all("n = 3" in words[kind] for kind in ("ensemble", "controversial"))
    for file in ("ensemble/vision", "controversial/vision", "starts/vision", "invariance/&lt;model&gt;"):
        assert text.count(f"<code>beyond/{file}.nc</code>") == 2  # figure and table
    led = sum(len(part["lead"]["cells"]) for part in parts if part["lead"])
    assert text.count('<img src="media/') == 3 * 2 * (4 + 3 + 5) + led
    assert "data:image" not in text
    assert "cat <b>" not in text
    assert "cat &lt;b&gt;" in text
    for row in re.findall(r"<tr>.*?</tr>", text):
        assert "nan" not in row
    # Every picture and every player has words.
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img [^>]+>", text))


def test_every_section_begins_with_its_main_metamer_between_natural_stimuli(page):
    text, parts = page
    leads = {part["kind"]: part["lead"] for part in parts}
    files_of = {kind: [one["picture"] for one in lead["cells"]] for kind, lead in leads.items() if lead}
    # Both other models answer "owl", the category of the start, to the metamer of b, but only one does so for a and c.
    assert files_of["starts"] == [
        "media/_beyond/natural_vision/c.png", "media/_beyond/starts_first/b_1_stimulus.png", "media/_beyond/natural_vision/b.png"
    ]  # fmt: skip
    assert re.search("100%.*owl.*0%.*dog", leads["starts"]["words"])
    assert files_of["controversial"][1] == "media/_beyond/controversial_vision/a_1_second.png"
    assert files_of["ensemble"] == [
        "media/_beyond/natural_vision/a.png", "media/first/late/a_0.png", "media/second/back/a_0.png",
        "media/_beyond/ensemble_vision/a_1_together.png",
    ]  # fmt: skip
    assert [one["main"] for one in leads["ensemble"]["cells"]] == [False, False, False, True]
    for one in (one for lead in leads.values() if lead for one in lead["cells"]):
        assert (re.search(r"\(normalized error [0-9.]+\)$", one["what"]) is not None) == one["main"]
    for lead in leads.values():
        if lead:
            assert lead["rule"] in text


def test_results_of_few_stimuli_are_no_headline(page):
    text, parts = page
    assert all(part["few"] for part in parts)  # three stimuli
    opening, sections = text.split("<section", maxsplit=1)
    assert not [part for part in parts if part["words"] in opening]
    assert all(str(escape(part["words"])) in sections for part in parts)


def test_the_page_opens_with_the_results_of_enough_stimuli(page):
    _, parts = page
    enough = [part | {"few": False, "n": 12} for part in parts]
    context = {"run": "small", "parts": enough} | navigation_context("beyond", PAGES, LINKED, "standard")
    opening, sections = render("beyond.html.j2", context).split("<section", maxsplit=1)
    for part in parts:
        assert str(escape(part["words"])) in opening
        assert str(escape(part["words"])) not in sections


def test_a_lead_is_the_best_accepted_one_and_the_first_of_equal_ones():
    accepted = xr.DataArray([[True, True], [False, True]], dims=("depth", "stimulus"))
    first = xr.DataArray([[0.2, 0.5], [0.9, 0.5]], dims=("depth", "stimulus"))
    assert best([first], accepted) == {"depth": 0, "stimulus": 1}
    deepest = xr.DataArray([0.5, 1.0], dims="depth")
    assert best([first, deepest], accepted) == {"depth": 1, "stimulus": 1}
    assert best([first], accepted & False) is None


def test_sounds_have_a_player_and_no_picture():
    assert cell("natural: low", "media/x.wav", True) == {
        "what": "natural: low",
        "picture": None,
        "sound": "media/x.wav",
    }


def test_series_of_figures_differ_by_more_than_colour(together, started, left_free):
    made, recognition, run = together
    acceptance = {name: accepted(NULLS[name]["stage"].values) for name in run}
    whole = beyond_compare.ensemble(made, of_all(made), recognition, run, acceptance, FAMILIES)
    apart = a_set("controversial", ["second"], [[False, True]])
    sides = beyond_compare.controversial(
        apart, of_all(apart), answered(apart, [["cat", "owl", "ape"], ["dog"] * 3]), FAMILIES
    )
    starts = started[0].sel(start=["noise", "stimulus"])
    draw = [
        lambda: ensemble_figure(whole, LOOKS),
        lambda: controversial_figure(sides, LOOKS),
        lambda: starts_figure(starts, {"first": left_free}, LOOKS),
        lambda: invariance_figure({"first": left_free}, LOOKS),
    ]
    for figure in [one() for one in draw]:
        for axes in figure.axes:
            below = axes.get_shared_x_axes().get_siblings(axes)
            assert any(one.get_xlabel() for one in below)
            lines = [line for line in axes.lines if len(line.get_xdata()) and not line.get_label().startswith("_")]
            looks = [(line.get_marker(), line.get_linestyle(), line.get_markerfacecolor() == "none") for line in lines]
            assert len(set(looks)) == len(looks), axes.get_title()
            hatches = [bars[0].get_hatch() for bars in axes.containers if hasattr(bars[0], "get_hatch")]
            assert len(set(hatches)) == len(hatches)
    assert [svg(one()) for one in draw] == [svg(one()) for one in draw]


def test_depths_at_which_all_models_have_the_stages_of_an_earlier_one_are_left_out():
    few, many = ["input", "a", "b"], ["input", "p", "q", "r", "s"]
    anything = {"modality": "vision", "source": {}, "weights": {}, "input": {}, "family": "", "registry": "models.yaml"}
    models = {
        name: ModelEntry(**anything, stages=dict.fromkeys(stages)) for name, stages in (("few", few), ("many", many))
    }
    rows = {"vision": [{"stimulus": "x", "category": "1"}, {"stimulus": "y", "category": "2"}]}
    part = {"depths": [0.5, 0.52, 0.7, 1], "stimuli": None}
    settings = BeyondSettings.model_validate({"ensemble": part, "starts": part | {"kinds": ["pink_noise"]}})
    found = sets_of(list(models), settings, {"few": few, "many": many}, models, rows)
    assert found["ensemble_vision"].depths == [0.5, 0.7, 1]
    assert found["ensemble_vision"].members == {"few": ["a", "a", "b"], "many": ["q", "r", "s"]}
    # Of starts each model has a set of its own, which are set against each other at the same depths.
    assert found["starts_few"].depths == found["starts_many"].depths == [0.5, 0.7, 1]
    assert found["starts_few"].members == {"few": ["a", "a", "b"]}
    alone = sets_of(["few"], settings, {"few": few}, models, rows)
    assert (alone["starts_few"].depths, alone["starts_few"].members) == ([0.5, 1], {"few": ["a", "b"]})
