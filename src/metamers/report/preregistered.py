"""The frozen prediction against participants' answers: values of the section on the page Statistics, and its figure.

The scores are in ``metamers.preregister.score``.
"""

from collections import Counter
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.report.figures import BLUE, FAINT, INK, ORANGE, PALE, styled
from metamers.report.tables import ABSENT, Table, number, percent, signed

ROW = 0.28  # height of a stage in the figure, in inches
CLEAR = 1.0  # evidence of at least this size is worth more than a bare mention (Kass & Raftery 1995)
MAX_CHANGES = 30  # rows of the table of changes; the file has all


def evidence_word(evidence: float) -> str:
    """Return whether the evidence is ``for`` or ``against`` the prediction, or ``undecided``, also for NaN."""
    if not abs(evidence) >= CLEAR:
        return "undecided"
    return "for" if evidence > 0 else "against"


def score_table(scored: xr.Dataset) -> Table:
    """Prediction, answers and scores, a row for each judged stage with a prediction."""
    rows = []
    for point in range(scored.sizes["point"]):
        one = scored.isel(point=point)
        values = {name: float(one[name]) for name in ("predicted", "low", "high", "observed", "pit_low", "pit_high")}
        inside = bool(one["inside"].sel(level=0.95))
        rows.append(
            [
                f"{one['generation_model'].item()}, {one['stage'].item()}",
                f"{number(values['predicted'])} ({number(values['low'])} to {number(values['high'])})",
                f"{number(values['observed'])} ({int(one['correct_answers'])} of {int(one['answered'])})",
                str(int(one["participants"])),
                "{} to {}".format(*(number(float(one[f"interval_{end}"].sel(level=0.95))) for end in ("low", "high"))),
                "yes" if inside else "no",
                *(signed(float(one[name])) for name in ("log_score", "log_score_depth", "log_score_guessing")),
                f"{number(values['pit_low'])} to {number(values['pit_high'])}",
            ]
        )
    head = [
        "Metamers of",
        "Frozen prediction (95% interval)",
        "Participants, correct",
        "Participants",
        "95% interval for these answers",
        "Inside",
        "Log score",
        "By depth",
        "Guessing",
        "PIT",
    ]
    return {"head": head, "rows": rows}


def coverage_table(scored: xr.Dataset) -> Table:
    """Nominal, expected and observed coverage of the central intervals."""
    rows = []
    for level in scored["level"].values:
        one = scored.sel(level=level)
        inside, points = int(one["inside"].sum()), scored.sizes["point"]
        rows.append([percent(float(level)), percent(float(one["expected_coverage"])), f"{inside} of {points}"])
    return {"head": ["Central interval", "Expected inside", "Inside"], "rows": rows}


def change_table(scored: xr.Dataset) -> Table | None:
    """Everything that changed after the prediction was frozen; None if nothing did."""
    if "change" not in scored:
        return None
    columns = (scored[name].values.astype(str).tolist() for name in ("changed_kind", "changed_item", "change"))
    return {"head": ["Kind", "Item", "Change"], "rows": [list(row) for row in zip(*columns, strict=True)]}


def stage_names(scored: xr.Dataset, kind: str) -> list[str]:
    """Names of the stages that are ``unscored`` or ``unjudged``, with their models; empty if there are none."""
    if f"{kind}_stage" not in scored:
        return []
    names = (scored[f"{kind}_{part}"].values.astype(str) for part in ("model", "stage"))
    return [f"{model} ({stage})" for model, stage in zip(*names, strict=True)]


