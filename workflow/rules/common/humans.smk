"""Input functions and parameters of the rules in humans.smk."""

from metamers.config.answer_table import table_files
from metamers.config.participants import answer_files

# All groups of own participants: of the fixed design or a table, and of adaptive experiments.
ALL_GROUPS = plan.own_participants | plan.adaptive_participants


def modality_of_participants(name):
    """The modality of the stimuli that own participants were shown."""
    return ALL_GROUPS[name].modality


def shown_to(name):
    """Generation models whose metamers own participants were shown, with the stages."""
    return ALL_GROUPS[name].stages


def first_shown_to(name):
    """The first of these generation models, whose dataset own participants were shown."""
    return next(iter(shown_to(name)))


def groups_with(format):
    """Names of the groups of own participants whose answers have a format: ``experiment`` or ``table``."""
    return [name for name, group in plan.own_participants.items() if group.format == format]


def design_of(name):
    """What own participants were shown: the design of the run's experiment, or a file made from their table."""
    if ALL_GROUPS[name].format == "table":
        return f"results/<run>/humans/shown/{name}.nc"
    return f"results/<run>/experiment/{modality_of_participants(name)}.nc"


def answers_of(name):
    """The files with the answers of own participants."""
    group = ALL_GROUPS[name]
    if group.format == "table":
        return table_files(f"own_participants.{name}.answers", group.answers)
    return answer_files(name, group.answers)


def columns_of(name):
    """Column → its name in a table of own participants, for columns with another name."""
    return ALL_GROUPS[name].columns


def models_judged_by(name):
    """Generation models, with all stages of the run, that a table of own participants may name."""
    modality = modality_of_participants(name)
    return {
        model: stages
        for model, stages in plan.generation_models.items()
        if plan.models[model].modality == modality and model in plan.recognition_models
    }


def format_of(name):
    """The format of the answers of own participants: ``experiment``, ``adaptive`` or ``table``."""
    return ALL_GROUPS[name].format
