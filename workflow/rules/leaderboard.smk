"""Leaderboard: published models by human recognizability, and the run's own among them, by prediction and by own people."""


rule leaderboard:
    input:
        groups=f"{PUBLISHED}/group_results.csv",
        depths=located("resources/published/stage_depth.csv"),
        relation=f"{RESULTS}/comparison/humans_vs_models.nc",
        experiments=EXPERIMENTS if PARTICIPANTS else [],
        people=PEOPLE,
        predicted=[f"{RESULTS}/comparison/predicted_human.nc"] if setup["generation_models"] else [],
        builders=builders_of(setup["generation_models"]),  # networks are built to count their layers
    output:
        netcdf=f"{RESULTS}/comparison/leaderboard.nc",
        table=f"{RESULTS}/report/leaderboard.csv",
        page=report(f"{RESULTS}/report/leaderboard.html", caption="../report/leaderboard.rst", category="Leaderboard"),
        figure=report(
            f"{RESULTS}/report/figures/reliability.svg", caption="../report/reliability.rst", category="Leaderboard"
        ),
    log:
        f"{LOGS}/leaderboard.log",
    benchmark:
        f"{BENCHMARKS}/leaderboard.tsv"
    params:
        code=code("leaderboard", *templates("leaderboard")),
        modalities=(
            [setup["experiments"][experiment]["modality"] for experiment in setup["experiments"]]
            if PARTICIPANTS
            else []
        ),
        people_modalities=[entry["modality"] for entry in setup["people"].values()],
        models={
            model: {
                "modality": setup["models"][model]["modality"],
                "stages": list(setup["models"][model]["stages"]),
                "published_as": setup["models"][model].get("published_as"),
                "chance": 1 / number_of_categories(setup["dataset_of"][model]),
            }
            for model in setup["generation_models"]
        },
        architectures={model: architecture(model) for model in setup["generation_models"]},
        bootstrap=config["comparison"]["bootstrap"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=memory_of_model,
    conda:
        ENVIRONMENT
    message:
        "Ranking models by human recognizability"
    script:
        SCRIPTS / "leaderboard.py"


STUDIED = {model: entry["published_as"] for model, entry in setup["models"].items() if "published_as" in entry}


rule leaderboard_depth:
    output:
        f"{RESULTS}/humans/stage_depth.csv",
    log:
        f"{LOGS}/leaderboard_depth.log",
    benchmark:
        f"{BENCHMARKS}/leaderboard_depth.tsv"
    params:
        code=code("leaderboard_depth"),
        # The published models, not those that are like them and that the run trains.
        entries={model: architecture(model) for model in STUDIED if "train" not in setup["models"][model]["weights"]},
        names=STUDIED,
    threads: 1
    resources:
        mem_mb=memory_of_model,
    conda:
        ENVIRONMENT
    message:
        "Counting the layers of the published models"
    script:
        SCRIPTS / "leaderboard_depth.py"
