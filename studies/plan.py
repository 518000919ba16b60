"""What the studies compute in a run: its models and stages for each study, and why a study is not possible."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from metamers.beyond.chosen import first_architectures
from metamers.config.models import ModelEntry
from metamers.config.read import read_yaml
from metamers.experiment.settings import evenly_spaced
from metamers.names import INPUT_STAGE, ConfigurationError, unknown_name
from metamers.plan.plan import Plan
from metamers.plan.steps import merge_defaults
from metamers.repository import ROOT
from metamers.synthesize.qualities import COMPARED_PROCEDURES, FIXED_QUALITIES, QUALITIES, TO_TARGET
from studies import files
from studies.settings import Convergence, StudySettings, study_settings

BENCHMARKED_PROCEDURE = "one_cycle"


@dataclass(frozen=True)
class Studies:
    """The studies of a run.

    Attributes
    ----------
    settings
        Their settings.
    benchmark_stages
        Generation model → stages at which its synthesis is timed.
    standard_stages
        Generation model → stages at which the qualities `standard` and `published` are compared.
    equivalence_stages
        Generation model → stages at which recognition of the run's metamers and of the published procedure's is
        compared.
    """

    settings: StudySettings
    benchmark_stages: dict[str, list[str]]
    standard_stages: dict[str, list[str]]
    equivalence_stages: dict[str, list[str]]

    @property
    def convergence_places(self) -> list[tuple[str, str, str]]:
        """Procedure, generation model and stage of each comparison of recognition with the closest match."""
        settings = self.settings.convergence
        stages: list[Mapping[str, Iterable[str]]] = [settings.closest, settings.published]
        compared = dict(zip(COMPARED_PROCEDURES, stages, strict=True))
        return [
            (procedure, model, stage)
            for procedure, stages_of in compared.items()
            for model in stages_of
            for stage in stages_of[model]
        ]

    @property
    def stages_of_paths(self) -> dict[str, Mapping[str, Iterable[str]]]:
        """For each path in the run's folder: the generation models and stages that have such a file."""
        return {
            files.MATCHES.path: self.benchmark_stages,
            files.EQUIVALENT.path: self.benchmark_stages,
            files.RECOGNITION.path: self.benchmark_stages,
            files.SPEED.path: self.benchmark_stages,
            files.STANDARD.path: self.standard_stages,
            files.GPU.path: self.standard_stages,
            files.EQUIVALENCE.path: self.equivalence_stages,
            files.EQUIVALENCE_RECOGNITION.path: self.equivalence_stages,
            files.CONVERGENCE.path: self.settings.convergence.closest,
            files.CONVERGENCE_RECOGNITION.path: self.settings.convergence.closest,
        }


def plan_studies(benchmark: Any, plan: Plan) -> tuple[Plan, Studies]:
    """The studies of a run.

    Parameters
    ----------
    benchmark
        The key ``benchmark`` of the configuration.
    plan
        The plan of the configuration without this key.

    Returns
    -------
    plan
        The plan, whose ``unavailable`` also has the studies' targets that the configuration cannot make.
    studies
        The studies.

    Raises
    ------
    ConfigurationError
        When a setting does not fit, or the classes of the networks of a dataset are in several tables.
    """
    for dataset in plan.stimuli:
        tables = {plan.categories_of(name) for name, other in plan.dataset_of.items() if other == dataset}
        if len(tables) > 1:
            raise ConfigurationError(
                f"datasets: {dataset}: the classes of the networks of this run are in {', '.join(sorted(tables))}; a "
                "study needs networks with their classes in one table"
            )
    settings = study_settings(benchmark)
    studies = Studies(
        settings,
        benchmark_stages(settings, plan),
        standard_stages(settings, plan),
        equivalence_stages(settings, plan),
    )
    return replace(plan, unavailable={**plan.unavailable, **unavailable_studies(studies, plan)}), studies


def benchmark_stages(settings: StudySettings, plan: Plan) -> dict[str, list[str]]:
    """Generation models whose synthesis is timed, with evenly spaced stages."""
    models, generation_models = plan.models, plan.generation_models
    names = first_architectures(generation_models, models) if settings.models is None else settings.models
    timed = {}
    for number, name in enumerate(names):
        if name not in generation_models:
            raise unknown_name("generation model", name, generation_models, f"benchmark.models.{number}")
        stages = [stage for stage in generation_models[name] if stage != INPUT_STAGE]
        if not stages:
            raise ConfigurationError(
                f"benchmark.models.{number}: {name!r} has no stage after {INPUT_STAGE!r} in generation_models; "
                "synthesis at the input is not timed"
            )
        timed[name] = evenly_spaced(stages, getattr(settings.stages, models[name].modality))
    return timed


