"""Verification: every file of a run against the run's manifest, its own hash and those of its inputs."""


# It makes nothing, and has no benchmark, so that it runs whenever it is asked for.
rule verify:
    log:
        f"{LOGS}/verify.log",
    params:
        code=code("verify"),
        run=RESULTS,
        made_whole=[
            f"{RESULTS}/exported/{kind}/{name}"
            for kind, names in (("metamers", setup["generation_models"]), ("datasets", setup["stimuli"]))
            for name in names
        ],
    threads: workflow.cores
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        f"Verifying the files of {RESULTS}"
    script:
        SCRIPTS / "verify.py"
