"""Natural stimuli: from files to arrays, and to the images and sounds that observers get."""


include: "common/stimuli.smk"


rule stimuli_datasets:
    input:
        files=dataset_files,
        table=lookup("{dataset}/table", within=parameters_of(plan.datasets), default=[]),
        categories=lookup("{dataset}/categories", within=parameters_of(plan.datasets)),
    output:
        "results/<run>/stimuli/{dataset}.nc",
    params:
        code=code_of("dataset", modality_of_dataset),
        entry=lookup("{dataset}", within=parameters_of(plan.datasets)),
        folder=by("dataset", dataset_folder),
        run_seed=plan.seed,
    message:
        "Reading the stimuli of {wildcards.dataset}"
    script:
        SCRIPTS / "stimuli/datasets.py"


rule stimuli_export:
    input:
        rules.stimuli_datasets.output,
    output:
        directory("results/<run>/exported/datasets/{dataset}"),
    params:
        code=code_of("dataset", modality_of_dataset),
        modality=lookup("{dataset}/modality", within=parameters_of(plan.datasets)),
    message:
        "Exporting the stimuli of {wildcards.dataset}"
    script:
        SCRIPTS / "stimuli/export.py"
