"""The report's page: Datasets, figures and pictures in, one self-contained HTML text out.

Numbers and tables are put together here; the words around them are in ``report.html.j2``, which escapes everything
that it is given. Figures are drawn in ``metamers.report_figures``.
"""

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import xarray as xr
import yaml
from PIL import Image

from metamers.compare import CORRELATIONS, by_others
from metamers.humans import own_stages
from metamers.names import INPUT_STAGE, NATURAL
from metamers.report_figures import with_interval

TEMPLATE = Path(__file__).with_name("report.html.j2")
GALLERY_STIMULI = 6  # rows of a gallery; more are in the exported folders
PICTURES_BYTES = 9_000_000  # of all pictures of a page
JPEG_QUALITIES = (90, 85, 80)
ABSENT = "–"
NOUNS = {"vision": "images", "audio": "sounds"}
TASKS = {"vision": "which of 16 categories an image shows", "audio": "which of 793 words was spoken"}

Table = dict[str, Any]


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _jpeg(path: Path, quality: int) -> bytes:
    """An image as JPEG with all its colour resolution, which noise needs."""
    stream = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(stream, format="JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def pictures(paths: Mapping[Any, Path], size: int = PICTURES_BYTES) -> tuple[dict[Any, str], int | None]:
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


def number(value: float, digits: int = 2) -> str:
    """A number with so many decimals, or a dash where there is none."""
    return f"{value:.{digits}f}" if np.isfinite(value) else ABSENT


def significant(value: float, digits: int = 2) -> str:
    """A number with so many significant digits, or a dash where there is none."""
    return f"{value:.{digits}g}" if np.isfinite(value) else ABSENT


def percent(value: float) -> str:
    """A proportion in percent, or a dash where there is none."""
    return f"{100 * value:.0f}%" if np.isfinite(value) else ABSENT


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

    Returns
    -------
    list
        For each stimulus ``label``, ``category`` and ``cells``: ``stage``, ``picture``, ``alt``, ``verdict`` (empty for
        the natural stimulus), ``accepted``, ``others`` (how many other models recognize it), ``answers``.
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
            said = [f"{name}: {a['answer'].item()} {'✓' if a['correct'] else '✗'}" for name, a in answers.items()]
            cells.append(
                {
                    "stage": stage,
                    "picture": shown[stage, stimulus],
                    "alt": what + (f"; recognized by {others.removesuffix('others')}other models" if judges else ""),
                    "verdict": word,
                    "accepted": accepted,
                    "others": others,
                    "answers": "; ".join(said),
                }
            )
        rows.append({"label": label, "category": category, "cells": cells})
    return rows


def summary(
    generation_model: str, acceptance: xr.Dataset, others: xr.Dataset, recognizable: xr.Dataset, predicted: xr.Dataset
) -> dict[str, Any]:
    """The result of one generation model in a few numbers.

    Parameters
    ----------
    generation_model
        Its name.
    acceptance
        (stage, stimulus, seed) → ``accepted``.
    others
        What ``metamers.compare.by_others`` gives.
    recognizable, predicted
        What ``recognizability`` and ``predicted_human`` of ``metamers.compare`` give.

    Returns
    -------
    dict
        ``model``, ``made``, ``accepted``; ``natural``: recognizability of natural stimuli by other models; ``first``
        and ``last``: the first stage after the input, and the last one, each as ``stage``, ``others``,
        ``standard_error``, ``predicted``, ``low``, ``high``, ``n``; ``below_half``: the first stage whose metamers
        other models mostly fail to recognize, or None; ``others_known``: whether other models judged the last.
    """
    stages = list(map(str, acceptance["stage"].values))
    mean = others["proportion_correct"]
    own = recognizable.sel(generation_model=generation_model)

    def at(stage: str) -> dict[str, Any]:
        expected = predicted.sel(generation_model=generation_model, stage=stage)
        return {
            "stage": stage,
            "others": float(mean.sel(stage=stage)),
            "standard_error": float(others["standard_error"].sel(stage=stage)),
            "n": int(own["n"].sel(stage=stage).max()),
            **{name: float(expected[name]) for name in ("predicted", "low", "high")},
        }

    return {
        "model": generation_model,
        "made": acceptance["accepted"].size,
        "accepted": int(acceptance["accepted"].sum()),
        "stimuli": acceptance.sizes["stimulus"],
        "natural": float(mean.sel(stage=NATURAL)),
        "first": at(next((stage for stage in stages if stage != INPUT_STAGE), stages[0])),
        "last": at(stages[-1]),
        "others_known": bool(np.isfinite(mean.sel(stage=stages[-1]))),
        "below_half": next((stage for stage in stages if float(mean.sel(stage=stage)) < 0.5), None),
    }


def mean_of(values: Iterable[float]) -> float:
    """Mean of the numbers that there are, NaN where there are none."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def match_table(acceptance: xr.Dataset) -> Table:
    """Match at each stage: median over metamers of each measure, and how many were accepted."""
    rows = []
    for stage in acceptance["stage"].values:
        of_stage = acceptance.sel(stage=stage)
        median = {name: float(of_stage[name].median()) for name in ("normalized_error", "pearson_r", "spearman_rho")}
        count = {name: int(of_stage[name].sum()) for name in ("accepted", "above_null", "category_preserved")}
        rows.append(
            [
                str(stage),
                f"{count['accepted']} of {of_stage['accepted'].size}",
                str(count["above_null"]),
                str(count["category_preserved"]),
                significant(median["normalized_error"]),
                number(median["pearson_r"], 3),
                number(median["spearman_rho"], 3),
                number(float(of_stage["snr_db"].median()), 1),
            ]
        )
    head = ["Stage", "Accepted", "Match above null", "Category kept", "Normalized error", "Pearson r", "Spearman ρ"]
    return {"head": [*head, "Signal-to-noise ratio (dB)"], "rows": rows}


def recognizability_table(
    generation_model: str, recognizable: xr.Dataset, others: xr.Dataset, predicted: xr.Dataset
) -> Table:
    """Recognizability at each stage: by every recognition model, by the others together, and expected of people."""
    own = recognizable.sel(generation_model=generation_model)
    judges = [str(name) for name in own["recognition_model"].values]
    judges = [name for name in judges if own["n"].sel(recognition_model=name).any()]
    rows = []
    for stage in own_stages(recognizable, generation_model):
        row = [stage, str(int(own["n"].sel(stage=stage).max()))]
        row += [number(float(own["proportion_correct"].sel(stage=stage, recognition_model=name))) for name in judges]
        of_stage = others.sel(stage=stage)
        mean, error = float(of_stage["proportion_correct"]), float(of_stage["standard_error"])
        row.append(f"{number(mean)} ± {number(error)}" if np.isfinite(mean) else ABSENT)
        expected = ABSENT
        if stage != NATURAL:
            values = predicted.sel(generation_model=generation_model, stage=stage)
            middle, low, high = (float(values[name]) for name in ("predicted", "low", "high"))
            expected = f"{middle:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(middle) else ABSENT
        rows.append([*row, expected])
    named = [f"{name} (itself)" if name == generation_model else name for name in judges]
    head = ["Stage", "n", *named, "Mean of the others ± SE", "People, predicted (95% interval)"]
    return {"head": head, "rows": rows}


def relation_table(relation: xr.Dataset) -> Table:
    """What people and other models have in common in the published data, for each modality."""
    rows = []
    for modality in relation["modality"].values:
        of_modality = relation.sel(modality=modality)
        row = [str(modality), str(int(of_modality["human_mean"].count()))]
        row.append(f"{int(of_modality['judges'])} of {int(of_modality['judges_published'])}")
        for name in CORRELATIONS:
            value, low, high = (number(float(of_modality[name + end]), 3) for end in ("", "_low", "_high"))
            row += [f"{value} ({low} to {high})", number(float(of_modality[f"published_{name}"]), 3)]
        value, low, high = (number(float(of_modality["noise_ceiling_r2" + end]), 3) for end in ("", "_low", "_high"))
        rows.append([*row, f"{value} ({low} to {high})"])
    head = [
        "Modality",
        "Points",
        "Judges public",
        "R² (95% interval)",
        "R² in the paper",
        "Spearman ρ",
        "ρ in the paper",
    ]
    return {"head": [*head, "Kendall τ", "τ in the paper", "Noise ceiling of R² (range)"], "rows": rows}


def anova_table(tested: xr.Dataset) -> Table:
    """Mixed analysis of variance, human against model, for each published experiment and model."""
    rows = []
    effects = list(map(str, tested["effect"].values))
    for test in range(tested.sizes["test"]):
        of_test = tested.isel(test=test)
        row = [str(of_test["experiment"].values), str(of_test["generation_model"].values)]
        for effect in effects:
            one = of_test.sel(effect=effect)
            f, first, second, p, eta = (
                float(one[name]) for name in ("f", "df_effect", "df_error", "p_permutation", "partial_eta_squared")
            )
            row.append(f"F({first:.0f},{second:.0f}) = {f:.2f}; {p:.4f}; {eta:.2f}")
        rows.append(row)
    return {
        "head": ["Experiment", "Model", *(f"{effect.capitalize()}: F; p; partial η²" for effect in effects)],
        "rows": rows,
    }


def provenance(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Where everything on the page comes from, out of the attributes of the run's files.

    Parameters
    ----------
    paths
        NetCDF files that ``metamers.files.save`` wrote.

    Returns
    -------
    dict
        ``software``: name → versions; ``references``: what to cite; ``inputs``: table of every file that one of them
        was computed from, with its SHA-256; ``files``: table of the files themselves, with that of their content;
        ``mixed``: inputs of which several versions were used, so that the run is not of one piece.
    """
    software: dict[str, set[str]] = {}
    inputs: dict[str, dict[str, None]] = {}
    references: dict[str, None] = {}
    made = []
    for path in paths:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            attributes = dict(dataset.attrs)
        for name, version in json.loads(attributes["software"]).items():
            software.setdefault(name, set()).add(version)
        for name, sha256 in json.loads(attributes["inputs"]).items():
            inputs.setdefault(name, {})[sha256] = None
        references |= dict.fromkeys(filter(None, attributes["references"].split("; ")))
        made.append([str(path), attributes["title"], attributes["content_sha256"]])
    return {
        "software": {name: ", ".join(sorted(versions)) for name, versions in sorted(software.items())},
        "references": list(references),
        "inputs": {
            "head": ["Computed from", "SHA-256"],
            "rows": [[name, sha256] for name in sorted(inputs) for sha256 in inputs[name]],
        },
        "mixed": sorted(name for name, versions in inputs.items() if len(versions) > 1),
        "files": {"head": ["File", "What it is", "SHA-256 of its content"], "rows": sorted(made)},
    }


def as_yaml(configuration: Mapping[str, Any]) -> str:
    """A configuration as YAML, plain data only."""
    return yaml.safe_dump(json.loads(json.dumps(configuration)), sort_keys=False, allow_unicode=True, width=100)


def outside_published(others: Sequence[xr.Dataset], relation: xr.Dataset, modality: str) -> tuple[int, int]:
    """How many predictions leave the published range of other models' recognizability, and how many there are."""
    published = relation["model_mean"].sel(modality=modality)
    means = [of_model["proportion_correct"].sel(stage=of_model["stage"] != NATURAL).values for of_model in others]
    means = np.concatenate([np.empty(0), *means])
    means = means[np.isfinite(means)]
    return int(((means < float(published.min())) | (means > float(published.max()))).sum()), len(means)


def relations(relation: xr.Dataset) -> list[dict[str, Any]]:
    """What the page says of each published modality, in numbers."""
    return [
        {
            "name": str(modality),
            "points": int(relation["human_mean"].sel(modality=modality).count()),
            "r2": float(relation["pearson_r2"].sel(modality=modality)),
            "text": with_interval(relation, modality, "pearson_r2"),
            "ceiling": float(relation["noise_ceiling_r2"].sel(modality=modality)),
            "judges": int(relation["judges"].sel(modality=modality)),
            "judges_published": int(relation["judges_published"].sel(modality=modality)),
        }
        for modality in relation["modality"].values
    ]


def totals(models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The result of all generation models together: sums, and means over models.

    Parameters
    ----------
    models
        What ``model_context`` gives.
    """
    summaries = [model["summary"] for model in models]
    first, last = (mean_of(summary[end]["others"] for summary in summaries) for end in ("first", "last"))
    modalities = list(dict.fromkeys(model["modality"] for model in models))
    return {
        "made": sum(summary["made"] for summary in summaries),
        "accepted": sum(summary["accepted"] for summary in summaries),
        "stimuli": max((summary["stimuli"] for summary in summaries), default=0),
        "natural": mean_of(summary["natural"] for summary in summaries),
        "first": first,
        "last": last,
        "first_known": bool(np.isfinite(first)),
        "last_known": bool(np.isfinite(last)),
        "chance": mean_of(1 / model["categories"] for model in models),
        "noun": NOUNS[modalities[0]] if len(modalities) == 1 else "stimuli",
        "categories": list(dict.fromkeys(str(model["categories"]) for model in models)),
    }


def model_context(
    name: str,
    entry: Mapping[str, Any],
    acceptance: xr.Dataset,
    recognition: Mapping[str, xr.Dataset],
    recognizable: xr.Dataset,
    predicted: xr.Dataset,
    shown: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    """What the page shows of one generation model.

    Parameters
    ----------
    name
        The generation model.
    entry
        Its ``modality`` and ``categories``, the number of categories that an observer chooses among.
    acceptance, recognition, recognizable, predicted
        The run's Datasets; ``recognition`` by recognition model.
    shown
        What ``gallery`` takes; empty where nothing can be shown as a picture.
    """
    others = by_others(recognition, acceptance["accepted"], name)
    return {
        "name": name,
        **entry,
        "seeds": acceptance.sizes["seed"],
        "summary": summary(name, acceptance, others, recognizable, predicted),
        "gallery": gallery(name, acceptance, recognition, shown),
        "match": match_table(acceptance),
        "recognizability": recognizability_table(name, recognizable, others, predicted),
        "others": others,
    }


def page_context(
    run: str,
    models: Sequence[Mapping[str, Any]],
    judges: Mapping[str, Sequence[str]],
    relation: xr.Dataset,
    anova: xr.Dataset | None,
    figures: Mapping[str, bytes],
    captions: Mapping[str, str],
    jpeg_quality: int | None,
    origin: Mapping[str, Any],
    configuration: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that the template names.

    Parameters
    ----------
    run
        The run's name.
    models
        What ``model_context`` gives, for each generation model; may be empty.
    judges
        Recognition model → its references in the registry: models with the same are one family.
    relation, anova
        What ``humans_vs_models`` and ``human_against_model`` give, the latter where there are participants.
    figures
        Name → SVG.
    captions
        Name → text, paragraphs with an empty line between them.
    jpeg_quality
        What ``pictures`` gives.
    origin
        What ``provenance`` gives.
    configuration
        What of the run's configuration gives the same run on any machine.
    """
    modalities = list(dict.fromkeys(model["modality"] for model in models))
    counts = [
        outside_published([model["others"] for model in models if model["modality"] == modality], relation, modality)
        for modality in modalities
    ]
    return {
        "run": run,
        "models": models,
        "modalities": modalities,
        "tasks": [TASKS[modality] for modality in modalities],
        "totals": totals(models),
        "judges": {"names": list(judges), "one_family": len(judges) > 1 and len(set(map(tuple, judges.values()))) == 1},
        "outside": {"number": sum(count for count, _ in counts), "of": sum(of for _, of in counts)},
        "relation": relations(relation),
        "tables": {"relation": relation_table(relation), "anova": anova_table(anova) if anova is not None else None},
        "figures": figures,
        "captions": {
            name: [" ".join(paragraph.split()) for paragraph in text.split("\n\n")] for name, text in captions.items()
        },
        "jpeg_quality": jpeg_quality,
        "provenance": origin,
        "configuration": as_yaml(configuration),
    }


def page(context: Mapping[str, Any]) -> str:
    """The page as HTML.

    Parameters
    ----------
    context
        What ``page_context`` gives.

    Raises
    ------
    jinja2.UndefinedError
        When the context lacks something that the template names.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": percent, "number": number, "uri": lambda text: data_uri(text, "image/svg+xml")}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(context)
