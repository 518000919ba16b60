"""Recognition: recognition models, a group in one job, judge a generation model's exported metamers and the natural
stimuli.
"""

# A rule for each group, since what a rule makes cannot depend on a wildcard.
for group, judges in recognition_groups().items():

    rule:
        name:
            f"recognize_{group}"
        input:
            models=[file for judge in judges for file in files_of_model(judge)],
            metamers=rules.synthesize_export.output,
            natural=exported_stimuli_of(judges[0]),
            stimuli=stimuli_of(judges[0]),
            categories=choice(judges[0])["categories"],
        output:
            [f"{RESULTS}/recognition/{{generation_model}}/{judge}.nc" for judge in judges],
        log:
            f"{LOGS}/recognize/{{generation_model}}/{group}.log",
        benchmark:
            f"{BENCHMARKS}/recognize/{{generation_model}}/{group}.tsv"
        wildcard_constraints:
            generation_model=one_of(judged_by(judges[0])),
        params:
            code=code("recognize"),
            # In the order of the files that are made.
            judges=judges_by_name(judges),
            # Of exported sounds; None of pictures.
            natural_rate_hz=setup["datasets"][setup["dataset_of"][judges[0]]].get("sampling_rate_hz"),
            metamer_rate_hz=lambda wildcards: setup["models"][wildcards.generation_model]["input"].get(
                "sampling_rate_hz"
            ),
            stages=lambda wildcards: setup["generation_models"][wildcards.generation_model],
            # Those that metamers are made of.
            stimuli=[row["stimulus"] for row in setup["stimuli"][setup["dataset_of"][judges[0]]]],
            seeds=config["synthesis"]["seeds"],
            dataset=setup["dataset_of"][judges[0]],
            dataset_entry=choice(judges[0]),
        threads: 1
        resources:
            mem_mb=memory_of_model,
            gpu=gpus(),
            # Minutes: an hour for each model. It stands here, as a profile would have to name each of these rules.
            runtime=growing(60 * len(judges)),
        conda:
            ENVIRONMENT
        message:
            f"Asking {', '.join(judges)} what metamers of {{wildcards.generation_model}} are"
        script:
            SCRIPTS / "recognize.py"
