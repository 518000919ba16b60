"""Experiment for people: a folder for any web server, JATOS or Pavlovia, and who is shown what."""

EXPERIMENT = [f"{RESULTS}/experiment/{modality}" for modality in setup["shown"]]


rule experiment_folder:
    input:
        what_people_are_shown,
        jspsych=rules.retrieve_jspsych.output,
        consent=located(config["experiment"]["consent"]),
        icons=icon_files(),
        stimuli=lambda wildcards: f"{RESULTS}/stimuli/{shown_dataset(wildcards.modality)}.nc",
        natural=lambda wildcards: f"{RESULTS}/exported/datasets/{shown_dataset(wildcards.modality)}",
        acceptance=lambda wildcards: [
            f"{RESULTS}/acceptance/{model}.nc" for model in setup["shown"][wildcards.modality]
        ],
        metamers=lambda wildcards: [
            f"{RESULTS}/exported/metamers/{model}" for model in setup["shown"][wildcards.modality]
        ],
        categories=lambda wildcards: setup["datasets"][shown_dataset(wildcards.modality)]["categories"],
    output:
        folder=directory(f"{RESULTS}/experiment/{{modality}}"),
        design=f"{RESULTS}/experiment/{{modality}}.nc",
    log:
        f"{LOGS}/experiment_folder/{{modality}}.log",
    benchmark:
        f"{BENCHMARKS}/experiment_folder/{{modality}}.tsv"
    wildcard_constraints:
        modality="vision|audio",
    params:
        code=code("experiment_folder", *PAGE_FILES),
        stages=lambda wildcards: setup["shown"][wildcards.modality],
        settings=lambda wildcards: config["experiment"][wildcards.modality],
        dataset=lambda wildcards: shown_dataset(wildcards.modality),
        dataset_entry=lambda wildcards: choice(next(iter(setup["shown"][wildcards.modality]))),
        participants=config["experiment"]["participants"],
        metamers=config["experiment"]["metamers"],
        icons=config["experiment"]["icons"] and located(config["experiment"]["icons"]),
        address=config["experiment"]["address"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Making the experiment for people, {wildcards.modality}"
    script:
        SCRIPTS / "experiment_folder.py"
