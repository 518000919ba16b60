"""Brain analyses in the report: prediction of voxels by stage, and representational similarity."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.modalities import MODALITIES
from metamers.report.figures import FAINT, INK, ORANGE, PALE, styled
from metamers.report.looks import Looks
from metamers.report.tables import Table, counted, number, signed

RHO_TICKS = (-1, -0.5, 0, 0.5, 1)
QUANTILES = (0.025, 0.5, 0.975)
LEVEL = 0.05  # largest p of a stage that predicts better than shuffled stimuli
SIMULATED = "SIMULATED voxels, made from {}: no brain was measured"


def with_interval(value: float, low: float, high: float) -> str:
    """A value with its 95% interval in words."""
    return (
        f"{number(value)} ({number(low)} to {number(high)})" if np.isfinite(low) else f"{number(value)} (no interval)"
    )


def brain_table(found: Mapping[str, xr.Dataset]) -> Table:
    """Prediction of voxels by each model's best stage, which is chosen on the other participants.

    Parameters
    ----------
    found
        Model → the result of ``metamers.brain.regression.regression``.
    """
    rows = []
    simulated = all("noiseless_voxels_r2" in one for one in found.values())
    for model, one in found.items():
        names, times = np.unique(one["signed_best_stage"].values.astype(str), return_counts=True)
        stages = ", ".join(f"{name} ({count})" for name, count in zip(names, times, strict=True))
        ends = (float(one[f"best_signed_r2{end}"]) for end in ("", "_low", "_high"))
        highest = float(one["shuffled_best_signed_r2"].quantile(QUANTILES[-1]))
        row = [model, stages, with_interval(*ends), number(highest), f"{float(one['best_p_shuffled']):.2g}"]
        if simulated:
            own = one["noiseless_voxels_r2"].values
            places = [list(one["stage"].values).index(stage) for stage in one["signed_best_stage"].values]
            row.append(number(float(own[np.arange(len(own)), places].mean())))
        rows.append([*row, str(one.sizes["participant"])])
    head = [
        *("Model", "Best stage (times chosen)", "Signed R² of the best stage (95% interval)"),
        *("Shuffled stimuli, 97.5th percentile", "p", *(["Without noise"] if simulated else []), "Participants"),
    ]
    return {"head": head, "rows": rows}


def stages_table(found: Mapping[str, xr.Dataset]) -> Table:
    """Prediction of voxels by every stage that predicts.

    Parameters
    ----------
    found
        As for ``brain_table``.
    """
    rows = []
    for model, one in found.items():
        predicting = one.isel(stage=np.isfinite(one["signed_r2"].values))
        ends = zip(*(predicting[f"signed_r2{end}"].values for end in ("", "_low", "_high")), strict=True)
        chance = [f"{p:.2g}" for p in predicting["p_shuffled"].values]
        stages = map(str, predicting["stage"].values)
        rows += [[model, *row] for row in zip(stages, itertools.starmap(with_interval, ends), chance, strict=True)]
    return {"head": ["Model", "Stage", "Signed R² (95% interval)", "p"], "rows": rows}


def generating_stage(found: Mapping[str, xr.Dataset], simulated: str) -> str | None:
    """Signed R² of the stage that simulated voxels were made from, with and without noise, in words.

    None if no analysed model has the stage.
    """
    stage, _, model = simulated.rpartition(" of ")
    if model not in found or stage not in found[model]["stage"] or "noiseless_voxels_r2" not in found[model]:
        return None
    one = found[model].sel(stage=stage)
    value, low, high = (float(one[f"signed_r2{end}"]) for end in ("", "_low", "_high"))
    clean = float(one["noiseless_voxels_r2"].mean())
    if np.isfinite(low):
        holds = "the interval contains it" if low <= clean <= high else "the interval does not contain it"
    else:
        holds = "one split gives no interval"
    why = "" if number(clean) == "1.00" else "; below 1, as few stimuli do not determine many weights"
    return (
        f"The signed R² of the stage that generated the voxels, {simulated}, is {with_interval(value, low, high)}. "
        f"For responses without noise, with the same {int(one['training_stimuli'])} training stimuli and ridge "
        f"parameters, it is {number(clean)}{why}; {holds}."
    )


def brain_findings(found: Mapping[str, xr.Dataset]) -> list[str]:
    """State which model predicts voxels best, against shuffled stimuli.

    Parameters
    ----------
    found
        As for ``brain_table``.
    """
    best = max(found, key=lambda model: float(found[model]["best_signed_r2"]))
    one = found[best]
    p, voxels = float(one["best_p_shuffled"]), "simulated voxels" if one.attrs["simulated"] else "voxels"
    ends = (float(one[f"best_signed_r2{end}"]) for end in ("", "_low", "_high"))
    return [
        f"Of {counted(len(found), 'model')}, {best} has the highest signed R² of {voxels}: at its best stage "
        f"{with_interval(*ends)}, {counted(one.sizes['participant'], 'participant')}, "
        f"{'better' if p <= LEVEL else 'not shown to be better'} than shuffled stimuli (p = {p:.2g})."
    ]


def similarity_findings(found: Mapping[str, xr.Dataset]) -> list[str]:
    """State how well the last stages of different models agree, or the first and the last stage of a single model.

    Parameters
    ----------
    found
        Modality → result of ``metamers.brain.similarity.similarity``.
    """
    said = []
    for modality, one in found.items():
        models, about = one["representation_model"].values.astype(str), MODALITIES[modality]
        names = list(dict.fromkeys(models))
        places = [int(np.flatnonzero(models == name)[-1]) for name in names]
        what = f"the last stages of {len(names)} models"
        if len(names) == 1:
            places, what = [0, places[0]], f"the first and the last stage of {names[0]}"
        values = one["spearman_rho"].values[np.ix_(places, places)][np.triu_indices(len(places), 1)]
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        ends = " to ".join(dict.fromkeys(signed(float(end)) for end in (values.min(), values.max())))
        stimuli = len({*one["stimulus_a"].values.astype(str), *one["stimulus_b"].values.astype(str)})
        said.append(
            f"{about.title}: Spearman ρ between the dissimilarities of {what} {ends} ({counted(len(values), 'pair')}, "
            f"{stimuli} {about.stimuli}; no interval)."
        )
    return said


def brain_context(found: Mapping[str, xr.Dataset]) -> Mapping[str, Any]:
    """Values of the brain analyses for the page.

    ``table``: of the best stages; ``stages``: of every stage; ``simulated``: source of simulated voxels, empty if
    none are; ``generating``: a sentence about that stage, or None; ``shuffles``, ``training``: numbers of random
    orders and of training stimuli; ``unreliable``, ``voxels``: number of voxels that are no more reliable than
    chance, and of all voxels.
    """
    first = next(iter(found.values()))
    simulated = first.attrs["simulated"]
    return {
        "table": brain_table(found),
        "stages": stages_table(found),
        "simulated": simulated,
        "generating": generating_stage(found, simulated) if simulated else None,
        "shuffles": first.sizes["shuffle"],
        "training": int(first["training_stimuli"]),
        "unreliable": int(first["unreliable_voxels"]),
        "voxels": first.sizes["voxel"],
    }


@styled
def brain_figure(found: Mapping[str, xr.Dataset], looks: Looks) -> Figure:
    """Signed variance of voxels' responses explained by each stage, with shuffled stimuli; one panel per model.

    Parameters
    ----------
    found
        Model → the result of ``metamers.brain.regression.regression``, with the attribute ``simulated``.
    looks
        Look of each model.
    """
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(10, 1.3 + 3.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, (model, one) in zip(grid, found.items(), strict=False):
        values = one["voxels_signed_r2"].values
        x = np.arange(values.shape[1])
        low, middle, high = one["shuffled_voxels_signed_r2"].mean("participant").quantile(QUANTILES, "shuffle").values
        axes.fill_between(x, low, high, color=FAINT, alpha=0.35, linewidth=1.5, label="shuffled stimuli, 95%")
        axes.plot(x, middle, color=FAINT, linewidth=1.2, linestyle="--", label="shuffled stimuli, median")
        axes.plot(x, values.T, color=PALE, linewidth=0.8, zorder=1)
        mean = one["signed_r2"].values
        ends = np.nan_to_num([mean - one["signed_r2_low"].values, one["signed_r2_high"].values - mean])
        axes.errorbar(
            x, mean, ends.clip(min=0), **looks[model].style, linewidth=1.8, capsize=2, zorder=3,
            label="mean over participants, 95% interval",
        )  # fmt: skip
        if "noiseless_voxels_r2" in one:
            axes.plot(
                x, one["noiseless_voxels_r2"].mean("participant"), color=INK, marker="D", markersize=4.5,
                markerfacecolor="none", linestyle="none", zorder=4, label="without noise",
            )  # fmt: skip
        axes.set_xticks(x, one["stage"].values, rotation=50, ha="right", fontsize=9)
        axes.set_title(model, fontsize=10.5)
        axes.axhline(0, color=FAINT, linewidth=0.7, zorder=0)
    for axes in grid[len(found) :]:
        axes.set_visible(False)
    figure.supylabel("Signed corrected R², median over voxels", fontsize=10.5)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9, frameon=False)
    if source := next(iter(found.values())).attrs["simulated"]:
        figure.suptitle(SIMULATED.format(source), fontsize=11, fontweight="bold", color=ORANGE)
    return figure


@styled
def similarity_figure(found: xr.Dataset, looks: Looks) -> Figure:
    """Matrix of agreement between all stages of all models, and their agreement with brains if available.

    Parameters
    ----------
    found
        Result of ``metamers.brain.similarity.similarity``, with the attribute ``simulated``.
    looks
        Look of each model.
    """
    models = found["representation_model"].values.astype(str)
    names = found["representation_stage"].values.astype(str)
    with_brain = "brain_spearman_rho" in found
    count = len(names)
    figure = Figure(figsize=(10, 9.6), layout="constrained")
    panels = figure.subplots(1, 2, width_ratios=[5, 1], sharey=True) if with_brain else [figure.subplots()]
    axes = panels[0]
    image = axes.imshow(found["spearman_rho"].values, cmap="cividis", vmin=-1, vmax=1, aspect="equal")
    figure.colorbar(
        image, ax=axes, location="bottom", shrink=0.5, label="Spearman ρ of dissimilarities", ticks=RHO_TICKS
    )
    borders = np.flatnonzero(models[1:] != models[:-1]) + 0.5
    for border in borders:
        axes.axhline(border, color="white", linewidth=1.5)
        axes.axvline(border, color="white", linewidth=1.5)
    axes.set_yticks(range(count), names, fontsize=8)
    axes.set_xticks(range(count), names, fontsize=8, rotation=90)
    edges = [-0.5, *borders, count - 0.5]
    for start, end in itertools.pairwise(edges):
        axes.text(
            (start + end) / 2, -1, models[int(start + 0.5)], fontsize=8.5, rotation=25, ha="left", va="bottom",
            fontweight="bold", color=looks[models[int(start + 0.5)]].colour,
        )  # fmt: skip
    if with_brain:
        own, ceiling = found["brain_spearman_rho"].values, float(found["brain_agreement"].mean())
        beside = panels[1]
        error = own.std(axis=0, ddof=1) / np.sqrt(len(own))
        for model in dict.fromkeys(models):
            of_model = np.flatnonzero(models == model)
            beside.errorbar(
                own.mean(axis=0)[of_model], of_model, xerr=error[of_model], markersize=5, **looks[str(model)].style
            )
        beside.axvline(0, color=FAINT, linewidth=0.7)
        beside.axvline(ceiling, color=INK, linestyle="--", linewidth=1)
        beside.text(ceiling, -0.8, "other participants", ha="center", va="bottom", fontsize=8.5)
        beside.set(xlabel="ρ with simulated\nvoxels" if found.attrs["simulated"] else "ρ with voxels")
        beside.tick_params(axis="y", length=0)
    if source := found.attrs["simulated"]:
        figure.suptitle(SIMULATED.format(source), fontsize=11, fontweight="bold", color=ORANGE)
    return figure
