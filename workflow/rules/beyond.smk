"""Past the study: metamers of several models at once, controversial ones, from other starts; what a stage leaves free."""

BEYOND = f"{RESULTS}/beyond"
SETS = setup["beyond"]["sets"]
# Of each modality its sets; the models that have metamers from other starts; and who judges.
SETS_OF = {made["modality"]: [] for made in SETS.values()}
STARTED = {}
for name, made in SETS.items():
    SETS_OF[made["modality"]].append(name)
    if made["part"] == "starts":
        STARTED.setdefault(made["modality"], []).extend(made["members"])
BEYOND_JUDGES = setup["beyond"]["judges"]
REFERENCES = {
    "ensemble": "Boehm, Mueller, Loeffler, Schwinn, Eskofier & Zanca (2025). Understanding cross-model perceptual "
    "invariances through ensemble metamers. arXiv:2504.01739",
    "controversial": "Golan, Raju & Kriegeskorte (2020). Controversial stimuli: pitting neural networks against each "
    "other as models of human cognition. PNAS 117, 29330-29337. doi:10.1073/pnas.1912334117",
    "starts": "Feather, Leclerc, Mądry & McDermott (2023). Model metamers reveal divergent invariances between biological "
    "and artificial neural networks. Nature Neuroscience 26, 2017-2034. doi:10.1038/s41593-023-01442-0",
}
# What is drawn and written about, by kind.
BEYOND_FILES = {
    kind: [f"{BEYOND}/{kind}/{modality}.nc" for modality in SETS_OF if f"{kind}_{modality}" in SETS]
    for kind in ("ensemble", "controversial")
} | {
    "starts": [f"{BEYOND}/starts/{modality}.nc" for modality in STARTED],
    "invariance": [f"{BEYOND}/invariance/{model}.nc" for models in STARTED.values() for model in models],
}
BEYOND_FIGURES = [
    f"{kind}_{modality}"
    for kind in ("ensemble", "controversial", "starts", "invariance")
    for modality in SETS_OF
    if f"{kind}_{modality}" in SETS or (kind in ("starts", "invariance") and modality in STARTED)
]


wildcard_constraints:
    beyond_set=one_of(SETS),
    beyond_modality=one_of(SETS_OF),
    started_model=one_of(model for models in STARTED.values() for model in models),


rule beyond_synthesize:
    input:
        models=lambda wildcards: files_of_models(SETS[wildcards.beyond_set]["members"]),
        stimuli=lambda wildcards: stimuli_of(first_member(wildcards.beyond_set)),
        categories=lambda wildcards: choice(first_member(wildcards.beyond_set))["categories"],
    output:
        f"{BEYOND}/metamers/{{beyond_set}}.nc",
    log:
        f"{LOGS}/beyond_synthesize/{{beyond_set}}.log",
    benchmark:
        f"{BENCHMARKS}/beyond_synthesize/{{beyond_set}}.tsv"
    params:
        code=code("beyond_synthesize"),
        set=lambda wildcards: SETS[wildcards.beyond_set],
        entries=lambda wildcards: judges_by_name(SETS[wildcards.beyond_set]["members"]),
        dataset=lambda wildcards: setup["dataset_of"][first_member(wildcards.beyond_set)],
        dataset_entry=lambda wildcards: choice(first_member(wildcards.beyond_set)),
        seeds=config["synthesis"]["seeds"],
        run_seed=config["seed"],
        procedure=config["synthesis"]["procedure"],
        settings=lambda wildcards: synthesis_settings(first_member(wildcards.beyond_set)),
        references=lambda wildcards: REFERENCES[SETS[wildcards.beyond_set]["part"]],
        progress=lambda wildcards: f"{PROGRESS}/beyond_synthesize/{wildcards.beyond_set}",
    # One thread, as for synthesis: the same numbers whatever --cores is.
    threads: 1
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Synthesizing metamers past the study: {wildcards.beyond_set}"
    script:
        SCRIPTS / "beyond_synthesize.py"


