"""Verification: every file of a run against the run's manifest, its own hash and those of its inputs."""

from snakemake.io import is_flagged


def made_by(_wildcards):
    """Parameter: regular expression of a path → the step that makes it; each NetCDF file names its step, too."""
    rules_with_step = [rule for rule in workflow.rules if "step" in rule.params.keys()]
    return {file.regex().pattern: rule.params.step for rule in rules_with_step for file in rule.output}


def made_whole(_wildcards):
    """Parameter: the folders of the run that rules make as a whole, as far as they are there."""
    outputs = [str(file) for rule in workflow.rules for file in rule.output if is_flagged(file, "directory")]
    patterns = [re.sub(r"\{[^}]*\}", "*", output) for output in outputs if output.startswith(f"{RUN}/")]
    return sorted(str(folder) for pattern in patterns for folder in Path().glob(pattern))


def repairable(_wildcards):
    """Input function: adds no file; fails before the first job if the run cannot be repaired."""
    if config["repair"] and stored(RESULTS) is not None:
        raise WorkflowError(
            f"repair: with a storage provider, it would delete copies on this machine, and leave {stored(RESULTS).query} as "
            "it is. Verify without it, and delete there what the verification names."
        )
    return []


# Without output and benchmark, so that it runs whenever it is requested.
rule verify:
    input:
        repairable,
    log:
        "results/<run>/logs/verify.log",
    params:
        **step("verify"),
        run=RUN,
        made_whole=made_whole,
        steps=made_by,
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
