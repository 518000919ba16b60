"""Chance match: the null distribution between natural stimuli, and the acceptance of metamers by it."""


rule null_distribution:
    input:
        unpack(model_files("generation_model")),
        stimuli=lambda wildcards: f"results/<run>/stimuli/{plan.null_dataset_of[modality_of(wildcards.generation_model)]}.nc",
    output:
        "results/<run>/nulls/{generation_model}.nc",
    log:
        "results/<run>/logs/null_distribution/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/null_distribution/{generation_model}.tsv"
    params:
        **step("null/distribution", by("generation_model", entry_of)),
        **model_params("generation_model"),
        stages=by("generation_model", (plan.whole or plan).generation_models.__getitem__),  # those left out, too
        pairs=plan.settings.null.pairs,
        both_orders=plan.settings.synthesis.quality != "published",
        run_seed=plan.settings.seed,
    resources:
        **needs("null_distribution", by("generation_model", workload.null), gpus()),
    conda:
        ENVIRONMENT
    message:
        "Measuring the null distribution of {wildcards.generation_model}"
    script:
        SCRIPTS / "null/distribution.py"


rule null_acceptance:
    input:
        metamers=by("generation_model", metamers_of),
        null=rules.null_distribution.output,
    output:
        "results/<run>/acceptance/{generation_model}.nc",
    log:
        "results/<run>/logs/null_acceptance/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/null_acceptance/{generation_model}.tsv"
    params:
        **step("null/acceptance"),
        measures=plan.settings.acceptance.measures,
        converged=plan.settings.acceptance.converged,
    resources:
        **needs("null_acceptance", by("generation_model", workload.accepted)),
    conda:
        ENVIRONMENT
    message:
        "Accepting metamers of {wildcards.generation_model}"
    script:
        SCRIPTS / "null/acceptance.py"
