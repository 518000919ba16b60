"""Input functions and parameters of the rules in stimuli.smk."""

from functools import cache

from metamers.config.tables import category_classes, stimulus_table


def dataset_folder(dataset):
    """The folder of the files in a dataset's table."""
    collection = f"datasets/{dataset}"
    if collection in COLLECTIONS:
        return f"{RESOURCES}/{collection}"
    return plan.datasets[dataset].folder


def dataset_files(wildcards):
    """The files of a dataset: its retrieved folder, or each of its own folder's files; none for synthetic speech."""
    entry = plan.datasets[wildcards.dataset]
    if f"datasets/{wildcards.dataset}" in COLLECTIONS:
        return [f"{RESOURCES}/datasets/{wildcards.dataset}"]
    if entry.files is None:
        return []
    rows = stimulus_table(wildcards.dataset, entry.parameters)
    return list(dict.fromkeys(f"{entry.folder}/{row['file']}" for row in rows))


@cache
def number_of_categories(dataset):
    """The number of categories among which a model answers."""
    entry = plan.datasets[dataset]
    if entry.vocabulary:
        return entry.vocabulary.classes
    return len(category_classes(dataset, entry.parameters))


def stimuli_of(model):
    """The natural stimuli that a model is shown."""
    return f"results/<run>/stimuli/{plan.dataset_of[model]}.nc"


def exported_stimuli_of(model):
    """The natural stimuli that a model is shown, as exported."""
    return f"results/<run>/exported/datasets/{plan.dataset_of[model]}"
