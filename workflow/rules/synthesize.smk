"""Metamers: one job for a group of stages of a generation model and a batch of stimuli."""


include: "common/synthesize.smk"


# The stages of a group depend on the model, and the outputs of a rule cannot be a function of wildcards: a job writes
# its files into a folder, from which they are placed one by one.
rule synthesize_metamers:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
        categories=by("generation_model", categories_of),
    output:
        temp(directory("results/<run>/progress/staging/metamers/{generation_model}/{stage_group}/{batch}")),
    params:
        **model_params("generation_model"),
        **answer_params("generation_model"),
        code=code_of("generation_model", entry_of),
        name="{generation_model}",
        stages=stages_of_group,
        batch=stimuli_of_batch,
        files=metamers_of_group,
        seeds=plan.synthesis.seeds,
        run_seed=plan.seed,
        quality=plan.synthesis.quality,
        settings=by("generation_model", plan.synthesis_of),
        target_errors=target_errors_of_group,
        progress=f"{PROGRESS}/synthesize_metamers/{{generation_model}}/{{stage_group}}/{{batch}}",
    priority: 2  # before training: the longest jobs first
    # One thread, so that results do not depend on how many cores the workflow was given.
    threads: 1
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Synthesizing metamers of {wildcards.generation_model}, {params.stages}, batch {wildcards.batch}"
    script:
        SCRIPTS / "synthesize/metamers.py"


rule synthesize_place:
    input:
        staged_metamers,
    output:
        "results/<run>/metamers/{generation_model}/{stage}/{batch}.nc",
    params:
        staged="{stage}.nc",
        step="synthesize_metamers",
    localrule: True
    message:
        "Placing {output}"
    shell:
        PLACE


rule synthesize_export:
    input:
        by("generation_model", metamers_of),
    output:
        directory("results/<run>/exported/metamers/{generation_model}"),
    params:
        code=code_of("generation_model", entry_of),
        modality=by("generation_model", modality_of),
    message:
        "Exporting the metamers of {wildcards.generation_model}"
    script:
        SCRIPTS / "synthesize/export.py"
