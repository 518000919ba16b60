"""The page of sensitivities: its sentences, tables, figure, images and sounds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.beyond.agreement import FEWEST_STIMULI
from metamers.beyond.sets import EXTREMES, PRINCIPAL
from metamers.modalities import MODALITIES
from metamers.names import NATURAL
from metamers.report.beyond import Gallery, cell
from metamers.report.beyond_figures import position_axis
from metamers.report.figures import FAINT, styled
from metamers.report.looks import Looks
from metamers.report.tables import Table, percent, signed, significant

LEADING = 2  # generation models whose distortions begin the section
Addresses = Mapping[tuple[float, str, str], str]  # (depth, stimulus, distortion or ``natural``) → address of the file


def sensitivity_table(found: xr.Dataset, agreed: xr.Dataset) -> Table:
    """Extreme sensitivities of each generation model, agreement of the others, and recognition of its metamers."""
    rows = []
    for name in map(str, found["generation_model"].values):
        for place, depth in enumerate(found["depth"].values):
            own, of_others = (one.sel(generation_model=name).isel(depth=place) for one in (found, agreed))
            relative = (own["sensitivity"] / own["mean_sensitivity"]).sel(sensing_model=name).mean("stimulus")
            residual = own["residual"].max("stimulus")
            row = [name, str(of_others["stage"].values), f"{depth:.3g}"]
            for extreme in EXTREMES:
                value, error = (float(one.sel(extreme=extreme)) for one in (relative, residual))
                row += [significant(value, 3), significant(error, 1)]
            row += [signed(float(of_others["mean_agreement"])), percent(float(of_others["proportion_correct"]))]
            rows.append([*row, str(int(of_others["n"]))])
    head = ["Model", "Stage", "Position", "Most, relative to the mean", "Residual", "Least", "Residual"]
    return {"head": [*head, "Agreement of the recognition models", "Metamers recognized", "n"], "rows": rows}


def sensitivities_table(found: xr.Dataset) -> Table:
    """Sensitivity of every model to every distortion, relative to its mean, at every depth."""
    sensing = [str(name) for name in found["sensing_model"].values]
    relative = (found["sensitivity"] / found["mean_sensitivity"]).mean("stimulus")
    rows = []
    for place, depth in enumerate(found["depth"].values):
        for name in found["generation_model"].values:
            for extreme in EXTREMES:
                values = relative.isel(depth=place).sel(generation_model=name, extreme=extreme, sensing_model=sensing)
                rows.append([f"{extreme}, {name}", f"{depth:.3g}", *(significant(value, 3) for value in values.values)])
        if "principal_sensitivity" in found:
            to_pair = (found["principal_sensitivity"] / found["mean_sensitivity"]).mean("stimulus").isel(depth=place)
            for which in PRINCIPAL:
                values = to_pair.sel(principal=which, sensing_model=sensing)
                rows.append([f"{which} principal", f"{depth:.3g}", *(significant(value, 3) for value in values.values)])
    return {"head": ["Distortion", "Position", *sensing], "rows": rows}


def sensitivity_words(found: xr.Dataset, agreed: xr.Dataset) -> str:
    """Agreement at each position, and its relation to recognition, in words."""
    said = []
    for place, depth in enumerate(found["depth"].values):
        each = [
            f"{signed(float(agreed['mean_agreement'].sel(generation_model=name).isel(depth=place)))} for {name}"
            for name in found["generation_model"].values
        ]
        said.append(f"At position {depth:.3g} the agreement of the recognition models is {', '.join(each)}.")
    rho, points = float(agreed["spearman_rho"]), int(agreed["points"])
    if not np.isfinite(rho):
        said.append(
            f"Over {points} models and stages with accepted metamers, no rank correlation with recognition is defined."
        )
    else:
        low, high = float(agreed["low"]), float(agreed["high"])
        between = (
            f"95% interval {signed(low)} to {signed(high)}" if np.isfinite(low) else "too few stimuli for an interval"
        )
        said.append(
            f"Over {points} models and stages, the rank correlation of agreement with the recognition of metamers is "
            f"{signed(rho)} ({between}; samples of stimuli, with the models and stages fixed)."
        )
    if "principal_converged" in found and not found["principal_converged"].values.all():
        searches = found["principal_converged"].values.astype(bool)
        said.append(
            f"{(~searches).sum()} of {searches.size} searches for principal distortions ended at the largest number of "
            "iterations, so along other pairs the models may differ more."
        )
    if "principal_variance" in found and found.sizes["generation_model"] > 2:
        spread = 1 - (found["principal_variance_least"] / found["principal_variance"]).values
        said.append(
            f"Each search has several random starts. From the worst one, the variance is {percent(spread.mean())} "
            f"smaller than from the best one, which is shown (at most {percent(spread.max())})."
        )
    return " ".join(said)


@styled
def sensitivity_figure(found: xr.Dataset, agreed: xr.Dataset, looks: Looks) -> Figure:
    """Agreement of each model with each generation model by depth, and recognition of metamers by agreement.

    Parameters
    ----------
    found
        Results of ``metamers.beyond.sensitivity.distortions_of_stimulus``, by depth and stimulus.
    agreed
        Result of ``metamers.beyond.agreement.agreement``.
    looks
        Look of each model.
    """
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    places = position_axis(left, found, [""] * found.sizes["depth"])
    for name in map(str, found["generation_model"].values):
        style = looks[name].style
        means = agreed["mean_agreement"].sel(generation_model=name).values
        left.plot(places, means, **style | {"linewidth": 1.6, "markersize": 8}, label=name)
        others = [other for other in found["sensing_model"].values if other != name]
        single = agreed["agreement"].sel(generation_model=name, sensing_model=others).mean("stimulus")
        for other in others:
            left.plot(
                places,
                single.sel(sensing_model=other),
                linestyle="none",
                marker=".",
                markersize=4,
                color=style["color"],
            )
        stages = agreed["stage"].sel(generation_model=name).values.tolist()
        once = [place for place, stage in enumerate(stages) if stages.index(stage) == place]  # as for ρ
        recognized = agreed["proportion_correct"].sel(generation_model=name).values
        right.plot(means[once], recognized[once], **style | {"linestyle": "none", "markersize": 8})
    left.axhline(1, color=FAINT, linewidth=0.9, linestyle=":")
    left.axhline(0, color=FAINT, linewidth=0.9)
    left.set_ylabel("Agreement of the recognition models")
    left.set_title("Agreement of sensitivities (dots: single models)")
    left.legend(title="Extreme distortions of", title_fontsize=9, fontsize=9)
    rho = float(agreed["spearman_rho"])
    right.set(
        ylim=(-0.03, 1.05), xlabel="Agreement of the recognition models", ylabel="Metamers recognized (proportion)"
    )
    right.set_title("Recognition of metamers" + (f" (ρ = {signed(rho)})" if np.isfinite(rho) else ""))
    return figure


def gallery(found: xr.Dataset, addresses: Addresses) -> Gallery:
    """Rows of stimuli: for each stimulus and depth the natural stimulus, and the stimulus with each distortion.

    Parameters
    ----------
    found
        As for ``sensitivity_figure``.
    addresses
        Of the exported stimuli.
    """
    played = MODALITIES[found.attrs["modality"]].played
    rows = []
    for stimulus, category in zip(map(str, found["stimulus"].values), found["category"].values, strict=True):
        for place, depth in enumerate(map(float, found["depth"].values)):
            stages = found["sensing_stage"].isel(depth=place)
            shown = {NATURAL: f"natural: {category}"}
            for name in found["generation_model"].values:
                stage = stages.sel(sensing_model=name).item()
                shown |= {f"{name}_{extreme}": f"{extreme} noticed by {name} at {stage}" for extreme in EXTREMES}
            if "principal_sensitivity" in found:
                shown |= {
                    f"principal_{which}": f"{which} principal distortion at position {depth:.3g}" for which in PRINCIPAL
                }
            rows.append([cell(what, addresses[depth, stimulus, name], played) for name, what in shown.items()])
    return rows


def part_of(found: xr.Dataset, agreed: xr.Dataset, looks: Looks, addresses: Addresses, length: float) -> dict[str, Any]:
    """The section of a modality, as the template takes it; ``figure`` is a matplotlib figure.

    Parameters
    ----------
    found, agreed, looks
        As for ``sensitivity_figure``.
    addresses
        As for ``gallery``.
    length
        Largest root mean square of the exported distortions.
    """
    first = found.isel(stimulus=[0], depth=[-1], generation_model=slice(LEADING))
    modality = found.attrs["modality"]
    return {
        "identifier": f"sensitivity_{modality}",
        "heading": f"What stages notice ({MODALITIES[modality].stimuli})",
        "lead": gallery(first, addresses)[0],
        "length": significant(length),
        "principal": "principal_sensitivity" in found,
        "n": found.sizes["stimulus"],
        "few": found.sizes["stimulus"] < FEWEST_STIMULI,
        "words": sensitivity_words(found, agreed),
        "file": f"beyond/sensitivity/{modality}.nc",
        "agreement_file": f"beyond/agreement/{modality}.nc",
        "sensing": ", ".join(map(str, found["sensing_model"].values)),
        "figure": sensitivity_figure(found, agreed, looks),
        "table": sensitivity_table(found, agreed),
        "sensitivities": sensitivities_table(found),
        "gallery": gallery(found, addresses),
    }
