"""The paper: the figures that public data allow, as targets, and its numbers beside those of the run."""

from metamers.paper.numbers import read_numbers

PAPER_NUMBERS = read_numbers(resolve_path("config/paper_numbers.yaml"))
# The committed summary has group results only; these results need public files.
PAPER_DATA = (
    [f"results/<run>/comparison/judgements_{modality}.nc" for modality in plan.published.judgements]
    + [f"results/<run>/comparison/{kind}.nc" for kind in plan.published.brains]
    if PARTICIPANTS
    else []
)
# Titles of the panels; the variable along each abscissa, its dimension of areas, and its label.
BRAIN_TITLES = {"brain_score": "Neurons of visual cortex", "fmri": "Voxels of auditory cortex"}
DRAWN_BRAIN = {
    "brain_score": ("brain_score", "visual_area", "Brain-Score"),
    "fmri": ("variance_explained", "region", "Variance explained (R²)"),
}
# Kind of panel → panel → title. Panels of the last two kinds need public files, too.
PAPER_PANELS = {
    "paper_experiments": {
        name: f"{name.replace('-', ' experiment ').capitalize()}: {entry.title}"
        for name, entry in plan.published.experiments.items()
    },
    "humans_vs_models": {
        f"humans_vs_models_{modality}": f"Participants against recognition models, {modality}"
        for modality in plan.published.judgements
    },
    "paper_judgements": {
        f"judgements_{modality}": f"Recognized by whom, {modality}" for modality in plan.published.judgements
    },
    "paper_brain": {brain: BRAIN_TITLES[brain] for brain in plan.published.brains},
}
PAPER_DRAWN = [
    f"results/<run>/report/figures/paper/{panel}.svg"
    for kind, panels in PAPER_PANELS.items()
    for panel in panels
    if PARTICIPANTS or kind in ("paper_experiments", "humans_vs_models")
]


rule paper_judgements:
    input:
        local(f"{RESOURCES}/recognition_models/{{modality}}"),
    output:
        "results/<run>/comparison/judgements_{modality}.nc",
    log:
        "results/<run>/logs/paper_judgements/{modality}.log",
    benchmark:
        "results/<run>/benchmarks/paper_judgements/{modality}.tsv"
    params:
        **step("paper/judgements"),
        entry=lookup("{modality}", within=parameters_of(plan.published.judgements)),
    resources:
        **needs("paper_judgements"),
    conda:
        ENVIRONMENT
    message:
        "Collecting published models' recognition of each other's metamers ({wildcards.modality})"
    script:
        SCRIPTS / "paper/judgements.py"


rule paper_brain_score:
    input:
        scores=local(f"{RESOURCES}/published/brain_score"),
        groups=committed(f"{TABLES_FOLDER}/group_results.csv"),
    output:
        "results/<run>/comparison/brain_score.nc",
    log:
        "results/<run>/logs/paper_brain_score.log",
    benchmark:
        "results/<run>/benchmarks/paper_brain_score.tsv"
    params:
        **step("paper/brain_score"),
        entry=parameters_of(plan.published.brains).get("brain_score"),
    resources:
        **needs("paper_brain_score"),
    conda:
        ENVIRONMENT
    message:
        "Comparing Brain-Scores with human recognition of metamers"
    script:
        SCRIPTS / "paper/brain_score.py"


rule paper_fmri:
    input:
        voxels=local(f"{RESOURCES}/published/fmri"),
        groups=committed(f"{TABLES_FOLDER}/group_results.csv"),
    output:
        "results/<run>/comparison/fmri.nc",
    log:
        "results/<run>/logs/paper_fmri.log",
    benchmark:
        "results/<run>/benchmarks/paper_fmri.tsv"
    params:
        **step("paper/fmri"),
        entry=parameters_of(plan.published.brains).get("fmri"),
    resources:
        **needs("paper_fmri"),
    conda:
        ENVIRONMENT
    message:
        "Comparing predictions of auditory cortex with human recognition of metamers"
    script:
        SCRIPTS / "paper/fmri.py"


