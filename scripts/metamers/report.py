"""The report's pages: Datasets in, what their words and tables say out.

The words around it are in the templates in ``site``, which escape everything that they are given. Figures, charts,
tables, and what the browser of metamers shows are made in the other modules ``metamers.report_…``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from metamers.chance import SINGLE_ANSWER_SHARE
from metamers.humans import own_stages
from metamers.judges import words_of
from metamers.names import INPUT_STAGE, NATURAL
from metamers.pages import render
from metamers.report_brain import brain_context
from metamers.report_browser import link
from metamers.report_chance import chance_context
from metamers.report_contrasts import contrasts_context
from metamers.report_figures import with_interval
from metamers.report_people import people_context, without_people
from metamers.report_points import TITLES as MEASURE_TITLES
from metamers.report_power import power_context
from metamers.report_provenance import as_yaml
from metamers.report_tables import (
    anova_table,
    beyond_depth_table,
    match_table,
    null_table,
    recognizability_table,
    relation_table,
)
from metamers.report_training import attacked_places, training_table
from metamers.report_vulnerability import vulnerability_table

# Pages by file name, in the order of the navigation.
PAGES = {
    "index": "Overview",
    "browser": "Metamers",
    "curves": "Recognizability",
    "match": "Match",
    "statistics": "Statistics",
    "analyses": "Beside metamers",
    "made": "How it was made",
}
LINKED = {"beyond": "Past the study", "leaderboard": "Leaderboard"}  # pages of their own
TITLES = {"vision": "Vision", "audio": "Hearing"}
NOUNS = {"vision": "images", "audio": "sounds"}
EXPORTED = {"vision": "8-bit PNG image", "audio": "16-bit WAV sound"}
TASKS = {"vision": "which of {} categories an image shows", "audio": "which of {} words was spoken"}
PUBLISHED_CATEGORIES = {"vision": 16, "audio": 793}


def others_of(recognizable: xr.Dataset, generation_model: str) -> xr.Dataset:
    """What the other models make of one model's metamers, their families alike.

    (stage) → ``proportion_correct``, ``standard_error``, ``low``, ``high``, over stimuli.
    """
    own = recognizable.sel(generation_model=generation_model, stage=own_stages(recognizable, generation_model))
    names = {"other_models": "proportion_correct"}
    names |= {f"other_models_{end}": end for end in ("standard_error", "low", "high")}
    return own[list(names)].rename(names)


def judges_context(recognizable: xr.Dataset, generation_model: str) -> dict[str, str]:
    """Who judges one model's metamers, in words: its ``siblings``, and the ``unrelated`` models by family."""
    own = recognizable.sel(generation_model=generation_model)
    asked = own["n"].any("stage") & (own["recognition_model"] != generation_model)
    families = {
        str(name): str(family)
        for name, family in zip(
            own["recognition_model"].values[asked], own["recognition_family"].values[asked], strict=True
        )
    }
    siblings = [name for name, family in families.items() if family == str(own["generation_family"].values)]
    return {
        "family": str(own["generation_family"].values),
        "siblings": ", ".join(siblings),
        "unrelated": words_of([name for name in families if name not in siblings], families),
    }


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
        What ``others_of`` gives.
    recognizable, predicted
        What ``metamers.compare.recognizability`` and ``metamers.predicted.predicted_human`` give.

    Returns
    -------
    dict
        ``model``, ``made``, ``accepted``; ``natural``: recognizability of natural stimuli by other models; ``first``
        and ``last``: the first stage after the input, and the last one, each as ``stage``, ``others``,
        ``chance``, ``predicted``, ``low``, ``high``, ``outside`` (of the published range, so without a prediction),
        ``n``; ``below_half``: the first stage whose metamers other models mostly fail to
        recognize, or None; ``others_known``: whether other models judged the last; ``judged`` stages, and ``outside``:
        how many of these lie outside the published range.
    """
    stages = list(map(str, acceptance["stage"].values))
    mean = others["proportion_correct"]
    own = recognizable.sel(generation_model=generation_model)

    def at(stage: str) -> dict[str, Any]:
        expected = predicted.sel(generation_model=generation_model, stage=stage)
        return {
            "stage": stage,
            "others": float(mean.sel(stage=stage)),
            "chance": float(own["other_models_chance"].sel(stage=stage)),
            "n": int(own["n"].sel(stage=stage).max()),
            **{name: float(expected[name]) for name in ("predicted", "low", "high")},
            "outside": bool(expected["outside_published_range"]),
        }

    of_model = predicted.sel(generation_model=generation_model)
    outside = int(of_model["outside_published_range"].sum())
    return {
        "model": generation_model,
        "made": acceptance["accepted"].size,
        "accepted": int(acceptance["accepted"].sum()),
        "stimuli": acceptance.sizes["stimulus"],
        "natural": float(mean.sel(stage=NATURAL)),
        "first": at(next((stage for stage in stages if stage != INPUT_STAGE), stages[0])),
        "last": at(stages[-1]),
        "others_known": bool(np.isfinite(mean.sel(stage=stages[-1]))),
        "judged": outside + int(of_model["predicted"].notnull().sum()),
        "outside": outside,
        "below_half": next((stage for stage in stages if float(mean.sel(stage=stage)) < 0.5), None),
    }


def mean_of(values: Iterable[float]) -> float:
    """Mean of the numbers that there are, NaN where there are none."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def relations(relation: xr.Dataset) -> list[dict[str, Any]]:
    """What the page says of each published modality, in numbers."""
    return [
        {
            "name": str(modality),
            "points": int(relation["human_mean"].sel(modality=modality).count()),
            "r2": float(relation["pearson_r2"].sel(modality=modality)),
            "text": with_interval(relation, modality, "pearson_r2"),
            "ceiling": float(relation["noise_ceiling_r2"].sel(modality=modality)),
            "depth": float(relation["depth_r2"].sel(modality=modality)),
            "partial": float(relation["partial_r2"].sel(modality=modality)),
            "judges": int(relation["judges"].sel(modality=modality)),
            "judges_published": int(relation["judges_published"].sel(modality=modality)),
        }
        for modality in relation["modality"].values
    ]


