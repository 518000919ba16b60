"""Error consistency in the report: a figure of kappa over stages, a table, and a sentence for each generation model."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import xarray as xr

from metamers.compare.error_consistency import PAIRS
from metamers.compare.verdict import side_of_zero
from metamers.humans.participants import own_stages
from metamers.report.chance import kappa_text
from metamers.report.charts import POINTS, curve_layers, vector
from metamers.report.figures import BLUE, INK, SLATE
from metamers.report.looks import MARKS
from metamers.report.model_figures import WIDTH, stage_axis
from metamers.report.points import Point
from metamers.report.tables import Table
from metamers.report.verdicts import consistency_claim

NO_PAIRS = "no pairs"
KINDS = dict(zip(PAIRS, ("pairs of different families", "pairs within a family"), strict=True))


def consistency_points(compared: xr.Dataset) -> list[Point]:
    """Mean error consistency of recognition models at each stage of each generation model, by kind of pair.

    Parameters
    ----------
    compared
        Result of ``metamers.compare.error_consistency.error_consistency_dataset``.

    Returns
    -------
    list
        ``model``, ``stage``, ``place``, ``kind``, ``value``, ``low``, ``high``, ``part``, ``pairs``, ``n``.
        Stages without a pair have no point.
    """
    points = []
    for model in map(str, compared["generation_model"].values):
        own = compared.sel(generation_model=model)
        for kind, words in KINDS.items():
            part = 0
            for place, stage in enumerate(own_stages(compared, model)):
                one = own.sel(stage=stage)
                value, low, high = (float(one[f"{kind}{end}"]) for end in ("", "_low", "_high"))
                n = int(one["n"].max())
                if not np.isfinite(value):
                    part += 1
                    continue
                numbers = {"value": value, "low": low, "high": high, "pairs": int(one[f"{kind}_pairs"]), "n": n}
                names = {"model": model, "stage": stage, "kind": words}
                points.append(names | numbers | {"place": place, "part": part})
    return points


def consistency_figure(compared: xr.Dataset) -> bytes:
    """Mean error consistency over stages as SVG, one panel per generation model, with 95% intervals and the level 0."""
    points = consistency_points(compared)
    kinds = list(KINDS.values())
    y = alt.Y("value:Q", title="Error consistency (κ)", scale=alt.Scale(domain=[-1, 1]))
    zero = alt.Chart(alt.InlineData(values=[{"value": 0}])).mark_rule(color=INK).encode(y=y)
    legend = alt.Legend(orient="bottom", title=None)
    encodings = {
        "color": alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[BLUE, SLATE]), legend=legend),
        "shape": alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=[MARKS["s"], MARKS["D"]]), legend=legend),
    }
    panels = []
    for model in map(str, compared["generation_model"].values):
        own, stages = alt.Chart(alt.NamedData(POINTS)), own_stages(compared, model)
        n = compared["n"].sel(generation_model=model, stage=stages).max(("recognition_model", "other_model")).values
        x = stage_axis(stages, n)
        layers = curve_layers(own.transform_filter(alt.datum.model == model), x, y, encodings, {"strokeWidth": 2})
        title = model if any(point["model"] == model for point in points) else f"{model}: no pair to compare"
        panels.append(alt.layer(zero, *layers).properties(width=WIDTH, height=190, title=title))
    beside = dict(zip(kinds, (-0.05, 0.05), strict=True))  # so that they do not hide each other
    points = [point | {"place": point["place"] + beside[point["kind"]]} for point in points]
    return vector(alt.vconcat(*panels).resolve_scale(x="independent", y="shared"), points)


def consistency_table(points: list[Point]) -> Table:
    """Mean error consistency, one row per generation model, kind of pair and stage."""
    return {
        "head": ["Generation model", "Stage", "Recognition models", "Pairs", "n", "κ (95% interval)"],
        "rows": [
            [
                *(point[name] for name in ("model", "stage", "kind")),
                *(str(point[name]) for name in ("pairs", "n")),
                kappa_text(point["value"], point["low"], point["high"]),
            ]
            for point in points
        ],
    }


def consistency_context(compared: xr.Dataset) -> Mapping[str, Any]:
    """Values for the page: ``sentences``, one for each generation model, and ``table``.

    A sentence is about pairs of different families, or if there are none at any stage, about pairs within a family, or
    says that there are none at all. It groups the stages by what their intervals permit.
    """
    points = consistency_points(compared)
    sentences = []
    for model in map(str, compared["generation_model"].values):
        groups: dict[str, list[str]] = {}
        by_kind = {
            kind: {point["stage"]: point for point in points if (point["model"], point["kind"]) == (model, kind)}
            for kind in KINDS.values()
        }
        kind = next((kind for kind, own in by_kind.items() if own), NO_PAIRS)
        for stage in own_stages(compared, model):
            at = by_kind.get(kind, {}).get(stage)
            claim = consistency_claim(at and side_of_zero(at["low"], at["high"]), at["n"] if at else 0)
            groups.setdefault(claim, []).append(stage)
        sentences.append({"model": model, "kind": kind, "claims": list(groups.items())})
    return {"sentences": sentences, "table": consistency_table(points)}
