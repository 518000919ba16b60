"""Natural stimuli: from files to arrays, and to what people and models are shown."""


rule stimuli:
    input:
        files=dataset_files,
        table=lambda wildcards: setup["datasets"][wildcards.dataset].get("table", []),
        categories=lambda wildcards: setup["datasets"][wildcards.dataset]["categories"],
    output:
        f"{RESULTS}/stimuli/{{dataset}}.nc",
    log:
        f"{LOGS}/stimuli/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/stimuli/{{dataset}}.tsv"
    params:
        code=code("stimuli"),
        entry=lambda wildcards: setup["datasets"][wildcards.dataset],
        folder=lambda wildcards: dataset_folder(wildcards.dataset),
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Reading the stimuli of {wildcards.dataset}"
    script:
        SCRIPTS / "stimuli.py"


rule stimuli_export:
    input:
        rules.stimuli.output,
    output:
        directory(f"{RESULTS}/exported/datasets/{{dataset}}"),
    log:
        f"{LOGS}/stimuli_export/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/stimuli_export/{{dataset}}.tsv"
    params:
        code=code("stimuli_export"),
        modality=lambda wildcards: setup["datasets"][wildcards.dataset]["modality"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Exporting the stimuli of {wildcards.dataset}"
    script:
        SCRIPTS / "stimuli_export.py"
