"""Recognition: the answers of recognition models to a generation model's exported metamers and the natural stimuli."""


def recognition_of(model):
    """The answers to a generation model's metamers that results are of."""
    return [
        f"results/<run>/recognition/{model}/{recognition_model}.nc"
        for recognition_model in plan.compared_recognition_models(model)
    ]


def recognition_params(names):
    """Parameters of a step that uses recognition models: by name, in this order."""
    return {
        name: {
            "model": architecture(name),
            "weights_file": weights_file(name),
            "files": files_of_recognition_models([name]),
            **{"readout": path for path in readout_file(name)},
        }
        for name in names
    }


def stimuli_to_recognize(recognition_models):
    """Input function: checks the path of the answers; returns the natural stimuli of the generation model."""

    def stimuli(wildcards):
        path = f"recognition/{wildcards.generation_model}/{recognition_models[0]}.nc"
        check_path(plan, path, f"{RESULTS}/{path}")
        return stimuli_of(wildcards.generation_model)

    return stimuli


def natural_recognition(recognition_models):
    """The answers of recognition models to the natural stimuli."""
    return [f"results/<run>/natural_recognition/{name}.nc" for name in recognition_models]


def work_of_recognition(recognition_models):
    """The work of recognizing the metamers of the generation model in a wildcard."""
    return by("generation_model", lambda model: workload.forward_passes(recognition_models, workload.metamers(model)))


# One job for a group of recognition models. Wildcards cannot say how many files a rule makes, so each group has its rule.
for group, recognition_models in plan.recognition_groups.items():

    # Once for all generation models.
    rule:
        name:
            f"recognize_natural_{group}"
        input:
            models=files_of_recognition_models(recognition_models),
            natural=exported_stimuli_of(recognition_models[0]),
            stimuli=stimuli_of(recognition_models[0]),
            categories=categories_of(recognition_models[0]),
        output:
            natural_recognition(recognition_models),
        log:
            f"results/<run>/logs/recognize_natural/{group}.log",
        benchmark:
            f"results/<run>/benchmarks/recognize_natural/{group}.tsv"
        params:
            **step("recognize/natural", recognition_entries(recognition_models)),
            dataset=plan.dataset_of[recognition_models[0]],
            dataset_entry=dataset_params(recognition_models[0]),
            recognition_models=recognition_params(recognition_models),
            modality=modality_of(recognition_models[0]),
            sampling=sampling_of(plan.datasets[plan.dataset_of[recognition_models[0]]].parameters),
            stimuli=plan.stimuli_of(recognition_models[0]),
        resources:
            **needs(
                "recognize_natural",
                workload.forward_passes(recognition_models, len(plan.stimuli_of(recognition_models[0]))),
                gpus(),
            ),
        conda:
            ENVIRONMENT
        message:
            f"Recognizing natural stimuli by the models of {group}"
        script:
            SCRIPTS / "recognize/natural.py"

    rule:
        name:
            f"recognize_{group}"
        input:
            models=files_of_recognition_models(recognition_models),
            metamers=rules.synthesize_export.output,
            natural=natural_recognition(recognition_models),
            stimuli=stimuli_to_recognize(recognition_models),
            categories=categories_of(recognition_models[0]),
        output:
            [f"results/<run>/recognition/{{generation_model}}/{name}.nc" for name in recognition_models],
        log:
            f"results/<run>/logs/recognize/{{generation_model}}/{group}.log",
        benchmark:
            f"results/<run>/benchmarks/recognize/{{generation_model}}/{group}.tsv"
        params:
            **step("recognize", recognition_entries(recognition_models)),
            dataset=plan.dataset_of[recognition_models[0]],
            dataset_entry=dataset_params(recognition_models[0]),
            recognition_models=recognition_params(recognition_models),
            modality=modality_of(recognition_models[0]),
            sampling=by("generation_model", sampling_of_metamers),
            stages=by("generation_model", plan.generation_models.__getitem__),
            stimuli=by("generation_model", plan.stimuli_of),
            seeds=plan.settings.synthesis.seeds,
        resources:
            **needs("recognize", work_of_recognition(recognition_models), gpus()),
        conda:
            ENVIRONMENT
        message:
            f"Recognizing metamers of {{wildcards.generation_model}} by the models of {group}"
        script:
            SCRIPTS / "recognize.py"
