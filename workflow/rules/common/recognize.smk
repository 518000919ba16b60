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


def stimuli_to_recognize(recognition_models):
    """Input function: the natural stimuli of a generation model, which the run must have for these recognition models."""

    def stimuli(wildcards):
        path = f"recognition/{wildcards.generation_model}/{recognition_models[0]}.nc"
        check_path(plan, path, f"{RESULTS}/{path}")
        return stimuli_of(wildcards.generation_model)

    return stimuli
