"""Tables of the report: rows of text from Datasets, and the format of numbers.

A table has ``head``, the names of the columns, and ``rows``, lists of one text per column.
"""

from typing import Any

import numpy as np
import xarray as xr

from metamers.compare.humans_vs_models import CORRELATIONS
from metamers.humans.participants import own_stages
from metamers.match import MEASURES, NULL_MEASURES, PRESERVED, Measure
from metamers.names import NATURAL

ABSENT = "–"
NO_INTERVAL = " (no interval)"
BEYOND_DEPTH = {
    "depth_r2": "R² of the position alone (95% interval)",
    "depth_square_r2": "R² of the position and its square",
    "partial_r2": "Partial R² of other models, given both",
    "inside_r2": "R² of other models, both inside 0.2 to 0.9",
}
CEILING = ("Noise ceiling of R² (95% interval)", "R² / noise ceiling (95% interval)")  # columns of ``ceiling``
UNPREDICTED = "no prediction"  # the page says why

Table = dict[str, Any]
# Means over families of recognition models: name in comparison/recognizability.nc → column.
MEANS = {
    "unrelated_models": "Unrelated models",
    "sibling_models": "Siblings",
    "other_models": "All other models, each family counted once",
}
OF_FAMILIES = ("other_models_families_low", "other_models_families_high")


def number(value: float, digits: int = 2) -> str:
    """A number with ``digits`` decimals; a dash if it is not finite."""
    return f"{value:.{digits}f}" if np.isfinite(value) else ABSENT


def signed(value: float, digits: int = 2) -> str:
    """``number`` of a value that may be negative, with a minus sign instead of a hyphen."""
    return number(value, digits).replace("-", "−")


def interval(value: float, low: float, high: float) -> str:
    """A proportion with its interval; a dash if it is not finite."""
    if not np.isfinite(value):
        return ABSENT
    return f"{value:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(low) else f"{value:.2f}{NO_INTERVAL}"


def significant(value: float, digits: int = 2) -> str:
    """A number with ``digits`` significant digits; a dash if it is not finite."""
    return f"{value:.{digits}g}" if np.isfinite(value) else ABSENT


def percent(value: float) -> str:
    """A proportion in percent; a dash if it is not finite."""
    return f"{100 * value:.0f}%" if np.isfinite(value) else ABSENT


def _value(measure: Measure, value: float) -> str:
    return significant(value) if measure.digits is None else number(value, measure.digits)


def match_table(acceptance: xr.Dataset) -> Table:
    """Match at each stage: median of each measure over metamers, and number of accepted metamers."""
    counted = {
        "above_null": "Match sufficient",
        **({"converged": "Target reached"} if "converged" in acceptance else {}),
        **({PRESERVED: "Category preserved"} if PRESERVED in acceptance else {}),
    }
    rows = []
    for stage in acceptance["stage"].values:
        of_stage = acceptance.sel(stage=stage)
        rows.append(
            [
                str(stage),
                f"{int(of_stage['accepted'].sum())} of {of_stage['accepted'].size}",
                *(str(int(of_stage[name].sum())) for name in counted),
                *(_value(measure, float(of_stage[name].median())) for name, measure in MEASURES.items()),
            ]
        )
    return {
        "head": ["Stage", "Accepted", *counted.values(), *(measure.label for measure in MEASURES.values())],
        "rows": rows,
    }


def null_table(acceptance: xr.Dataset) -> Table:
    """Largest value of the null distribution of each measure at each stage, and number of metamers below it."""
    rows = []
    for stage in map(str, acceptance["stage"].values):
        of_stage = acceptance.sel(stage=stage)
        row = [stage]
        for name, measure in NULL_MEASURES.items():
            one = of_stage.sel(measure=name)
            refused = str(int(one["refused"]))
            row += [
                _value(measure, float(one["largest"])),
                refused if one["decides"] else f"{refused} (does not decide)",
            ]
        rows.append(row)
    columns = [column for measure in NULL_MEASURES.values() for column in (f"{measure.label}: largest", "below it")]
    return {"head": ["Stage", *columns], "rows": rows}


def recognizability_table(generation_model: str, recognizable: xr.Dataset, predicted: xr.Dataset) -> Table:
    """Recognizability at each stage: by every recognition model, by the mean of the others, and for participants.

    Parameters
    ----------
    generation_model
        The model of the metamers.
    recognizable, predicted
        Results of ``metamers.compare.recognizability.recognizability`` and
        ``metamers.compare.predicted_human.predicted_human``.
    """
    own = recognizable.sel(generation_model=generation_model)
    recognition_models = [str(name) for name in own["recognition_model"].values]
    recognition_models = [name for name in recognition_models if own["n"].sel(recognition_model=name).any()]
    together = {name: title for name, title in MEANS.items() if own[name].notnull().any() or name == "other_models"}
    rows = []
    for stage in own_stages(recognizable, generation_model):
        row = [stage, str(int(own["n"].sel(stage=stage).max()))]
        row += [
            number(float(own["proportion_correct"].sel(stage=stage, recognition_model=name)))
            for name in recognition_models
        ]
        of_stage = own.sel(stage=stage)
        row += [interval(*(float(of_stage[name + end]) for end in ("", "_low", "_high"))) for name in together]
        row.append(number(float(of_stage["other_models_families_standard_error"])))
        row.append(interval(*(float(of_stage[name]) for name in ("other_models", *OF_FAMILIES))))
        expected = ABSENT
        if stage != NATURAL:
            values = predicted.sel(generation_model=generation_model, stage=stage)
            middle, low, high = (float(values[name]) for name in ("predicted", "low", "high"))
            if np.isfinite(middle):
                expected = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            elif values["reason"].item():
                expected = UNPREDICTED
        rows.append([*row, expected])
    siblings = own["recognition_model"].values[own["recognition_family"].values == own["generation_family"].values]
    said = dict.fromkeys(map(str, siblings), " (sibling)") | {generation_model: " (itself)"}
    named = [name + said.get(name, "") for name in recognition_models]
    means = [f"{title} (95% interval over stimuli)" for title in together.values()]
    whole = ["SE over families", "95% interval over stimuli and families"]
    head = ["Stage", "n", *named, *means, *whole, "Participants, predicted (95% interval)"]
    return {"head": head, "rows": rows}


