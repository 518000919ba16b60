"""Extensions: metamers of several models, controversial stimuli, other starts, invariance, sensitivity, metamer sets."""

from metamers.synthesize.qualities import DRAFT_SETTINGS

SETS = plan.beyond.sets
# Set → the models that its metamers are matched to. The first one has their input size or sampling rate.
MEMBERS = {name: list(made.members) for name, made in SETS.items()}
# By modality: the sets, the models with metamers from other starts, and the recognition models.
SETS_OF = {
    modality: [name for name, made in SETS.items() if made.modality == modality]
    for modality in dict.fromkeys(made.modality for made in SETS.values())
}
STARTED = {
    modality: started
    for modality, sets in SETS_OF.items()
    if (started := [model for name in sets if SETS[name].part == "starts" for model in MEMBERS[name]])
}
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


def first_member(name):
    """The first model that a set of metamers is matched to."""
    return MEMBERS[name][0]


def target_errors_of_set(name):
    """Member → stage → the normalized error at which synthesis ends; null for none."""
    members = SETS[name].members
    return {model: {stage: plan.target_error_of(model, stage) for stage in members[model]} for model in members}


def references_of_set(name):
    """The paper that a set's method is from."""
    return REFERENCES[SETS[name].part]


def members_in(kind):
    """Parameter: the models that the set of a kind is matched to, in the modality of the wildcard."""
    return by("beyond_modality", lambda modality: MEMBERS[f"{kind}_{modality}"])


def of_members(folder, kind):
    """Input function: the run's files of the models that ``members_in`` gives."""
    return collect(f"results/<run>/{folder}/{{model}}.nc", model=members_in(kind))


def recognition_in_run(models):
    """Input function: what the recognition models of the extensions answer to the run's own metamers of some models."""
    return collect(
        "results/<run>/recognition/{model}/{recognition_model}.nc",
        model=models,
        recognition_model=lookup("{beyond_modality}", within=BEYOND_RECOGNITION_MODELS),
    )


def sensing_models(modality):
    """The models whose sensitivities are compared, in the order of the plan."""
    return list(SENSITIVITY[modality].stages)


def recognition_models_of_distorted(modality):
    """Generation model with distortions → the other recognition models of its metamers."""
    return {model: plan.other_recognition_models(model) for model in SENSITIVITY[modality].generation_models}


def explored_sets(model):
    """Parameter: what is found about the metamer sets of a model."""
    return METAMER_SETS[model].of_model(model)


def models_of_explored(model):
    """The model whose metamer sets are explored, then the other models of its modality."""
    return list(explored_sets(model)["stages"])


def metamers_of_set(name):
    """Number of metamers of a set."""
    made = SETS[name]
    return len(made.stimuli) * len(made.cases) * len(made.depths) * plan.settings.synthesis.seeds


def work_of_set(name):
    """The work of synthesizing a set."""
    return workload.synthesis(SETS[name].members, len(SETS[name].stimuli) * len(SETS[name].cases))


def work_of_measures(name):
    """The work of measuring a set."""
    return workload.forward_passes(MEMBERS[name], 4 * metamers_of_set(name))


def work_of_invariance(model):
    """The work of comparing the metamers of a model from other starts, by products with its Jacobian."""
    return workload.forward_passes([model], 20 * metamers_of_set(f"starts_{model}"))


def work_of_sensitivity(modality):
    """The work of finding distortions: each iteration has two products with the Jacobian of a stage."""
    one = SENSITIVITY[modality]
    return workload.forward_passes(one.stages, 4 * one.iterations * len(one.stimuli) * len(one.depths))


def work_of_metamer_sets(model):
    """The work of exploring metamer sets: steps of a search, and products with the Jacobian for the singular values."""
    one = METAMER_SETS[model]
    passes = 4 * (one.steps + 8 * one.singular_values) * len(one.stimuli) * len(one.depths)
    return workload.forward_passes([model], passes)


