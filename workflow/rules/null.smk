"""Chance match: the null distribution between natural stimuli, and the metamers that it lets us accept."""


rule null:
    input:
        unpack(model_files("generation_model")),
        stimuli=lambda wildcards: null_stimuli_of(wildcards.generation_model),
    output:
        f"{RESULTS}/nulls/{{generation_model}}.nc",
    log:
        f"{LOGS}/null/{{generation_model}}.log",
    benchmark:
        f"{BENCHMARKS}/null/{{generation_model}}.tsv"
    params:
        code=code("null"),
        model=lambda wildcards: architecture(wildcards.generation_model),
        weights_file=lambda wildcards: weights_file(wildcards.generation_model),
        stages=lambda wildcards: setup["generation_models"][wildcards.generation_model],
        pairs=config["null"]["pairs"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(8000),  # metamers.null.MEMORY, and what ranking and a forward pass need
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Measuring the null distribution of {wildcards.generation_model}"
    script:
        SCRIPTS / "null.py"


rule null_acceptance:
    input:
        metamers=lambda wildcards: metamers_of(wildcards.generation_model),
        null=rules.null.output,
    output:
        f"{RESULTS}/acceptance/{{generation_model}}.nc",
    log:
        f"{LOGS}/null_acceptance/{{generation_model}}.log",
    benchmark:
        f"{BENCHMARKS}/null_acceptance/{{generation_model}}.tsv"
    params:
        code=code("null_acceptance"),
        measures=config["acceptance"]["measures"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Accepting metamers of {wildcards.generation_model}"
    script:
        SCRIPTS / "null_acceptance.py"
