"""Power: how many people and trials would tell two models apart, before anybody is asked."""


rule power:
    input:
        groups=f"{PUBLISHED}/group_results.csv",
        variance=f"{PUBLISHED}/participant_variance.csv",
        predicted=[f"{RESULTS}/comparison/predicted_human.nc"] if setup["generation_models"] else [],
        sources=SOURCES,  # not read: what the tables were made of, for the record of inputs
    output:
        netcdf=f"{RESULTS}/comparison/power.nc",
        figure=report(
            f"{RESULTS}/report/figures/power.svg", caption="../report/power.rst", category="Experiments to come"
        ),
    log:
        f"{LOGS}/power.log",
    benchmark:
        f"{BENCHMARKS}/power.tsv"
    params:
        code=code("power"),
        modalities={model: setup["models"][model]["modality"] for model in setup["generation_models"]},
        settings=config["comparison"]["power"],
        permutations=config["comparison"]["permutations"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Simulating experiments that tell two models apart"
    script:
        SCRIPTS / "power.py"
