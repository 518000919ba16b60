"""Human data: answers of published participants, or the committed table of their group results; own participants."""

from metamers.plan.precomputed import precomputed_files, published_settings

PARTICIPANTS = plan.settings.human_data == "participants"
EXPERIMENTS = [f"results/<run>/humans/{experiment}.nc" for experiment in plan.published.experiments]
# With `human_data: participants` the run itself makes the tables of resources/published.
TABLES_FOLDER = "results/<run>/humans" if PARTICIPANTS else resolve_path("resources/published")
TABLE_SOURCES = (
    [*EXPERIMENTS, *(local(f"{RESOURCES}/recognition_models/{modality}") for modality in plan.published.judgements)]
    if PARTICIPANTS
    else []
)
PRECOMPUTED = precomputed_files(plan)
PUBLISHED_SETTINGS = published_settings(plan)
HUMANS = [
    "results/<run>/comparison/humans_vs_models.nc",
    *([*EXPERIMENTS, "results/<run>/comparison/anova.nc"] if PARTICIPANTS else []),
]
OWN_PARTICIPANTS = [f"results/<run>/humans/{name}.nc" for name in plan.own_participants]
ADAPTIVE_PARTICIPANTS = [f"results/<run>/humans/adaptive/{name}.nc" for name in plan.adaptive_participants]


def precomputed(*names):
    """Files of a result that the package has computed before, if this run would compute the same."""
    return [local(str(PRECOMPUTED[name])) for name in names if name in PRECOMPUTED]


def answers_of(name):
    """The files with the answers of a group of own participants."""
    return local(plan.answers_of(name))


def shown_to(name):
    """Generation models whose metamers own participants were shown, with the stages."""
    return plan.participants[name].stages


def recognizing_shown_to(name):
    """Those of these generation models that recognize their own metamers."""
    return [model for model in shown_to(name) if model in plan.recognition_models]


def first_shown_to(name):
    """The first of these generation models, whose dataset own participants were shown."""
    return next(iter(shown_to(name)))


def modality_shown_to(name):
    """The modality of the stimuli that own participants were shown."""
    return plan.participants[name].modality


def design_of(name):
    """What own participants were shown: the design of the run's experiment, or a file made from their table."""
    if plan.participants[name].format == "table":
        return f"results/<run>/humans/shown/{name}.nc"
    return f"results/<run>/experiment/{plan.participants[name].modality}.nc"


rule humans_participants:
    input:
        local(f"{RESOURCES}/experiments/{{experiment}}"),
    output:
        "results/<run>/humans/{experiment}.nc",
    log:
        "results/<run>/logs/humans_participants/{experiment}.log",
    benchmark:
        "results/<run>/benchmarks/humans_participants/{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(plan.published.experiments),
    params:
        **step("humans/participants"),
        experiment=lookup("{experiment}", within=parameters_of(plan.published.experiments)),
    resources:
        **needs("humans_participants"),
    conda:
        ENVIRONMENT
    message:
        "Reading the published participants of {wildcards.experiment}"
    script:
        SCRIPTS / "humans/participants.py"


rule humans_summary:
    input:
        experiments=EXPERIMENTS,
        recognition_models=[
            local(f"{RESOURCES}/recognition_models/{modality}") for modality in plan.published.judgements
        ],
    output:
        groups="results/<run>/humans/group_results.csv",
        ceilings="results/<run>/humans/noise_ceiling.csv",
        variance="results/<run>/humans/participant_variance.csv",
        natural_difference="results/<run>/humans/natural_difference.csv",
        natural_variance="results/<run>/humans/natural_variance.csv",
        recognition="results/<run>/humans/recognition_models.csv",
    log:
        "results/<run>/logs/humans_summary.log",
    benchmark:
        "results/<run>/benchmarks/humans_summary.tsv"
    params:
        **step("humans/summary"),
        families={entry.published_as: entry.family for entry in plan.models.values() if entry.published_as},
        modalities={name: entry.modality for name, entry in plan.published.experiments.items()},
        recognition_models=parameters_of(plan.published.judgements),
    resources:
        **needs("humans_summary"),
    conda:
        ENVIRONMENT
    message:
        "Summarizing the published experiments by group"
    script:
        SCRIPTS / "humans/summary.py"


