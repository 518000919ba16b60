"""Metamers: a synthesis for each stage of a generation model and batch of stimuli, then its measures."""


include: "common/synthesize.smk"


rule synthesize_metamers:
    input:
        unpack(model_files("generation_model")),
        stimuli=stimuli_to_match,
        categories=by("generation_model", categories_of),
    output:
        "results/<run>/synthesis/{generation_model}/{stage}/{batch}.nc",
    params:
        **model_params("generation_model"),
        **answer_params("generation_model"),
        code=code_of("generation_model", entry_of),
        name="{generation_model}",
        stage=stage_of,
        batch=stimuli_of_batch,
        seeds=plan.synthesis.seeds,
        run_seed=plan.seed,
        quality=plan.synthesis.quality,
        settings=by("generation_model", plan.synthesis_of),
        target_error=target_error_of_stage,
        progress=f"{PROGRESS}/synthesize_metamers/{{generation_model}}/{{stage}}/{{batch}}",
    priority: 2  # before training: the longest jobs first
    # One thread, so that results do not depend on how many cores the workflow was given.
    threads: 1
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Synthesizing metamers of {wildcards.generation_model}, {params.stage}, batch {wildcards.batch}"
    script:
        SCRIPTS / "synthesize/metamers.py"


# A step of its own, so that another measure repeats no synthesis.
rule synthesize_measure:
    input:
        unpack(model_files("generation_model")),
        stimuli=stimuli_to_match,
        categories=by("generation_model", categories_of),
        synthesis=rules.synthesize_metamers.output,
    output:
        "results/<run>/metamers/{generation_model}/{stage}/{batch}.nc",
    params:
        **model_params("generation_model"),
        **answer_params("generation_model"),
        code=code_of("generation_model", entry_of),
        name="{generation_model}",
        stage=stage_of,
        batch=stimuli_of_batch,
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Measuring metamers of {wildcards.generation_model}, {params.stage}, batch {wildcards.batch}"
    script:
        SCRIPTS / "synthesize/measure.py"


rule synthesize_export:
    input:
        by("generation_model", synthesis_of),
    output:
        directory("results/<run>/exported/metamers/{generation_model}"),
    params:
        code=code_of("generation_model", entry_of),
        modality=by("generation_model", modality_of),
    message:
        "Exporting the metamers of {wildcards.generation_model}"
    script:
        SCRIPTS / "synthesize/export.py"
