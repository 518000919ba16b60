"""Online experiment: a folder for any web server, JATOS or Pavlovia, and the stimuli that each participant sees."""


include: "common/experiment.smk"


EXPERIMENT = [f"results/<run>/experiment/{modality}" for modality in plan.experiment_stages]

# The page of the online experiment, without the consent, which the configuration names.
PAGE_FILES = sorted(path for ending in ("*.js", "*.css", "index.html") for path in (ROOT / "experiment").glob(ending))

SHOWN = lookup("{modality}", within=plan.experiment_stages)  # generation models, with their stages


rule experiment_folder:
    input:
        required("experiment/{modality}"),
        jspsych=rules.retrieve_jspsych.output,
        consent=resolve_path(plan.experiment.consent),
        icons=icon_files(),
        stimuli=by("modality", stimuli_of, first_shown),
        natural=by("modality", exported_stimuli_of, first_shown),
        acceptance=collect("results/<run>/acceptance/{model}.nc", model=SHOWN),
        metamers=collect("results/<run>/exported/metamers/{model}", model=SHOWN),
        categories=by("modality", categories_of, first_shown),
        variance=(
            resolve_path("resources/published/participant_variance.csv")
            if plan.experiment.adaptive is not None
            else []
        ),
    output:
        folder=directory("results/<run>/experiment/{modality}"),
        design="results/<run>/experiment/{modality}.nc",
    wildcard_constraints:
        modality=one_of(MODALITIES),
    params:
        **answer_params("modality", first_shown),
        read=data_version(*PAGE_FILES),
        stages=lookup("{modality}", within=plan.experiment_stages),
        settings=lookup("{modality}", within=plan.experiment.presentation),
        participants=plan.experiment.participants,
        metamers=plan.experiment.metamers,
        icons=plan.experiment.icons and resolve_path(plan.experiment.icons),
        address=plan.experiment.address,
        # Only of an adaptive experiment, so that the files of the fixed design do not depend on them.
        adaptive=plan.experiment.adaptive and plan.experiment.adaptive.parameters,
        at_least=by("modality", plan.experiment.trials_required) if plan.experiment.adaptive is not None else None,
    message:
        "Making the online experiment ({wildcards.modality})"
    script:
        SCRIPTS / "experiment/folder.py"
