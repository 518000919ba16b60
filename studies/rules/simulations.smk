"""Simulations: the coverage of the intervals and the error rates of the tests, on data with known parameters."""

TOPICS = sorted(
    path.stem for path in (STUDIES / "simulations").glob("[!_]*.py") if path.stem not in ("results", "topics")
)

SIMULATED = expand("results/<run>/simulations/{topic}.nc", topic=TOPICS)
SAMPLES = 2000  # simulated data sets of each condition


rule simulations_topic:
    input:
        groups=committed(f"{TABLES_FOLDER}/group_results.csv"),
        variance=committed(f"{TABLES_FOLDER}/participant_variance.csv"),
        recognition=committed(f"{TABLES_FOLDER}/recognition_models.csv"),
        natural=committed(f"{TABLES_FOLDER}/natural_variance.csv"),
        sources=TABLE_SOURCES,  # not read: the sources of the tables, for the record of inputs
    output:
        netcdf="results/<run>/simulations/{topic}.nc",
        table="results/<run>/simulations/{topic}.csv",
    log:
        "results/<run>/logs/simulations_topic/{topic}.log",
    benchmark:
        "results/<run>/benchmarks/simulations_topic/{topic}.tsv"
    wildcard_constraints:
        topic=one_of(TOPICS),
    params:
        **study_step("simulations/topic"),
        published=subpath(input.groups, parent=True),
        samples=SAMPLES,
        run_seed=plan.settings.seed,
    conda:
        ENVIRONMENT
    message:
        "Simulating data with known parameters: {wildcards.topic}"
    script:
        STUDY_SCRIPTS / "simulations/topic.py"
