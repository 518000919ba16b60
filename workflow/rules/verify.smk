"""Verification: every file of a run against the run's manifest, its own hash and those of its inputs."""


include: "common/verify.smk"


# Without output and benchmark, so that it runs whenever it is requested.
rule verify:
    params:
        run=RESULTS,
        made_whole=made_whole,
        steps=made_by,
    threads: all_cores
    message:
        f"Verifying the files of {RESULTS}"
    script:
        SCRIPTS / "verify.py"
