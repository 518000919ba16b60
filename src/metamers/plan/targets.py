"""Targets: files of a run that a user asks for by path, checked by name before Snakemake looks for their rules.

Snakemake answers a wrong model or stage in a path with "no rule to produce". The answer here names the wrong part of
the path, the nearest name, and the names that the run has.
"""

import contextlib
import io
import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from metamers.names import ConfigurationError, stage_path, unknown_name
from metamers.plan.plan import Plan
from metamers.plan.steps import declared_files
from metamers.synthesize.qualities import COMPARED_PROCEDURES

# Paths of a run in addition to its NetCDF files, which ``declared_files`` lists.
FOLDERS = (
    "exported/metamers/<generation_model>",
    "exported/datasets/<dataset>",
    "exported/distortions/<modality>",
    "experiment/<modality>",
)
WILDCARD = re.compile(r"<(\w+)>")

Found = Mapping[str, str]  # wildcard → its value in a path
# Path of the studies → generation model → its stages, of which it may have only some.
Stages = Mapping[str, Mapping[str, Iterable[str]]]


STUDIES = (
    "benchmark",
    "gpu_benchmark",
    "standard_match",
    "equivalence",
    "photographs",
    "convergence",
    "simulations",
)  # targets
STUDIES_FOLDERS = ("benchmark/", "simulations/")  # of a run
# Wildcard → its valid values, given the values of the wildcards before it. ``MODELS`` and given stages precede.
VALID: dict[str, Callable[[Plan, Found], Iterable[str]]] = {
    "generation_model": lambda plan, _: plan.generation_models,
    "recognition_model": lambda plan, found: (
        plan.recognition_models_of(found["generation_model"])
        if "generation_model" in found
        else plan.recognition_models
    ),
    "model": lambda plan, _: plan.dataset_of,
    "stage": lambda plan, found: map(stage_path, plan.generation_models[found["generation_model"]]),
    "batch": lambda plan, found: plan.batches[found["generation_model"]],
    "dataset": lambda plan, _: plan.datasets,
    "modality": lambda plan, _: dict.fromkeys(plan.models[model].modality for model in plan.dataset_of),
    "experiment": lambda plan, _: [*plan.published.experiments, *plan.own_participants],
    "own_participants": lambda plan, _: plan.own_participants,
    "adaptive_participants": lambda plan, _: plan.adaptive_participants,
    "set": lambda plan, _: plan.beyond.sets,
    "procedure": lambda plan, _: COMPARED_PROCEDURES,
}
# Path → its valid models, for paths without a stage that only some models of the run have.
MODELS: dict[str, Callable[[Plan], Iterable[str]]] = {
    "training/<model>.nc": lambda plan: plan.training,
    "training/curves/<model>.nc": lambda plan: plan.training,
    "readouts/<model>.nc": lambda plan: plan.readouts,
}


