"""Input functions and parameters of the rules in train.smk."""


def frozen_file(model):
    """The checkpoint on whose weights a model's readout is trained, or None."""
    collection = f"frozen/{model}"
    if collection in COLLECTIONS:
        return f"{RESOURCES}/{collection}/{COLLECTIONS[collection][0]['name']}"
    return (plan.training[model].frozen or {}).get("path")


def trained_network(model):
    """The part of a model's registry entry on which its training depends: all but its stages."""
    return {key: value for key, value in architecture(model).items() if key != "stages"}


def examples_of(model):
    """The examples that a model is trained on."""
    return f"results/<run>/examples/{plan.training[model].dataset}.nc"


def trained_categories(model):
    """The table of the classes that a model is trained to name."""
    return plan.datasets[plan.training[model].dataset].categories


def trained_entry(model):
    """The part of the registry entry of a training dataset on which answers depend."""
    return {"categories": trained_categories(model)}


def trained_files(model):
    """The files, by their kind, that a model in training is built from: builder, and checkpoint of frozen layers."""
    folder = f"frozen/{model}"
    frozen = f"{RESOURCES}/{folder}" if folder in COLLECTIONS else frozen_file(model)
    return builder_of(model) | ({"frozen": frozen} if frozen else {})
