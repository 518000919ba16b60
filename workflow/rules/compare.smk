"""Comparison: recognizability of the run's metamers, participants against models, and predicted human recognition."""

# Generation model → stage → normalized error at which the stage has converged.
TARGETS = {
    model: {stage: error for stage in stages if (error := plan.target_of(model, stage)) is not None}
    for model, stages in plan.generation_models.items()
}


# Without published participants, whose data would have to be retrieved, only own participants are tested.
TESTED = [*(EXPERIMENTS if PARTICIPANTS or not OWN_PARTICIPANTS else []), *OWN_PARTICIPANTS]
COMPARED = plan.compared_modalities
FROM_OWN_PARTICIPANTS = [
    *(["results/<run>/comparison/anova.nc"] if OWN_PARTICIPANTS else []),
    *(["results/<run>/comparison/own_participants_vs_models.nc"] if COMPARED else []),
    *(["results/<run>/comparison/own_participants_consistency.nc"] if OWN_PARTICIPANTS else []),
]
CONTRASTS = plan.sides_of_contrasts
# Generation models that are in a contrast, each once.
CONTRASTED = list(dict.fromkeys(network for pair in CONTRASTS for networks in pair for network in networks))
COMPARISON = [
    *(path for path in HUMANS if path.startswith("results/<run>/comparison/")),
    *(
        f"results/<run>/comparison/{name}.nc"
        for name in ("recognizability", "error_consistency", "predicted_human", "criterion")
        if plan.generation_models
    ),
    *("results/<run>/comparison/passes.nc", "results/<run>/comparison/power.nc"),
    *(["results/<run>/comparison/contrasts.nc"] if CONTRASTS else []),
]


rule compare_recognizability:
    input:
        acceptance=expand("results/<run>/acceptance/{model}.nc", model=plan.generation_models),
        recognition=[path for model in plan.generation_models for path in recognition_of(model)],
    output:
        "results/<run>/comparison/recognizability.nc",
    log:
        "results/<run>/logs/compare_recognizability.log",
    benchmark:
        "results/<run>/benchmarks/compare_recognizability.tsv"
    params:
        **step("compare/recognizability"),
        families=plan.families,
        modalities=plan.concluded,
        targets=TARGETS,
        guessing={model: 1 / number_of_categories(model) for model in plan.generation_models},
    resources:
        **needs(
            "compare_recognizability",
            Work(items=sum(map(len, map(plan.recognition_models_of, plan.generation_models)))),
        ),
    conda:
        ENVIRONMENT
    message:
        "Computing the recognizability of metamers by other models"
    script:
        SCRIPTS / "compare/recognizability.py"


