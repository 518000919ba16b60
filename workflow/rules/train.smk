"""Training: the models of the registry that no file of weights is known of, on the examples of a dataset."""

TRAINING = f"{RESULTS}/training"


rule train_examples:
    input:
        files=dataset_files,
        table=lambda wildcards: setup["datasets"][wildcards.dataset].get("table", []),
        categories=lambda wildcards: setup["datasets"][wildcards.dataset]["categories"],
    output:
        f"{RESULTS}/examples/{{dataset}}.nc",
    log:
        f"{LOGS}/train_examples/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/train_examples/{{dataset}}.tsv"
    params:
        code=code("train_examples"),
        entry=lambda wildcards: setup["datasets"][wildcards.dataset],
        folder=lambda wildcards: dataset_folder(wildcards.dataset),
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(4000),
    conda:
        ENVIRONMENT
    message:
        "Making the training examples of {wildcards.dataset}"
    script:
        SCRIPTS / "train_examples.py"


rule train:
    input:
        unpack(builder_of("trained_model")),
        unpack(frozen_of),
        examples=examples_of,
        categories=trained_categories,
    output:
        weights=f"{TRAINING}/{{trained_model}}.safetensors",
        curves=f"{TRAINING}/curves/{{trained_model}}.nc",
    log:
        f"{LOGS}/train/{{trained_model}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{trained_model}}.tsv"
    wildcard_constraints:
        trained_model=one_of(setup["training"]),
    params:
        code=code("train"),
        # Its stages have no part in it.
        model=lambda wildcards: {
            key: value for key, value in architecture(wildcards.trained_model).items() if key != "stages"
        },
        settings=lambda wildcards: setup["training"][wildcards.trained_model],
        dataset=lambda wildcards: setup["training"][wildcards.trained_model]["dataset"],
        dataset_entry=lambda wildcards: {"categories": trained_categories(wildcards)},
        frozen_file=lambda wildcards: frozen_file(wildcards.trained_model),
        progress=lambda wildcards: f"{PROGRESS}/train/{wildcards.trained_model}",
    # One thread, as for synthesis: the same network whatever --cores is.
    threads: 1
    resources:
        mem_mb=growing(6000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Training {wildcards.trained_model}"
    script:
        SCRIPTS / "train.py"


rule train_test:
    input:
        unpack(builder_of("trained_model")),
        weights=rules.train.output.weights,
        curves=rules.train.output.curves,
        examples=examples_of,
        categories=trained_categories,
    output:
        f"{TRAINING}/{{trained_model}}.nc",
    log:
        f"{LOGS}/train_test/{{trained_model}}.log",
    benchmark:
        f"{BENCHMARKS}/train_test/{{trained_model}}.tsv"
    wildcard_constraints:
        trained_model=one_of(setup["training"]),
    params:
        code=code("train_test"),
        model=lambda wildcards: architecture(wildcards.trained_model),
        dataset=lambda wildcards: setup["training"][wildcards.trained_model]["dataset"],
        dataset_entry=lambda wildcards: {"categories": trained_categories(wildcards)},
        attack=config["training"]["attack"],
    threads: 1
    resources:
        mem_mb=growing(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Testing {wildcards.trained_model}, attacked and not"
    script:
        SCRIPTS / "train_test.py"
