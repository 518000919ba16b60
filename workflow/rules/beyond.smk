"""Extensions: metamers of several models, controversial stimuli, other starts, invariance, sensitivity, metamer sets."""


include: "common/beyond.smk"


SETS = plan.beyond.sets
# By modality: the sets, the models with metamers from other starts, and the recognition models.
SETS_OF = {made.modality: [] for made in SETS.values()}
STARTED = {}
for name, made in SETS.items():
    SETS_OF[made.modality].append(name)
    if made.part == "starts":
        STARTED.setdefault(made.modality, []).extend(made.members)
BEYOND_RECOGNITION_MODELS = plan.beyond.recognition_models
REFERENCES = {
    "ensemble": "Boehm, Mueller, Loeffler, Schwinn, Eskofier & Zanca (2025). Understanding cross-model perceptual "
    "invariances through ensemble metamers. arXiv:2504.01739",
    "controversial": "Golan, Raju & Kriegeskorte (2020). Controversial stimuli: pitting neural networks against each "
    "other as models of human cognition. PNAS 117, 29330-29337. doi:10.1073/pnas.1912334117",
    "starts": "Feather, Leclerc, Mądry & McDermott (2023). Model metamers reveal divergent invariances between biological "
    "and artificial neural networks. Nature Neuroscience 26, 2017-2034. doi:10.1038/s41593-023-01442-0",
    "sensitivity": "Berardino, Ballé, Laparra & Simoncelli (2017). Eigen-distortions of hierarchical representations. "
    "arXiv:1710.02266. Feather, Lipshutz, Harvey, Williams & Simoncelli (2025). Discriminating image representations "
    "with principal distortions. ICLR. arXiv:2410.15433",
    "metamer_sets": "Halko, Martinsson & Tropp (2011). Finding structure with randomness: probabilistic algorithms for "
    "constructing approximate matrix decompositions. SIAM Review 53, 217-288. doi:10.1137/090771806. Ubaru, Chen & Saad "
    "(2017). Fast estimation of tr(f(A)) via stochastic Lanczos quadrature. SIAM Journal on Matrix Analysis and "
    "Applications 38, 1075-1099. doi:10.1137/16M1104974",
}
# The files of the report's page, by kind.
BEYOND_FILES = {
    kind: [f"results/<run>/beyond/{kind}/{modality}.nc" for modality in SETS_OF if f"{kind}_{modality}" in SETS]
    for kind in ("ensemble", "controversial")
} | {
    "starts": [f"results/<run>/beyond/starts/{modality}.nc" for modality in STARTED],
    "invariance": [f"results/<run>/beyond/invariance/{model}.nc" for models in STARTED.values() for model in models],
}
BEYOND_FIGURES = [
    f"{kind}_{modality}"
    for kind in ("ensemble", "controversial", "starts", "invariance")
    for modality in SETS_OF
    if f"{kind}_{modality}" in SETS or (kind in ("starts", "invariance") and modality in STARTED)
]

SENSITIVITY = plan.beyond.sensitivity
# Generation model → the metamer sets of its modality.
METAMER_SETS = {model: sets for sets in plan.beyond.metamer_sets.values() for model in sets.generation_models}

STARTED_MODELS = lookup("{beyond_modality}", within=STARTED)
DISTORTED_MODELS = lookup("{sensed_modality}", within={key: one.generation_models for key, one in SENSITIVITY.items()})


wildcard_constraints:
    beyond_set=one_of(SETS),
    beyond_modality=one_of(SETS_OF),
    started_model=one_of(model for models in STARTED.values() for model in models),
    sensed_modality=one_of(SENSITIVITY),
    explored_model=one_of(METAMER_SETS),


rule beyond_synthesize:
    input:
        models=by("beyond_set", files_of_set),
        stimuli=by("beyond_set", stimuli_of, first_member),
        categories=by("beyond_set", categories_of, first_member),
    output:
        "results/<run>/beyond/synthesis/{beyond_set}.nc",
    params:
        **answer_params("beyond_set", first_member),
        code=code_of("beyond_set", entries_of, members_of_set),
        set=lookup("{beyond_set}", within=parameters_of(SETS)),
        entries=by("beyond_set", recognition_params, members_of_set),
        seeds=plan.synthesis.seeds,
        run_seed=plan.seed,
        quality=plan.synthesis.quality,
        settings=by("beyond_set", plan.synthesis_of, first_member),
        target_errors=by("beyond_set", target_errors_of_set),
        references=by("beyond_set", references_of_set),
        progress=f"{PROGRESS}/beyond_synthesize/{{beyond_set}}",
    # One thread, as for synthesis: the numbers do not depend on --cores.
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Synthesizing metamers of the extensions: {wildcards.beyond_set}"
    script:
        SCRIPTS / "beyond/synthesize.py"


