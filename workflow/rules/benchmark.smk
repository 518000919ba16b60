"""Benchmark: what the workflow's own algorithms gain over plain ones, measured side by side."""


rule benchmark_cochleagram:
    output:
        f"{RESULTS}/benchmark/cochleagram.nc",
    log:
        f"{LOGS}/benchmark_cochleagram.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_cochleagram.tsv"
    params:
        code=code("benchmark_cochleagram"),
        repeats=10,
    threads: 1
    resources:
        mem_mb=2000,
    conda:
        ENVIRONMENT
    message:
        "Timing the cochleagram against an implementation at the full rate"
    script:
        SCRIPTS / "benchmark_cochleagram.py"
