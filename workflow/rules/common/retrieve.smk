"""Input functions and parameters of the rules in retrieve.smk."""


def vocabularies():
    """Tables of categories that the run's datasets take from an archive."""
    datasets = (plan.datasets[dataset] for dataset in plan.stimuli)
    return [entry.categories for entry in datasets if entry.vocabulary]


def archives_of(collection):
    """The archives from which a collection is unpacked."""
    return sorted({item["archive"] for item in COLLECTIONS[collection] if "archive" in item})


def vocabulary_archive(dataset):
    """The archive that holds the table of a dataset's vocabulary."""
    return archive_path(plan.datasets[dataset].vocabulary.archive, plan.archives)


def model_weights(model):
    """The retrieved folder, or the file, of a model's weights."""
    return weights_input(model, weights_file(model))
