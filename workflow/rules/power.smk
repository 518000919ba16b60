"""Power: the number of participants and trials that a planned comparison of two models needs."""


rule power:
    input:
        groups=committed(f"{TABLES_FOLDER}/group_results.csv"),
        variance=committed(f"{TABLES_FOLDER}/participant_variance.csv"),
        precomputed=precomputed("power.nc", "power.svg"),
        predicted=["results/<run>/comparison/predicted_human.nc"] if plan.generation_models else [],
        sources=TABLE_SOURCES,  # not read: the sources of the tables, for the record of inputs
    output:
        netcdf="results/<run>/comparison/power.nc",
        figure=report(
            "results/<run>/report/figures/power.svg", caption="../report/power.rst", category="Experiments to come"
        ),
    log:
        "results/<run>/logs/power.log",
    benchmark:
        "results/<run>/benchmarks/power.tsv"
    params:
        **step("power"),
        **PUBLISHED_SETTINGS["power"],
        contrasts=plan.settings.comparison.contrasts,
        modalities={model: plan.models[model].modality for model in plan.generation_models},
    resources:
        **needs("power"),
    conda:
        ENVIRONMENT
    message:
        "Simulating experiments that compare two models"
    script:
        SCRIPTS / "power.py"


FIGURES += ["results/<run>/report/figures/power.svg"]
