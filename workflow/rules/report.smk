"""Report: figures, and pages that show what a run found and work from their folder, without network."""

REPORT = f"{RESULTS}/report"
CAPTIONS = ROOT / "workflow" / "report"
REPORTED_TRAINING = [model for model in setup["training"] if in_run(model)]
# The pages say of each kind of figure what `snakemake --report` says.
FIGURES = (
    [
        f"{REPORT}/figures/{kind}_{model}.svg"
        for kind in ("recognizability", "confusion", "null", "loss")
        for model in setup["generation_models"]
    ]
    + [f"{REPORT}/figures/training_{model}.svg" for model in REPORTED_TRAINING]
    + [f"{REPORT}/figures/humans_vs_models_{modality}.svg" for modality in setup["judges"]]
    + ([f"{REPORT}/figures/contrasts.svg"] if CONTRASTS else [])
    + ([f"{REPORT}/figures/vulnerability.svg"] if setup["analyses"]["vulnerability"]["models"] else [])
    + ([f"{REPORT}/figures/brain.svg"] if BRAIN["models"] else [])
    + [f"{REPORT}/figures/similarity_{modality}.svg" for modality in COMPARED_REPRESENTATIONS]
    + [f"{REPORT}/figures/power.svg", f"{REPORT}/figures/reliability.svg"]
)
# Pages in the order of their navigation: those of metamers where there are any, of the rest what the run has.
ANALYSED = REPORTED_TRAINING or any(
    setup["analyses"][name]["models"] for name in ("vulnerability", "brain", "similarity")
)
PAGES = [
    "index",
    *(["browser"] if setup["generation_models"] else []),
    "curves",
    *(["match"] if setup["generation_models"] else []),
    "statistics",
    *(["analyses"] if ANALYSED else []),
    "made",
]


report: "../report/workflow.rst"


wildcard_constraints:
    modality=one_of(setup["judges"]),


# What the report has to know of a generation model besides its files.
SHOWN_MODELS = {
    model: {
        "modality": setup["models"][model]["modality"],
        "dataset": setup["dataset_of"][model],
        "categories": number_of_categories(setup["dataset_of"][model]),
        "input": setup["models"][model]["input"],
        "published_as": setup["models"][model].get("published_as"),
        "stages": list(setup["models"][model]["stages"]),
        "chosen": setup["generation_models"][model],
    }
    for model in setup["generation_models"]
}


# All figures of one generation model: starting Python takes as long as drawing them.
rule report_model:
    input:
        recognizability=f"{RESULTS}/comparison/recognizability.nc",
        predicted=f"{RESULTS}/comparison/predicted_human.nc",
        relation=f"{RESULTS}/comparison/humans_vs_models.nc",
        groups=f"{PUBLISHED}/group_results.csv",
        null=f"{RESULTS}/nulls/{{generation_model}}.nc",
        acceptance=f"{RESULTS}/acceptance/{{generation_model}}.nc",
        recognition=lambda wildcards: recognition_of(wildcards.generation_model),
        metamers=lambda wildcards: metamers_of(wildcards.generation_model),
    output:
        recognizability=report(
            f"{REPORT}/figures/recognizability_{{generation_model}}.svg",
            caption="../report/recognizability.rst",
            category="Recognizability over stages",
            labels={"model": "{generation_model}"},
        ),
        confusion=report(
            f"{REPORT}/figures/confusion_{{generation_model}}.svg",
            caption="../report/confusion.rst",
            category="What metamers are taken for",
            labels={"model": "{generation_model}"},
        ),
        null=report(
            f"{REPORT}/figures/null_{{generation_model}}.svg",
            caption="../report/null.rst",
            category="Null distributions and acceptance",
            labels={"model": "{generation_model}"},
        ),
        loss=report(
            f"{REPORT}/figures/loss_{{generation_model}}.svg",
            caption="../report/loss.rst",
            category="Synthesis",
            labels={"model": "{generation_model}"},
        ),
    log:
        f"{LOGS}/report_model/{{generation_model}}.log",
    benchmark:
        f"{BENCHMARKS}/report_model/{{generation_model}}.tsv"
    params:
        code=code("report_model"),
        model=lambda wildcards: SHOWN_MODELS[wildcards.generation_model],
    threads: 1
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        "Drawing the figures of {wildcards.generation_model}"
    script:
        SCRIPTS / "report_model.py"