rule compare_criterion:
    input:
        **dict(rules.compare_recognizability.input.items()),
    output:
        "results/<run>/comparison/criterion.nc",
    log:
        "results/<run>/logs/compare_criterion.log",
    benchmark:
        "results/<run>/benchmarks/compare_criterion.tsv"
    params:
        **step("compare/criterion"),
        families=plan.families,
        modalities=plan.concluded,
        targets=TARGETS,
        contrasts=CONTRASTS,
        retrained=[model for model in plan.concluded if len(plan.retrained(model)) > 1],
    resources:
        **needs("compare_criterion"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the conclusions again from metamers with a closer match"
    script:
        SCRIPTS / "compare/criterion.py"


rule compare_error_consistency:
    input:
        acceptance=expand("results/<run>/acceptance/{model}.nc", model=plan.generation_models),
        recognition=[path for model in plan.generation_models for path in recognition_of(model)],
    output:
        "results/<run>/comparison/error_consistency.nc",
    log:
        "results/<run>/logs/compare_error_consistency.log",
    benchmark:
        "results/<run>/benchmarks/compare_error_consistency.tsv"
    params:
        **step("compare/error_consistency"),
        families=plan.families,
    resources:
        **needs(
            "compare_error_consistency",
            Work(items=sum(map(len, map(plan.recognition_models_of, plan.generation_models)))),
        ),
    conda:
        ENVIRONMENT
    message:
        "Comparing the errors of recognition models"
    script:
        SCRIPTS / "compare/error_consistency.py"


rule compare_contrasts:
    input:
        acceptance=expand("results/<run>/acceptance/{model}.nc", model=CONTRASTED),
        recognition=[path for model in CONTRASTED for path in recognition_of(model)],
    output:
        "results/<run>/comparison/contrasts.nc",
    log:
        "results/<run>/logs/compare_contrasts.log",
    benchmark:
        "results/<run>/benchmarks/compare_contrasts.tsv"
    params:
        **step("compare/contrasts"),
        contrasts=CONTRASTS,
        families=plan.families,
        targets={model: TARGETS[model] for model in CONTRASTED},
    resources:
        **needs("compare_contrasts"),
    conda:
        ENVIRONMENT
    message:
        "Comparing the recognizability of differently trained models' metamers"
    script:
        SCRIPTS / "compare/contrasts.py"


rule compare_humans_vs_models:
    input:
        groups=committed(f"{TABLES_FOLDER}/group_results.csv"),
        ceilings=committed(f"{TABLES_FOLDER}/noise_ceiling.csv"),
        recognition=committed(f"{TABLES_FOLDER}/recognition_models.csv"),
        precomputed=precomputed("humans_vs_models.nc"),
        sources=TABLE_SOURCES,  # not read: the sources of the tables, for the record of inputs
    output:
        "results/<run>/comparison/humans_vs_models.nc",
    log:
        "results/<run>/logs/compare_humans_vs_models.log",
    benchmark:
        "results/<run>/benchmarks/compare_humans_vs_models.tsv"
    params:
        **step("compare/humans_vs_models"),
        **PUBLISHED_SETTINGS["humans_vs_models"],
    resources:
        **needs("compare_humans_vs_models"),
    conda:
        ENVIRONMENT
    message:
        "Comparing participants with models in the published data"
    script:
        SCRIPTS / "compare/humans_vs_models.py"


def designs_of_modality(modality):
    """What the groups of own participants of a modality were shown, each file once."""
    names = [name for name, group in plan.own_participants.items() if group.modality == modality]
    return list(dict.fromkeys(map(design_of, names)))


rule compare_own_participants_vs_models:
    input:
        own_participants=[
            f"results/<run>/humans/{name}.nc"
            for name in plan.own_participants
            if plan.own_participants[name].modality in COMPARED
        ],
        designs=[path for modality in COMPARED for path in designs_of_modality(modality)],
        recognition=[
            path for modality in COMPARED for model in plan.judged_stages[modality] for path in recognition_of(model)
        ],
    output:
        "results/<run>/comparison/own_participants_vs_models.nc",
    log:
        "results/<run>/logs/compare_own_participants_vs_models.log",
    benchmark:
        "results/<run>/benchmarks/compare_own_participants_vs_models.tsv"
    params:
        **step("compare/own_participants_vs_models"),
        modalities={name: entry.modality for name, entry in plan.own_participants.items()},
        stages=plan.judged_stages,
        design_modalities=[modality for modality in COMPARED for _ in designs_of_modality(modality)],
    resources:
        **needs("compare_own_participants_vs_models"),
    conda:
        ENVIRONMENT
    message:
        "Comparing own participants with models"
    script:
        SCRIPTS / "compare/own_participants_vs_models.py"


rule compare_own_participants_consistency:
    input:
        answers=OWN_PARTICIPANTS,
        designs=[design_of(name) for name in plan.own_participants],
        recognition=[
            path for judged in plan.judged_stages.values() for model in judged for path in recognition_of(model)
        ],
    output:
        "results/<run>/comparison/own_participants_consistency.nc",
    log:
        "results/<run>/logs/compare_own_participants_consistency.log",
    benchmark:
        "results/<run>/benchmarks/compare_own_participants_consistency.tsv"
    params:
        **step("compare/own_participants_consistency"),
        stages={model: stages for judged in plan.judged_stages.values() for model, stages in judged.items()},
    resources:
        **needs("compare_own_participants_consistency"),
    conda:
        ENVIRONMENT
    message:
        "Comparing the errors of own participants and of models"
    script:
        SCRIPTS / "compare/own_participants_consistency.py"


def of_tested(entries, tested):
    """The entries of experiments whose files are tested."""
    return {name: entry for name, entry in entries.items() if f"results/<run>/humans/{name}.nc" in tested}


rule compare_anova:
    input:
        TESTED,
    output:
        "results/<run>/comparison/anova.nc",
    log:
        "results/<run>/logs/compare_anova.log",
    benchmark:
        "results/<run>/benchmarks/compare_anova.tsv"
    params:
        **step("compare/anova"),
        comparisons=of_tested(plan.published.comparisons | plan.own_comparisons, TESTED),
        stage_effects=of_tested(plan.published.stage_effects | plan.own_stage_effects, TESTED),
        own=list(plan.own_participants),
        permutations=plan.settings.comparison.permutations,
        run_seed=plan.settings.seed,
    resources:
        **needs("compare_anova"),
    conda:
        ENVIRONMENT
    message:
        "Testing human against model, model against model, and stages in every experiment"
    script:
        SCRIPTS / "compare/anova.py"


rule compare_passes:
    input:
        differences=committed(f"{TABLES_FOLDER}/natural_difference.csv"),
        variance=committed(f"{TABLES_FOLDER}/natural_variance.csv"),
        depths=local(resolve_path("resources/published/stage_depth.csv")),
        precomputed=precomputed("passes.nc"),
        sources=TABLE_SOURCES,  # not read: the sources of the tables, for the record of inputs
    output:
        "results/<run>/comparison/passes.nc",
    log:
        "results/<run>/logs/compare_passes.log",
    benchmark:
        "results/<run>/benchmarks/compare_passes.tsv"
    params:
        **step("compare/passes"),
        **PUBLISHED_SETTINGS["passes"],
    resources:
        **needs("compare_passes"),
    conda:
        ENVIRONMENT
    message:
        "Testing whether participants recognize metamers as they do natural stimuli"
    script:
        SCRIPTS / "compare/passes.py"


rule compare_predicted_human:
    input:
        recognizability=rules.compare_recognizability.output[0],
        relation=rules.compare_humans_vs_models.output[0],
    output:
        "results/<run>/comparison/predicted_human.nc",
    log:
        "results/<run>/logs/compare_predicted_human.log",
    benchmark:
        "results/<run>/benchmarks/compare_predicted_human.tsv"
    params:
        **step("compare/predicted_human"),
        modalities={model: plan.models[model].modality for model in plan.generation_models},
        categories={model: number_of_categories(model) for model in plan.generation_models},
    resources:
        **needs("compare_predicted_human"),
    conda:
        ENVIRONMENT
    message:
        "Predicting human recognition of the metamers"
    script:
        SCRIPTS / "compare/predicted_human.py"