def preregistered_context(scored: xr.Dataset) -> dict[str, Any]:
    """Values of the frozen prediction for the page.

    Parameters
    ----------
    scored
        Content of ``comparison/preregistered.nc``.

    Returns
    -------
    dict
        ``frozen_at``, ``sha256``, ``first_answer``, ``files_before``; ``points``; texts of the means over stages with
        all scores, ``mean``, ``mean_depth``, ``mean_guessing``, and of ``evidence`` (None without such a stage);
        ``verdict`` and ``threshold``; ``better`` and ``compared``, numbers of stages; ``table``, ``coverage`` and
        ``changes`` (or None), with ``changed`` (kind → number) and ``changes_left_out``; names of judged
        stages that are ``not_frozen``, or in the frozen file ``without_prediction``, and of predicted stages that
        nobody judged, ``unjudged``.
    """
    apart = (scored["log_score"] - scored["log_score_depth"]).values
    known = np.isfinite(apart)
    means = {
        name: signed(float(scored[variable].values[known].mean())) if known.any() else None
        for name, variable in (
            ("mean", "log_score"), ("mean_depth", "log_score_depth"), ("mean_guessing", "log_score_guessing"),
        )
    }  # fmt: skip
    changes = change_table(scored)
    left_out = 0
    changed: Counter[str] = Counter()
    if changes:
        changed = Counter(row[0] for row in changes["rows"])
        left_out = max(0, len(changes["rows"]) - MAX_CHANGES)
        changes["rows"] = changes["rows"][:MAX_CHANGES]
    unscored = stage_names(scored, "unscored")
    in_file = scored["unscored_frozen"].values.astype(bool).tolist() if unscored else []
    return {
        "frozen_at": str(scored["frozen_at"].item()),
        "sha256": str(scored["frozen_sha256"].item()),
        "first_answer": str(scored["first_answer"].item()) or ABSENT,
        "files_before": int(scored["answer_files_before"]),
        "points": scored.sizes["point"],
        **means,
        "evidence": f"{float(scored['evidence']):+.2f}".replace("-", "−") if known.any() else None,
        "verdict": evidence_word(float(scored["evidence"])),
        "threshold": CLEAR,
        "better": int((apart[known] > 0).sum()),
        "compared": int(known.sum()),
        "table": score_table(scored),
        "coverage": coverage_table(scored),
        "changes": changes,
        "changed": dict(changed),
        "changes_left_out": left_out,
        "not_frozen": [name for name, known in zip(unscored, in_file, strict=True) if not known],
        "without_prediction": [name for name, known in zip(unscored, in_file, strict=True) if known],
        "unjudged": stage_names(scored, "unjudged"),
    }


@styled
def preregistered_figure(scored: xr.Dataset) -> Figure:
    """The frozen distribution of each judged stage, for the number of its answers, and what participants answered.

    Parameters
    ----------
    scored
        Result of ``metamers.preregister.score.scored_prediction``.
    """
    number_of_points = scored.sizes["point"]
    figure = Figure(figsize=(8, ROW * number_of_points + 1.6), layout="constrained")
    axes = figure.subplots()
    places = np.arange(number_of_points)
    for level, width, label in ((0.95, 3, "95% interval"), (0.5, 8, "50% interval")):
        own = scored.sel(level=level)
        axes.hlines(
            places, own["interval_low"], own["interval_high"], color=PALE, linewidth=width, zorder=1, label=label
        )
    axes.plot(scored["predicted"], places, linestyle="none", marker="|", color=INK, markersize=11, label="prediction")
    inside = scored["inside"].sel(level=0.95).values.astype(bool)
    for chosen, label, style in (
        (inside, "participants, inside the 95% interval", {"marker": "o", "color": BLUE}),
        (~inside, "participants, outside", {"marker": "X", "color": ORANGE, "markersize": 8}),
    ):
        axes.plot(scored["observed"].values[chosen], places[chosen], linestyle="none", zorder=3, label=label, **style)
    names = [
        f"{model}, {stage}"
        for model, stage in zip(scored["generation_model"].values, scored["stage"].values, strict=True)
    ]
    axes.set_yticks(places, names, fontsize=9)
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(number_of_points - 0.4, -0.6),
        xlabel="Proportion of metamers recognized by participants",
    )
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, alpha=0.3, linewidth=0.6)
    figure.legend(loc="outside upper left", ncols=3, fontsize=9)
    return figure
