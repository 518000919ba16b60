"""Tables of the report: Datasets in, rows of text out, and how numbers are written in them.

A table is ``head``, the columns' names, and ``rows``, lists of as many texts.
"""

from typing import Any

import numpy as np
import xarray as xr

from metamers.compare import CORRELATIONS
from metamers.humans import own_stages
from metamers.names import NATURAL

ABSENT = "–"
BEYOND_DEPTH = {
    "depth_r2": "R² of depth alone (95% interval)",
    "depth_square_r2": "R² of depth and its square",
    "partial_r2": "Partial R² of other models, given both",
    "inside_r2": "R² of other models, both inside 0.2 to 0.9",
}
OUTSIDE = "outside the published range"
NULL_DIGITS = {"spearman_rho": 3, "pearson_r": 3, "snr_db": 1}

Table = dict[str, Any]
# Means over families of judges, by their names in comparison/recognizability.nc.
MEANS = {
    "unrelated_models": "Unrelated models",
    "sibling_models": "Siblings",
    "other_models": "All other models, families alike",
}
OF_JUDGES = ("other_models_judges_low", "other_models_judges_high")


def number(value: float, digits: int = 2) -> str:
    """A number with so many decimals, or a dash where there is none."""
    return f"{value:.{digits}f}" if np.isfinite(value) else ABSENT


def interval(value: float, low: float, high: float) -> str:
    """A proportion with its interval, or a dash where there is none."""
    if not np.isfinite(value):
        return ABSENT
    return f"{value:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(low) else f"{value:.2f} (no interval)"


def significant(value: float, digits: int = 2) -> str:
    """A number with so many significant digits, or a dash where there is none."""
    return f"{value:.{digits}g}" if np.isfinite(value) else ABSENT


def percent(value: float) -> str:
    """A proportion in percent, or a dash where there is none."""
    return f"{100 * value:.0f}%" if np.isfinite(value) else ABSENT


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
    head = ["Stage", "Accepted", "Match passes", "Category kept", "Normalized error", "Pearson r", "Spearman ρ"]
    return {"head": [*head, "Signal-to-noise ratio (dB)"], "rows": rows}


def null_table(acceptance: xr.Dataset) -> Table:
    """Each measure against the null distribution at each stage: its largest value, and how many metamers lie below."""
    rows = []
    for stage in map(str, acceptance["stage"].values):
        of_stage = acceptance.sel(stage=stage)
        row = [stage]
        for measure, digits in NULL_DIGITS.items():
            one = of_stage.sel(measure=measure)
            refused = str(int(one["refused"]))
            row += [
                number(float(one["largest"]), digits),
                refused if one["decides"] else f"{refused} (does not decide)",
            ]
        rows.append(row)
    columns = ["largest ρ", "below it", "largest r", "below it", "largest signal-to-noise ratio (dB)", "below it"]
    return {"head": ["Stage", *columns], "rows": rows}


