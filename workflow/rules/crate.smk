"""Publication: the whole run as one archive, a Workflow Run RO-Crate."""

# Beginnings of the paths, in the run's folder, of what is not packed: answers of participants, and the log of the job itself.
LEFT_OUT_OF_CRATE = [path for step in STEPS.values() for path in step.answers_of_participants] + ["logs/crate.log"]
# Files of published participants, which are in the folder `humans/` as well.
PUBLISHED_PARTICIPANTS = [f"humans/{experiment}.nc" for experiment in plan.published.experiments]
PUBLISHED_PARTICIPANTS += [f"humans/{Path(table).name}" for table in rules.humans_summary.output]


def files_of_user():
    """Files that the run depends on and that are not the workflow's: registries, and code of models and of the penalty."""
    registries = [
        path for given in config["registry"].values() for path in ([given] if isinstance(given, str) else given)
    ]
    code = [path for model in plan.dataset_of for path in plan.models[model].python_files]
    code += penalty_files()
    used = dict.fromkeys(Path(resolve_path(str(path))).resolve() for path in [*registries, *code])
    return [str(path) for path in used if not path.is_relative_to(ROOT.resolve())]


# Without output and benchmark, so that it runs whenever it is requested: the archive has all files of the run, also those
# of other targets than `all`. The script replaces an archive only by a complete one.
rule crate:
    input:
        required("crate"),
        rules.all.input,
    log:
        "results/<run>/logs/crate.log",
    params:
        **step("crate"),
        file=f"{RUN}.crate.zip",
        left_out=LEFT_OUT_OF_CRATE,
        kept=PUBLISHED_PARTICIPANTS,
        own_files=files_of_user(),
    resources:
        **needs("crate"),
    conda:
        ENVIRONMENT
    message:
        f"Packing {RESULTS} as an RO-Crate"
    script:
        SCRIPTS / "crate.py"
