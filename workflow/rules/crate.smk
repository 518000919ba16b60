"""Publication: the whole run as one archive, a Workflow Run RO-Crate."""


include: "common/crate.smk"


# Beside the run's folder, of whose files it is made.
rule crate:
    input:
        required("crate"),
        rules.all.input,
    output:
        "results/<run>.crate.zip",
    params:
        run=RESULTS,
        left_out=answers_of_participants(),
    message:
        f"Packing {RESULTS} as an RO-Crate"
    script:
        SCRIPTS / "crate.py"
