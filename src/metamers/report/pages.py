"""Values and tables that the templates of the report's pages show, computed from Datasets.

The sentences are in the templates in ``site``. ``metamers.report.render`` turns a template and its values into HTML,
for these pages and for all other pages. The other modules of ``metamers.report`` make the figures, charts, tables and
the data of the metamer browser.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from metamers.compare.chance import SINGLE_ANSWER_SHARE
from metamers.compare.converged import converged_stages
from metamers.compare.families import names_by_family
from metamers.compare.predicted_human import NOT_JUDGED
from metamers.compare.verdict import FIRST_MINUS_LAST, compared_stages, read_evidence, verdict
from metamers.humans.participants import own_stages
from metamers.humans.published import PUBLISHED
from metamers.match import PRESERVED
from metamers.modalities import MODALITIES
from metamers.names import INPUT_STAGE, NATURAL, plural
from metamers.report.adaptive import adaptive_context
from metamers.report.brain import brain_context, brain_findings, similarity_findings
from metamers.report.browser import link
from metamers.report.chance import chance_context
from metamers.report.contrasts import contrasts_context
from metamers.report.error_consistency import consistency_context
from metamers.report.navigation import navigation_context
from metamers.report.own_participants import own_participants_context, without_own_participants
from metamers.report.points import TITLES as MEASURE_TITLES
from metamers.report.power import power_context
from metamers.report.provenance import as_yaml
from metamers.report.render import render
from metamers.report.tables import (
    anova_table,
    beyond_depth_table,
    match_table,
    null_table,
    recognizability_table,
    relation_table,
    relative_table,
    with_ends,
)
from metamers.report.training import attacked_places, training_findings, training_table
from metamers.report.verdicts import criterion_context, decline_sentences, missing_sentence
from metamers.report.vulnerability import vulnerability_findings, vulnerability_table
from metamers.train.readout import described_readout


def others_of(recognizable: xr.Dataset, generation_model: str) -> xr.Dataset:
    """Recognition of one model's metamers by the other models, mean over families.

    Returns (stage) → ``proportion_correct``, and its ``standard_error``, ``low`` and ``high`` over stimuli.
    """
    own = recognizable.sel(generation_model=generation_model, stage=own_stages(recognizable, generation_model))
    names = {"other_models": "proportion_correct"}
    names |= {f"other_models_{end}": end for end in ("standard_error", "low", "high")}
    return own[list(names)].rename(names)


def recognition_models_context(recognizable: xr.Dataset, generation_model: str) -> dict[str, str]:
    """Recognition models of one model's metamers: ``siblings`` and ``unrelated`` by family, and ``family``."""
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
        "unrelated": names_by_family([name for name in families if name not in siblings], families),
    }


def summary(
    generation_model: str, acceptance: xr.Dataset, others: xr.Dataset, recognizable: xr.Dataset, predicted: xr.Dataset
) -> dict[str, Any]:
    """The result of one generation model in a few numbers.

    Parameters
    ----------
    generation_model
        Name of the model.
    acceptance
        (stage, stimulus, seed) → ``accepted``.
    others
        Result of ``others_of``.
    recognizable, predicted
        Results of ``metamers.compare.recognizability.recognizability`` and
        ``metamers.compare.predicted_human.predicted_human``.

    Returns
    -------
    dict
        ``model``, ``made``, ``accepted``; ``natural``: recognizability of natural stimuli by other models; ``first``
        and ``last``: the first stage after the input, and the last stage, each with ``stage``, ``others``, ``chance``,
        ``predicted``, ``low``, ``high``, ``n`` and ``reason`` (why there is no prediction, or empty);
        ``below_half``: the first stage at which other models recognize fewer than half of the metamers, or None;
        ``errors``: median normalized error of the accepted metamers of each stage after the input;
        ``others_known``: whether other models classified metamers of the last stage; ``judged``: number of stages that
        other models classified; ``unpredicted``: number of these without a prediction.
    """
    stages = list(map(str, acceptance["stage"].values))
    first, last = compared_stages(stages)
    kept = acceptance["normalized_error"].where(acceptance["accepted"].astype(bool))
    errors = [float(kept.sel(stage=stage).median()) for stage in stages if stage != INPUT_STAGE]
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
            "reason": str(expected["reason"].item()),
        }

    of_model = predicted.sel(generation_model=generation_model)
    unpredicted = int((~of_model["reason"].isin(["", NOT_JUDGED])).sum())
    return {
        "model": generation_model,
        "made": acceptance["accepted"].size,
        "accepted": int(acceptance["accepted"].sum()),
        "stimuli": acceptance.sizes["stimulus"],
        "natural": float(mean.sel(stage=NATURAL)),
        "first": at(first),
        "last": at(last),
        "others_known": bool(np.isfinite(mean.sel(stage=stages[-1]))),
        "judged": unpredicted + int(of_model["predicted"].notnull().sum()),
        "unpredicted": unpredicted,
        "errors": [error for error in errors if np.isfinite(error)],
        "below_half": next((stage for stage in stages if float(mean.sel(stage=stage)) < 0.5), None),
    }


