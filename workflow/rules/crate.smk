"""Publication: the whole run as one archive, a Workflow Run RO-Crate."""


include: "common/crate.smk"


# Without output and benchmark, so that it runs whenever it is requested: the archive has all files of the run, also those
# of other targets than `all`. The script replaces an archive only by a complete one.
rule crate:
    input:
        required("crate"),
        rules.all.input,
    params:
        file=f"{RESULTS}.crate.zip",
        left_out=ANSWERS,
        kept=PUBLISHED_PARTICIPANTS,
        own_files=files_of_user(),
    message:
        f"Packing {RESULTS} as an RO-Crate"
    script:
        SCRIPTS / "crate.py"
