"""Recognition: the answers of recognition models to a generation model's exported metamers and the natural stimuli."""


include: "common/recognize.smk"


# One job for a group of recognition models. Wildcards cannot say how many files a rule makes, so each group has its rule.
for group, recognition_models in plan.recognition_groups.items():

    rule:
        name:
            f"recognize_{group}"
        input:
            models=files_of_models(recognition_models),
            metamers=rules.synthesize_export.output,
            natural=by("generation_model", exported_stimuli_of),
            stimuli=stimuli_to_recognize(recognition_models),
            categories=by("generation_model", categories_of),
        output:
            [
                f"results/<run>/recognition/{{generation_model}}/{recognition_model}.nc"
                for recognition_model in recognition_models
            ],
        log:
            f"results/<run>/logs/recognize/{{generation_model}}/{group}.log",
        benchmark:
            f"results/<run>/benchmarks/recognize/{{generation_model}}/{group}.tsv"
        params:
            **answer_params("generation_model"),
            code=code_of_models(recognition_models),
            recognition_models=recognition_params(recognition_models),
            # Sampling rates of exported sounds; None for images.
            natural_rate_hz=by("generation_model", rate_of_stimuli),
            metamer_rate_hz=by("generation_model", rate_of),
            stages=lookup("{generation_model}", within=plan.generation_models),
            stimuli=by("generation_model", plan.stimuli_of),
            seeds=plan.synthesis.seeds,
        resources:
            mem_mb=memory_of_model,
            runtime=scaled_by_attempt(60 * len(recognition_models)),
            gpu=gpus(),
        message:
            f"Recognizing metamers of {{wildcards.generation_model}} by the models of {group}"
        script:
            SCRIPTS / "recognize.py"