def modality_result(
    modality: str,
    models: Sequence[Mapping[str, Any]],
    judges: Mapping[str, Mapping[str, Any]],
    relation: xr.Dataset,
) -> dict[str, Any]:
    """The result of all generation models of one modality together: sums, and means over models.

    Parameters
    ----------
    modality
        ``vision`` or ``audio``.
    models
        What ``model_context`` gives, of this modality only; all choose among the same categories.
    judges
        Recognition model → ``modality`` and ``family``.
    relation
        What ``metamers.compare.humans_vs_models`` gives.
    """
    summaries = [model["summary"] for model in models]
    first, last = (mean_of(summary[end]["others"] for summary in summaries) for end in ("first", "last"))
    asked = {name: judge["family"] for name, judge in judges.items() if judge["modality"] == modality}
    categories = models[0]["categories"]
    return {
        "modality": modality,
        "title": TITLES[modality],
        "noun": NOUNS[modality],
        "exported": EXPORTED[modality],
        "models": models,
        "made": sum(summary["made"] for summary in summaries),
        "accepted": sum(summary["accepted"] for summary in summaries),
        "stimuli": max(summary["stimuli"] for summary in summaries),
        "natural": mean_of(summary["natural"] for summary in summaries),
        "first": first,
        "last": last,
        "first_known": bool(np.isfinite(first)),
        "last_known": bool(np.isfinite(last)),
        "chance": mean_of(summary["last"]["chance"] for summary in summaries),
        "single_answers": any(model["chance"]["single_answers"] for model in models),
        "task": TASKS[modality].format(categories),
        "published_task": TASKS[modality].format(PUBLISHED_CATEGORIES[modality]),
        "judges": list(asked),
        "one_family": len(asked) > 1 and len(set(asked.values())) == 1,
        "outside": sum(summary["outside"] for summary in summaries),
        "judged": sum(summary["judged"] for summary in summaries),
        "published_low": float(relation["model_mean"].sel(modality=modality).min()),
        "published_high": float(relation["model_mean"].sel(modality=modality).max()),
    }


def undecided_stages(acceptance: xr.Dataset) -> list[str]:
    """Stages at which a measure that decides at another stage does not."""
    chosen = acceptance["decides"].any("stage")
    stages = acceptance["stage"].values[(chosen & ~acceptance["decides"]).any("measure").values]
    return list(map(str, stages))


def null_context(null: xr.Dataset, acceptance: xr.Dataset) -> dict[str, Any]:
    """The null distribution of one generation model: its table, numbers of pairs and stimuli, and what these mean."""
    return {
        "table": null_table(acceptance),
        "undecided": undecided_stages(acceptance),
        "stimuli": int(null["paired_stimuli"]),
        "pairs": int(null["distinct_pairs"].max()),
        "fewest_pairs": int(null["distinct_pairs"].min()),
        "chance": float(null["chance_of_acceptance"].max()),
        "largest_chance": float(null["largest_chance_of_acceptance"].max()),
    }


