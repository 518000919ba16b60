"""What a run leaves out because its jobs failed: the rest of the run, with its report, is made without it.

A call of Snakemake that ends with failed jobs starts another one, whose key ``left_out`` names a file of what failed
(``report_what_is_there`` in ``workflow/rules/common.smk``). Its plan is that of the configuration without these models,
stages, stimuli or analyses. Jobs that have ended do not depend on what is left out, so neither this call nor a later
one, which makes what failed, repeats them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metamers.names import ConfigurationError, stage_path
from metamers.plan.checks import check_contrasts
from metamers.run.logs import FailedJob

# Kinds of what can be left out, and how the report calls them; ``{}`` are the names.
MODEL, GENERATION_MODEL, STAGE, RECOGNITION_MODEL = "model", "generation_model", "stage", "recognition_model"
STIMULI, DATASET, EXTENSIONS = "stimuli", "dataset", "extensions"
VULNERABILITY, BRAIN, SIMILARITY = "vulnerability", "brain", "similarity"
TITLES = {
    MODEL: "model {}",
    GENERATION_MODEL: "metamers of {}",
    STAGE: "metamers of {} at {}",
    RECOGNITION_MODEL: "recognition by {}",
    STIMULI: "stimulus {}",
    DATASET: "dataset {}, with the models that use it",
    VULNERABILITY: "adversarial vulnerability of {}",
    BRAIN: "prediction of voxel responses by {}",
    SIMILARITY: "similarity of the stages of {}",
    EXTENSIONS: "the extensions",
}
WHOLE = {
    VULNERABILITY: "adversarial vulnerability",
    BRAIN: "prediction of voxel responses",
    SIMILARITY: "similarity of stages",
}
# Step → kind of what is left out if its job fails. The steps of the extensions begin with ``beyond_``.
KINDS = {
    "retrieve_zero_shot": MODEL,
    "stimuli_datasets": DATASET,
    "stimuli_export": DATASET,
    "train_examples": DATASET,
    "train_model": MODEL,
    "train_readout": RECOGNITION_MODEL,
    "train_test": MODEL,
    "synthesize_metamers": STAGE,
    "synthesize_measure": STAGE,
    "synthesize_export": GENERATION_MODEL,
    "null_distribution": GENERATION_MODEL,
    "null_acceptance": GENERATION_MODEL,
    "report_model": GENERATION_MODEL,
    "report_media": GENERATION_MODEL,
    "vulnerability": VULNERABILITY,
    "brain_activations": BRAIN,
    "brain_simulate": BRAIN,
    "brain_regression": BRAIN,
    "brain_dissimilarity": SIMILARITY,
    "brain_similarity": SIMILARITY,
}
OF_ALL_MODELS = ("brain_simulate", "brain_similarity")  # without them there is no such analysis
# Kind of a retrieved collection → what is left out if it cannot be retrieved.
COLLECTIONS = {"weights": MODEL, "frozen": MODEL, "datasets": DATASET}


@dataclass(frozen=True)
class LeftOut:
    """What a run leaves out, and why.

    Attributes
    ----------
    kind
        A key of ``TITLES``.
    names
        Its names: of a stage, those of the model and of the stage in paths; of a whole analysis, none.
    step, reason, log
        The step of the failed job, the message of its error, and the path of its log.
    command
        The call that repeats the job.
    """

    kind: str
    names: tuple[str, ...]
    step: str
    reason: str
    log: str
    command: str

    @property
    def title(self) -> str:
        """How the report calls it."""
        return TITLES[self.kind].format(*self.names) if self.names or self.kind not in WHOLE else WHOLE[self.kind]

    @property
    def row(self) -> dict[str, str]:
        """Its row in a table of the report."""
        title = self.title
        return {
            "title": title[0].upper() + title[1:],
            **{key: getattr(self, key) for key in ("reason", "log", "command")},
        }


def with_failed(left_out: Iterable[LeftOut], jobs: Iterable[FailedJob], command: str) -> tuple[LeftOut, ...]:
    """What a run leaves out, each once: what it left out before, and what it leaves out for failed jobs."""
    every = [*left_out, *(one for job in jobs for one in _left_out_with(job, command))]
    return tuple({(one.kind, one.names): one for one in reversed(every)}.values())[::-1]


def _left_out_with(job: FailedJob, command: str) -> list[LeftOut]:
    """What is left out for a failed job; nothing if the run cannot be made without what the job makes."""

    def entry(kind: str, *names: str) -> LeftOut:
        return LeftOut(kind, names, job.step, job.reason, job.log.as_posix(), command)

    if STIMULI in job.subject:
        return [entry(STIMULI, name) for name in job.subject[STIMULI]]
    if RECOGNITION_MODEL in job.subject:
        return [entry(RECOGNITION_MODEL, job.subject[RECOGNITION_MODEL])]
    if job.step.startswith("beyond_"):
        return [entry(EXTENSIONS)]
    if job.step in OF_ALL_MODELS:
        return [entry(KINDS[job.step])]
    kind = COLLECTIONS.get(job.names[0]) if job.step == "retrieve_collection" else KINDS.get(job.step)
    return [entry(kind, *(job.names[:2] if kind == STAGE else job.names[-1:]))] if kind else []


def read_left_out(path: str | Path) -> tuple[LeftOut, ...]:
    """Read what ``write_left_out`` has written.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, or is another one.
    """
    try:
        read = [
            LeftOut(**{**entry, "names": tuple(entry["names"])}) for entry in json.loads(Path(path).read_text("utf-8"))
        ]
        unknown = [one.kind for one in read if one.kind not in TITLES]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"left_out: {path} cannot be read ({error}); wanted null, or the file that a call with failed jobs wrote"
        ) from error
    if unknown:
        raise ConfigurationError(f"left_out: {path}: unknown kind {unknown[0]!r}; valid: {', '.join(TITLES)}")
    return tuple(read)


def write_left_out(path: str | Path, left_out: Iterable[LeftOut]) -> None:
    """Write what a run leaves out as JSON."""
    Path(path).write_text(json.dumps([asdict(one) for one in left_out], indent=1) + "\n", encoding="utf-8")


def without(config: Mapping[str, Any], left_out: Iterable[LeftOut], plan: Any) -> dict[str, Any]:
    """The configuration without what failed, except stimuli.

    Parameters
    ----------
    config
        The complete configuration.
    left_out
        What failed.
    plan
        The plan of the configuration (``metamers.plan.plan.Plan``).
    """
    names = {kind: {one.names for one in left_out if one.kind == kind} for kind in TITLES}
    datasets = {name for (name,) in names[DATASET]}
    failed = {name for (name,) in names[MODEL]} | {
        model
        for model, dataset in plan.dataset_of.items()
        if dataset in datasets or (model in plan.training and plan.training[model].dataset in datasets)
    }
    silent = failed | {name for (name,) in names[RECOGNITION_MODEL]}
    silent |= {name for name, readout in plan.readouts.items() if readout.dataset in datasets}
    recognition_models = [name for name in plan.recognition_models if name not in silent]
    recognized = {plan.models[name].modality for name in recognition_models}
    generation_models = {
        model: [stage for stage in stages if (model, stage_path(stage)) not in names[STAGE]]
        for model, stages in plan.generation_models.items()
        if model not in failed and (model,) not in names[GENERATION_MODEL] and plan.models[model].modality in recognized
    }
    generation_models = {model: stages for model, stages in generation_models.items() if stages}
    reduced = {
        **config,
        "generation_models": [{"model": model, "stages": stages} for model, stages in generation_models.items()],
        "recognition_models": recognition_models,
        "analyses": {kind: _analysis(config, kind, names[kind], failed, plan) for kind in config["analyses"]},
        "beyond": _extensions(config["beyond"], bool(names[EXTENSIONS]), generation_models, plan),
    }
    presented = config["experiment"]["generation_models"]
    kept = [name for name in presented or [] if name in generation_models]
    reduced["experiment"] = config["experiment"] | {"generation_models": kept or None}
    comparable = [
        pair for pair in config["comparison"]["contrasts"] if _comparable(pair, reduced, generation_models, plan)
    ]
    reduced["comparison"] = config["comparison"] | {"contrasts": comparable}
    return reduced


def _analysis(
    config: Mapping[str, Any], kind: str, names: set[tuple[str, ...]], failed: set[str], plan: Any
) -> dict[str, Any] | None:
    """The settings of an analysis without models; those that are left are named, so that none takes their place."""
    settings = config["analyses"][kind]
    if settings is None:
        return None
    analysis = getattr(plan.analyses, kind)
    models = [name for name in analysis.models if name not in failed and (name,) not in names]
    if kind == BRAIN and analysis.simulated:
        simulated = {"model": analysis.simulated.model, "stage": analysis.simulated.stage}
        settings = settings | {"simulated": settings["simulated"] | simulated}
        if analysis.simulated.model in failed:
            models = []
    return settings | {"models": [] if () in names else models}


def _extensions(
    settings: Mapping[str, Any], failed: bool, generation_models: Mapping[str, Sequence[str]], plan: Any
) -> dict[str, Any]:
    """The settings of the extensions; none if one of them failed, or a model that they compare is left out."""
    members = {member for one in plan.beyond.sets.values() for member in one.members}
    if not failed and members <= generation_models.keys():
        return dict(settings)
    return dict.fromkeys(settings) | {"models": []}


def _comparable(
    pair: Sequence[str], config: Mapping[str, Any], generation_models: Mapping[str, list[str]], plan: Any
) -> bool:
    """Whether two models can still be compared."""
    try:
        check_contrasts({**config, "comparison": {"contrasts": [pair]}}, generation_models, plan.models)
    except ConfigurationError:
        return False
    return True
