"""What a run leaves out because its jobs failed: the rest of the run, with its report, is made without it.

A call of Snakemake that ends with failed jobs starts another one, whose key ``left_out`` names a file of what failed
(``report_without_failed`` in ``workflow/rules/common.smk``). Its plan is that of the configuration without these
models, stages, stimuli or analyses. Jobs that have ended do not depend on what is left out, so neither this call nor a
later one, which makes what failed, repeats them.
"""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metamers.beyond.chosen import extensions
from metamers.beyond.settings import BeyondSettings
from metamers.compare.settings import check_contrasts
from metamers.config.archives import archive_path
from metamers.experiment.settings import ExperimentSettings, experiment_stages
from metamers.names import ConfigurationError, stage_path, without_folders
from metamers.run.logs import FailedJob

# Kinds of what can be left out, and how the report calls them; ``{}`` are the names.
MODEL, GENERATION_MODEL, STAGE, RECOGNITION_MODEL = "model", "generation_model", "stage", "recognition_model"
STIMULUS, DATASET, EXAMPLES, ARCHIVE = "stimulus", "dataset", "examples", "archive"
VULNERABILITY, BRAIN, SIMILARITY = "vulnerability", "brain", "similarity"
EXTENSIONS, PARTICIPANTS = "extensions", "participants"
TITLES = {
    MODEL: "model {}",
    GENERATION_MODEL: "metamers of {}",
    STAGE: "metamers of {} at {}",
    RECOGNITION_MODEL: "recognition by {}",
    STIMULUS: "stimulus {1} of {0}",
    DATASET: "dataset {}, with all that uses it",
    EXAMPLES: "training examples of {}, with the models that are trained on them",
    ARCHIVE: "archive {}, with the models and datasets in it",
    VULNERABILITY: "adversarial vulnerability of {}",
    BRAIN: "prediction of voxel responses by {}",
    SIMILARITY: "similarity of the stages of {}",
    EXTENSIONS: "the extensions",
    PARTICIPANTS: "own participants {}",
}
# Analyses that are left out as a whole, without names.
WHOLE = {VULNERABILITY: "adversarial vulnerability", BRAIN: "voxel responses", SIMILARITY: "similarity of stages"}
# Step → kind of what is left out if its job fails. The steps of the extensions begin with ``beyond_``.
KINDS = {
    "retrieve_archive": ARCHIVE,
    "retrieve_categories": DATASET,
    "retrieve_zero_shot": MODEL,
    "stimuli_datasets": DATASET,
    "stimuli_export": DATASET,
    "train_examples": EXAMPLES,
    "train_model": MODEL,
    "train_readout": RECOGNITION_MODEL,
    "train_test": MODEL,
    "synthesize_metamers": STAGE,
    "synthesize_measure": STAGE,
    "synthesize_export": GENERATION_MODEL,
    "null_distribution": GENERATION_MODEL,
    "null_acceptance": GENERATION_MODEL,
    "humans_own_participants": PARTICIPANTS,
    "humans_answer_table": PARTICIPANTS,
    "humans_adaptive": PARTICIPANTS,
    "report_model": GENERATION_MODEL,
    "report_media": GENERATION_MODEL,
    "report_training": MODEL,
    "report_adaptive": PARTICIPANTS,
    "vulnerability": VULNERABILITY,
    "report_vulnerability": VULNERABILITY,
    "brain_activations": BRAIN,
    "brain_simulate": BRAIN,
    "brain_regression": BRAIN,
    "report_brain": BRAIN,
    "brain_dissimilarity": SIMILARITY,
    "brain_similarity": SIMILARITY,
    "report_similarity": SIMILARITY,
}
# Without these there is no such analysis.
OF_ALL_MODELS = ("brain_simulate", "brain_similarity", "report_vulnerability", "report_brain", "report_similarity")
# Kind of a retrieved collection → what is left out if it cannot be retrieved.
COLLECTIONS = {"weights": MODEL, "frozen": MODEL, "datasets": DATASET}
# Targets that are made without what failed; others, such as a frozen prediction, are complete or not made.
MADE_WITHOUT_FAILED = {"all", "report", "leaderboard", "comparison", "analyses", "beyond"}