def relative_table(generation_model: str, recognizable: xr.Dataset) -> Table:
    """Recognizability relative to natural stimuli at each stage, by every recognition model.

    Parameters
    ----------
    generation_model
        The model of the metamers.
    recognizable
        Result of ``metamers.compare.relative.with_relative``.
    """
    own = recognizable.sel(generation_model=generation_model)
    tested = own.sel(recognition_model=own["n"].any("stage"))
    names = ["relative_to_natural", "relative_to_natural_low", "relative_to_natural_high"]
    rows = [
        [
            stage,
            *(interval(*map(float, values)) for values in tested[names].sel(stage=stage).to_dataframe()[names].values),
        ]
        for stage in own_stages(recognizable, generation_model)
        if stage != NATURAL
    ]
    return {"head": ["Stage", *map(str, tested["recognition_model"].values)], "rows": rows}


def relation_table(relation: xr.Dataset) -> Table:
    """Correlations of published participants with other models, one row per modality."""
    rows = []
    for modality in relation["modality"].values:
        of_modality = relation.sel(modality=modality)
        row = [str(modality), str(int(of_modality["human_mean"].count()))]
        row.append(f"{int(of_modality['recognition_models'])} of {int(of_modality['recognition_models_in_paper'])}")
        for name in CORRELATIONS:
            row += [with_ends(of_modality, name), number(float(of_modality[f"published_{name}"]), 3)]
        rows.append([*row, *ceiling(of_modality)])
    head = [
        "Modality",
        "Points",
        "Recognition models with public answers",
        "R² (95% interval)",
        "R² in the paper",
        "Spearman ρ",
        "ρ in the paper",
    ]
    return {"head": [*head, "Kendall τ", "τ in the paper", *CEILING], "rows": rows}


def ceiling(relation: xr.Dataset) -> list[str]:
    """Noise ceiling of one modality, and R² divided by it, each with its interval if it has one."""
    return [with_ends(relation, "noise_ceiling_r2", "_participants"), with_ends(relation, "pearson_r2_of_ceiling")]


def with_ends(relation: xr.Dataset, name: str, over: str = "") -> str:
    """Write a number of one modality, with its interval if it has one."""
    value, low, high = (float(relation[name + end]) for end in ("", f"{over}_low", f"{over}_high"))
    both = np.isfinite([low, high]).all()
    return number(value, 3) + (f" ({number(low, 3)} to {number(high, 3)})" if both else "")


def beyond_depth_table(relation: xr.Dataset) -> Table:
    """Variance explained by other models beyond the depth of the stage, and away from floor and ceiling."""
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


def f_value(one: xr.Dataset) -> str:
    """F with its degrees of freedom; those of the error have a decimal if they are no whole number, as of min F′."""
    f, first, second = (float(one[name]) for name in ("f", "df_effect", "df_error"))
    return (
        f"F({first:.0f},{second:.0f}) = {f:.2f}"
        if second == round(second)
        else f"F({first:.0f},{second:.1f}) = {f:.2f}"
    )


def anova_table(tested: xr.Dataset) -> Table:
    """Analyses of variance: one row per test and effect, with F, effect size, and all p values."""
    rows = []
    for test in range(tested.sizes["test"]):
        of_test = tested.isel(test=test)
        compared = [str(of_test[name].values) for name in ("experiment", "comparison", "generation_model")]
        for effect in map(str, tested["effect"].values):
            one = of_test.sel(effect=effect)
            if not np.isfinite(one["f"]):
                continue
            row = [*compared, effect, f_value(one)]
            row.append(number(float(one["partial_eta_squared"])))
            row += [p_value(float(one[name])) for name in ("p_permutation", "p_permutation_plus_one", "p_holm")]
            rows.append([*row, number(float(one["epsilon"])), p_value(float(one["p_greenhouse_geisser"]))])
    head = ["Experiment", "Compared", "Metamers of", "Effect", "F", "Partial η²", "p, permutation", "(b + 1)/(P + 1)"]
    return {"head": [*head, "p, Holm", "ε", "p, Greenhouse-Geisser"], "rows": rows}


def percentage_points(difference: float, low: float, high: float) -> str:
    """A difference of proportions with its interval, in percentage points."""
    if not np.isfinite(difference):
        return ABSENT
    value, *ends = (f"{100 * part + 0:+.1f}".replace("-", "−") for part in (difference, low, high))
    return f"{value} ({ends[0]} to {ends[1]})" if np.isfinite(low) else f"{value}{NO_INTERVAL}"


def counted(number: int, thing: str) -> str:
    """A number of things, for example "1 metamer" and "2 metamers"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def p_value(p: float) -> str:
    """p with four decimals, or "< 0.0001"."""
    return "< 0.0001" if p < 0.00005 else number(p, 4)
