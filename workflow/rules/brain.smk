"""Brains: activations by natural stimuli, prediction of voxels' responses from them, representational similarity."""

from metamers.brain.settings import analysed_stages

BRAIN = plan.analyses.brain
# Measured responses are in the user's own file.
RESPONSES = local(BRAIN.responses) if BRAIN.responses else "results/<run>/brain/responses/simulated.nc"
# Models whose representations are compared, by modality.
COMPARED_REPRESENTATIONS = {
    modality: chosen
    for modality in MODALITIES
    if (chosen := [model for model in plan.analyses.similarity.models if plan.models[model].modality == modality])
}
BRAINS = [f"results/<run>/brain/{model}.nc" for model in BRAIN.models]
SIMILARITIES = [f"results/<run>/similarity/{modality}.nc" for modality in COMPARED_REPRESENTATIONS]


def has_brain(modality):
    """Whether the run has responses of brains to stimuli of a modality."""
    return bool(BRAIN.models) and plan.datasets[BRAIN.dataset].modality == modality


def stages_analysed(model):
    """The stages of a model at which activations are taken."""
    return analysed_stages(modality_of(model), plan.models[model].stages)


def work_of_activations(model):
    """The work of computing the activations of a model by the stimuli of brains, or by those of the run."""
    return workload.forward_passes([model], max(BRAIN.number or 0, len(plan.stimuli_of(model))))


rule brain_activations:
    input:
        unpack(model_files("analysed_model")),
        stimuli="results/<run>/stimuli/{dataset}.nc",
    output:
        "results/<run>/activations/{dataset}/{analysed_model}.nc",
    log:
        "results/<run>/logs/brain_activations/{dataset}/{analysed_model}.log",
    benchmark:
        "results/<run>/benchmarks/brain_activations/{dataset}/{analysed_model}.tsv"
    params:
        **step("brain/activations", by("analysed_model", entry_of)),
        **model_params("analysed_model"),
        stages=by("analysed_model", stages_analysed),
        number=BRAIN.number,
    resources:
        **needs("brain_activations", by("analysed_model", work_of_activations), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Computing activations of {wildcards.analysed_model} by {wildcards.dataset}"
    script:
        SCRIPTS / "brain/activations.py"


rule brain_simulate:
    input:
        lambda _: f"results/<run>/activations/{BRAIN.dataset}/{BRAIN.simulated.model}.nc",
    output:
        "results/<run>/brain/responses/simulated.nc",
    log:
        "results/<run>/logs/brain_simulate.log",
    benchmark:
        "results/<run>/benchmarks/brain_simulate.tsv"
    params:
        **step("brain/simulate"),
        settings=BRAIN.simulated and BRAIN.simulated.parameters,
        run_seed=plan.settings.seed,
    resources:
        **needs("brain_simulate"),
    conda:
        ENVIRONMENT
    message:
        "Simulating voxels"
    script:
        SCRIPTS / "brain/simulate.py"


rule brain_regression:
    input:
        activations=f"results/<run>/activations/{BRAIN.dataset}/{{analysed_model}}.nc",
        responses=RESPONSES,
    output:
        "results/<run>/brain/{analysed_model}.nc",
    log:
        "results/<run>/logs/brain_regression/{analysed_model}.log",
    benchmark:
        "results/<run>/benchmarks/brain_regression/{analysed_model}.tsv"
    params:
        **step("brain/regression"),
        splits=BRAIN.splits,
        shuffles=BRAIN.shuffles,
        run_seed=plan.settings.seed,
    resources:
        **needs("brain_regression"),
    conda:
        ENVIRONMENT
    message:
        "Predicting voxels from {wildcards.analysed_model}"
    script:
        SCRIPTS / "brain/regression.py"


def represented(model):
    """The input of a model's dissimilarities, by kind.

    Its activations by the stimuli that brains responded to, if there are responses; else all stimuli and the model's files.
    """
    if has_brain(modality_of(model)):
        return {"activations": f"results/<run>/activations/{BRAIN.dataset}/{model}.nc"}
    return files_by_kind(model) | {"stimuli": stimuli_of(model)}


rule brain_dissimilarity:
    input:
        unpack(by("analysed_model", represented)),
    output:
        "results/<run>/similarity/models/{analysed_model}.nc",
    log:
        "results/<run>/logs/brain_dissimilarity/{analysed_model}.log",
    benchmark:
        "results/<run>/benchmarks/brain_dissimilarity/{analysed_model}.tsv"
    params:
        **step("brain/dissimilarity", by("analysed_model", entry_of)),
        **model_params("analysed_model"),
        stages=by("analysed_model", stages_analysed),
        modality=by("analysed_model", modality_of),
    resources:
        **needs("brain_dissimilarity", by("analysed_model", work_of_activations), gpus()),
    conda:
        ENVIRONMENT
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
        responses=lambda wildcards: [RESPONSES] if has_brain(wildcards.compared_modality) else [],
    output:
        "results/<run>/similarity/{compared_modality}.nc",
    log:
        "results/<run>/logs/brain_similarity/{compared_modality}.log",
    benchmark:
        "results/<run>/benchmarks/brain_similarity/{compared_modality}.tsv"
    wildcard_constraints:
        compared_modality=one_of(COMPARED_REPRESENTATIONS),
    params:
        **step("brain/similarity"),
    resources:
        **needs("brain_similarity"),
    conda:
        ENVIRONMENT
    message:
        "Comparing representations ({wildcards.compared_modality})"
    script:
        SCRIPTS / "brain/similarity.py"
