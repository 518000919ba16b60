"""Leaderboard: published models, and the run's models, by measured or predicted human recognizability."""

from metamers.plan.recorded import recorded_entries, recorded_settings, recorded_versions

PUBLISHED_TABLES = [
    local(resolve_path(f"resources/published/{name}.csv"))
    for name in ("group_results", "stage_depth", "natural_variance", "recognition_models")
]


def models_of_entry(model):
    """A generation model, and the models that recognize its metamers."""
    return list(dict.fromkeys([model, *plan.compared_recognition_models(model)]))


def own_participants_of_entry(model):
    """The own participants who may have judged a model's metamers."""
    groups = plan.own_participants.items()
    return [f"results/<run>/humans/{name}.nc" for name, group in groups if group.modality == modality_of(model)]


# Kind of file → list, or input function that returns one: the files that the entry of a model is computed from.
ENTRY_FILES = {
    "stimuli": by("generation_model", lambda model: [stimuli_of(model)]),
    "metamers": by("generation_model", metamers_of),
    "acceptance": ["results/<run>/acceptance/{generation_model}.nc"],
    "recognition": by("generation_model", recognition_of),
    "own_participants": by("generation_model", own_participants_of_entry),
    "comparison": [
        f"results/<run>/comparison/{name}.nc" for name in ("leaderboard", "predicted_human", "recognizability")
    ],
    "published": PUBLISHED_TABLES,
    "weights": by("generation_model", files_of_models, models_of_entry),
}


ENTRIES = [f"results/<run>/leaderboard/entries/{model}" for model in plan.generation_models]


rule leaderboard_ranking:
    input:
        groups=committed(f"{TABLES_FOLDER}/group_results.csv"),
        depths=local(resolve_path("resources/published/stage_depth.csv")),
        relation="results/<run>/comparison/humans_vs_models.nc",
        tested="results/<run>/comparison/passes.nc",
        experiments=EXPERIMENTS if PARTICIPANTS else [],
        own_participants=OWN_PARTICIPANTS,
        predicted=["results/<run>/comparison/predicted_human.nc"] if plan.generation_models else [],
        recognizability=["results/<run>/comparison/recognizability.nc"] if plan.generation_models else [],
        builders=builders_of(plan.generation_models),  # networks are built to count their layers
    output:
        "results/<run>/comparison/leaderboard.nc",
    log:
        "results/<run>/logs/leaderboard_ranking.log",
    benchmark:
        "results/<run>/benchmarks/leaderboard_ranking.tsv"
    params:
        **step("leaderboard/ranking"),
        modalities=(
            [plan.published.experiments[experiment].modality for experiment in plan.published.experiments]
            if PARTICIPANTS
            else []
        ),
        own_modalities=[entry.modality for entry in plan.own_participants.values()],
        models={
            model: {
                "modality": plan.models[model].modality,
                "stages": list(plan.models[model].stages),
                "published_as": plan.models[model].published_as,
                **({} if plan.models[model].has_classes else {"classes": False}),
                "chance": 1 / number_of_categories(model),
            }
            for model in plan.generation_models
        },
        architectures={model: architecture(model) for model in plan.generation_models},
        bootstrap=plan.settings.comparison.bootstrap,
        run_seed=plan.settings.seed,
    resources:
        **needs("leaderboard_ranking", workload.in_memory(plan.generation_models)),
    conda:
        ENVIRONMENT
    message:
        "Ranking models by human recognizability"
    script:
        SCRIPTS / "leaderboard/ranking.py"


def model_of_entry(model):
    """Parameter: a generation model, as its entry describes it."""
    return {
        "modality": modality_of(model),
        "stages": list(plan.models[model].stages),
        "published_as": plan.models[model].published_as,
        "categories": number_of_categories(model),
        "chance": 1 / number_of_categories(model),
    }


