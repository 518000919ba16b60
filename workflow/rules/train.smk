"""Training: models of the registry without a file of weights, on the examples of a dataset."""


include: "common/train.smk"


rule train_examples:
    input:
        files=dataset_files,
        table=lookup("{dataset}/table", within=parameters_of(plan.datasets), default=[]),
        categories=lookup("{dataset}/categories", within=parameters_of(plan.datasets)),
    output:
        "results/<run>/examples/{dataset}.nc",
    params:
        code=code_of("dataset", modality_of_dataset),
        entry=lookup("{dataset}", within=parameters_of(plan.datasets)),
        folder=by("dataset", dataset_folder),
        run_seed=plan.seed,
    # The longest chain of jobs begins here: with few cores the run would otherwise end with one core at work.
    priority: 1
    resources:
        mem_mb=scaled_by_attempt(4000),
    message:
        "Making the training examples of {wildcards.dataset}"
    script:
        SCRIPTS / "train/examples.py"


rule train_model:
    input:
        unpack(by("trained_model", trained_files)),
        examples=by("trained_model", examples_of),
        categories=by("trained_model", trained_categories),
    output:
        weights="results/<run>/training/{trained_model}.safetensors",
        curves="results/<run>/training/curves/{trained_model}.nc",
    wildcard_constraints:
        trained_model=one_of(plan.training),
    params:
        code=code_of("trained_model", entry_of),
        model=by("trained_model", trained_network),
        settings=lookup("{trained_model}", within=parameters_of(plan.training)),
        dataset=lookup("{trained_model}/dataset", within=parameters_of(plan.training)),
        dataset_entry=by("trained_model", trained_entry),
        frozen_file=by("trained_model", frozen_file),
        progress=f"{PROGRESS}/train_model/{{trained_model}}",
    priority: 1
    # One thread, as for synthesis: the network does not depend on --cores.
    resources:
        mem_mb=scaled_by_attempt(6000),
        gpu=gpus(),
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
    wildcard_constraints:
        trained_model=one_of(plan.training),
    params:
        code=code_of("trained_model", entry_of),
        model=by("trained_model", architecture),
        dataset=lookup("{trained_model}/dataset", within=parameters_of(plan.training)),
        dataset_entry=by("trained_model", trained_entry),
        attack=plan.training_attack.parameters,
    resources:
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    message:
        "Testing {wildcards.trained_model} with and without adversarial perturbations"
    script:
        SCRIPTS / "train/test.py"
