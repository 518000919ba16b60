"""Input functions and parameters of the rules in null.smk."""


def null_stimuli_of(model):
    """The natural stimuli whose pairs make a model's null distribution."""
    return f"results/<run>/stimuli/{plan.null_dataset_of[plan.models[model].modality]}.nc"