rule beyond_measure:
    input:
        models=by("beyond_set", files_of_set),
        stimuli=by("beyond_set", stimuli_of, first_member),
        categories=by("beyond_set", categories_of, first_member),
        synthesis=rules.beyond_synthesize.output,
    output:
        "results/<run>/beyond/metamers/{beyond_set}.nc",
    params:
        **answer_params("beyond_set", first_member),
        code=code_of("beyond_set", entries_of, members_of_set),
        set=lookup("{beyond_set}", within=parameters_of(SETS)),
        entries=by("beyond_set", recognition_params, members_of_set),
        target_errors=by("beyond_set", target_errors_of_set),
        references=by("beyond_set", references_of_set),
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Measuring metamers of the extensions: {wildcards.beyond_set}"
    script:
        SCRIPTS / "beyond/measure.py"


for modality, sets in SETS_OF.items():
    recognition_models = BEYOND_RECOGNITION_MODELS[modality]

    rule:
        name:
            f"beyond_recognize_{modality}"
        input:
            metamers=[f"results/<run>/beyond/synthesis/{beyond_set}.nc" for beyond_set in sets],
            models=files_of_models(recognition_models),
            categories=categories_of(recognition_models[0]),
        output:
            [f"results/<run>/beyond/recognition/{beyond_set}.nc" for beyond_set in sets],
        log:
            f"results/<run>/logs/beyond_recognize/{modality}.log",
        benchmark:
            f"results/<run>/benchmarks/beyond_recognize/{modality}.tsv"
        params:
            dataset=plan.dataset_of[recognition_models[0]],
            dataset_entry=dataset_params(recognition_models[0]),
            code=code_of_models(recognition_models),
            recognition_models=recognition_params(recognition_models),
        resources:
            mem_mb=memory_of_model,
            runtime=scaled_by_attempt(60 * len(recognition_models)),
            gpu=gpus(),
        message:
            f"Recognizing the metamers of the extensions ({modality})"
        script:
            SCRIPTS / "beyond/recognize.py"


rule beyond_ensemble:
    input:
        metamers="results/<run>/beyond/metamers/ensemble_{beyond_modality}.nc",
        recognition="results/<run>/beyond/recognition/ensemble_{beyond_modality}.nc",
        nulls=of_members("nulls", "ensemble"),
        # The run's own metamers of each member alone.
        acceptance=of_members("acceptance", "ensemble"),
        run=recognition_in_run(members_in("ensemble")),
    output:
        "results/<run>/beyond/ensemble/{beyond_modality}.nc",
    params:
        measures=plan.acceptance.measures,
        converged=plan.acceptance.converged,
        members=members_in("ensemble"),
        recognition_models=lookup("{beyond_modality}", within=BEYOND_RECOGNITION_MODELS),
        families=plan.families,
        references=REFERENCES["ensemble"],
    message:
        "Comparing metamers of several models at once with metamers of single models ({wildcards.beyond_modality})"
    script:
        SCRIPTS / "beyond/ensemble.py"


rule beyond_controversial:
    input:
        metamers="results/<run>/beyond/metamers/controversial_{beyond_modality}.nc",
        recognition="results/<run>/beyond/recognition/controversial_{beyond_modality}.nc",
        nulls=of_members("nulls", "controversial"),
    output:
        "results/<run>/beyond/controversial/{beyond_modality}.nc",
    params:
        measures=plan.acceptance.measures,
        converged=plan.acceptance.converged,
        members=members_in("controversial"),
        recognition_models=lookup("{beyond_modality}", within=BEYOND_RECOGNITION_MODELS),
        families=plan.families,
        references=REFERENCES["controversial"],
    message:
        "Comparing recognition models' answers to controversial metamers ({wildcards.beyond_modality})"
    script:
        SCRIPTS / "beyond/controversial.py"


