"""Input functions and parameters of the rules of several studies."""

from functools import cache

from metamers.config.qualities import COMPARED_PROCEDURES, FIXED_QUALITIES
from metamers.config.read import merge_defaults, read_yaml
from metamers.config.targets import STUDIES as STUDIES_TARGETS


wildcard_constraints:
    procedure=one_of(COMPARED_PROCEDURES),


def name_a_study(_wildcards):
    """Input function of the default target: there is no study to begin with."""
    raise ConfigurationError(f"name a study: {', '.join(STUDIES_TARGETS)} (studies/README.md)")


def benchmarked_stages(kind, model):
    """Files of one kind of the benchmark, one for each stage of a model."""
    return [
        f"results/<run>/benchmark/{kind}/{model}/{stage_path(stage)}.nc" for stage in studies.benchmark_stages[model]
    ]


def metamers_of_stage(wildcards):
    """Input function: the run's own metamers at the stage of a wildcard."""
    return metamers_at(wildcards.generation_model, wildcards.stage)


def equivalent_of(model):
    """Metamers by the published procedure that match as closely as the run's, at each benchmarked stage of a model."""
    return benchmarked_stages("equivalent", model)


def published_settings(model):
    """Settings of the published procedure for a model's modality."""
    return plan.synthesis_of(model, "published")


def one_cycle_settings(model):
    """Settings of ``one_cycle`` for a model's modality: the run's, or in a run by another procedure those of `standard`."""
    return plan.synthesis_of(model, None if plan.synthesis.procedure == "one_cycle" else "standard")


def gpu_settings(model):
    """Settings of ``one_cycle`` for a model's modality, with the number of steps of the benchmark of graphics cards."""
    return one_cycle_settings(model) | {"steps": studies.settings.gpu.steps}


def steps_of_run(model):
    """How many steps the run's own procedure takes for a model's modality."""
    return plan.synthesis_of(model)["steps"]


def matches_of(model):
    """Steps to the same match at each benchmarked stage of a model."""
    return benchmarked_stages("match", model)


def benchmarked_qualities(model):
    """Quality → settings for a model's modality; the published procedure is shortened for the benchmark."""
    modality = plan.models[model].modality
    settings = {quality: plan.synthesis_of(model, quality) for quality in FIXED_QUALITIES}
    return settings | {"published": settings["published"] | getattr(studies.settings.published, modality).model_dump()}


def compared_qualities(model):
    """Settings of the qualities `standard` and `published` for a model's modality."""
    return {quality: plan.synthesis_of(model, quality) for quality in ("standard", "published")}


def versions_of_default(model):
    """Settings of the published procedure and of each compared version of one cycle, for a model's modality."""
    versions = studies.settings.equivalence.settings_of(plan.models[model].modality, one_cycle_settings(model))
    return {"published": plan.synthesis_of(model, "published"), **versions}


def versions_of_models(_wildcards):
    """Parameter: for each generation model, the settings of the published procedure and of each compared version."""
    return {model: versions_of_default(model) for model in studies.equivalence_stages}


def reference_version(_wildcards):
    """Parameter: the compared version that changes nothing."""
    return studies.settings.equivalence.reference


def equivalence_metamers(model):
    """Metamers of all compared versions, one file for each compared stage of a model."""
    stages = studies.equivalence_stages[model]
    return [f"results/<run>/benchmark/equivalence/{model}/{stage_path(stage)}.nc" for stage in stages]


def closest_error(wildcards):
    """Parameter: normalized error of the closest match of the stage of a wildcard."""
    return studies.settings.convergence.closest[wildcards.generation_model][stage_of(wildcards)]


def errors_of_matches(model):
    """Normalized errors of the matches at which a model's metamers are compared."""
    return getattr(studies.settings.convergence.errors, modality_of(model))


def settings_of_procedure(wildcards):
    """Parameter: settings of the quality that uses the procedure of a wildcard."""
    quality = "published" if wildcards.procedure == "published" else "converged"
    return plan.synthesis_of(wildcards.generation_model, quality)


def stimuli_of_procedure(wildcards):
    """Parameter: number of stimuli that are synthesized by the procedure of a wildcard."""
    if wildcards.procedure == "published":
        return studies.settings.convergence.published_stimuli
    return len(plan.stimuli_of(wildcards.generation_model))


def compared_places():
    """Procedure, generation model and stage of each comparison of recognition with the closest match."""
    settings = studies.settings.convergence
    compared = dict(zip(COMPARED_PROCEDURES, (settings.closest, settings.published), strict=True))
    return [
        (procedure, model, stage)
        for procedure, of_models in compared.items()
        for model, stages in of_models.items()
        for stage in stages
    ]


def convergence_files(kind):
    """Files of one kind, one for each comparison of recognition with the closest match."""
    folder = f"results/<run>/benchmark/{kind}"
    return [f"{folder}/{procedure}/{model}/{stage_path(stage)}.nc" for procedure, model, stage in compared_places()]


def compared_stages(_wildcards):
    """Parameter: generation model and stage of each comparison of recognition with the closest match."""
    return [(model, stage) for _, model, stage in compared_places()]


def compared_modalities(_wildcards):
    """Parameter: modality of each generation model whose recognition is compared with that at the closest match."""
    return {model: modality_of(model) for model in studies.settings.convergence.closest}


@cache
def published_study():
    """The published study (config/paper.yaml) with those models that the registry has; None if it has none."""
    study = merge_defaults(read_yaml(ROOT / "config" / "paper.yaml"))
    registered = plan.models
    chosen = [{"model": item} if isinstance(item, str) else item for item in study["generation_models"]]
    chosen = [item for item in chosen if item["model"] in registered]
    recognition_models = [name for name in study["recognition_models"] if name in registered]
    if not chosen:
        return None
    generation = {item["model"]: item.get("stages", list(registered[item["model"]].stages)) for item in chosen}
    return {
        "entries": {name: architecture(name) for name in [*generation, *recognition_models]},
        "generation": generation,
        "recognition_models": recognition_models,
        "qualities": {quality: study["synthesis"][quality] for quality in FIXED_QUALITIES},
        "stimuli": 400,  # of each modality
        "seeds": study["synthesis"]["seeds"],
        "batch_size": study["synthesis"]["batch_size"],
        "models_per_job": study["recognition"]["models_per_job"],
    }


def scale_of_study(_wildcards):
    """Input function: the predicted cost of the published study, where the registry has models of it."""
    return ["results/<run>/benchmark/scale.nc"] if published_study() else []


def given_study(_wildcards):
    """Parameter: the published study."""
    return published_study()