def standard_stages(settings: StudySettings, plan: Plan) -> dict[str, list[str]]:
    """Generation models with the stages at which the qualities `standard` and `published` are compared.

    The input is left out, and so are stages with a schedule unless the published procedure is run with all its steps:
    the positions of a schedule do not scale with the length of a pass, so a shorter run does not follow the schedule.
    """
    passes, measured = settings.standard.passes, {}
    for name, stages in plan.generation_models.items():
        published = plan.settings.synthesis.qualities["published"].get(plan.models[name].modality, {})
        whole = passes == [published.get("steps")]
        scheduled = _scheduled(plan.models[name], stages)
        compared = [stage for stage in stages if stage != INPUT_STAGE and (whole or stage not in scheduled)]
        if compared:
            measured[name] = compared
    return measured


def equivalence_stages(settings: StudySettings, plan: Plan) -> dict[str, list[str]]:
    """Generation models that another model can recognize, with the stages at which both procedures are compared.

    The stages are evenly spaced, without the input and without stages with a schedule, whose positions do not scale
    with the length of a pass.
    """
    compared_stages = {}
    for name, stages in plan.generation_models.items():
        scheduled = _scheduled(plan.models[name], stages)
        compared = [stage for stage in stages if stage != INPUT_STAGE and stage not in scheduled]
        if plan.other_recognition_models(name) and compared:
            compared_stages[name] = evenly_spaced(compared, settings.equivalence.stages)
    return compared_stages


def _scheduled(model: ModelEntry, stages: Iterable[str]) -> set[str]:
    """Those of the stages at which the published procedure follows a schedule."""
    entries = {stage: model.stages[stage] for stage in stages}
    return {stage for stage, entry in entries.items() if isinstance(entry, Mapping) and "schedule" in entry}


def unavailable_studies(studies: Studies, plan: Plan) -> dict[str, str]:
    """The studies' targets that a configuration cannot make → why, and which configuration could."""
    settings, models = studies.settings, plan.models
    reasons = {}

    def modalities(stages: Iterable[str]) -> set[str]:
        return {models[name].modality for name in stages}

    names = list(plan.generation_models)
    generation_models = ", ".join(names) or "none"
    recognition_models = ", ".join(plan.recognition_models) or "none"
    if not studies.benchmark_stages:
        reasons["benchmark"] = (
            "benchmark.models: there is no synthesis to time: no generation model of the run has a stage after the "
            f"input. Generation models: {generation_models}."
        )
    elif QUALITIES[quality := plan.settings.synthesis.quality] != BENCHMARKED_PROCEDURE:
        others = [name for name, procedure in QUALITIES.items() if procedure == BENCHMARKED_PROCEDURE]
        reasons["benchmark"] = (
            f"synthesis.quality: {quality!r}; the benchmark compares the run's metamers with those of the published "
            f"procedure, so it needs a run of quality {' or '.join(map(repr, others))}"
        )
    elif problem := _lacking_for_benchmark(settings, plan, studies.benchmark_stages):
        reasons["benchmark"] = problem
    if not studies.standard_stages:
        reasons["standard_match"] = (
            "generation_models: there is no stage to measure: no generation model of the run has a stage without a "
            "schedule after the input. Stages with a schedule need all steps of the published procedure "
            f"(benchmark.standard.passes). Generation models: {generation_models}."
        )
    elif problem := _lacking_for_standard_match(settings, plan, modalities(studies.standard_stages)):
        reasons["standard_match"] = problem
    if not studies.equivalence_stages:
        reasons["equivalence"] = (
            "generation_models: there is no stage to compare: no generation model of the run has a stage without a "
            "schedule after the input and another recognition model of its modality. Generation models: "
            f"{generation_models}; recognition models: {recognition_models}."
        )
    elif problem := _lacking_for_equivalence(plan, modalities(studies.equivalence_stages)):
        reasons["equivalence"] = problem
    if problem := next(_lacking_for_convergence(settings.convergence, plan), None):
        reasons["convergence"] = problem
    if not studies.standard_stages or any("random" not in models[name].weights for name in names):
        reasons["gpu_benchmark"] = (
            "generation_models: the benchmark of graphics cards reads no weights. It needs models with "
            "`weights: {random: SEED}` and stages after the input, as studies/config/gpu.yaml has. Generation models: "
            f"{generation_models}."
        )
    return reasons