@cache
def _patterns(of_studies: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    """Path with wildcards → regular expression."""
    paths = [*declared_files(), *FOLDERS, *of_studies]
    return {path: re.compile(WILDCARD.sub(r"(?P<\1>[^/]+)", path.replace(".", r"\."))) for path in paths}


def parse_call(call: Sequence[str], parser: ArgumentParser) -> Namespace | None:
    """The arguments of a call of Snakemake, which passes them on only after it has read the whole workflow.

    Parameters
    ----------
    call
        Program and arguments, as ``sys.argv``.
    parser
        Snakemake's parser, which knows where the values of an option end.

    Returns
    -------
    argparse.Namespace or None
        None if the program is not Snakemake, or does not accept the arguments.
    """
    program = Path(call[0])
    if program.stem != "snakemake" and program.parts[-2:] != ("snakemake", "__main__.py"):
        return None
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        return parser.parse_args(call[1:])
    return None


def requested_targets(call: Sequence[str], parser: ArgumentParser) -> list[str]:
    """The targets of a call of Snakemake: names of rules and paths of files; parameters as for ``parse_call``."""
    arguments = parse_call(call, parser)
    return list(map(str, (arguments and arguments.targets) or ()))


def check_path(plan: Plan, path: str, target: str, stages: Stages = MappingProxyType({})) -> None:
    """Check that the models, stages and other names in the path of a result are in the run.

    Paths of other forms are not checked.

    Parameters
    ----------
    plan
        The run's plan.
    path
        The path in the run's folder.
    target
        The path as it was given, for the message.
    stages
        Stages of the studies' paths.

    Raises
    ------
    ConfigurationError
        For the first name that the run does not have.
    """
    errors = []
    for pattern, expression in _patterns(tuple(stages)).items():
        if not (matched := expression.fullmatch(path)):
            continue
        wildcards = matched.groupdict()
        error = _first_error(plan, pattern, wildcards, target, stages)
        if error is None:
            return
        errors.append(error)
    if errors:
        raise errors[0]


def _first_error(plan: Plan, pattern: str, wildcards: Found, target: str, stages: Stages) -> ConfigurationError | None:
    for name, value in wildcards.items():
        if name not in VALID:
            continue
        valid = _valid(plan, pattern, name, wildcards, stages)
        if value not in valid:
            hint = _registered(plan, name, value, wildcards)
            return ConfigurationError(f"{unknown_name(name.replace('_', ' '), value, valid, target)}{hint}")
    return None


def _valid(plan: Plan, pattern: str, name: str, wildcards: Found, stages: Stages) -> list[str]:
    """The valid values of a wildcard."""
    of_model = stages.get(pattern)
    if name in ("model", "generation_model"):
        if of_model is not None:
            return list(of_model)
        if own := MODELS.get(pattern):
            return list(own(plan))
    elif name == "stage" and of_model is not None:
        return list(map(stage_path, of_model[wildcards.get("generation_model", wildcards.get("model", ""))]))
    return list(VALID[name](plan, wildcards))


def _registered(plan: Plan, name: str, value: str, wildcards: Found) -> str:
    """A hint about a name that is in the registry but not in the run; empty otherwise."""
    if name == "generation_model" and value in plan.models and value not in plan.generation_models:
        return f" The registry has {value!r}: name it in generation_models."
    model = wildcards.get("generation_model")
    if name == "stage" and model and value in _unused_stages(plan, model):
        return f" {model} has the stage {value!r}: name it in generation_models."
    return ""


def _unused_stages(plan: Plan, model: str) -> set[str]:
    """Stages of a model at which the run makes no metamers, as in paths."""
    return {stage_path(stage) for stage in plan.models[model].stages if stage not in plan.generation_models[model]}


def check_targets(
    plan: Plan, targets: Iterable[str], rules: Iterable[str] = (), stages: Stages = MappingProxyType({})
) -> None:
    """Check the targets of a call of Snakemake.

    Parameters
    ----------
    plan
        The run's plan.
    targets
        Names of rules, and paths of files.
    rules
        Names of all rules; empty if they are not known.
    stages
        As for ``check_path``.

    Raises
    ------
    ConfigurationError
        When a path names a model, stage or other part that the run does not have, a target is nearly the name of a
        rule, the configuration cannot make a rule's target (``Plan.check_target``), or a prediction is to be frozen
        together with results from answers.
    """
    folder, rules, targets = f"results/{plan.settings.run}/", list(rules), list(targets)
    of_studies = tuple(folder + part for part in STUDIES_FOLDERS)
    if "preregister" in targets and len(targets) > 1 and (plan.own_participants or plan.adaptive_participants):
        # Jobs that start after the file exists would have it as an input that the plan of the call does not have.
        others = ", ".join(target for target in targets if target != "preregister")
        raise ConfigurationError(
            f"preregister: requested together with {others}; "
            "with own_participants, call `snakemake preregister` alone, before everything else"
        )
    for target in targets:
        path = os.path.relpath(target)
        if rules and not stages and (target in STUDIES or path.startswith(of_studies)):
            raise ConfigurationError(
                f"{target}: a target of the studies, whose rules are in studies/Snakefile: add "
                "`--snakefile studies/Snakefile`"
            )
        if path.startswith(folder):
            check_path(plan, path.removeprefix(folder), target, stages)
        elif target in rules:
            plan.check_target(target)
        elif rules and os.sep not in target and target not in rules and not os.path.exists(target):
            error = unknown_name("target", target, rules, "snakemake")
            if "Did you mean" in str(error):
                raise error