def mean_of(values: Iterable[float]) -> float:
    """Mean of the finite values, NaN without any."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def relations(relation: xr.Dataset) -> list[dict[str, Any]]:
    """Numbers of the published relation, one dictionary per modality."""
    return [
        {
            "name": str(modality),
            "points": int(relation["human_mean"].sel(modality=modality).count()),
            "r2": float(relation["pearson_r2"].sel(modality=modality)),
            "text": with_ends(relation.sel(modality=modality), "pearson_r2"),
            "ceiling": float(relation["noise_ceiling_r2"].sel(modality=modality)),
            "of_ceiling": with_ends(relation.sel(modality=modality), "pearson_r2_of_ceiling"),
            "depth": float(relation["depth_r2"].sel(modality=modality)),
            "partial": float(relation["partial_r2"].sel(modality=modality)),
            "recognition_models": int(relation["recognition_models"].sel(modality=modality)),
            "recognition_models_in_paper": int(relation["recognition_models_in_paper"].sel(modality=modality)),
        }
        for modality in relation["modality"].values
    ]


def modality_result(
    modality: str,
    models: Sequence[Mapping[str, Any]],
    recognition_models: Mapping[str, Mapping[str, Any]],
    relation: xr.Dataset,
    recognizable: xr.Dataset,
    penalties: Collection[str] = (),
) -> dict[str, Any]:
    """Result of all generation models of one modality: sums, and means over models.

    Parameters
    ----------
    modality
        ``vision`` or ``audio``.
    models
        Results of ``model_context`` for this modality. All have the same categories.
    recognition_models
        Recognition model → ``modality`` and ``family``.
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.
    recognizable
        Contents of comparison/recognizability.nc.
    penalties
        Generation models whose metamers have a penalty: no part of the means that are compared, if there are others.
    """
    found = verdict(read_evidence(recognizable.sel(modality=modality), FIRST_MINUS_LAST))
    summaries = [model["summary"] for model in models]
    compared = [model["summary"] for model in models if model["name"] not in penalties] or summaries
    first, last = (mean_of(summary[end]["others"] for summary in compared) for end in ("first", "last"))
    asked = {
        name: recognition_model["family"]
        for name, recognition_model in recognition_models.items()
        if recognition_model["modality"] == modality
    }
    about = MODALITIES[modality]
    categories = f"{models[0]['categories']} {plural(models[0]['category_noun'])}"
    published_categories = f"{PUBLISHED[modality].categories} {plural(about.category_noun)}"
    return {
        "modality": modality,
        "title": about.title,
        "noun": about.stimuli,
        "exported": about.exported_as,
        "picture": about.picture,
        "models": models,
        "made": sum(summary["made"] for summary in summaries),
        "accepted": sum(summary["accepted"] for summary in summaries),
        "stimuli": max(summary["stimuli"] for summary in summaries),
        "natural": mean_of(summary["natural"] for summary in summaries),
        "first": first,
        "last": last,
        "first_known": bool(np.isfinite(first)),
        "last_known": bool(np.isfinite(last)),
        "verdict": found,
        "conclusion": decline_sentences(found, first, last, about.stimuli),
        "missing": missing_sentence(found, about.stimuli),
        "errors": [error for summary in summaries for error in summary["errors"]],
        "converged": [converged for model in models for converged in model["converged"].values()],
        "chance": mean_of(summary["last"]["chance"] for summary in summaries),
        "categories": models[0]["categories"],
        "single_answers": any(model["chance"]["single_answers"] for model in models),
        "task": about.task.format(categories),
        "published_task": about.task.format(published_categories),
        "recognition_models": list(asked),
        "one_family": len(asked) > 1 and len(set(asked.values())) == 1,
        "unpredicted": sum(summary["unpredicted"] for summary in summaries),
        "judged": sum(summary["judged"] for summary in summaries),
        "published_low": float(relation["model_mean"].sel(modality=modality).min()),
        "published_high": float(relation["model_mean"].sel(modality=modality).max()),
    }


def undecided_stages(acceptance: xr.Dataset) -> list[str]:
    """Stages at which a measure does not decide although it decides at another stage."""
    chosen = acceptance["decides"].any("stage")
    stages = acceptance["stage"].values[(chosen & ~acceptance["decides"]).any("measure").values]
    return list(map(str, stages))


def null_context(null: xr.Dataset, acceptance: xr.Dataset) -> dict[str, Any]:
    """Null distribution of one generation model: table, numbers of pairs and stimuli, and chance of acceptance."""
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
    """Values of one generation model for the pages.

    Parameters
    ----------
    name
        Name of the generation model.
    entry
        ``modality``; ``categories``: the number of categories that an observer chooses among; ``category_noun``, what a
        category is called; ``targets``, stage after the input → normalized error from which on it has converged; and
        ``omitted``, stages of the model that the run does not synthesize.
    acceptance, null, recognizable, predicted
        Datasets of the run.
    """
    others = others_of(recognizable, name)
    return {
        "name": name,
        **entry,
        "link": link(name),
        "classes": PRESERVED in acceptance,
        "seeds": acceptance.sizes["seed"],
        "summary": summary(name, acceptance, others, recognizable, predicted),
        "match": match_table(acceptance),
        "converged": converged_stages(acceptance, entry["targets"]),
        "null": null_context(null, acceptance),
        "recognizability": recognizability_table(name, recognizable, predicted),
        "relative": relative_table(name, recognizable),
        "chance": chance_context(name, recognizable),
        "recognition_models": recognition_models_context(recognizable, name),
        "others": others,
    }


def site_context(
    run: str,
    pages: Sequence[str],
    linked: Mapping[str, str],
    models: Sequence[Mapping[str, Any]],
    examples: Mapping[str, Mapping[str, Any]],
    remedies: Sequence[Mapping[str, Any]],
    recognition_models: Mapping[str, Mapping[str, Any]],
    relation: xr.Dataset,
    recognizable: xr.Dataset | None,
    error_consistency: xr.Dataset | None,
    anova: xr.Dataset | None,
    own_participants: Mapping[str, xr.Dataset],
    adaptive: Mapping[str, xr.Dataset],
    own_participants_compared: xr.Dataset | None,
    own_participants_consistency: xr.Dataset | None,
    preregistered: xr.Dataset | None,
    contrasts: xr.Dataset | None,
    criterion: xr.Dataset | None,
    power: xr.Dataset,
    trained: Mapping[str, xr.Dataset],
    unheard_voices: bool,
    readouts: Mapping[str, xr.Dataset],
    vulnerability: Mapping[str, xr.Dataset],
    brain: Mapping[str, xr.Dataset],
    similarity: Mapping[str, xr.Dataset],
    figures: Sequence[str],
    charts: Mapping[str, Mapping[str, Any]],
    captions: Mapping[str, str],
    origin: Mapping[str, Any],
    steps: Mapping[str, Any],
    synthesis: Mapping[str, Any],
    configuration: Mapping[str, Any],
    left_out: Mapping[str, Any],
) -> dict[str, Any]:
    """Values that the templates show.

    Parameters
    ----------
    run
        Name of the run.
    pages
        Names of the site's pages, from ``metamers.report.navigation.PAGES``.
    linked
        Pages that rules of other steps write: name → title.
    models
        Result of ``model_context`` for each generation model; may be empty.
    examples
        Modality → result of ``metamers.report.example_stimuli.example``; may be empty.
    remedies
        Results of ``metamers.report.example_stimuli.remedy``; may be empty.
    recognition_models
        Recognition model → ``modality`` and ``family``.
    relation, recognizable, error_consistency, anova, contrasts, criterion
        Contents of the files of these names in comparison/ (``humans_vs_models`` for the first); None where a run has
        no generation models, no participants, or compares no models.
    own_participants
        Name → result of the rule ``humans_own_participants``; may be empty.
    adaptive
        Name → result of the rule ``humans_adaptive``; may be empty.
    own_participants_compared
        Result of the rule ``compare_own_participants_vs_models``, or None.
    own_participants_consistency
        Result of the rule ``compare_own_participants_consistency``, or None.
    preregistered
        Result of the rule ``preregister_score``, or None without a frozen prediction.
    power
        Result of ``metamers.power.pairs.with_pairs``.
    trained
        Model → result of the rule ``train_model``, for each trained model; may be empty.
    unheard_voices
        Whether trained models were tested with voices that are in no training example.
    readouts
        Recognition model → result of the rule ``train_readout``, for models that recognize by a readout; may be empty.
    vulnerability, brain
        Model → result of the rules ``vulnerability`` and ``brain_regression``; may be empty.
    similarity
        Modality → result of the rule ``brain_similarity``; may be empty.
    figures
        Names of the run's vector figures.
    charts
        Name → specification made by ``metamers.report.charts``.
    captions
        Name → text; empty lines separate paragraphs.
    origin
        Result of ``metamers.report.provenance.page_provenance``.
    steps
        ``table`` and ``times``: the results of ``steps_table`` and ``times_table`` of ``metamers.report.steps``.
    synthesis
        The results of ``metamers.synthesize.qualities.quality_attributes``; ``steps``, modality → number of steps;
        ``default_settings``, modality → whether its settings are the default ones, whose match was measured;
        ``penalties``, generation model whose metamers have a penalty → the penalty in words; and for
        the quality ``converged``, ``target``, modality → normalized error, ``stage_targets``, those of single stages,
        and ``must_converge``, whether a metamer must reach it to be accepted.
    configuration
        Keys of the run's configuration that do not depend on the machine.
    left_out
        As of ``metamers.report.navigation.navigation_context``.
    """
    kinds = {model["name"]: model["modality"] for model in models}
    modalities = list(dict.fromkeys(kinds.values()))
    published = without_own_participants(anova, own_participants) if anova is not None else None
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
        "pages": pages,
        "linked": linked,
        "models": models,
        "examples": examples,
        "remedies": remedies,
        "measures": list(MEASURE_TITLES.values()),
        "results": [
            modality_result(
                modality,
                [model for model in models if model["modality"] == modality],
                recognition_models,
                relation,
                recognizable,
                synthesis["penalties"],
            )
            | {
                "quality": synthesis["quality"],
                "penalized": [name for name in synthesis["penalties"] if kinds.get(name) == modality],
            }
            for modality in modalities
        ],
        "single_answer_share": SINGLE_ANSWER_SHARE,
        "relation": relations(relation),
        "error_consistency": consistency_context(error_consistency) if error_consistency is not None else None,
        "contrasts": contrasts_context(contrasts) if contrasts is not None else None,
        "criterion": criterion_context(criterion) if criterion is not None else None,
        "power": power_context(power),
        "training": training,
        "readouts": {name: described_readout(readout) for name, readout in readouts.items()},
        "vulnerability": vulnerability_table(vulnerability) if vulnerability else None,
        "brain": brain_context(brain) if brain else None,
        "similarities": list(similarity),
        "analysed": [
            ("training", "Training", training_findings(trained)),
            ("vulnerability", "Adversarial vulnerability", vulnerability_findings(vulnerability)),
            ("brain", "Prediction of voxels", brain_findings(brain) if brain else []),
            ("similarity", "Representational similarity", similarity_findings(similarity)),
        ],
        "adaptive": adaptive_context(adaptive),
        "adaptive_models": {str(model) for found in adaptive.values() for model in found["generation_model"].values},
        "own_participants": own_participants_context(
            own_participants, own_participants_compared, anova, preregistered, own_participants_consistency
        ),
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
        "synthesis": synthesis,
        "configuration": as_yaml(configuration),
        "left_out": left_out,
    }


def site(context: Mapping[str, Any]) -> dict[str, str]:
    """Pages as HTML, by name.

    Parameters
    ----------
    context
        Result of ``site_context``.

    Raises
    ------
    jinja2.UndefinedError
        When the context lacks a variable of a template.
    """
    pages, linked = context["pages"], context["linked"]
    quality = context["synthesis"]["quality"] if context["models"] else None
    of_run = context["left_out"], context["synthesis"]["penalties"]
    return {
        name: render(f"{name}.html.j2", {**context, **navigation_context(name, pages, linked, quality, *of_run)})
        for name in pages
    }