@dataclass(frozen=True)
class LeftOut:
    """What a run leaves out, and why.

    Attributes
    ----------
    kind
        A key of ``TITLES``.
    names
        Its names: of a stage, those of the model and of the stage in paths; of a stimulus, those of its dataset and its
        own; of a whole analysis, none.
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
        reason = job.reason.replace(f"{Path.cwd()}/", "")
        return LeftOut(kind, names, job.step, reason, job.log.as_posix(), command)

    if "stimuli" in job.subject:
        return [entry(STIMULUS, job.subject["dataset"], name) for name in job.subject["stimuli"]]
    if job.step.startswith("beyond_"):
        return [entry(EXTENSIONS)]
    if RECOGNITION_MODEL in job.subject:
        return [entry(RECOGNITION_MODEL, job.subject[RECOGNITION_MODEL])]
    if job.step in OF_ALL_MODELS:
        return [entry(KINDS[job.step])]
    kind = COLLECTIONS.get(job.names[0]) if job.step == "retrieve_collection" else KINDS.get(job.step)
    return [entry(kind, *(job.names[:2] if kind == STAGE else job.names[-1:]))] if kind else []


def command_line(call: Sequence[str]) -> str:
    """A call of Snakemake as a command, without folders of this machine; ``call`` is as ``sys.argv``."""
    return shlex.join(["snakemake", *without_folders(list(call[1:]))])


def with_options(arguments: Sequence[str], config: Mapping[str, Any], **settings: str) -> list[str]:
    """Arguments of a call of Snakemake that goes on in the place of another one, with further settings.

    Parameters
    ----------
    arguments
        Those of the other call.
    config
        The values of its ``--config``, which a further ``--config`` replaces.
    settings
        Further values.
    """

    def text(value: Any) -> str:
        if isinstance(value, str):
            return f"'{value}'"  # Snakemake removes these quotes
        return "" if value is None else repr(value)

    options = ["--nolock", "--config", *(f"{key}={text(value)}" for key, value in {**config, **settings}.items())]
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return [*arguments[:place], *options, *arguments[place:]]


def read_left_out(path: str | Path) -> tuple[LeftOut, ...]:
    """Read what ``write_left_out`` has written.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, or is another one.
    """
    try:
        entries = json.loads(Path(path).read_text("utf-8"))
        left_out = tuple(LeftOut(**{**entry, "names": tuple(entry["names"])}) for entry in entries)
        for one in left_out:
            if one.kind not in TITLES:
                raise ValueError(f"unknown kind {one.kind!r}; valid: {', '.join(TITLES)}")
            number = 2 if one.kind in (STAGE, STIMULUS) else 0 if one.kind == EXTENSIONS else 1
            whole = one.kind in WHOLE and not one.names
            if not all(isinstance(name, str) for name in one.names) or not (whole or len(one.names) == number):
                raise ValueError(f"{one.kind} has the names {list(one.names)}; wanted {number}")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"left_out: {path} cannot be read ({error}); wanted null, or the file that a call with failed jobs wrote"
        ) from error
    return left_out


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
    archives = {name for name in plan.archives if (Path(archive_path(name, plan.archives)).name,) in names[ARCHIVE]}
    datasets = {name for (name,) in names[DATASET]} | {
        name
        for name, entry in plan.datasets.items()
        if (entry.files or {}).get("archive") in archives or (entry.encodings and entry.encodings.archive in archives)
    }
    examples = datasets | {name for (name,) in names[EXAMPLES]}
    failed = {name for (name,) in names[MODEL]} | {
        name
        for name in plan.dataset_of
        if plan.dataset_of[name] in datasets
        or (name in plan.training and plan.training[name].dataset in examples)
        or {plan.models[name].weights.get("archive"), plan.models[name].extra_weights.get("archive")} & archives
    }
    silent = failed | {name for (name,) in names[RECOGNITION_MODEL]}
    silent |= {name for name, readout in plan.readouts.items() if readout.dataset in examples}
    recognition_models = [name for name in plan.recognition_models if name not in silent]
    # Without a recognition model or a null distribution, a modality has no results.
    modalities = {plan.models[name].modality for name in recognition_models}
    modalities -= {modality for modality, dataset in plan.null_dataset_of.items() if dataset in datasets}
    generation_models = {
        model: left
        for model, stages in plan.generation_models.items()
        if model not in failed and (model,) not in names[GENERATION_MODEL] and plan.models[model].modality in modalities
        if (left := [stage for stage in stages if (model, stage_path(stage)) not in names[STAGE]])
    }
    whole = {kind for kind in WHOLE if () in names[kind]}
    if plan.analyses.brain.dataset in datasets:
        whole.add(BRAIN)
    reduced = {
        **config,
        "generation_models": [{"model": model, "stages": stages} for model, stages in generation_models.items()],
        "recognition_models": recognition_models,
        "analyses": {
            kind: _analysis(config["analyses"][kind], kind, {*failed, *(name for (name,) in names[kind] - {()})}, plan)
            if kind not in whole
            else None
            for kind in config["analyses"]
        },
    }
    reduced["comparison"] = config["comparison"] | {
        "contrasts": [
            pair
            for pair in config["comparison"]["contrasts"]
            if _comparable(pair, generation_models, recognition_models, plan)
        ]
    }
    reduced |= _experiment(reduced, {name for (name,) in names[PARTICIPANTS]}, generation_models, plan)
    return reduced | {"beyond": _extensions(reduced, bool(names[EXTENSIONS]), generation_models, plan)}


def dependent_on(left_out: Iterable[LeftOut], whole: Any, plan: Any) -> list[str]:
    """What a plan lacks because it depends on what failed, in words; ``whole`` is the plan without failures."""
    named = {name for one in left_out for name in one.names}

    def contrasts(of: Any) -> set[str]:
        return {" and ".join(pair) for pair in of.settings.comparison.contrasts}

    lacking = {
        "metamers of {}": whole.generation_models.keys() - plan.generation_models.keys(),
        "recognition by {}": set(whole.recognition_models) - set(plan.recognition_models),
        "own participants {}": whole.participants.keys() - plan.participants.keys(),
        "contrast of {}": contrasts(whole) - contrasts(plan),
    }
    texts = [text.format(name) for text, names in lacking.items() for name in sorted(names - named)]
    lost = whole.beyond.asked_for and not plan.beyond.asked_for
    return [*texts, TITLES[EXTENSIONS]] if lost and not any(one.kind == EXTENSIONS for one in left_out) else texts


def _analysis(settings: Mapping[str, Any] | None, kind: str, failed: set[str], plan: Any) -> dict[str, Any] | None:
    """The settings of an analysis without models; those that are left are named, so that none takes their place."""
    if settings is None:
        return None
    analysis = getattr(plan.analyses, kind)
    models = [name for name in analysis.models if name not in failed]
    if kind == BRAIN and analysis.simulated:
        simulated = {"model": analysis.simulated.model, "stage": analysis.simulated.stage}
        settings = {**settings, "simulated": settings["simulated"] | simulated}
        if analysis.simulated.model in failed:
            models = []
    return {**settings, "models": models}


def _experiment(
    config: Mapping[str, Any], failed: set[str], generation_models: Mapping[str, list[str]], plan: Any
) -> dict[str, Any]:
    """The settings of the experiment and of own participants, whose design must stay the one that they saw.

    The own participants of a modality are left out if a model or stage of its experiment is.
    """

    def presented(models: list[str] | None) -> dict[str, dict[str, list[str]]]:
        settings = ExperimentSettings.model_validate(config["experiment"] | {"generation_models": models})
        try:
            return experiment_stages(settings, generation_models, config["recognition_models"], plan.models)
        except ConfigurationError:
            return {}

    whole = plan.experiment_stages
    kept = [
        model
        for modality, stages in whole.items()
        if presented(list(stages)).get(modality) == stages
        for model in stages
    ]
    changed = {modality for modality, stages in whole.items() if not set(stages) <= set(kept)}
    participants = {
        name: entry
        for name, entry in config["own_participants"].items()
        if name not in failed and entry["modality"] not in changed
    }
    return {
        "experiment": config["experiment"] | {"generation_models": kept or None},
        "own_participants": participants,
    }


def _extensions(
    config: Mapping[str, Any], failed: bool, generation_models: Mapping[str, list[str]], plan: Any
) -> dict[str, Any]:
    """The settings of the extensions; none if one of them failed, or cannot be made of the models that are left."""
    members = {member for one in plan.beyond.sets.values() for member in one.members}
    rows = {plan.datasets[name].modality: rows for name, rows in plan.stimuli.items()}
    without_extensions = dict.fromkeys(config["beyond"]) | {"models": []}
    if failed or not members <= generation_models.keys():
        return without_extensions
    settings = BeyondSettings.model_validate(config["beyond"])
    try:
        extensions(settings, generation_models, config["recognition_models"], plan.models, rows)
    except ConfigurationError:
        return without_extensions
    return dict(config["beyond"])


def _comparable(
    pair: Sequence[str], generation_models: Mapping[str, list[str]], recognition_models: Sequence[str], plan: Any
) -> bool:
    """Whether two models can still be compared."""
    try:
        check_contrasts([pair], generation_models, recognition_models, plan.models)
    except ConfigurationError:
        return False
    return True