def recognizability_table(generation_model: str, recognizable: xr.Dataset, predicted: xr.Dataset) -> Table:
    """Recognizability at each stage: by every recognition model, by the others together, and expected of people.

    Parameters
    ----------
    generation_model
        Whose metamers they are.
    recognizable, predicted
        What ``metamers.compare.recognizability`` and ``metamers.predicted.predicted_human`` give.
    """
    own = recognizable.sel(generation_model=generation_model)
    judges = [str(name) for name in own["recognition_model"].values]
    judges = [name for name in judges if own["n"].sel(recognition_model=name).any()]
    together = {name: title for name, title in MEANS.items() if own[name].notnull().any() or name == "other_models"}
    rows = []
    for stage in own_stages(recognizable, generation_model):
        row = [stage, str(int(own["n"].sel(stage=stage).max()))]
        row += [number(float(own["proportion_correct"].sel(stage=stage, recognition_model=name))) for name in judges]
        of_stage = own.sel(stage=stage)
        row += [interval(*(float(of_stage[name + end]) for end in ("", "_low", "_high"))) for name in together]
        row.append(number(float(of_stage["other_models_judges_standard_error"])))
        row.append(interval(*(float(of_stage[name]) for name in ("other_models", *OF_JUDGES))))
        expected = ABSENT
        if stage != NATURAL:
            values = predicted.sel(generation_model=generation_model, stage=stage)
            middle, low, high = (float(values[name]) for name in ("predicted", "low", "high"))
            if np.isfinite(middle):
                expected = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            elif values["outside_published_range"]:
                expected = OUTSIDE
        rows.append([*row, expected])
    siblings = own["recognition_model"].values[own["recognition_family"].values == own["generation_family"].values]
    said = dict.fromkeys(map(str, siblings), " (sibling)") | {generation_model: " (itself)"}
    named = [name + said.get(name, "") for name in judges]
    means = [f"{title} (95% interval over stimuli)" for title in together.values()]
    whole = ["SE over families", "95% interval over stimuli and families"]
    head = ["Stage", "n", *named, *means, *whole, "People, predicted (95% interval)"]
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
        rows.append([*row, ceiling(of_modality)])
    head = [
        "Modality",
        "Points",
        "Judges public",
        "R² (95% interval)",
        "R² in the paper",
        "Spearman ρ",
        "ρ in the paper",
    ]
    return {"head": [*head, "Kendall τ", "τ in the paper", "Noise ceiling of R² (95% interval)"], "rows": rows}


def ceiling(relation: xr.Dataset) -> str:
    """The noise ceiling of one modality with its interval over participants, or alone where there is no interval."""
    value, low, high = (
        float(relation[f"noise_ceiling_r2{end}"]) for end in ("", "_participants_low", "_participants_high")
    )
    return number(value, 3) + (f" ({number(low, 3)} to {number(high, 3)})" if np.isfinite(low) else "")


def beyond_depth_table(relation: xr.Dataset) -> Table:
    """What other models tell of people beyond the depth of the stage, and inside the scale, for each modality."""
    rows = []
    for modality in relation["modality"].values:
        one = relation.sel(modality=modality)
        row = [str(modality)]
        for name in BEYOND_DEPTH:
            value, low, high = (float(one[name + end]) for end in ("", "_low", "_high"))
            interval = f" ({number(low)} to {number(high)})" if np.isfinite(low) else ""
            row.append(number(value) + interval if np.isfinite(value) else ABSENT)
        rows.append([*row, str(int(one["inside_n"]))])
    return {"head": ["Modality", *BEYOND_DEPTH.values(), "Points inside"], "rows": rows}


def anova_table(tested: xr.Dataset) -> Table:
    """Analyses of variance: a row for each effect of each test, with F, effect size, and every p."""
    rows = []
    for test in range(tested.sizes["test"]):
        of_test = tested.isel(test=test)
        compared = [str(of_test[name].values) for name in ("experiment", "comparison", "generation_model")]
        for effect in map(str, tested["effect"].values):
            one = of_test.sel(effect=effect)
            if not np.isfinite(one["f"]):
                continue
            f, first, second = (float(one[name]) for name in ("f", "df_effect", "df_error"))
            row = [*compared, effect, f"F({first:.0f},{second:.0f}) = {f:.2f}"]
            row.append(number(float(one["partial_eta_squared"])))
            row += [p_value(float(one[name])) for name in ("p_permutation", "p_permutation_plus_one", "p_holm")]
            rows.append([*row, number(float(one["epsilon"])), p_value(float(one["p_greenhouse_geisser"]))])
    head = ["Experiment", "Compared", "Metamers of", "Effect", "F", "Partial η²", "p, permutation", "(b + 1)/(P + 1)"]
    return {"head": [*head, "p, Holm", "ε", "p, Greenhouse-Geisser"], "rows": rows}


def p_value(p: float) -> str:
    """p with four decimals, or that it is less than they tell."""
    return "< 0.0001" if p < 0.00005 else number(p, 4)
