"""Natural stimuli: from files to arrays, and to the images and sounds that observers get."""

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
        return [local(f"{RESOURCES}/datasets/{wildcards.dataset}")]
    if entry.files is None:
        return []
    rows = stimulus_table(wildcards.dataset, entry.parameters)
    return local(list(dict.fromkeys(f"{entry.folder}/{row['file']}" for row in rows)))


def dataset_table(dataset):
    """The table of a dataset's files, if it has one."""
    return local(plan.datasets[dataset].parameters.get("table", []))


def dataset_categories(dataset):
    """The table of a dataset's categories."""
    return local(plan.datasets[dataset].categories)


@cache
def number_of_categories(model):
    """The number of categories among which a model answers."""
    dataset = plan.dataset_of[model]
    entry = plan.datasets[dataset]
    if entry.encodings:
        return entry.encodings.classes
    return len(category_classes(dataset, entry.parameters))


def stimuli_of(model):
    """The natural stimuli that a model is shown."""
    return f"results/<run>/stimuli/{plan.dataset_of[model]}.nc"


def exported_stimuli_of(model):
    """The natural stimuli that a model is shown, as exported."""
    return f"results/<run>/exported/datasets/{plan.dataset_of[model]}"


rule stimuli_datasets:
    input:
        files=dataset_files,
        table=by("dataset", dataset_table),
        categories=by("dataset", dataset_categories),
    output:
        "results/<run>/stimuli/{dataset}.nc",
    log:
        "results/<run>/logs/stimuli_datasets/{dataset}.log",
    benchmark:
        "results/<run>/benchmarks/stimuli_datasets/{dataset}.tsv"
    params:
        **step("stimuli/datasets", by("dataset", modality_of_dataset)),
        entry=lookup("{dataset}", within=parameters_of(plan.datasets)),
        folder=by("dataset", dataset_folder),
        run_seed=plan.settings.seed,
    resources:
        **needs("stimuli_datasets", by("dataset", workload.stimuli)),
    conda:
        ENVIRONMENT
    message:
        "Reading the stimuli of {wildcards.dataset}"
    script:
        SCRIPTS / "stimuli/datasets.py"


rule stimuli_export:
    input:
        rules.stimuli_datasets.output,
    output:
        directory("results/<run>/exported/datasets/{dataset}"),
    log:
        "results/<run>/logs/stimuli_export/{dataset}.log",
    benchmark:
        "results/<run>/benchmarks/stimuli_export/{dataset}.tsv"
    params:
        **step("stimuli/export", by("dataset", modality_of_dataset)),
        left_out=by("dataset", plan.unusable_stimuli),
        modality=lookup("{dataset}/modality", within=parameters_of(plan.datasets)),
    resources:
        **needs("stimuli_export", by("dataset", workload.exported_stimuli)),
    conda:
        ENVIRONMENT
    message:
        "Exporting the stimuli of {wildcards.dataset}"
    script:
        SCRIPTS / "stimuli/export.py"
