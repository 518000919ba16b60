"""Online experiment: a folder for any web server, JATOS or Pavlovia, and the stimuli that each participant sees."""

EXPERIMENT = [f"results/<run>/experiment/{modality}" for modality in plan.experiment_stages]

# The page of the online experiment, without the consent, which the configuration names.
PAGE_FILES = sorted(path for ending in ("*.js", "*.css", "index.html") for path in (ROOT / "experiment").glob(ending))

SHOWN = lookup("{modality}", within=plan.experiment_stages)  # generation models, with their stages


def every_experiment(_wildcards):
    """Input function: the experiments of the run, at least one."""
    plan.check_target("experiment")
    return EXPERIMENT


def icon_files():
    """Files in the folder of icons, if the online experiment has one."""
    folder = plan.settings.experiment.icons
    return sorted(map(str, Path(resolve_path(folder)).glob("*.*"))) if folder else []


def first_shown(modality):
    """The first generation model of an experiment, whose dataset the experiment shows."""
    return next(iter(plan.experiment_stages[modality]))


rule experiment_folder:
    input:
        required("experiment/{modality}"),
        jspsych=local(rules.retrieve_jspsych.output),
        consent=local(resolve_path(plan.settings.experiment.consent)),
        icons=local(icon_files()),
        stimuli=by("modality", stimuli_of, first_shown),
        natural=by("modality", exported_stimuli_of, first_shown),
        acceptance=collect("results/<run>/acceptance/{model}.nc", model=SHOWN),
        metamers=collect("results/<run>/exported/metamers/{model}", model=SHOWN),
        categories=by("modality", categories_of, first_shown),
        variance=(
            local(resolve_path("resources/published/participant_variance.csv"))
            if plan.settings.experiment.adaptive is not None
            else []
        ),
    output:
        folder=directory("results/<run>/experiment/{modality}"),
        design="results/<run>/experiment/{modality}.nc",
    log:
        "results/<run>/logs/experiment_folder/{modality}.log",
    benchmark:
        "results/<run>/benchmarks/experiment_folder/{modality}.tsv"
    wildcard_constraints:
        modality=one_of(MODALITIES),
    params:
        **step("experiment/folder"),
        **answer_params("modality", first_shown),
        read=data_version(*PAGE_FILES),
        stages=lookup("{modality}", within=plan.experiment_stages),
        settings=lookup("{modality}", within=plan.settings.experiment.presentation),
        participants=plan.settings.experiment.participants,
        metamers=plan.settings.experiment.metamers,
        icons=plan.settings.experiment.icons and resolve_path(plan.settings.experiment.icons),
        address=plan.settings.experiment.address,
        # Only of an adaptive experiment, so that the files of the fixed design do not depend on them.
        adaptive=plan.settings.experiment.adaptive and plan.settings.experiment.adaptive.parameters,
        at_least=(
            by("modality", plan.settings.experiment.trials_required)
            if plan.settings.experiment.adaptive is not None
            else None
        ),
    resources:
        **needs("experiment_folder"),
    conda:
        ENVIRONMENT
    message:
        "Making the online experiment ({wildcards.modality})"
    script:
        SCRIPTS / "experiment/folder.py"


rule experiment:
    input:
        every_experiment,