def _lacking_for_benchmark(settings: StudySettings, plan: Plan, stages: Mapping[str, Iterable[str]]) -> str | None:
    """Why qualities cannot be compared with the published schedule and plenoptic; None if they can."""
    quality = plan.settings.synthesis.quality
    if quality not in settings.qualities:
        return (
            f"benchmark.qualities: found {', '.join(settings.qualities)}; wanted {quality!r} too, the run's quality "
            "(synthesis.quality): costs of larger studies are predicted from its steps"
        )
    for model in stages:
        modality = plan.models[model].modality
        for one in (*settings.qualities, "published"):
            if modality not in plan.settings.synthesis.qualities[one]:
                return f"synthesis.{one}.{modality}: missing; its settings for that modality"
        for stage in stages[model]:
            to_target = [one for one in settings.qualities if QUALITIES[one] == TO_TARGET]
            if to_target and plan.target_of(model, stage) is None:
                return (
                    f"synthesis.target: found no normalized error for {model}, {stage}; wanted one, or "
                    f"benchmark.qualities without {to_target[0]!r}"
                )
    return None


def _lacking_for_equivalence(plan: Plan, modalities: Iterable[str]) -> str | None:
    """Why recognition of the run's metamers and the published procedure's cannot be compared; None if it can."""
    quality = plan.settings.synthesis.quality
    if QUALITIES[quality] != TO_TARGET:
        return (
            f"synthesis.quality: {quality!r}; metamers that have reached the target are compared with those of the "
            "published procedure, so `make equivalence` needs a run of quality 'converged'"
        )
    for modality in sorted(modalities):
        if modality not in plan.settings.synthesis.qualities["published"]:
            return f"synthesis.published.{modality}: missing; its settings for that modality"
    return None


def _lacking_for_convergence(settings: Convergence, plan: Plan) -> Iterator[str]:
    """Why recognition at several matches cannot be compared; nothing if it can."""
    if not settings.closest:
        yield (
            "benchmark.convergence.closest: found no stage; wanted the normalized error of the closest match of each "
            "compared stage, as studies/config/convergence.yaml has"
        )
    keys = ("closest", settings.closest, plan.generation_models), ("published", settings.published, settings.closest)
    for key, given, valid in keys:
        for model, of_model in given.items():
            where = f"benchmark.convergence.{key}"
            if model not in valid:
                yield str(unknown_name("generation model", model, valid, where))
                return
            synthesized = [stage for stage in valid[model] if stage != INPUT_STAGE]
            for stage in of_model:
                if stage not in synthesized:
                    yield str(unknown_name("stage", stage, synthesized, f"{where}.{model}"))
    for model in settings.closest:
        modality = plan.models[model].modality
        if not plan.other_recognition_models(model):
            yield f"recognition_models: none of modality {modality!r} can be asked about metamers of {model}"
        for quality in ("converged", *(("published",) if model in settings.published else ())):
            if modality not in plan.settings.synthesis.qualities[quality]:
                yield f"synthesis.{quality}.{modality}: missing; its settings for that modality"


def _lacking_for_standard_match(settings: StudySettings, plan: Plan, modalities: Iterable[str]) -> str | None:
    """Why the error of the published procedure cannot be measured or extrapolated; None if it can."""
    passes = settings.standard.passes
    if passes != sorted(passes):
        return f"benchmark.standard.passes: found {passes}; wanted increasing numbers"
    for modality in sorted(modalities):
        for quality in ("standard", "published"):
            if modality not in plan.settings.synthesis.qualities[quality]:
                return f"synthesis.{quality}.{modality}: missing; its settings for that modality"
        steps = plan.settings.synthesis.qualities["published"][modality]["steps"]
        if passes[-1] > steps:
            return f"benchmark.standard.passes: {passes[-1]} is more than synthesis.published.{modality}.steps, {steps}"
        if len(passes) == 1 and passes[0] != steps:
            return (
                f"benchmark.standard.passes: one number, {passes[0]}, cannot be extrapolated to "
                f"synthesis.published.{modality}.steps, {steps}; wanted two numbers, or that one"
            )
    return None


def published_study(plan: Plan) -> dict[str, Any] | None:
    """The published study (config/paper.yaml) with those models that the registry has; None if it has none."""
    study = _published_configuration()
    chosen = [{"model": item} if isinstance(item, str) else item for item in study["generation_models"]]
    generation = {
        item["model"]: item.get("stages", list(plan.models[item["model"]].stages))
        for item in chosen
        if item["model"] in plan.models
    }
    if not generation:
        return None
    recognition_models = [name for name in study["recognition_models"] if name in plan.models]
    return {
        "entries": {name: plan.models[name].parameters for name in [*generation, *recognition_models]},
        "generation": generation,
        "recognition_models": recognition_models,
        "qualities": {quality: study["synthesis"][quality] for quality in FIXED_QUALITIES},
        "stimuli": 400,  # of each modality
        "seeds": study["synthesis"]["seeds"],
        "batch_size": study["synthesis"]["batch_size"],
        "models_per_job": study["recognition"]["models_per_job"],
    }


@cache
def _published_configuration() -> dict[str, Any]:
    return merge_defaults(read_yaml(ROOT / "config" / "paper.yaml"))