rule beyond_synthesize:
    input:
        models=by("beyond_set", files_of_models, MEMBERS.get),
        penalty=by("beyond_set", lambda models: penalty_files(*models), MEMBERS.get),
        stimuli=by("beyond_set", stimuli_of, first_member),
        categories=by("beyond_set", categories_of, first_member),
    output:
        "results/<run>/beyond/synthesis/{beyond_set}.nc",
    log:
        "results/<run>/logs/beyond_synthesize/{beyond_set}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_synthesize/{beyond_set}.tsv"
    params:
        **step("beyond/synthesize", by("beyond_set", lambda models: penalized_entries(*models), MEMBERS.get)),
        **answer_params("beyond_set", first_member),
        set=lookup("{beyond_set}", within=parameters_of(SETS)),
        entries=by("beyond_set", recognition_params, MEMBERS.get),
        seeds=plan.settings.synthesis.seeds,
        run_seed=plan.settings.seed,
        quality=plan.settings.synthesis.quality,
        settings=by("beyond_set", lambda models: plan.metamer_settings(*models), MEMBERS.get),
        target_errors=by("beyond_set", target_errors_of_set),
        references=by("beyond_set", references_of_set),
    # One thread, as for synthesis: the numbers do not depend on --cores.
    resources:
        **needs("beyond_synthesize", by("beyond_set", work_of_set), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Synthesizing metamers of the extensions: {wildcards.beyond_set}"
    script:
        SCRIPTS / "beyond/synthesize.py"


rule beyond_measure:
    input:
        models=by("beyond_set", files_of_models, MEMBERS.get),
        stimuli=by("beyond_set", stimuli_of, first_member),
        categories=by("beyond_set", categories_of, first_member),
        synthesis=rules.beyond_synthesize.output,
    output:
        "results/<run>/beyond/metamers/{beyond_set}.nc",
    log:
        "results/<run>/logs/beyond_measure/{beyond_set}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_measure/{beyond_set}.tsv"
    params:
        **step("beyond/measure", by("beyond_set", entries_of, MEMBERS.get)),
        **answer_params("beyond_set", first_member),
        set=lookup("{beyond_set}", within=parameters_of(SETS)),
        entries=by("beyond_set", recognition_params, MEMBERS.get),
        target_errors=by("beyond_set", target_errors_of_set),
        references=by("beyond_set", references_of_set),
    resources:
        **needs("beyond_measure", by("beyond_set", work_of_measures), gpus()),
    conda:
        ENVIRONMENT
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
            models=files_of_recognition_models(recognition_models),
            categories=categories_of(recognition_models[0]),
        output:
            [f"results/<run>/beyond/recognition/{beyond_set}.nc" for beyond_set in sets],
        log:
            f"results/<run>/logs/beyond_recognize/{modality}.log",
        benchmark:
            f"results/<run>/benchmarks/beyond_recognize/{modality}.tsv"
        params:
            **step("beyond/recognize", recognition_entries(recognition_models)),
            dataset=plan.dataset_of[recognition_models[0]],
            dataset_entry=dataset_params(recognition_models[0]),
            recognition_models=recognition_params(recognition_models),
        resources:
            **needs(
                "beyond_recognize",
                workload.forward_passes(recognition_models, sum(map(metamers_of_set, sets))),
                gpus(),
            ),
        conda:
            ENVIRONMENT
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
    log:
        "results/<run>/logs/beyond_ensemble/{beyond_modality}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_ensemble/{beyond_modality}.tsv"
    params:
        **step("beyond/ensemble"),
        measures=plan.settings.acceptance.measures,
        converged=plan.settings.acceptance.converged,
        recognition_models=lookup("{beyond_modality}", within=BEYOND_RECOGNITION_MODELS),
        families=plan.families,
        references=REFERENCES["ensemble"],
    resources:
        **needs("beyond_ensemble"),
    conda:
        ENVIRONMENT
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
    log:
        "results/<run>/logs/beyond_controversial/{beyond_modality}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_controversial/{beyond_modality}.tsv"
    params:
        **step("beyond/controversial"),
        measures=plan.settings.acceptance.measures,
        converged=plan.settings.acceptance.converged,
        recognition_models=lookup("{beyond_modality}", within=BEYOND_RECOGNITION_MODELS),
        families=plan.families,
        references=REFERENCES["controversial"],
    resources:
        **needs("beyond_controversial"),
    conda:
        ENVIRONMENT
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
    log:
        "results/<run>/logs/beyond_starts/{beyond_modality}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_starts/{beyond_modality}.tsv"
    params:
        **step("beyond/starts"),
        measures=plan.settings.acceptance.measures,
        converged=plan.settings.acceptance.converged,
        models=STARTED_MODELS,
        recognition_models=lookup("{beyond_modality}", within=BEYOND_RECOGNITION_MODELS),
        families=plan.families,
    resources:
        **needs("beyond_starts"),
    conda:
        ENVIRONMENT
    message:
        "Comparing metamers from different starts ({wildcards.beyond_modality})"
    script:
        SCRIPTS / "beyond/starts.py"


def metamers_compared_with_starts(wildcards):
    """Input function: the run's own metamers at the stages at which those from other starts are made."""
    model = wildcards.started_model
    stages = SETS[f"starts_{model}"].members[model]
    return [file for stage in stages for file in metamers_at(model, stage_path(stage))]


rule beyond_invariance:
    input:
        unpack(model_files("started_model")),
        stimuli=by("started_model", stimuli_of),
        metamers="results/<run>/beyond/metamers/starts_{started_model}.nc",
        # The run's own, at the stage of each depth.
        run=metamers_compared_with_starts,
    output:
        "results/<run>/beyond/invariance/{started_model}.nc",
    log:
        "results/<run>/logs/beyond_invariance/{started_model}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_invariance/{started_model}.tsv"
    params:
        **step("beyond/invariance", by("started_model", entry_of)),
        **model_params("started_model"),
        batches=by("started_model", len, plan.batches.__getitem__),
        # The stimuli that metamers are made from.
        shown=by("started_model", plan.stimuli_of),
        seeds=plan.settings.synthesis.seeds,
        run_seed=plan.settings.seed,
    resources:
        **needs("beyond_invariance", by("started_model", work_of_invariance), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Measuring the invariance at stages of {wildcards.started_model}"
    script:
        SCRIPTS / "beyond/invariance.py"


rule beyond_sensitivity:
    input:
        models=by("sensed_modality", files_of_models, sensing_models),
        stimuli=lambda wildcards: stimuli_of(sensing_models(wildcards.sensed_modality)[0]),
    output:
        "results/<run>/beyond/sensitivity/{sensed_modality}.nc",
    log:
        "results/<run>/logs/beyond_sensitivity/{sensed_modality}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_sensitivity/{sensed_modality}.tsv"
    params:
        **step("beyond/sensitivity", by("sensed_modality", entries_of, sensing_models)),
        entries=by("sensed_modality", recognition_params, sensing_models),
        distortions=lookup("{sensed_modality}", within=parameters_of(SENSITIVITY)),
        references=REFERENCES["sensitivity"],
        run_seed=plan.settings.seed,
    # One thread, as for synthesis: the numbers do not depend on --cores.
    resources:
        **needs("beyond_sensitivity", by("sensed_modality", work_of_sensitivity), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Finding the distortions to which models are most and least sensitive ({wildcards.sensed_modality})"
    script:
        SCRIPTS / "beyond/sensitivity.py"


rule beyond_agreement:
    input:
        sensitivity="results/<run>/beyond/sensitivity/{sensed_modality}.nc",
        acceptance=collect("results/<run>/acceptance/{model}.nc", model=DISTORTED_MODELS),
        recognition=lambda wildcards: [
            f"results/<run>/recognition/{model}/{recognition_model}.nc"
            for model, recognition_models in recognition_models_of_distorted(wildcards.sensed_modality).items()
            for recognition_model in recognition_models
        ],
    output:
        "results/<run>/beyond/agreement/{sensed_modality}.nc",
    log:
        "results/<run>/logs/beyond_agreement/{sensed_modality}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_agreement/{sensed_modality}.tsv"
    params:
        **step("beyond/agreement"),
        recognition_models=by("sensed_modality", recognition_models_of_distorted),
        families=plan.families,
        run_seed=plan.settings.seed,
    resources:
        **needs("beyond_agreement"),
    conda:
        ENVIRONMENT
    message:
        "Comparing agreement of sensitivities with recognition of metamers ({wildcards.sensed_modality})"
    script:
        SCRIPTS / "beyond/agreement.py"


rule beyond_export:
    input:
        "results/<run>/beyond/sensitivity/{sensed_modality}.nc",
    output:
        directory("results/<run>/exported/distortions/{sensed_modality}"),
    log:
        "results/<run>/logs/beyond_export/{sensed_modality}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_export/{sensed_modality}.tsv"
    params:
        **step("beyond/export"),
        length=lambda wildcards: SENSITIVITY[wildcards.sensed_modality].length,
    resources:
        **needs("beyond_export"),
    conda:
        ENVIRONMENT
    message:
        "Exporting the distortions to which models are most and least sensitive ({wildcards.sensed_modality})"
    script:
        SCRIPTS / "beyond/export.py"


def quick_settings(model):
    """Settings of the search for the two most different metamers: those of quality ``quick``, without its steps."""
    left_out = ("steps", *DRAFT_SETTINGS)
    return {key: value for key, value in plan.synthesis_of(model, "quick").items() if key not in left_out}


rule beyond_metamer_sets:
    input:
        models=by("explored_model", files_of_recognition_models, models_of_explored),
        stimuli=by("explored_model", stimuli_of),
        categories=by("explored_model", categories_of),
        # The match of the run's own metamers is that of the two most different ones.
        acceptance="results/<run>/acceptance/{explored_model}.nc",
    output:
        "results/<run>/beyond/metamer_sets/{explored_model}.nc",
    log:
        "results/<run>/logs/beyond_metamer_sets/{explored_model}.log",
    benchmark:
        "results/<run>/benchmarks/beyond_metamer_sets/{explored_model}.tsv"
    params:
        **step("beyond/metamer_sets", by("explored_model", recognition_entries, models_of_explored)),
        **answer_params("explored_model"),
        entries=by("explored_model", recognition_params, models_of_explored),
        explored=by("explored_model", explored_sets),
        settings=by("explored_model", quick_settings),
        # Natural stimuli whose distances are the unit.
        shown=by("explored_model", plan.stimuli_of),
        references=REFERENCES["metamer_sets"],
        seeds=plan.settings.synthesis.seeds,
        run_seed=plan.settings.seed,
    # One thread, as for synthesis: the numbers do not depend on --cores.
    resources:
        **needs("beyond_metamer_sets", by("explored_model", work_of_metamer_sets), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Exploring the sets of metamers of {wildcards.explored_model}"
    script:
        SCRIPTS / "beyond/metamer_sets.py"


rule report_beyond:
    input:
        **BEYOND_FILES,
        assets=ancient(ASSETS),
        metamers=[f"results/<run>/beyond/metamers/{name}.nc" for name in SETS],
        stimuli=[
            exported_stimuli_of(names[0])
            for modality, names in BEYOND_RECOGNITION_MODELS.items()
            if modality in SETS_OF
        ],
        # The run's own metamers, which the page shows beside them.
        run=[
            f"results/<run>/exported/metamers/{model}"
            for model in dict.fromkeys(member for made in SETS.values() for member in made.members)
        ],
    output:
        page="results/<run>/report/beyond.html",
        # No model has a name that begins with an underscore.
        media=directory("results/<run>/report/media/_beyond"),
        figures=[
            report(
                f"results/<run>/report/figures/beyond_{name}.svg",
                caption="../report/beyond.rst",
                category="Extensions",
            )
            for name in BEYOND_FIGURES
        ],
    log:
        "results/<run>/logs/report_beyond.log",
    benchmark:
        "results/<run>/benchmarks/report_beyond.tsv"
    params:
        **step("report/beyond"),
        **page_params(),
        read=data_version(*site_templates("beyond", "extensions")),
        modalities=[modality for modality in BEYOND_RECOGNITION_MODELS if modality in SETS_OF],
    resources:
        **needs("report_beyond"),
    conda:
        ENVIRONMENT
    message:
        "Writing the page of the extensions"
    script:
        SCRIPTS / "report/beyond.py"


rule report_sensitivity:
    input:
        sensitivity=[f"results/<run>/beyond/sensitivity/{modality}.nc" for modality in SENSITIVITY],
        agreement=[f"results/<run>/beyond/agreement/{modality}.nc" for modality in SENSITIVITY],
        exported=[f"results/<run>/exported/distortions/{modality}" for modality in SENSITIVITY],
        assets=ancient(ASSETS),
    output:
        page="results/<run>/report/sensitivity.html",
        # No model has a name that begins with an underscore.
        media=directory("results/<run>/report/media/_sensitivity"),
        figures=[
            report(
                f"results/<run>/report/figures/sensitivity_{modality}.svg",
                caption="../report/sensitivity.rst",
                category="Extensions",
            )
            for modality in SENSITIVITY
        ],
    log:
        "results/<run>/logs/report_sensitivity.log",
    benchmark:
        "results/<run>/benchmarks/report_sensitivity.tsv"
    params:
        **step("report/sensitivity"),
        **page_params(),
        read=data_version(*site_templates("sensitivity", "extensions")),
        lengths={modality: one.length for modality, one in SENSITIVITY.items()},
    resources:
        **needs("report_sensitivity"),
    conda:
        ENVIRONMENT
    message:
        "Writing the page of sensitivities"
    script:
        SCRIPTS / "report/sensitivity.py"


rule report_metamer_sets:
    input:
        metamer_sets=[f"results/<run>/beyond/metamer_sets/{model}.nc" for model in METAMER_SETS],
        stimuli=[f"results/<run>/exported/datasets/{plan.dataset_of[model]}" for model in METAMER_SETS],
        assets=ancient(ASSETS),
    output:
        page="results/<run>/report/metamer_sets.html",
        # No model has a name that begins with an underscore.
        media=directory("results/<run>/report/media/_metamer_sets"),
        figures=[
            report(
                f"results/<run>/report/figures/metamer_sets_{modality}.svg",
                caption="../report/metamer_sets.rst",
                category="Extensions",
            )
            for modality in plan.beyond.metamer_sets
        ],
    log:
        "results/<run>/logs/report_metamer_sets.log",
    benchmark:
        "results/<run>/benchmarks/report_metamer_sets.tsv"
    params:
        **step("report/metamer_sets"),
        **page_params(),
        read=data_version(*site_templates("metamer_sets", "extensions")),
        recognition_models={model: plan.other_recognition_models(model) for model in METAMER_SETS},
        families=plan.families,
    resources:
        **needs("report_metamer_sets"),
    conda:
        ENVIRONMENT
    message:
        "Writing the page of metamer sets"
    script:
        SCRIPTS / "report/metamer_sets.py"


# All outputs of the pages: what is missing is made again.
BEYOND_PAGES = [getattr(rules, f"report_{page}").output for page in LINKED if page in STEPS["beyond"].pages]
ADDED_TO_ALL += BEYOND_PAGES


rule beyond:
    input:
        required("beyond"),
        BEYOND_PAGES,
        [f"results/<run>/exported/distortions/{modality}" for modality in SENSITIVITY],
