"""The experiment's folder contains every file that the page needs, no correct answers, and no addresses of other hosts."""

import json
import math
import re

import numpy as np
import pytest
from PIL import Image, ImageChops

from metamers.config.tables import read_table
from metamers.experiment.folder import (
    FROM_NPM,
    MASKS,
    category_icons,
    consent_form,
    expected_minutes,
    install_jspsych,
    noise_mask,
    page_settings,
    plain_picture,
    write_folder,
)
from metamers.humans.design import experiment_design
from metamers.modalities import MODALITIES
from tests.configurations import practice

CATEGORIES = ["ant", "bee"]
STIMULI = {f"stimulus_{n}": CATEGORIES[n % 2] for n in range(6)}
SETTINGS = {
    "stages": 2,
    "fixation_ms": 1,
    "image_ms": 2,
    "mask_ms": 3,
    "practice": practice(1, feedback=1, at_least=1),
    "catch": {"trials": 1, "at_least": 1},
}


def designed(seed):
    metamers = {name: {("some_model", "some_stage"): 0} for name in STIMULI}
    return experiment_design(STIMULI, metamers, [("some_model", "some_stage")], SETTINGS["practice"], ["bee"], 4, seed)


@pytest.fixture
def design():
    return designed(0)


def settings_of(design, icons=("1",), **changed):
    return page_settings(design, "vision", CATEGORIES, "category", SETTINGS | changed, {}, list(icons))


@pytest.fixture
def known(design):
    return settings_of(design)


