"""Input functions and parameters of the rules in preregister.smk."""

from metamers.config.preregistration import check_frozen_folder
from metamers.names import ConfigurationError

FROZEN_SCRIPTS = (*RECORDED_SCRIPTS, "preregister")


def frozen_inputs():
    """The files on which the prediction depends, by their kind: inputs of both rules."""
    models = plan.generation_models
    return {
        "stimuli": list(dict.fromkeys(map(stimuli_of, models))),
        "metamers": [path for model in models for path in metamers_of(model)],
        "acceptance": [f"results/<run>/acceptance/{model}.nc" for model in models],
        "recognition": [path for model in models for path in recognition_of(model)],
        "published": ["results/<run>/comparison/humans_vs_models.nc", f"{PUBLISHED}/participant_variance.csv"],
        "weights": files_of_models(list(dict.fromkeys([*models, *plan.recognition_models]))),
    }


def frozen_params():
    """Parameters of both rules: the settings and versions on which the prediction depends."""
    names = list(dict.fromkeys([*plan.generation_models, *plan.recognition_models]))
    return {
        "kinds": list(frozen_inputs()),
        "settings": {key: config[key] for key in RECORDED_SETTINGS},
        "entries": {
            "model": {name: architecture(name) for name in names},
            "dataset": {dataset: plan.datasets[dataset].parameters for dataset in plan.stimuli},
        },
        "versions": versions_now,
    }


def versions_now(_wildcards):
    """Parameter: the versions of the program, of the code of the steps, and of the page that people are shown."""
    entries = entries_of([*plan.generation_models, *plan.recognition_models])
    return {
        "version": {"metamers": __version__},
        # Of scoring the module alone, because its script also draws the figure of the report.
        "code": {script: code_version(SCRIPTS / f"{script}.py", entries) for script in FROZEN_SCRIPTS}
        | {"metamers.preregister.score": code_version(PACKAGE / "preregister" / "score.py")},
        "page": {path.name: data_version(path) for path in PAGE_FILES},
    }


def answers_now(_wildcards):
    """Parameter: the files of answers of all groups of own participants that exist now."""
    found = []
    for name in ALL_GROUPS:
        try:
            found += answers_of(name)
        except ConfigurationError:
            continue  # there are no answers yet
    return found


def answers_of_all_groups(_wildcards):
    """Input function: the files of answers of all groups of own participants."""
    return [path for name in plan.own_participants for path in answers_of(name)]


def existing_prediction(_wildcards):
    """Input function: the frozen prediction, which no rule makes."""
    if not os.path.isfile(plan.preregistration.file):
        raise ConfigurationError(
            f"preregistration.file: there is no frozen prediction {plan.preregistration.file}; `snakemake preregister` "
            "freezes one; call it before people answer"
        )
    return plan.preregistration.file


def check_preregistration_folder():
    """Check before the first job that the prediction can be written, if it is to be frozen."""
    if "preregister" in requested_targets(sys.argv):
        try:
            check_frozen_folder(plan.preregistration.file)
        except OSError as error:
            raise WorkflowError(str(error)) from None
