"""Verification: every file of a run against the run's manifest, its own hash and those of its inputs."""

# Regular expression of a path → the step that makes it, which each NetCDF file names in its attributes.
MADE_BY = {
    file.regex().pattern: Path(rule.script).stem for rule in workflow.rules if rule.script for file in rule.output
}


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
        steps=lambda _wildcards: MADE_BY,
    threads: workflow.cores
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        f"Verifying the files of {RESULTS}"
    script:
        SCRIPTS / "verify.py"
