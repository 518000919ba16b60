"""Input functions and parameters of the rules in recognize.smk."""


def rate_of_stimuli(model):
    """The sampling rate of a model's natural sounds in hertz; None for images."""
    return plan.datasets[plan.dataset_of[model]].sampling_rate_hz


def recognition_of(model):
    """The answers of all recognition models of its modality to a generation model's metamers."""
    return [
        f"results/<run>/recognition/{model}/{recognition_model}.nc"
        for recognition_model in plan.recognition_models_of(model)
    ]


def recognition_params(names):
    """Parameters of a step that uses recognition models: by name, in this order."""
    return {
        name: {"model": architecture(name), "weights_file": weights_file(name), "files": files_of_model(name)}
        for name in names
    }


def recognition_of_group(wildcards):
    """Parameter: where the answers of a group of recognition models belong, in the order of the models."""
    folder = f"{RESULTS}/recognition/{wildcards.generation_model}"
    return [
        f"{folder}/{recognition_model}.nc" for recognition_model in plan.recognition_groups[wildcards.recognition_group]
    ]


def staged_recognition(wildcards):
    """Input function: the folder into which the job of a recognition model's group writes."""
    model, recognition_model = wildcards.generation_model, wildcards.recognition_model
    path = f"recognition/{model}/{recognition_model}.nc"
    check_path(plan, path, f"{RESULTS}/{path}")
    group = next(group for group, names in plan.recognition_groups.items() if recognition_model in names)
    return f"results/<run>/progress/staging/recognition/{model}/{group}"
