"""Brains: activations of natural stimuli, prediction of voxels' responses from them, and representational similarity."""

from metamers.config_analyses import analysed_stages

BRAIN = setup["analyses"]["brain"]
# Of measured responses the user's own file.
RESPONSES = BRAIN["responses"] or f"{RESULTS}/brain/responses/simulated.nc"
# Models whose representations are compared, by modality.
COMPARED_REPRESENTATIONS = {
    modality: chosen
    for modality in ("vision", "audio")
    if (
        chosen := [
            model
            for model in setup["analyses"]["similarity"]["models"]
            if setup["models"][model]["modality"] == modality
        ]
    )
}
ANALYSES += [f"{RESULTS}/brain/{model}.nc" for model in BRAIN["models"]]
ANALYSES += [f"{RESULTS}/similarity/{modality}.nc" for modality in COMPARED_REPRESENTATIONS]


rule brain_activations:
    input:
        unpack(model_files("analysed_model")),
        stimuli=f"{RESULTS}/stimuli/{{dataset}}.nc",
    output:
        f"{RESULTS}/activations/{{dataset}}/{{analysed_model}}.nc",
    log:
        f"{LOGS}/brain_activations/{{dataset}}/{{analysed_model}}.log",
    benchmark:
        f"{BENCHMARKS}/brain_activations/{{dataset}}/{{analysed_model}}.tsv"
    params:
        code=code("brain_activations"),
        model=lambda wildcards: architecture(wildcards.analysed_model),
        weights_file=lambda wildcards: weights_file(wildcards.analysed_model),
        stages=lambda wildcards: analysed_stages(
            setup["models"][wildcards.analysed_model]["modality"], setup["models"][wildcards.analysed_model]["stages"]
        ),
        number=lambda wildcards: config["analyses"]["brain"]["number"],
    threads: 1
    resources:
        mem_mb=growing(8000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Activations of {wildcards.analysed_model} by {wildcards.dataset}"
    script:
        SCRIPTS / "brain_activations.py"


rule brain_simulate:
    input:
        lambda wildcards: f"{RESULTS}/activations/{BRAIN['dataset']}/{BRAIN['simulated']['model']}.nc",
    output:
        f"{RESULTS}/brain/responses/simulated.nc",
    log:
        f"{LOGS}/brain_simulate.log",
    benchmark:
        f"{BENCHMARKS}/brain_simulate.tsv"
    params:
        code=code("brain_simulate"),
        settings=BRAIN["simulated"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        "Simulating voxels"
    script:
        SCRIPTS / "brain_simulate.py"


rule brain_regression:
    input:
        activations=lambda wildcards: f"{RESULTS}/activations/{BRAIN['dataset']}/{wildcards.analysed_model}.nc",
        responses=RESPONSES,
    output:
        f"{RESULTS}/brain/{{analysed_model}}.nc",
    log:
        f"{LOGS}/brain_regression/{{analysed_model}}.log",
    benchmark:
        f"{BENCHMARKS}/brain_regression/{{analysed_model}}.tsv"
    params:
        code=code("brain_regression"),
        splits=lambda wildcards: config["analyses"]["brain"]["splits"],
        shuffles=lambda wildcards: config["analyses"]["brain"]["shuffles"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(8000),
    conda:
        ENVIRONMENT
    message:
        "Predicting voxels from {wildcards.analysed_model}"
    script:
        SCRIPTS / "brain_regression.py"


rule brain_dissimilarity:
    input:
        unpack(model_files("analysed_model")),
        stimuli=lambda wildcards: represented_stimuli(wildcards.analysed_model),
    output:
        f"{RESULTS}/similarity/models/{{analysed_model}}.nc",
    log:
        f"{LOGS}/brain_dissimilarity/{{analysed_model}}.log",
    benchmark:
        f"{BENCHMARKS}/brain_dissimilarity/{{analysed_model}}.tsv"
    params:
        code=code("brain_dissimilarity"),
        model=lambda wildcards: architecture(wildcards.analysed_model),
        weights_file=lambda wildcards: weights_file(wildcards.analysed_model),
        stages=lambda wildcards: analysed_stages(
            setup["models"][wildcards.analysed_model]["modality"], setup["models"][wildcards.analysed_model]["stages"]
        ),
        # The same that brains responded to, where there are any; else all.
        number=lambda wildcards: (
            config["analyses"]["brain"]["number"]
            if has_brain(setup["models"][wildcards.analysed_model]["modality"])
            else None
        ),
    threads: 1
    resources:
        mem_mb=growing(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Which stimuli are alike to {wildcards.analysed_model}"
    script:
        SCRIPTS / "brain_dissimilarity.py"


rule brain_similarity:
    input:
        models=lambda wildcards: [
            f"{RESULTS}/similarity/models/{model}.nc"
            for model in COMPARED_REPRESENTATIONS[wildcards.compared_modality]
        ],
        responses=lambda wildcards: [RESPONSES] if has_brain(wildcards.compared_modality) else [],
    output:
        f"{RESULTS}/similarity/{{compared_modality}}.nc",
    log:
        f"{LOGS}/brain_similarity/{{compared_modality}}.log",
    benchmark:
        f"{BENCHMARKS}/brain_similarity/{{compared_modality}}.tsv"
    wildcard_constraints:
        compared_modality=one_of(COMPARED_REPRESENTATIONS),
    params:
        code=code("brain_similarity"),
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        "Comparing representations ({wildcards.compared_modality})"
    script:
        SCRIPTS / "brain_similarity.py"