# One job: all are drawn from one table, which takes no longer than the start of a job.
rule paper_draw_experiments:
    input:
        committed(f"{TABLES_FOLDER}/group_results.csv"),
    output:
        report(
            expand("results/<run>/report/figures/paper/{experiment}.svg", experiment=plan.published.experiments),
            caption="../report/paper_experiments.rst",
            category="The paper's figures",
        ),
    log:
        "results/<run>/logs/paper_draw_experiments.log",
    benchmark:
        "results/<run>/benchmarks/paper_draw_experiments.tsv"
    params:
        **step("paper/draw_experiments"),
    resources:
        **needs("paper_draw_experiments"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the published experiments"
    script:
        SCRIPTS / "paper/draw_experiments.py"


rule paper_draw_humans_vs_models:
    input:
        "results/<run>/comparison/humans_vs_models.nc",
    output:
        report(
            "results/<run>/report/figures/paper/humans_vs_models_{modality}.svg",
            caption="../report/humans_vs_models.rst",
            category="The paper's figures",
            labels={"panel": "humans_vs_models_{modality}"},
        ),
    log:
        "results/<run>/logs/paper_draw_humans_vs_models/{modality}.log",
    benchmark:
        "results/<run>/benchmarks/paper_draw_humans_vs_models/{modality}.tsv"
    params:
        **step("paper/draw_humans_vs_models"),
    resources:
        **needs("paper_draw_humans_vs_models"),
    conda:
        ENVIRONMENT
    message:
        "Drawing participants against other models for the page of the paper ({wildcards.modality})"
    script:
        SCRIPTS / "paper/draw_humans_vs_models.py"


rule paper_draw_judgements:
    input:
        judgements="results/<run>/comparison/judgements_{modality}.nc",
        groups=committed(f"{TABLES_FOLDER}/group_results.csv"),
    output:
        report(
            "results/<run>/report/figures/paper/judgements_{modality}.svg",
            caption="../report/paper_judgements.rst",
            category="The paper's figures",
            labels={"panel": "judgements_{modality}"},
        ),
    log:
        "results/<run>/logs/paper_draw_judgements/{modality}.log",
    benchmark:
        "results/<run>/benchmarks/paper_draw_judgements/{modality}.tsv"
    params:
        **step("paper/draw_judgements"),
    resources:
        **needs("paper_draw_judgements"),
    conda:
        ENVIRONMENT
    message:
        "Drawing the recognition of published models' metamers ({wildcards.modality})"
    script:
        SCRIPTS / "paper/draw_judgements.py"


rule paper_draw_brain:
    input:
        "results/<run>/comparison/{brain}.nc",
    output:
        report(
            "results/<run>/report/figures/paper/{brain}.svg",
            caption="../report/paper_brain.rst",
            category="The paper's figures",
            labels={"panel": "{brain}"},
        ),
    log:
        "results/<run>/logs/paper_draw_brain/{brain}.log",
    benchmark:
        "results/<run>/benchmarks/paper_draw_brain/{brain}.tsv"
    wildcard_constraints:
        brain=one_of(plan.published.brains),
    params:
        **step("paper/draw_brain"),
        drawn=lookup("{brain}", within=DRAWN_BRAIN),
    resources:
        **needs("paper_draw_brain"),
    conda:
        ENVIRONMENT
    message:
        "Drawing predictions of brains against human recognition of metamers ({wildcards.brain})"
    script:
        SCRIPTS / "paper/draw_brain.py"


rule paper_page:
    input:
        figures=PAPER_DRAWN,
        results=[path for path in HUMANS if path.startswith("results/<run>/comparison/")] + PAPER_DATA,
    output:
        report("results/<run>/report/paper.html", caption="../report/paper_page.rst", category="The paper's figures"),
    log:
        "results/<run>/logs/paper_page.log",
    benchmark:
        "results/<run>/benchmarks/paper_page.tsv"
    params:
        **step("paper/page"),
        read=data_version(*templates("paper")),
        numbers=PAPER_NUMBERS,
        panels=[
            {"kind": kind, "name": name, "title": title, "place": PAPER_NUMBERS["panels"].get(name, "")}
            for kind, panels in PAPER_PANELS.items()
            for name, title in panels.items()
        ],
        captions={kind: (CAPTIONS / f"{kind}.rst").read_text(encoding="utf-8") for kind in PAPER_PANELS},
    resources:
        **needs("paper_page"),
    conda:
        ENVIRONMENT
    message:
        "Writing the page that compares the run with the paper"
    script:
        SCRIPTS / "paper/page.py"


rule paper:
    input:
        rules.paper_page.output,
        PAPER_DRAWN,
