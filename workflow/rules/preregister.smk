"""Preregistration: the predicted human recognition, frozen before participants answer, and scored when there are answers."""

from metamers.names import ConfigurationError
from metamers.plan.recorded import recorded_entries, recorded_settings, recorded_versions
from metamers.preregister.settings import check_frozen_folder

FROZEN_FILE = plan.settings.preregistration.file_of(plan.settings.run)
PREREGISTERED = "results/<run>/comparison/preregistered.nc"
# A frozen prediction is scored as soon as there are own participants.
if OWN_PARTICIPANTS and os.path.isfile(FROZEN_FILE):
    ADDED_TO_ALL += [PREREGISTERED]
    ADDED_TO_HUMANS += [PREREGISTERED]
    ADDED_TO_COMPARISON += [PREREGISTERED]
    FIGURES += ["results/<run>/report/figures/preregistered.svg"]


def frozen_inputs():
    """The files on which the prediction depends, by their kind: inputs of both rules."""
    models = plan.generation_models
    return {
        "stimuli": list(dict.fromkeys(map(stimuli_of, models))),
        "metamers": [path for model in models for path in metamers_of(model)],
        "acceptance": [f"results/<run>/acceptance/{model}.nc" for model in models],
        "recognition": [path for model in models for path in recognition_of(model)],
        "published": [
            "results/<run>/comparison/humans_vs_models.nc",
            committed(f"{TABLES_FOLDER}/participant_variance.csv"),
        ],
        "weights": list(
            dict.fromkeys([*files_of_models(models), *files_of_recognition_models(plan.recognition_models)])
        ),
    }


def frozen_params():
    """Parameters of both rules: the settings and versions on which the prediction depends."""
    names = list(dict.fromkeys([*plan.generation_models, *plan.recognition_models]))
    return {
        "kinds": list(frozen_inputs()),
        "settings": recorded_settings(config),
        "entries": recorded_entries(plan, names, plan.stimuli),
        "versions": versions_now,
    }


def versions_now(_wildcards):
    """Parameter: the versions of the program, of the code of the steps, and of the page that participants are shown."""
    entries = entries_of([*plan.generation_models, *plan.recognition_models])
    versions = recorded_versions(SCRIPTS, ["preregister"], entries)
    # Of scoring the module alone, because its script also draws the figure of the report.
    versions["code"]["metamers.preregister.score"] = code_version(PACKAGE / "preregister" / "score.py")
    return versions | {"page": {path.name: data_version(path) for path in PAGE_FILES}}


def answers_now(_wildcards):
    """Parameter: the files of answers of all groups of own participants that exist now."""
    found = []
    for name in plan.participants:
        try:
            found += plan.answers_of(name)
        except ConfigurationError:
            continue  # there are no answers yet
    return found


def check_frozen_place(_wildcards):
    """Input function: adds no file; fails before the first job if the prediction cannot be written."""
    try:
        check_frozen_folder(FROZEN_FILE)
    except OSError as error:
        raise WorkflowError(str(error)) from None
    return []


# Without output, because Snakemake would delete an output before it makes it again. The script never replaces the file.
rule preregister:
    input:
        required("preregister"),
        check_frozen_place,
        **frozen_inputs(),
        predicted="results/<run>/comparison/predicted_human.nc",
        recognizability="results/<run>/comparison/recognizability.nc",
        relation="results/<run>/comparison/humans_vs_models.nc",
        variance=committed(f"{TABLES_FOLDER}/participant_variance.csv"),
        depths=local(resolve_path("resources/published/stage_depth.csv")),
        builders=builders_of(plan.generation_models),  # networks are built to count their layers
    log:
        "results/<run>/logs/preregister.log",
    params:
        **step("preregister"),
        **frozen_params(),
        file=FROZEN_FILE,
        answers=answers_now,
        expected=plan.settings.preregistration.expected,
        models={
            model: {"modality": modality_of(model), "categories": number_of_categories(model)}
            for model in plan.generation_models
        },
        architectures={model: architecture(model) for model in plan.generation_models},
    resources:
        **needs("preregister", workload.in_memory(plan.generation_models)),
    conda:
        ENVIRONMENT
    message:
        f"Freezing the predicted human recognition in {FROZEN_FILE}"
    script:
        SCRIPTS / "preregister.py"


def existing_prediction(_wildcards):
    """Input function: the frozen prediction, which no rule makes."""
    if not os.path.isfile(FROZEN_FILE):
        raise ConfigurationError(
            f"preregistration.file: there is no frozen prediction {FROZEN_FILE}; `snakemake preregister` "
            "freezes one; call it before participants answer"
        )
    return local(FROZEN_FILE)


rule preregister_score:
    input:
        **frozen_inputs(),
        frozen=existing_prediction,
        own_participants=OWN_PARTICIPANTS,
        answers=lambda _: [path for name in plan.own_participants for path in answers_of(name)],
    output:
        netcdf="results/<run>/comparison/preregistered.nc",
        figure=report(
            "results/<run>/report/figures/preregistered.svg",
            caption="../report/preregistered.rst",
            category="Own participants",
        ),
    log:
        "results/<run>/logs/preregister_score.log",
    benchmark:
        "results/<run>/benchmarks/preregister_score.tsv"
    params:
        **step("preregister/score"),
        **frozen_params(),
        run_seed=plan.settings.seed,
    resources:
        **needs("preregister_score"),
    conda:
        ENVIRONMENT
    message:
        "Scoring the frozen prediction of human recognition"
    script:
        SCRIPTS / "preregister/score.py"