rule report_contrasts:
    input:
        f"{RESULTS}/comparison/contrasts.nc",
    output:
        report(
            f"{REPORT}/figures/contrasts.svg",
            caption="../report/contrasts.rst",
            category="Contrasts between models",
        ),
    log:
        f"{LOGS}/report_contrasts.log",
    benchmark:
        f"{BENCHMARKS}/report_contrasts.tsv"
    params:
        code=code("report_contrasts"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing differences in recognizability between models"
    script:
        SCRIPTS / "report_contrasts.py"


rule report_training:
    input:
        f"{TRAINING}/{{trained_model}}.nc",
    output:
        report(
            f"{REPORT}/figures/training_{{trained_model}}.svg",
            caption="../report/training.rst",
            category="Training",
            labels={"model": "{trained_model}"},
        ),
    log:
        f"{LOGS}/report_training/{{trained_model}}.log",
    benchmark:
        f"{BENCHMARKS}/report_training/{{trained_model}}.tsv"
    wildcard_constraints:
        trained_model=one_of(setup["training"]),
    params:
        code=code("report_training"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing the training of {wildcards.trained_model}"
    script:
        SCRIPTS / "report_training.py"


rule report_vulnerability:
    input:
        [f"{RESULTS}/vulnerability/{model}.nc" for model in setup["analyses"]["vulnerability"]["models"]],
    output:
        report(
            f"{REPORT}/figures/vulnerability.svg",
            caption="../report/vulnerability.rst",
            category="Beside metamers",
        ),
    log:
        f"{LOGS}/report_vulnerability.log",
    benchmark:
        f"{BENCHMARKS}/report_vulnerability.tsv"
    params:
        code=code("report_vulnerability"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing how vulnerable models are"
    script:
        SCRIPTS / "report_vulnerability.py"


rule report_brain:
    input:
        [f"{RESULTS}/brain/{model}.nc" for model in BRAIN["models"]],
    output:
        report(
            f"{REPORT}/figures/brain.svg",
            caption="../report/brain.rst",
            category="Beside metamers",
        ),
    log:
        f"{LOGS}/report_brain.log",
    benchmark:
        f"{BENCHMARKS}/report_brain.tsv"
    params:
        code=code("report_brain"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing how well stages predict voxels"
    script:
        SCRIPTS / "report_brain.py"


rule report_similarity:
    input:
        f"{RESULTS}/similarity/{{compared_modality}}.nc",
    output:
        report(
            f"{REPORT}/figures/similarity_{{compared_modality}}.svg",
            caption="../report/similarity.rst",
            category="Beside metamers",
            labels={"modality": "{compared_modality}"},
        ),
    log:
        f"{LOGS}/report_similarity/{{compared_modality}}.log",
    benchmark:
        f"{BENCHMARKS}/report_similarity/{{compared_modality}}.tsv"
    wildcard_constraints:
        compared_modality=one_of(COMPARED_REPRESENTATIONS),
    params:
        code=code("report_similarity"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing which stages agree ({wildcards.compared_modality})"
    script:
        SCRIPTS / "report_similarity.py"


rule report_humans_vs_models:
    input:
        f"{RESULTS}/comparison/humans_vs_models.nc",
    output:
        report(
            f"{REPORT}/figures/humans_vs_models_{{modality}}.svg",
            caption="../report/humans_vs_models.rst",
            category="People against other models",
            labels={"modality": "{modality}"},
        ),
    log:
        f"{LOGS}/report_humans_vs_models/{{modality}}.log",
    benchmark:
        f"{BENCHMARKS}/report_humans_vs_models/{{modality}}.tsv"
    params:
        code=code("report_humans_vs_models"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing people against other models ({wildcards.modality})"
    script:
        SCRIPTS / "report_humans_vs_models.py"


# What the browser of metamers shows of one generation model.
rule report_media:
    input:
        exported=f"{RESULTS}/exported/metamers/{{generation_model}}",
        natural=lambda wildcards: exported_stimuli_of(wildcards.generation_model),
        acceptance=f"{RESULTS}/acceptance/{{generation_model}}.nc",
        null=f"{RESULTS}/nulls/{{generation_model}}.nc",
        recognition=lambda wildcards: recognition_of(wildcards.generation_model),
    output:
        directory(f"{REPORT}/media/{{generation_model}}"),
    log:
        f"{LOGS}/report_media/{{generation_model}}.log",
    benchmark:
        f"{BENCHMARKS}/report_media/{{generation_model}}.tsv"
    params:
        code=code("report_media"),
        model=lambda wildcards: SHOWN_MODELS[wildcards.generation_model],
    threads: 1
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        "Gathering the metamers of {wildcards.generation_model} for the report"
    script:
        SCRIPTS / "report_media.py"


rule report:
    input:
        figures=FIGURES,
        media=[f"{REPORT}/media/{model}" for model in setup["generation_models"]],
        # Pages of their own, which the others name.
        linked=[
            *([f"{REPORT}/beyond.html"] if setup["beyond"]["sets"] else []),
            f"{REPORT}/leaderboard.html",
        ],
        comparison=list(dict.fromkeys([*COMPARISON, *OF_PEOPLE])),
        people=PEOPLE,
        acceptance=[f"{RESULTS}/acceptance/{model}.nc" for model in setup["generation_models"]],
        nulls=[f"{RESULTS}/nulls/{model}.nc" for model in setup["generation_models"]],
        training=[f"{TRAINING}/{model}.nc" for model in REPORTED_TRAINING],
        vulnerability=[f"{RESULTS}/vulnerability/{model}.nc" for model in setup["analyses"]["vulnerability"]["models"]],
        brain=[f"{RESULTS}/brain/{model}.nc" for model in BRAIN["models"]],
        # Only for where everything comes from.
        recognition=[path for model in setup["generation_models"] for path in recognition_of(model)],
        humans=[path for path in HUMANS if path not in COMPARISON],
        stimuli=list(dict.fromkeys(stimuli_of(model) for model in setup["generation_models"])),
        metamers=[path for model in setup["generation_models"] for path in metamers_of(model)],
        similarity=[f"{RESULTS}/similarity/{modality}.nc" for modality in COMPARED_REPRESENTATIONS],
    output:
        # The first is index.html.
        pages=[f"{REPORT}/{page}.html" for page in PAGES],
        assets=directory(f"{REPORT}/assets"),
        steps=report(f"{REPORT}/figures/steps.svg", caption="../report/steps.rst", category="How it was made"),
        overview=(
            report([f"{REPORT}/figures/overview.svg"], caption="../report/overview.rst", category="Overview")
            if setup["generation_models"]
            else []
        ),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    params:
        code=code("report", *sorted((SCRIPTS / "metamers" / "site").iterdir())),
        benchmarks=BENCHMARKS,
        models=SHOWN_MODELS,
        judges={
            model: {
                "modality": setup["models"][model]["modality"],
                "family": FAMILIES[model],
            }
            for model in setup["recognition_models"]
        },
        unheard_voices=all(voices_differ(setup["training"][model]["dataset"]) for model in REPORTED_TRAINING),
        captions={
            name: (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
            for name in (
                *("recognizability", "contrasts", "confusion", "null", "loss", "training", "humans_vs_models"),
                *("vulnerability", "brain", "similarity", "power", "reliability"),
            )
        },
        # Without what is of one machine, or of a model card, only.
        configuration={
            key: value
            for key, value in config.items()
            if key not in ("mirror", "device", "model", "save_every_s", "repair", "rebuild_manifest")
        },
    threads: 1
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        f"Writing the report of {config['run']}"
    script:
        SCRIPTS / "report.py"
