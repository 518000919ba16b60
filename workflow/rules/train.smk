"""Training: models of the registry without a file of weights, and linear readouts, on the examples of a dataset."""


def frozen_file(model):
    """The checkpoint on whose weights a model's readout is trained, or None."""
    collection = f"frozen/{model}"
    if collection in COLLECTIONS:
        return f"{RESOURCES}/{collection}/{COLLECTIONS[collection][0]['name']}"
    return (plan.training[model].frozen or {}).get("path")


def examples_of(model):
    """The examples that a model is trained on."""
    return f"results/<run>/examples/{plan.training[model].dataset}.nc"


def trained_categories(model):
    """The table of the classes that a model is trained to name."""
    return dataset_categories(plan.training[model].dataset)


def trained_entry(model):
    """The part of the registry entry of a training dataset on which answers depend."""
    return {"categories": str(trained_categories(model))}


rule train_examples:
    input:
        files=dataset_files,
        table=by("dataset", dataset_table),
        categories=by("dataset", dataset_categories),
    output:
        "results/<run>/examples/{dataset}.nc",
    log:
        "results/<run>/logs/train_examples/{dataset}.log",
    benchmark:
        "results/<run>/benchmarks/train_examples/{dataset}.tsv"
    params:
        **step("train/examples", by("dataset", modality_of_dataset)),
        entry=lookup("{dataset}", within=parameters_of(plan.datasets)),
        folder=by("dataset", dataset_folder),
        run_seed=plan.settings.seed,
    # The longest chain of jobs begins here: with few cores the run would otherwise end with one core at work.
    priority: 1
    resources:
        **needs("train_examples", by("dataset", workload.examples)),
    conda:
        ENVIRONMENT
    message:
        "Making the training examples of {wildcards.dataset}"
    script:
        SCRIPTS / "train/examples.py"


def trained_network(model):
    """The part of a model's registry entry on which its training depends: all but its stages."""
    return {key: value for key, value in architecture(model).items() if key != "stages"}


def trained_files(model):
    """The files, by their kind, that a model in training is built from: builder, and checkpoint of frozen layers."""
    folder = f"frozen/{model}"
    frozen = f"{RESOURCES}/{folder}" if folder in COLLECTIONS else frozen_file(model)
    return builder_of(model) | ({"frozen": local(frozen)} if frozen else {})


rule train_model:
    input:
        unpack(by("trained_model", trained_files)),
        examples=by("trained_model", examples_of),
        categories=by("trained_model", trained_categories),
    output:
        weights="results/<run>/training/{trained_model}.safetensors",
        curves="results/<run>/training/curves/{trained_model}.nc",
    log:
        "results/<run>/logs/train_model/{trained_model}.log",
    benchmark:
        "results/<run>/benchmarks/train_model/{trained_model}.tsv"
    wildcard_constraints:
        trained_model=one_of(plan.training),
    params:
        **step("train/model", by("trained_model", entry_of)),
        model=by("trained_model", trained_network),
        settings=by("trained_model", lambda model: plan.training[model].parameters),
        dataset=by("trained_model", lambda model: plan.training[model].dataset),
        dataset_entry=by("trained_model", trained_entry),
        frozen_file=by("trained_model", frozen_file),
    priority: 1
    # One thread, as for synthesis: the network does not depend on --cores.
    resources:
        **needs("train_model", by("trained_model", workload.training), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Training {wildcards.trained_model}"
    script:
        SCRIPTS / "train/model.py"


rule train_test:
    input:
        unpack(by("trained_model", builder_of)),
        weights=rules.train_model.output.weights,
        curves=rules.train_model.output.curves,
        examples=by("trained_model", examples_of),
        categories=by("trained_model", trained_categories),
    output:
        "results/<run>/training/{trained_model}.nc",
    log:
        "results/<run>/logs/train_test/{trained_model}.log",
    benchmark:
        "results/<run>/benchmarks/train_test/{trained_model}.tsv"
    wildcard_constraints:
        trained_model=one_of(plan.training),
    params:
        **step("train/test", by("trained_model", entry_of)),
        model=by("trained_model", architecture),
        dataset=by("trained_model", lambda model: plan.training[model].dataset),
        dataset_entry=by("trained_model", trained_entry),
        attack=plan.settings.training.attack.parameters,
    resources:
        **needs("train_test", by("trained_model", workload.testing), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Testing {wildcards.trained_model} with and without adversarial perturbations"
    script:
        SCRIPTS / "train/test.py"


def readout_settings(model):
    """The settings of a model's readout."""
    return plan.readouts[model].parameters


def readout_entry(model):
    """The same as ``entry_of``, with the readout of the model."""
    entries = entry_of(model)
    return entries and [entries[0] | {"readout": readout_settings(model)}]


def readout_dataset(model):
    """The dataset that a model's readout is trained on."""
    return plan.datasets[plan.readouts[model].dataset]


rule train_readout:
    input:
        unpack(model_files("readout_model")),
        examples=by("readout_model", "results/<run>/examples/{0.dataset}.nc".format, plan.readouts.__getitem__),
        categories=by("readout_model", lambda model: local(readout_dataset(model).categories)),
    output:
        "results/<run>/readouts/{readout_model}.nc",
    log:
        "results/<run>/logs/train_readout/{readout_model}.log",
    benchmark:
        "results/<run>/benchmarks/train_readout/{readout_model}.tsv"
    wildcard_constraints:
        readout_model=one_of(plan.readouts),
    params:
        **step("train/readout", by("readout_model", readout_entry)),
        **model_params("readout_model"),
        settings=by("readout_model", readout_settings),
        dataset_entry=by("readout_model", lambda model: {"categories": readout_dataset(model).categories}),
        # A model card shows an accuracy with which the run would refuse the model as a recognition model.
        recognizes=by("readout_model", plan.recognition_models.__contains__),
    # Early, because nothing is recognized by a readout that is refused.
    priority: 1
    resources:
        **needs("train_readout", by("readout_model", workload.readout), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Training a linear readout of {wildcards.readout_model}"
    script:
        SCRIPTS / "train/readout.py"
