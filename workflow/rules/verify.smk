"""Verification: every file of a run against the run's manifest, its own hash and those of its inputs."""

if workflow.is_main_process:
    # The job tells this call how to make files again; it inherits the variable, also on a cluster.
    # Not by its index, which the linter takes for a variable that the rules need.
    os.environ.update(METAMERS_CALL=command_line([word for word in sys.argv if word != "verify"]).removesuffix(" --"))


def outputs_of_rules(_wildcards):
    """Parameter: regular expressions of the outputs of rules, to make files again; none for files in a storage."""
    if stored(RESULTS) is not None:
        return []
    return sorted({output.regex().pattern for rule in workflow.rules for output in rule.output})


# Without output and benchmark, so that it runs whenever it is requested.
rule verify:
    log:
        "results/<run>/logs/verify.log",
    params:
        **step("verify"),
        run=RUN,
        outputs=outputs_of_rules,
    threads: all_cores
    resources:
        runtime=scaled_by_attempt(240),  # it reads all files of the run
        mem_mb=scaled_by_attempt(2000),
    conda:
        ENVIRONMENT
    message:
        f"Verifying the files of {RESULTS}"
    script:
        SCRIPTS / "verify.py"