# A rule for each modality, since what a rule makes cannot depend on a wildcard.
for modality, names in SETS_OF.items():

    rule:
        name:
            f"beyond_recognize_{modality}"
        input:
            metamers=[f"{BEYOND}/metamers/{name}.nc" for name in names],
            models=files_of_models(BEYOND_JUDGES[modality]),
            categories=choice(BEYOND_JUDGES[modality][0])["categories"],
        output:
            [f"{BEYOND}/recognition/{name}.nc" for name in names],
        log:
            f"{LOGS}/beyond_recognize/{modality}.log",
        benchmark:
            f"{BENCHMARKS}/beyond_recognize/{modality}.tsv"
        params:
            code=code("beyond_recognize"),
            judges=judges_by_name(BEYOND_JUDGES[modality]),
            dataset=setup["dataset_of"][BEYOND_JUDGES[modality][0]],
            dataset_entry=choice(BEYOND_JUDGES[modality][0]),
        threads: 1
        resources:
            mem_mb=memory_of_model,
            gpu=gpus(),
            # Minutes: an hour for each model. It stands here, as a profile would have to name each of these rules.
            runtime=growing(60 * len(BEYOND_JUDGES[modality])),
        conda:
            ENVIRONMENT
        message:
            f"Asking {', '.join(BEYOND_JUDGES[modality])} what metamers past the study are"
        script:
            SCRIPTS / "beyond_recognize.py"


