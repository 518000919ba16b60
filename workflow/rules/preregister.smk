"""Preregistration: the predicted human recognition, frozen before people answer, and scored when there are answers."""


include: "common/preregister.smk"


FROZEN = plan.preregistration.file
# A frozen prediction is scored as soon as there are own participants.
SCORED = ["results/<run>/comparison/preregistered.nc"] if OWN_PARTICIPANTS and os.path.isfile(FROZEN) else []
FROM_OWN_PARTICIPANTS += SCORED


# Without output, because Snakemake would delete an output before it makes it again. The script never replaces the file.
rule preregister:
    input:
        required("preregister"),
        **frozen_inputs(),
        predicted="results/<run>/comparison/predicted_human.nc",
        recognizability="results/<run>/comparison/recognizability.nc",
        relation="results/<run>/comparison/humans_vs_models.nc",
        variance=f"{PUBLISHED}/participant_variance.csv",
        depths=resolve_path("resources/published/stage_depth.csv"),
        builders=builders_of(plan.generation_models),  # networks are built to count their layers
    params:
        **frozen_params(),
        file=FROZEN,
        answers=answers_now,
        expected=plan.preregistration.expected,
        models={
            model: {"modality": modality_of(model), "categories": number_of_categories(plan.dataset_of[model])}
            for model in plan.generation_models
        },
        architectures={model: architecture(model) for model in plan.generation_models},
    resources:
        mem_mb=memory_of_model,
    message:
        f"Freezing the predicted human recognition in {FROZEN}"
    script:
        SCRIPTS / "preregister.py"


rule preregister_score:
    input:
        **frozen_inputs(),
        frozen=existing_prediction,
        own_participants=OWN_PARTICIPANTS,
        answers=answers_of_all_groups,
    output:
        netcdf="results/<run>/comparison/preregistered.nc",
        figure=report(
            "results/<run>/report/figures/preregistered.svg",
            caption="../report/preregistered.rst",
            category="Own participants",
        ),
    params:
        **frozen_params(),
        run_seed=plan.seed,
    message:
        "Scoring the frozen prediction of human recognition"
    script:
        SCRIPTS / "preregister/score.py"
