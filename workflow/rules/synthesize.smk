"""Metamers: one job for some stages of a generation model and a batch of stimuli."""

# A rule for each group of stages, since what a rule makes cannot depend on a wildcard.
for group, (model, stages) in synthesis_groups().items():

    rule:
        name:
            f"synthesize_{group}"
        input:
            model=files_of_model(model),
            stimuli=stimuli_of(model),
            categories=choice(model)["categories"],
        output:
            # In the order of `stages`.
            [f"{RESULTS}/metamers/{model}/{stage_path(stage)}/{{batch}}.nc" for stage in stages],
        log:
            f"{LOGS}/synthesize/{group}/{{batch}}.log",
        benchmark:
            f"{BENCHMARKS}/synthesize/{group}/{{batch}}.tsv"
        wildcard_constraints:
            batch=one_of(batches(model)),
        params:
            code=code("synthesize"),
            name=model,
            model=architecture(model),
            weights_file=lambda wildcards, of_model=model: weights_file(of_model),
            dataset=setup["dataset_of"][model],
            dataset_entry=choice(model),
            stages=stages,
            batch=lambda wildcards, of_model=batches(model): of_model[wildcards.batch],
            seeds=config["synthesis"]["seeds"],
            run_seed=config["seed"],
            procedure=config["synthesis"]["procedure"],
            settings=synthesis_settings(model),
            progress=lambda wildcards, of_group=group: f"{PROGRESS}/synthesize/{of_group}/{wildcards.batch}",
        # One thread, so that results do not depend on how many cores the workflow was given.
        threads: 1
        resources:
            mem_mb=memory_of_model,
            gpu=gpus(),
            # Minutes. It stands here, as a profile would have to name each of these rules.
            runtime=growing(720),
        conda:
            ENVIRONMENT
        message:
            f"Synthesizing metamers of {model}, {', '.join(stages)}, batch {{wildcards.batch}}"
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
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Exporting the metamers of {wildcards.generation_model}"
    script:
        SCRIPTS / "synthesize_export.py"
