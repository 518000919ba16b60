"""Simulations: the coverage of the intervals and the error rates of the tests, where the truth is known."""

TOPICS = sorted(path.stem.removeprefix("simulate_") for path in (SCRIPTS / "metamers").glob("simulate_*.py"))

SIMULATED = expand(f"{RESULTS}/simulations/{{topic}}.nc", topic=TOPICS)
SAMPLES = 2000  # simulated data sets of each condition


rule simulations_topic:
    input:
        groups=f"{PUBLISHED}/group_results.csv",
        variance=f"{PUBLISHED}/participant_variance.csv",
        sources=SOURCES,  # not read: what the tables were made of, for the record of inputs
    output:
        netcdf=f"{RESULTS}/simulations/{{topic}}.nc",
        table=f"{RESULTS}/simulations/{{topic}}.csv",
    log:
        f"{LOGS}/simulations/{{topic}}.log",
    benchmark:
        f"{BENCHMARKS}/simulations/{{topic}}.tsv"
    wildcard_constraints:
        topic=one_of(TOPICS),
    params:
        code=code("simulations"),
        published=lambda wildcards, input: str(Path(input.groups).parent),
        samples=SAMPLES,
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Simulating data of which the truth is known: {wildcards.topic}"
    script:
        SCRIPTS / "simulations.py"