def test_the_lock_of_npm_pins_every_file_and_names_no_host(root):
    text = (root / "experiment" / "package-lock.json").read_text()
    assert "http" not in text
    lock = json.loads(text)
    assert lock["lockfileVersion"] == 3
    for name, entry in lock["packages"].items():
        assert not name or entry["integrity"].startswith("sha512-")
        assert "hasInstallScript" not in entry
    wanted = json.loads((root / "experiment" / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {f"node_modules/{name}": version for name, version in wanted.items()}.items() <= {
        name: entry.get("version") for name, entry in lock["packages"].items()
    }.items()


def test_jspsych_is_as_pinned_and_points_nowhere(root, jspsych):
    assert {path.name for path in jspsych.iterdir()} == {*FROM_NPM.values(), "LICENCE.txt"}
    assert "jsPsych 8.3.0" in (jspsych / "LICENCE.txt").read_text()
    for path in jspsych.iterdir():
        assert "sourceMappingURL" not in path.read_text()


def test_what_npm_says_when_it_fails_is_told(root, tmp_path):
    """A package whose content differs from the lock."""
    (tmp_path / "package.json").write_text('{"dependencies": {"jspsych": "8.3.0"}}')
    (tmp_path / "package-lock.json").write_text("{}")
    with pytest.raises(RuntimeError, match=r"npm .*package-lock\.json"):
        install_jspsych(tmp_path / "package-lock.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def made(root, folder, known, **changed):
    source = folder.parent / "jspsych"
    source.mkdir()
    (source / "jspsych.js").write_text("")
    given = {
        "page": root / "experiment",
        "jspsych": source,
        "consent": root / "experiment" / "consent.html",
        "known": known,
        "minutes": 7,
        "stimuli": {name: Image.new("RGB", (12, 12)) for name in known["exhibits"]},
        "icons": {},
        "address": None,
        "seed": 0,
    }
    write_folder(folder, **(given | changed))


def test_the_page_learns_nothing_of_what_is_shown_but_in_the_practice(root, design, known, tmp_path):
    made(root, tmp_path / "vision", known)
    everything = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "vision").rglob("*")}
    told = " ".join(everything) + (tmp_path / "vision" / "design.json").read_text()
    assert "stimulus_" not in told
    assert "some_model" not in told
    assert "some_stage" not in told
    told_of = known["practice"]["categories"]
    rows = [design.sel(exhibit=name.removesuffix(".png")) for name in told_of]
    assert {row["kind"].item() for row in rows} == {"feedback", "practice"}
    assert [row["category"].item() for row in rows] == list(told_of.values())
    assert known["exhibits"] == sorted(known["exhibits"])


def test_every_file_that_a_page_names_is_there_but_those_of_its_host(root, known, tmp_path):
    made(root, tmp_path / "vision", known)
    missing = {}
    for page in ("index.html", "jatos.html", "pavlovia.html"):
        text = (tmp_path / "vision" / page).read_text()
        assert "scripts of the host" not in text
        named = re.findall(r'(?:src|href)="([^":]+)"', text)
        assert "experiment.js" in named
        missing[page] = {name for name in named if not (tmp_path / "vision" / name).is_file()} - {
            "jspsych/jspsych.css", "jspsych/html-button-response.js",
        }  # fmt: skip
    assert missing["index.html"] == set()
    assert missing["jatos.html"] == {"jatos.js"}
    assert all(name.startswith("lib/") for name in missing["pavlovia.html"])
    for script in (tmp_path / "vision").glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', script.read_text()):
            assert (tmp_path / "vision" / name).is_file()
    assert len(list((tmp_path / "vision" / "masks").iterdir())) == MASKS


def test_no_file_names_another_host(root):
    for path in (root / "experiment").iterdir():
        if path.is_file():
            assert not re.search(r"https?://(?!www\.w3\.org/)", path.read_text()), path


def test_answers_go_where_the_configuration_says(root, known, tmp_path):
    made(root, tmp_path / "vision", known, address="/answers")
    assert json.loads((tmp_path / "vision" / "answers.json").read_text()) == {"to": "browser", "address": "/answers"}


def test_another_way_of_showing_is_another_design(design):
    settings = settings_of(design)
    assert settings_of(design) == settings
    others = [settings_of(design, ["2"]), settings_of(design, image_ms=9), settings_of(designed(1))]
    assert settings["design"] not in [other["design"] for other in others]


def test_icons_are_of_every_category_or_none(tmp_path):
    assert category_icons(None, CATEGORIES) == {}
    (tmp_path / "ant.svg").write_text("")
    with pytest.raises(ValueError, match=r"experiment\.icons: .*bee\.svg .*bee\.png"):
        category_icons(str(tmp_path), CATEGORIES)
    (tmp_path / "bee.png").write_text("")
    assert list(category_icons(str(tmp_path), CATEGORIES)) == CATEGORIES


@pytest.mark.parametrize("size", [64, 260])
def test_the_power_of_a_mask_falls_with_the_square_of_frequency(size):
    mask = noise_mask(size, np.random.default_rng(0))
    assert mask.shape == (3, size, size)
    assert (mask >= 0).all()
    assert (mask <= 1).all()
    assert mask.mean() == pytest.approx(0.5, abs=0.02)
    power = np.abs(np.fft.fft2(mask[0] - mask[0].mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    band = (frequency > 0) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.35)


@pytest.mark.parametrize(
    ("word", "size"), [("dog", 224), ("airplane", 224), ("a very long category indeed", 64), ("i", 16)]
)
def test_a_word_as_a_picture_lies_within_it(word, size):
    picture = plain_picture(word, None, size)
    assert picture.size == (size, size)
    left, top, right, bottom = ImageChops.difference(picture, Image.new("RGB", picture.size, "#c0c0c0")).getbbox()
    assert left > 0
    assert top > 0
    assert right < size
    assert bottom < size
    assert abs((left + right) / 2 - size / 2) <= max(2, size / 50)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_where_there_are_icons_a_catch_trial_shows_one(root, tmp_path, suffix):
    icon = root / "experiment" / "icons" / "boat.svg"
    if suffix == ".png":
        icon = tmp_path / "boat.png"
        Image.new("RGBA", (40, 20), "black").save(icon)
    picture = plain_picture("boat", icon, 64)
    assert picture.size == (64, 64)
    left, top, right, bottom = ImageChops.difference(picture, Image.new("RGB", picture.size, "#c0c0c0")).getbbox()
    assert 30 < right - left <= 48
    assert abs((left + right) / 2 - 32) <= 2
    assert abs((top + bottom) / 2 - 32) <= 4


def test_the_study_s_categories_have_icons(root):
    categories = {
        row["category"] for row in read_table(root / "resources/datasets/imagenet_16_categories.tsv", ["category"])
    }
    assert len(categories) == 16
    assert {
        path.stem for path in category_icons(str(root / "experiment/icons"), sorted(categories)).values()
    } == categories


def test_the_expected_duration_follows_from_the_configuration(design, known):
    trials = len(known["orders"][0])
    assert expected_minutes(known, 0) == math.ceil((120 + trials * (3.5 + 0.006) + 3) / 60)
    assert expected_minutes(settings_of(design, image_ms=60_000), 0) == expected_minutes(known, 0) + trials
    assert expected_minutes(known, 60) == expected_minutes(known, 0) + trials


def test_a_consent_form_is_filled_in_and_keeps_its_other_braces(known):
    text = "<style>p {color: red}</style>{task}; {trials}, {minutes}"
    task = MODALITIES["vision"].trial.participation
    assert consent_form(text, known, 9) == f"<style>p {{color: red}}</style>{task}; {len(known['orders'][0])}, 9"