rule leaderboard_entry:
    input:
        required("leaderboard_entries"),
        **ENTRY_FILES,
        board="results/<run>/comparison/leaderboard.nc",
        predicted="results/<run>/comparison/predicted_human.nc",
        recognizability="results/<run>/comparison/recognizability.nc",
        depths=local(resolve_path("resources/published/stage_depth.csv")),
        builder=by("generation_model", builders_of, lambda model: [model]),  # the network is built to count its layers
    output:
        directory("results/<run>/leaderboard/entries/{generation_model}"),  # the file's name follows from its content
    log:
        "results/<run>/logs/leaderboard_entry/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/leaderboard_entry/{generation_model}.tsv"
    params:
        **step("leaderboard/entry"),
        kinds=list(ENTRY_FILES),
        model=by("generation_model", model_of_entry),
        architecture=by("generation_model", architecture),
        settings=recorded_settings(config, "comparison"),
        entries=by(
            "generation_model", lambda model: recorded_entries(plan, models_of_entry(model), [plan.dataset_of[model]])
        ),
        versions=by(
            "generation_model",
            lambda entries: recorded_versions(SCRIPTS, ("leaderboard/ranking", "leaderboard/entry"), entries),
            entries_of,
            models_of_entry,
        ),
        creator=config["creator"],
    resources:
        **needs("leaderboard_entry", by("generation_model", workload.in_memory, models_of_entry)),
    conda:
        ENVIRONMENT
    message:
        "Making the entry of {wildcards.generation_model} for a shared leaderboard"
    script:
        SCRIPTS / "leaderboard/entry.py"


STUDIED = {model: entry.published_as for model, entry in plan.models.items() if entry.published_as}


rule leaderboard_depth:
    output:
        "results/<run>/humans/stage_depth.csv",
    log:
        "results/<run>/logs/leaderboard_depth.log",
    benchmark:
        "results/<run>/benchmarks/leaderboard_depth.tsv"
    params:
        **step("leaderboard/depth"),
        # The published models, without the small models that the run trains in their place.
        entries={model: architecture(model) for model in STUDIED if "train" not in plan.models[model].weights},
        names=STUDIED,
    resources:
        **needs("leaderboard_depth", workload.in_memory(STUDIED)),
    conda:
        ENVIRONMENT
    message:
        "Counting the layers of the published models"
    script:
        SCRIPTS / "leaderboard/depth.py"


rule report_leaderboard:
    input:
        board="results/<run>/comparison/leaderboard.nc",
        tested="results/<run>/comparison/passes.nc",
        recognizability=["results/<run>/comparison/recognizability.nc"] if plan.generation_models else [],
        assets=ancient(ASSETS),
    output:
        page="results/<run>/report/leaderboard.html",
        table=report(
            "results/<run>/report/leaderboard.csv", caption="../report/leaderboard.rst", category="Leaderboard"
        ),
        figure=report(
            "results/<run>/report/figures/reliability.svg", caption="../report/reliability.rst", category="Leaderboard"
        ),
        passes=report("results/<run>/report/figures/passes.svg", caption="../report/passes.rst", category="Leaderboard"),
    log:
        "results/<run>/logs/report_leaderboard.log",
    benchmark:
        "results/<run>/benchmarks/report_leaderboard.tsv"
    params:
        **step("report/leaderboard"),
        **page_params(),
        read=data_version(*site_templates("leaderboard", "board")),
        left_out=LEFT_OUT,
    resources:
        **needs("report_leaderboard"),
    conda:
        ENVIRONMENT
    message:
        "Writing the page of the leaderboard"
    script:
        SCRIPTS / "report/leaderboard.py"


FIGURES += ["results/<run>/report/figures/reliability.svg"]


# A site of its own, to which other groups add entries; here with those of this run. It is beside the run's folder, because
# it has copies of entries, which `snakemake verify` would find in a wrong place.
rule report_leaderboard_site:
    input:
        entries=ENTRIES,
        board="results/<run>/comparison/leaderboard.nc",
        published=PUBLISHED_TABLES,
    output:
        directory("results/<run>.leaderboard"),
    log:
        "results/<run>/logs/report_leaderboard_site.log",
    benchmark:
        "results/<run>/benchmarks/report_leaderboard_site.tsv"
    params:
        **step("report/leaderboard_site"),
        read=data_version(
            *sorted(TEMPLATES.glob("leaderboard_*.j2")),
            *site_templates("board"),
            *(SITE / name for name in navigation.LEADERBOARD_ASSETS),
        ),
    resources:
        **needs("report_leaderboard_site"),
    conda:
        ENVIRONMENT
    message:
        "Writing the site of a shared leaderboard with the entries of this run"
    script:
        SCRIPTS / "report/leaderboard_site.py"


ADDED_TO_ALL += [rules.leaderboard_ranking.output, rules.report_leaderboard.output]


rule leaderboard:
    input:
        rules.leaderboard_ranking.output,
        rules.report_leaderboard.output,


rule leaderboard_entries:
    input:
        required("leaderboard_entries"),
        ENTRIES,


rule leaderboard_site:
    input:
        rules.report_leaderboard_site.output,
