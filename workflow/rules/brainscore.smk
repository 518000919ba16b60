"""Brain-Score: people's recognition of metamers as benchmarks, and the run's models as models, in one plugin."""


include: "common/brainscore.smk"


rule brainscore_plugin:
    input:
        required("brainscore"),
        published=[f"results/<run>/humans/{name}.nc" for name in BENCHMARKS_PUBLISHED],
        own=[f"results/<run>/humans/{name}.nc" for name in BENCHMARKS_OWN],
        designs=[design_of(name) for name in BENCHMARKS_OWN],
        tables=[
            table
            for name in BENCHMARKS_PUBLISHED
            for table in (plan.published_stimuli[name].table, plan.published_stimuli[name].categories)
        ],
        categories=[categories_of(model) for model in models_of_brainscore()],
        images=published_images(),
        metamers=[folder for name in BENCHMARKS_OWN for folder in metamers_shown(name)],
    output:
        directory("results/<run>/brainscore/plugin"),
    params:
        experiments={name: plan.published_experiments[name].parameters for name in BENCHMARKS_PUBLISHED},
        stimuli={name: plan.published_stimuli[name].parameters for name in BENCHMARKS_PUBLISHED},
        published_categories=sorted({entry.categories for entry in plan.published_stimuli.values()}),
        own_participants={
            name: {"dataset": plan.dataset_of[first_shown_to(name)], "entry": dataset_params(first_shown_to(name))}
            for name in BENCHMARKS_OWN
        },
        metamers=f"{RESULTS}/exported/metamers",
        published_listing=published_listing,
        models={
            model: {
                "model": architecture(model),
                "weights_file": weights_file(model),
                "dataset": plan.dataset_of[model],
                "entry": dataset_params(model),
                "trained": model in plan.training,
            }
            for model in models_of_brainscore()
        },
    message:
        "Writing human recognition and models as a plugin of Brain-Score"
    script:
        SCRIPTS / "brainscore/plugin.py"


rule brainscore_score:
    input:
        required("brainscore_score"),
        plugin=rules.brainscore_plugin.output,
        models=files_of_models(models_of_brainscore()),
        images=published_images(),
        metamers=rules.brainscore_plugin.input.metamers,
    output:
        "results/<run>/brainscore/scores.nc",
    params:
        own=BENCHMARKS_OWN,
        groups=benchmarks_with_images(),
        models=models_of_brainscore(),
        published_listing=published_listing,
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Scoring models with the packages of Brain-Score"
    script:
        SCRIPTS / "brainscore/score.py"
