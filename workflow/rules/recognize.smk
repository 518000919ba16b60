"""Recognition: the answers of recognition models to a generation model's exported metamers and the natural stimuli."""


include: "common/recognize.smk"


# One job for a group of recognition models. As in synthesis, its files are placed one by one.
rule recognize:
    input:
        models=by("recognition_group", files_of_models, plan.recognition_groups.__getitem__),
        metamers=rules.synthesize_export.output,
        natural=by("generation_model", exported_stimuli_of),
        stimuli=by("generation_model", stimuli_of),
        categories=by("generation_model", categories_of),
    output:
        temp(directory("results/<run>/progress/staging/recognition/{generation_model}/{recognition_group}")),
    params:
        **answer_params("generation_model"),
        code=code_of("recognition_group", entries_of, plan.recognition_groups.__getitem__),
        recognition_models=by("recognition_group", recognition_params, plan.recognition_groups.__getitem__),
        files=recognition_of_group,
        # Sampling rates of exported sounds; None for images.
        natural_rate_hz=by("generation_model", rate_of_stimuli),
        metamer_rate_hz=by("generation_model", rate_of),
        stages=lookup("{generation_model}", within=plan.generation_models),
        stimuli=by("generation_model", plan.stimuli_of),
        seeds=plan.synthesis.seeds,
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Recognizing metamers of {wildcards.generation_model} by the models of {wildcards.recognition_group}"
    script:
        SCRIPTS / "recognize.py"


rule recognize_place:
    input:
        staged_recognition,
    output:
        "results/<run>/recognition/{generation_model}/{recognition_model}.nc",
    params:
        staged="{recognition_model}.nc",
        step="recognize",
    localrule: True
    message:
        "Placing {output}"
    shell:
        PLACE
