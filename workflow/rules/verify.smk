"""Verification: every file of a run against the run's manifest, its own hash and those of its inputs."""

from snakemake.io import is_flagged


def made_by(_wildcards):
    """Parameter: regular expression of a path → the step that makes it; each NetCDF file names its step, too."""
    rules_with_step = [rule for rule in workflow.rules if "step" in rule.params.keys()]
    return {file.regex().pattern: rule.params.step for rule in rules_with_step for file in rule.output}


def made_whole(_wildcards):
    """Parameter: the folders of the run that rules make as a whole, as far as they are there."""
    outputs = [str(file) for rule in workflow.rules for file in rule.output if is_flagged(file, "directory")]
    patterns = [re.sub(r"\{[^}]*\}", "*", output) for output in outputs if output.startswith(f"{RESULTS}/")]
    return sorted(str(folder) for pattern in patterns for folder in Path().glob(pattern))


# Without output and benchmark, so that it runs whenever it is requested.
rule verify:
    log:
        "results/<run>/logs/verify.log",
    params:
        **step("verify"),
        run=RESULTS,
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