rule beyond_ensemble:
    input:
        metamers=f"{BEYOND}/metamers/ensemble_{{beyond_modality}}.nc",
        recognition=f"{BEYOND}/recognition/ensemble_{{beyond_modality}}.nc",
        nulls=lambda wildcards: of_members("nulls", f"ensemble_{wildcards.beyond_modality}"),
        # The run's own metamers of each member alone.
        acceptance=lambda wildcards: of_members("acceptance", f"ensemble_{wildcards.beyond_modality}"),
        run=lambda wildcards: judged_in_run(
            SETS[f"ensemble_{wildcards.beyond_modality}"]["members"], BEYOND_JUDGES[wildcards.beyond_modality]
        ),
    output:
        f"{BEYOND}/ensemble/{{beyond_modality}}.nc",
    log:
        f"{LOGS}/beyond_ensemble/{{beyond_modality}}.log",
    benchmark:
        f"{BENCHMARKS}/beyond_ensemble/{{beyond_modality}}.tsv"
    params:
        code=code("beyond_ensemble"),
        measures=config["acceptance"]["measures"],
        members=lambda wildcards: list(SETS[f"ensemble_{wildcards.beyond_modality}"]["members"]),
        judges=lambda wildcards: BEYOND_JUDGES[wildcards.beyond_modality],
        families=FAMILIES,
        references=REFERENCES["ensemble"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing metamers of several models at once with those of each ({wildcards.beyond_modality})"
    script:
        SCRIPTS / "beyond_ensemble.py"


rule beyond_controversial:
    input:
        metamers=f"{BEYOND}/metamers/controversial_{{beyond_modality}}.nc",
        recognition=f"{BEYOND}/recognition/controversial_{{beyond_modality}}.nc",
        nulls=lambda wildcards: of_members("nulls", f"controversial_{wildcards.beyond_modality}"),
    output:
        f"{BEYOND}/controversial/{{beyond_modality}}.nc",
    log:
        f"{LOGS}/beyond_controversial/{{beyond_modality}}.log",
    benchmark:
        f"{BENCHMARKS}/beyond_controversial/{{beyond_modality}}.tsv"
    params:
        code=code("beyond_controversial"),
        measures=config["acceptance"]["measures"],
        members=lambda wildcards: list(SETS[f"controversial_{wildcards.beyond_modality}"]["members"]),
        judges=lambda wildcards: BEYOND_JUDGES[wildcards.beyond_modality],
        families=FAMILIES,
        references=REFERENCES["controversial"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Whom judges side with about controversial metamers ({wildcards.beyond_modality})"
    script:
        SCRIPTS / "beyond_controversial.py"


rule beyond_starts:
    input:
        metamers=lambda wildcards: [
            f"{BEYOND}/metamers/starts_{model}.nc" for model in STARTED[wildcards.beyond_modality]
        ],
        recognition=lambda wildcards: [
            f"{BEYOND}/recognition/starts_{model}.nc" for model in STARTED[wildcards.beyond_modality]
        ],
        nulls=lambda wildcards: [f"{RESULTS}/nulls/{model}.nc" for model in STARTED[wildcards.beyond_modality]],
        acceptance=lambda wildcards: [
            f"{RESULTS}/acceptance/{model}.nc" for model in STARTED[wildcards.beyond_modality]
        ],
        run=lambda wildcards: judged_in_run(
            STARTED[wildcards.beyond_modality], BEYOND_JUDGES[wildcards.beyond_modality]
        ),
    output:
        f"{BEYOND}/starts/{{beyond_modality}}.nc",
    log:
        f"{LOGS}/beyond_starts/{{beyond_modality}}.log",
    benchmark:
        f"{BENCHMARKS}/beyond_starts/{{beyond_modality}}.tsv"
    params:
        code=code("beyond_starts"),
        measures=config["acceptance"]["measures"],
        models=lambda wildcards: STARTED[wildcards.beyond_modality],
        judges=lambda wildcards: BEYOND_JUDGES[wildcards.beyond_modality],
        families=FAMILIES,
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing metamers by where their synthesis started ({wildcards.beyond_modality})"
    script:
        SCRIPTS / "beyond_starts.py"


rule beyond_invariance:
    input:
        unpack(model_files("started_model")),
        stimuli=lambda wildcards: stimuli_of(wildcards.started_model),
        metamers=f"{BEYOND}/metamers/starts_{{started_model}}.nc",
        # The run's own, at the stage of each depth.
        run=lambda wildcards: [
            file
            for stage in SETS[f"starts_{wildcards.started_model}"]["members"][wildcards.started_model]
            for file in metamers_at(wildcards.started_model, stage_path(stage))
        ],
    output:
        f"{BEYOND}/invariance/{{started_model}}.nc",
    log:
        f"{LOGS}/beyond_invariance/{{started_model}}.log",
    benchmark:
        f"{BENCHMARKS}/beyond_invariance/{{started_model}}.tsv"
    params:
        code=code("beyond_invariance"),
        model=lambda wildcards: architecture(wildcards.started_model),
        weights_file=lambda wildcards: weights_file(wildcards.started_model),
        batches=lambda wildcards: len(batches(wildcards.started_model)),
        # Of which metamers are made as well.
        shown=lambda wildcards: [
            row["stimulus"] for row in setup["stimuli"][setup["dataset_of"][wildcards.started_model]]
        ],
        seeds=config["synthesis"]["seeds"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Measuring what stages of {wildcards.started_model} leave free"
    script:
        SCRIPTS / "beyond_invariance.py"


rule beyond_page:
    input:
        **BEYOND_FILES,
        metamers=[f"{BEYOND}/metamers/{name}.nc" for name in SETS],
        stimuli=[exported_stimuli_of(judges[0]) for modality, judges in BEYOND_JUDGES.items() if modality in SETS_OF],
        # The run's own, beside which they are shown.
        run=[
            f"{RESULTS}/exported/metamers/{model}"
            for model in dict.fromkeys(member for made in SETS.values() for member in made["members"])
        ],
    output:
        page=report(f"{REPORT}/beyond.html", caption="../report/beyond.rst", category="Past the study"),
        figures=[
            report(f"{REPORT}/figures/beyond_{name}.svg", caption="../report/beyond.rst", category="Past the study")
            for name in BEYOND_FIGURES
        ],
    log:
        f"{LOGS}/beyond_page.log",
    benchmark:
        f"{BENCHMARKS}/beyond_page.tsv"
    params:
        code=code("beyond_page", *templates("beyond")),
        # Of natural sounds, in the order of the stimuli; None of images.
        rates_hz={
            modality: setup["datasets"][setup["dataset_of"][judges[0]]].get("sampling_rate_hz")
            for modality, judges in BEYOND_JUDGES.items()
            if modality in SETS_OF
        },
    threads: 1
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        "Writing the page of what is past the study"
    script:
        SCRIPTS / "beyond_page.py"
