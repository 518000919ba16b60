"""Leaderboard: published models, and the run's models, by measured or predicted human recognizability."""


include: "common/leaderboard.smk"


ENTRIES = [f"results/<run>/leaderboard/entries/{model}" for model in plan.generation_models]


rule leaderboard_ranking:
    input:
        groups=f"{PUBLISHED}/group_results.csv",
        depths=resolve_path("resources/published/stage_depth.csv"),
        relation="results/<run>/comparison/humans_vs_models.nc",
        tested="results/<run>/comparison/passes.nc",
        experiments=EXPERIMENTS if PARTICIPANTS else [],
        own_participants=OWN_PARTICIPANTS,
        predicted=["results/<run>/comparison/predicted_human.nc"] if plan.generation_models else [],
        recognizability=["results/<run>/comparison/recognizability.nc"] if plan.generation_models else [],
        builders=builders_of(plan.generation_models),  # networks are built to count their layers
    output:
        "results/<run>/comparison/leaderboard.nc",
    params:
        modalities=(
            [plan.published_experiments[experiment].modality for experiment in plan.published_experiments]
            if PARTICIPANTS
            else []
        ),
        own_modalities=[entry.modality for entry in plan.own_participants.values()],
        models={
            model: {
                "modality": plan.models[model].modality,
                "stages": list(plan.models[model].stages),
                "published_as": plan.models[model].published_as,
                "chance": 1 / number_of_categories(plan.dataset_of[model]),
            }
            for model in plan.generation_models
        },
        architectures={model: architecture(model) for model in plan.generation_models},
        bootstrap=plan.comparison.bootstrap,
        run_seed=plan.seed,
    resources:
        mem_mb=memory_of_model,
    message:
        "Ranking models by human recognizability"
    script:
        SCRIPTS / "leaderboard/ranking.py"


rule leaderboard_entry:
    input:
        required("leaderboard_entries"),
        **ENTRY_FILES,
        board="results/<run>/comparison/leaderboard.nc",
        predicted="results/<run>/comparison/predicted_human.nc",
        recognizability="results/<run>/comparison/recognizability.nc",
        depths=resolve_path("resources/published/stage_depth.csv"),
        builder=by("generation_model", builders_of, lambda model: [model]),  # the network is built to count its layers
    output:
        directory("results/<run>/leaderboard/entries/{generation_model}"),  # the file's name follows from its content
    params:
        kinds=list(ENTRY_FILES),
        model=by("generation_model", model_of_entry),
        architecture=by("generation_model", architecture),
        settings={key: config[key] for key in (*RECORDED_SETTINGS, "comparison")},
        entries=by("generation_model", registered_of_entry),
        versions=versions_of_entry,
        creator=config["creator"],
    resources:
        mem_mb=memory_of_model,
    message:
        "Making the entry of {wildcards.generation_model} for a shared leaderboard"
    script:
        SCRIPTS / "leaderboard/entry.py"


STUDIED = {model: entry.published_as for model, entry in plan.models.items() if entry.published_as}


rule leaderboard_depth:
    output:
        "results/<run>/humans/stage_depth.csv",
    params:
        # The published models, without the small models that the run trains in their place.
        entries={model: architecture(model) for model in STUDIED if "train" not in plan.models[model].weights},
        names=STUDIED,
    resources:
        mem_mb=memory_of_model,
    message:
        "Counting the layers of the published models"
    script:
        SCRIPTS / "leaderboard/depth.py"
