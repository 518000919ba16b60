"""Metamers: one job for each generation model, stage and batch of stimuli."""


rule synthesize:
    input:
        unpack(model_files("generation_model")),
        stimuli=lambda wildcards: stimuli_of(wildcards.generation_model),
        categories=lambda wildcards: choice(wildcards.generation_model)["categories"],
    output:
        f"{RESULTS}/metamers/{{generation_model}}/{{stage}}/{{batch}}.nc",
    log:
        f"{LOGS}/synthesize/{{generation_model}}/{{stage}}/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/synthesize/{{generation_model}}/{{stage}}/{{batch}}.tsv"
    params:
        code=code("synthesize"),
        model=lambda wildcards: architecture(wildcards.generation_model),
        weights_file=lambda wildcards: weights_file(wildcards.generation_model),
        dataset=lambda wildcards: setup["dataset_of"][wildcards.generation_model],
        dataset_entry=lambda wildcards: choice(wildcards.generation_model),
        stage=lambda wildcards: stage_name(wildcards.generation_model, wildcards.stage),
        batch=lambda wildcards: batch_of(wildcards.generation_model, wildcards.batch),
        seeds=config["synthesis"]["seeds"],
        run_seed=config["seed"],
        procedure=config["synthesis"]["procedure"],
        settings=lambda wildcards: synthesis_settings(wildcards.generation_model),
    # One thread, so that results do not depend on how many cores the workflow was given.
    threads: 1
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Synthesizing metamers of {wildcards.generation_model}, {wildcards.stage}, batch {wildcards.batch}"
    script:
        SCRIPTS / "synthesize.py"


rule synthesize_export:
    input:
        lambda wildcards: metamers_of(wildcards.generation_model),
    output:
        directory(f"{RESULTS}/exported/metamers/{{generation_model}}"),
    log:
        f"{LOGS}/synthesize_export/{{generation_model}}.log",
    benchmark:
        f"{BENCHMARKS}/synthesize_export/{{generation_model}}.tsv"
    params:
        code=code("synthesize_export"),
        modality=lambda wildcards: setup["models"][wildcards.generation_model]["modality"],
    threads: 1
    resources:
        mem_mb=1000,
    conda:
        ENVIRONMENT
    message:
        "Exporting the metamers of {wildcards.generation_model}"
    script:
        SCRIPTS / "synthesize_export.py"