def model_context(
    name: str,
    entry: Mapping[str, Any],
    acceptance: xr.Dataset,
    null: xr.Dataset,
    recognizable: xr.Dataset,
    predicted: xr.Dataset,
) -> dict[str, Any]:
    """What the pages say of one generation model.

    Parameters
    ----------
    name
        The generation model.
    entry
        Its ``modality`` and ``categories``, the number of categories that an observer chooses among.
    acceptance, null, recognizable, predicted
        The run's Datasets.
    """
    others = others_of(recognizable, name)
    return {
        "name": name,
        **entry,
        "link": link(name),
        "seeds": acceptance.sizes["seed"],
        "summary": summary(name, acceptance, others, recognizable, predicted),
        "match": match_table(acceptance),
        "null": null_context(null, acceptance),
        "recognizability": recognizability_table(name, recognizable, predicted),
        "chance": chance_context(name, recognizable),
        "judges": judges_context(recognizable, name),
        "others": others,
    }


def site_context(
    run: str,
    pages: Sequence[str],
    linked: Sequence[str],
    models: Sequence[Mapping[str, Any]],
    judges: Mapping[str, Mapping[str, Any]],
    relation: xr.Dataset,
    anova: xr.Dataset | None,
    people: Mapping[str, xr.Dataset],
    people_compared: xr.Dataset | None,
    contrasts: xr.Dataset | None,
    power: xr.Dataset,
    trained: Mapping[str, xr.Dataset],
    unheard_voices: bool,
    vulnerability: Mapping[str, xr.Dataset],
    brain: Mapping[str, xr.Dataset],
    figures: Sequence[str],
    charts: Mapping[str, Mapping[str, Any]],
    captions: Mapping[str, str],
    origin: Mapping[str, Any],
    steps: Mapping[str, Any],
    configuration: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that the templates name.

    Parameters
    ----------
    run
        The run's name.
    pages
        Which of ``PAGES`` the site has.
    linked
        Which of ``LINKED``, pages that other rules make, are beside them.
    models
        What ``model_context`` gives, for each generation model; may be empty.
    judges
        Recognition model → its ``modality`` and ``family``.
    relation, anova, contrasts
        What ``humans_vs_models``, ``human_against_model`` and ``contrasts`` give, the second where there are
        participants, the third where models are compared.
    people, people_compared
        What ``humans_people`` and ``compare_people_vs_models`` make of one's own people; may be empty, and None.
    power
        What ``metamers.power.power_dataset`` gives.
    trained
        Model → what the rule ``train`` makes, for each that the run trains; may be empty.
    unheard_voices
        Whether trained models were tested with voices that they never heard.
    vulnerability, brain
        Model → what the rules ``vulnerability`` and ``brain_regression`` make; may be empty.
    figures
        Names of the run's vector figures.
    charts
        Name → specification, as ``metamers.report_charts`` makes it.
    captions
        Name → text, paragraphs with an empty line between them.
    origin
        What ``metamers.report_provenance.provenance`` gives.
    steps
        ``table`` and ``times``: what ``steps_table`` and ``times_table`` of ``metamers.report_steps`` give.
    configuration
        What of the run's configuration gives the same run on any machine.
    """
    modalities = list(dict.fromkeys(model["modality"] for model in models))
    published = without_people(anova, people) if anova is not None else None
    training = None
    if trained:
        training = {
            "models": list(trained),
            "table": training_table(trained, unheard_voices),
            "places": attacked_places(trained),
            "unheard_voices": unheard_voices,
        }
    return {
        "run": run,
        "pages": {name: PAGES[name] for name in pages},
        "linked": {name: LINKED[name] for name in linked},
        "models": models,
        "measures": list(MEASURE_TITLES.values()),
        "results": [
            modality_result(modality, [model for model in models if model["modality"] == modality], judges, relation)
            for modality in modalities
        ],
        "single_answer_share": SINGLE_ANSWER_SHARE,
        "relation": relations(relation),
        "contrasts": contrasts_context(contrasts) if contrasts is not None else None,
        "power": power_context(power),
        "training": training,
        "vulnerability": vulnerability_table(vulnerability) if vulnerability else None,
        "brain": brain_context(brain) if brain else None,
        "similarities": [name.removeprefix("similarity_") for name in figures if name.startswith("similarity_")],
        "people": people_context(people, people_compared, anova),
        "tables": {
            "relation": relation_table(relation),
            "beyond_depth": beyond_depth_table(relation),
            "anova": anova_table(published) if published is not None else None,
        },
        "figures": set(figures),
        "points": {name: chart["datasets"]["points"] for name, chart in charts.items()},
        "captions": {
            name: [" ".join(paragraph.split()) for paragraph in text.split("\n\n")] for name, text in captions.items()
        },
        "provenance": origin,
        "steps": steps,
        "configuration": as_yaml(configuration),
    }


def site(context: Mapping[str, Any]) -> dict[str, str]:
    """The pages as HTML, by name.

    Parameters
    ----------
    context
        What ``site_context`` gives.

    Raises
    ------
    jinja2.UndefinedError
        When the context lacks something that a template names.
    """
    return {name: render(f"{name}.html.j2", {**context, "page": name}) for name in context["pages"]}
