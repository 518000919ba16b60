"""Brains: activations by natural stimuli, prediction of voxels' responses from them, representational similarity."""


include: "common/brain.smk"


BRAIN = plan.analyses.brain
# Measured responses are in the user's own file.
RESPONSES = BRAIN.responses or "results/<run>/brain/responses/simulated.nc"
# Models whose representations are compared, by modality.
COMPARED_REPRESENTATIONS = {
    modality: chosen
    for modality in MODALITIES
    if (chosen := [model for model in plan.analyses.similarity.models if plan.models[model].modality == modality])
}


ANALYSES += [f"results/<run>/brain/{model}.nc" for model in BRAIN.models]
ANALYSES += [f"results/<run>/similarity/{modality}.nc" for modality in COMPARED_REPRESENTATIONS]


rule brain_activations:
    input:
        unpack(model_files("analysed_model")),
        stimuli="results/<run>/stimuli/{dataset}.nc",
    output:
        "results/<run>/activations/{dataset}/{analysed_model}.nc",
    params:
        **model_params("analysed_model"),
        code=code_of("analysed_model", entry_of),
        stages=by("analysed_model", stages_analysed),
        number=plan.analyses.brain.number,
    resources:
        mem_mb=scaled_by_attempt(8000),
        gpu=gpus(),
    message:
        "Computing activations of {wildcards.analysed_model} by {wildcards.dataset}"
    script:
        SCRIPTS / "brain/activations.py"


rule brain_simulate:
    input:
        simulated_from,
    output:
        "results/<run>/brain/responses/simulated.nc",
    params:
        settings=BRAIN.simulated and BRAIN.simulated.parameters,
        run_seed=plan.seed,
    message:
        "Simulating voxels"
    script:
        SCRIPTS / "brain/simulate.py"


rule brain_regression:
    input:
        activations=f"results/<run>/activations/{plan.analyses.brain.dataset}/{{analysed_model}}.nc",
        responses=RESPONSES,
    output:
        "results/<run>/brain/{analysed_model}.nc",
    params:
        splits=plan.analyses.brain.splits,
        shuffles=plan.analyses.brain.shuffles,
        run_seed=plan.seed,
    resources:
        mem_mb=scaled_by_attempt(8000),
    message:
        "Predicting voxels from {wildcards.analysed_model}"
    script:
        SCRIPTS / "brain/regression.py"


rule brain_dissimilarity:
    input:
        unpack(by("analysed_model", represented)),
    output:
        "results/<run>/similarity/models/{analysed_model}.nc",
    params:
        **model_params("analysed_model"),
        code=code_of("analysed_model", entry_of),
        stages=by("analysed_model", stages_analysed),
        modality=by("analysed_model", modality_of),
    resources:
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    message:
        "Computing dissimilarities between stimuli in {wildcards.analysed_model}"
    script:
        SCRIPTS / "brain/dissimilarity.py"


rule brain_similarity:
    input:
        models=collect(
            "results/<run>/similarity/models/{model}.nc",
            model=lookup("{compared_modality}", within=COMPARED_REPRESENTATIONS),
        ),
        responses=by("compared_modality", measured_responses),
    output:
        "results/<run>/similarity/{compared_modality}.nc",
    wildcard_constraints:
        compared_modality=one_of(COMPARED_REPRESENTATIONS),
    message:
        "Comparing representations ({wildcards.compared_modality})"
    script:
        SCRIPTS / "brain/similarity.py"
