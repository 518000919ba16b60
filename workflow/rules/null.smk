"""Chance match: the null distribution between natural stimuli, and the acceptance of metamers by it."""


include: "common/null.smk"


rule null_distribution:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", null_stimuli_of),
    output:
        "results/<run>/nulls/{generation_model}.nc",
    params:
        **model_params("generation_model"),
        code=code_of("generation_model", entry_of),
        stages=lookup("{generation_model}", within=plan.generation_models),
        pairs=plan.null.pairs,
        run_seed=plan.seed,
    resources:
        mem_mb=scaled_by_attempt(8000),  # metamers.null.distribution.MEMORY, ranking, and a forward pass
        gpu=gpus(),
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
    params:
        measures=plan.acceptance.measures,
        converged=plan.acceptance.converged,
    message:
        "Accepting metamers of {wildcards.generation_model}"
    script:
        SCRIPTS / "null/acceptance.py"