rule beyond_starts:
    input:
        metamers=collect("results/<run>/beyond/metamers/starts_{model}.nc", model=STARTED_MODELS),
        recognition=collect("results/<run>/beyond/recognition/starts_{model}.nc", model=STARTED_MODELS),
        nulls=collect("results/<run>/nulls/{model}.nc", model=STARTED_MODELS),
        acceptance=collect("results/<run>/acceptance/{model}.nc", model=STARTED_MODELS),
        run=recognition_in_run(STARTED_MODELS),
    output:
        "results/<run>/beyond/starts/{beyond_modality}.nc",
    params:
        measures=plan.acceptance.measures,
        converged=plan.acceptance.converged,
        models=STARTED_MODELS,
        recognition_models=lookup("{beyond_modality}", within=BEYOND_RECOGNITION_MODELS),
        families=plan.families,
    message:
        "Comparing metamers from different starts ({wildcards.beyond_modality})"
    script:
        SCRIPTS / "beyond/starts.py"


rule beyond_invariance:
    input:
        unpack(model_files("started_model")),
        stimuli=by("started_model", stimuli_of),
        metamers="results/<run>/beyond/metamers/starts_{started_model}.nc",
        # The run's own, at the stage of each depth.
        run=metamers_compared_with_starts,
    output:
        "results/<run>/beyond/invariance/{started_model}.nc",
    params:
        **model_params("started_model"),
        code=code_of("started_model", entry_of),
        batches=by("started_model", len, plan.batches.__getitem__),
        # The stimuli that metamers are made from.
        shown=by("started_model", plan.stimuli_of),
        seeds=plan.synthesis.seeds,
        run_seed=plan.seed,
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Measuring the invariance at stages of {wildcards.started_model}"
    script:
        SCRIPTS / "beyond/invariance.py"


rule beyond_sensitivity:
    input:
        models=by("sensed_modality", files_of_models, sensing_models),
        stimuli=by("sensed_modality", stimuli_of, first_sensing_model),
    output:
        "results/<run>/beyond/sensitivity/{sensed_modality}.nc",
    params:
        code=code_of("sensed_modality", entries_of, sensing_models),
        entries=by("sensed_modality", recognition_params, sensing_models),
        distortions=lookup("{sensed_modality}", within=parameters_of(SENSITIVITY)),
        references=REFERENCES["sensitivity"],
        run_seed=plan.seed,
    # One thread, as for synthesis: the numbers do not depend on --cores.
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Finding the distortions to which models are most and least sensitive ({wildcards.sensed_modality})"
    script:
        SCRIPTS / "beyond/sensitivity.py"


rule beyond_agreement:
    input:
        sensitivity="results/<run>/beyond/sensitivity/{sensed_modality}.nc",
        acceptance=collect("results/<run>/acceptance/{model}.nc", model=DISTORTED_MODELS),
        recognition=by("sensed_modality", recognition_of_distorted),
    output:
        "results/<run>/beyond/agreement/{sensed_modality}.nc",
    params:
        recognition_models=by("sensed_modality", judges_of_distorted),
        families=plan.families,
        run_seed=plan.seed,
    message:
        "Comparing agreement of sensitivities with recognition of metamers ({wildcards.sensed_modality})"
    script:
        SCRIPTS / "beyond/agreement.py"


rule beyond_export:
    input:
        "results/<run>/beyond/sensitivity/{sensed_modality}.nc",
    output:
        directory("results/<run>/exported/distortions/{sensed_modality}"),
    params:
        length=by("sensed_modality", length_of_distortions),
    message:
        "Exporting the distortions to which models are most and least sensitive ({wildcards.sensed_modality})"
    script:
        SCRIPTS / "beyond/export.py"


rule beyond_metamer_sets:
    input:
        models=by("explored_model", files_of_models, models_of_explored),
        stimuli=by("explored_model", stimuli_of),
        categories=by("explored_model", categories_of),
        # The match of the run's own metamers is that of the two most different ones.
        acceptance="results/<run>/acceptance/{explored_model}.nc",
    output:
        "results/<run>/beyond/metamer_sets/{explored_model}.nc",
    params:
        **answer_params("explored_model"),
        code=code_of("explored_model", entries_of, models_of_explored),
        entries=by("explored_model", recognition_params, models_of_explored),
        explored=by("explored_model", explored_sets),
        settings=by("explored_model", quick_settings),
        # Natural stimuli whose distances are the unit.
        shown=by("explored_model", plan.stimuli_of),
        references=REFERENCES["metamer_sets"],
        seeds=plan.synthesis.seeds,
        run_seed=plan.seed,
    # One thread, as for synthesis: the numbers do not depend on --cores.
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Exploring the sets of metamers of {wildcards.explored_model}"
    script:
        SCRIPTS / "beyond/metamer_sets.py"