rule humans_own_participants:
    input:
        design=by("own_participants", design_of),
        answers=by("own_participants", answers_of),
        recognition=collect(
            "results/<run>/recognition/{model}/{model}.nc", model=by("own_participants", recognizing_shown_to)
        ),
        categories=by("own_participants", categories_of, first_shown_to),
    output:
        "results/<run>/humans/{own_participants}.nc",
    log:
        "results/<run>/logs/humans_own_participants/{own_participants}.log",
    benchmark:
        "results/<run>/benchmarks/humans_own_participants/{own_participants}.tsv"
    wildcard_constraints:
        own_participants=one_of(name for name, group in plan.own_participants.items() if group.format == "experiment"),
    params:
        **step("humans/own_participants"),
        **answer_params("own_participants", first_shown_to),
        stages=by("own_participants", shown_to),
        at_least=by("own_participants", plan.settings.experiment.trials_required, modality_shown_to),
    resources:
        **needs("humans_own_participants"),
    conda:
        ENVIRONMENT
    message:
        "Reading the answers of own participants: {wildcards.own_participants}"
    script:
        SCRIPTS / "humans/own_participants.py"


rule humans_answer_table:
    input:
        answers=by("own_participants", answers_of),
        stimuli=by("own_participants", stimuli_of, first_shown_to),
        recognition=collect(
            "results/<run>/recognition/{model}/{model}.nc", model=by("own_participants", recognizing_shown_to)
        ),
        categories=by("own_participants", categories_of, first_shown_to),
    output:
        answers="results/<run>/humans/{own_participants}.nc",
        shown="results/<run>/humans/shown/{own_participants}.nc",
    log:
        "results/<run>/logs/humans_answer_table/{own_participants}.log",
    benchmark:
        "results/<run>/benchmarks/humans_answer_table/{own_participants}.tsv"
    wildcard_constraints:
        own_participants=one_of(name for name, group in plan.own_participants.items() if group.format == "table"),
    params:
        **step("humans/answer_table"),
        **answer_params("own_participants", first_shown_to),
        columns=lambda wildcards: plan.participants[wildcards.own_participants].columns,
        stages=by("own_participants", shown_to),
        valid_stages=by("own_participants", plan.models_judged_by),
        seeds=plan.settings.synthesis.seeds,
    resources:
        **needs("humans_answer_table"),
    conda:
        ENVIRONMENT
    message:
        "Reading the table of answers of own participants: {wildcards.own_participants}"
    script:
        SCRIPTS / "humans/answer_table.py"


rule humans_adaptive:
    input:
        design=by("adaptive_participants", design_of),
        answers=by("adaptive_participants", answers_of),
        categories=by("adaptive_participants", categories_of, first_shown_to),
    output:
        "results/<run>/humans/adaptive/{adaptive_participants}.nc",
    log:
        "results/<run>/logs/humans_adaptive/{adaptive_participants}.log",
    benchmark:
        "results/<run>/benchmarks/humans_adaptive/{adaptive_participants}.tsv"
    wildcard_constraints:
        adaptive_participants=one_of(plan.adaptive_participants),
    params:
        **step("humans/adaptive"),
        **answer_params("adaptive_participants", first_shown_to),
        at_least=by("adaptive_participants", plan.settings.experiment.trials_required, modality_shown_to),
    resources:
        **needs("humans_adaptive"),
    conda:
        ENVIRONMENT
    message:
        "Reading the answers of an adaptive experiment: {wildcards.adaptive_participants}"
    script:
        SCRIPTS / "humans/adaptive.py"


rule humans_bids:
    input:
        design=by("own_participants", design_of),
        answers=by("own_participants", answers_of),
        categories=by("own_participants", categories_of, first_shown_to),
    output:
        directory("results/<run>/humans/bids/{own_participants}"),
    log:
        "results/<run>/logs/humans_bids/{own_participants}.log",
    benchmark:
        "results/<run>/benchmarks/humans_bids/{own_participants}.tsv"
    wildcard_constraints:
        own_participants=one_of(plan.participants),
    params:
        **step("humans/bids"),
        **answer_params("own_participants", first_shown_to),
        format=lambda wildcards: plan.participants[wildcards.own_participants].format,
        columns=lambda wildcards: plan.participants[wildcards.own_participants].columns,
        stages=by("own_participants", shown_to),
        valid_stages=by("own_participants", plan.models_judged_by),
        seeds=plan.settings.synthesis.seeds,
        modality=by("own_participants", modality_shown_to),
        at_least=by("own_participants", plan.settings.experiment.trials_required, modality_shown_to),
    resources:
        **needs("humans_bids"),
    conda:
        ENVIRONMENT
    message:
        "Writing the answers of own participants as BIDS: {wildcards.own_participants}"
    script:
        SCRIPTS / "humans/bids.py"


rule bids:
    input:
        required("bids"),
        [f"results/<run>/humans/bids/{name}" for name in plan.participants],
