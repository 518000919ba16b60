"""Galleries of the report: natural stimuli and their metamers, stage by stage, as pictures and as sounds to play.

What of a sound is shown, its cochleagram and its player, is made in ``metamers.report_sounds``.
"""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import xarray as xr
from PIL import Image

from metamers.names import NATURAL

# Of a gallery, half as many where both modalities have one; more are in the exported folders.
ROWS = {"vision": 6, "audio": 4}
MEDIA_BYTES = 5_400_000  # of all pictures and sounds of a page; as text they are a third larger
JPEG_QUALITIES = (90, 85, 80, 70, 60)


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def svg_uri(figure: bytes) -> str:
    """An SVG as an address that holds it as text, a quarter shorter than ``data_uri``."""
    text = " ".join(figure.decode().split())
    return "data:image/svg+xml;charset=utf-8," + quote(text, safe=" !$&'()*+,-./:;=?@_~|[]{}^`")


def _jpeg(path: Path, quality: int) -> bytes:
    """An image as JPEG with all its colour resolution, which noise needs."""
    stream = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(stream, format="JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def pictures(paths: Mapping[Any, Path], size: int = MEDIA_BYTES) -> tuple[dict[Any, str], int | None]:
    """Exported images as data URIs: PNG as they are, or JPEG where all together would be too large for a page.

    Parameters
    ----------
    paths
        Any key → PNG file.
    size
        Bytes that all files together should not exceed: decides on the format, and on the quality of JPEG.

    Returns
    -------
    uris
        Key → data URI.
    quality
        Of the JPEG files, or None where they are PNG.
    """
    if sum(path.stat().st_size for path in paths.values()) <= size:
        return {key: data_uri(path.read_bytes(), "image/png") for key, path in paths.items()}, None
    for quality in JPEG_QUALITIES:
        files = {key: _jpeg(path, quality) for key, path in paths.items()}
        if sum(map(len, files.values())) <= size:
            break
    return {key: data_uri(content, "image/jpeg") for key, content in files.items()}, quality


def verdict(accepted: bool, above_null: bool) -> str:
    """What became of a metamer, in words and a sign."""
    if accepted:
        return "✓ accepted"
    return "✗ rejected: category lost" if above_null else "✗ rejected: poor match"


def gallery(
    generation_model: str,
    acceptance: xr.Dataset,
    recognition: Mapping[str, xr.Dataset],
    shown: Mapping[tuple[str, str], str],
    sounds: Mapping[tuple[str, str], str],
) -> list[dict[str, Any]]:
    """The rows of one generation model's gallery: a natural stimulus, then its metamer at every stage.

    Parameters
    ----------
    generation_model
        Whose metamers they are.
    acceptance
        (stage, stimulus, seed) → ``accepted``, ``above_null``.
    recognition
        Recognition model → (stage, stimulus, seed) → ``answer``, ``correct``, stage ``natural`` first.
    shown
        (stage, stimulus) → data URI of what is shown, of the first seed; decides which stimuli have a row.
    sounds
        The same → data URI of what is heard; then what is shown are cochleagrams. Empty for vision.

    Returns
    -------
    list
        For each stimulus ``label``, ``category`` and ``cells``: ``stage``, ``picture``, ``alt``, ``sound`` (or None),
        ``player`` (the player's name), ``verdict`` (empty for the natural stimulus), ``accepted``, ``others`` (how many
        other models recognize it), ``answers``.
    """
    judges = [name for name in recognition if name != generation_model]
    rows = []
    for stimulus in dict.fromkeys(stimulus for _, stimulus in shown):
        of_stimulus = acceptance.sel(stimulus=stimulus).isel(seed=0)
        label, category = str(of_stimulus["label"].values), str(of_stimulus["category"].values)
        cells = []
        for stage in [NATURAL, *map(str, acceptance["stage"].values)]:
            answers = {
                name: data.sel(stage=stage, stimulus=stimulus).isel(seed=0) for name, data in recognition.items()
            }
            right = sum(bool(answers[name]["correct"]) for name in judges)
            others = f"{right} of {len(judges)} others" if judges else ""
            accepted, word = True, ""
            if stage != NATURAL:
                accepted = bool(of_stimulus["accepted"].sel(stage=stage))
                word = verdict(accepted, bool(of_stimulus["above_null"].sel(stage=stage)))
            what = f"Natural stimulus: {label}" if stage == NATURAL else f"Metamer of {label} at stage {stage}: {word}"
            what += f"; recognized by {others.removesuffix('others')}other models" if judges else ""
            said = [f"{name}: {a['answer'].item()} {'✓' if a['correct'] else '✗'}" for name, a in answers.items()]
            cells.append(
                {
                    "stage": stage,
                    "picture": shown[stage, stimulus],
                    "alt": f"Cochleagram. {what}" if sounds else what,
                    "sound": sounds.get((stage, stimulus)),
                    "player": ", ".join([label, stage] if stage == NATURAL else [label, generation_model, stage]),
                    "verdict": word,
                    "accepted": accepted,
                    "others": others,
                    "answers": "; ".join(said),
                }
            )
        rows.append({"label": label, "category": category, "cells": cells})
    return rows
