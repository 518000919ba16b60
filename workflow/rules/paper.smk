"""The paper: its figures as targets, as far as the public data go, and its numbers beside the run's own."""

from metamers.paper_numbers import read_numbers

PAPER_FIGURES = f"{REPORT}/figures/paper"
PAPER_NUMBERS = read_numbers(located("config/paper_numbers.yaml"))
# Group results are in the committed summary; what follows needs public files.
PAPER_DATA = []
if PARTICIPANTS:
    PAPER_DATA += [f"{RESULTS}/comparison/judgements_{modality}.nc" for modality in setup["judges"]]
    PAPER_DATA += [f"{RESULTS}/comparison/{kind}.nc" for kind in setup["brains"]]
# Title of a panel; what lies along its abscissa, its dimension of areas, and its label.
DRAWN_BRAIN = {
    "brain_score": ("Neurons of visual cortex", "brain_score", "visual_area", "Brain-Score"),
    "fmri": ("Voxels of auditory cortex", "variance_explained", "region", "Variance explained (R²)"),
}
# Kind of panel → panel → title. Those of the last two kinds need public files as well.
PAPER_PANELS = {
    "paper_experiments": {
        name: f"{name.replace('-', ' experiment ').capitalize()}: {entry['title']}"
        for name, entry in setup["experiments"].items()
    },
    "humans_vs_models": {
        f"humans_vs_models_{modality}": f"People against other models, {modality}" for modality in setup["judges"]
    },
    "paper_judgements": {f"judgements_{modality}": f"Recognized by whom, {modality}" for modality in setup["judges"]},
    "paper_brain": {brain: DRAWN_BRAIN[brain][0] for brain in setup["brains"]},
}
PAPER_DRAWN = [
    f"{PAPER_FIGURES}/{panel}.svg"
    for kind, panels in PAPER_PANELS.items()
    for panel in panels
    if PARTICIPANTS or kind in ("paper_experiments", "humans_vs_models")
]


rule paper_judgements:
    input:
        f"{RESOURCES}/judges/{{modality}}",
    output:
        f"{RESULTS}/comparison/judgements_{{modality}}.nc",
    log:
        f"{LOGS}/paper_judgements/{{modality}}.log",
    benchmark:
        f"{BENCHMARKS}/paper_judgements/{{modality}}.tsv"
    params:
        code=code("paper_judgements"),
        entry=lambda wildcards: setup["judges"][wildcards.modality],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Gathering what published models make of each other's metamers ({wildcards.modality})"
    script:
        SCRIPTS / "paper_judgements.py"


rule paper_brain_score:
    input:
        scores=f"{RESOURCES}/published/brain_score",
        groups=f"{PUBLISHED}/group_results.csv",
    output:
        f"{RESULTS}/comparison/brain_score.nc",
    log:
        f"{LOGS}/paper_brain_score.log",
    benchmark:
        f"{BENCHMARKS}/paper_brain_score.tsv"
    params:
        code=code("paper_brain_score"),
        entry=setup["brains"].get("brain_score"),
        bootstrap=config["comparison"]["bootstrap"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing Brain-Scores with people's recognition of metamers"
    script:
        SCRIPTS / "paper_brain_score.py"


rule paper_fmri:
    input:
        voxels=f"{RESOURCES}/published/fmri",
        groups=f"{PUBLISHED}/group_results.csv",
    output:
        f"{RESULTS}/comparison/fmri.nc",
    log:
        f"{LOGS}/paper_fmri.log",
    benchmark:
        f"{BENCHMARKS}/paper_fmri.tsv"
    params:
        code=code("paper_fmri"),
        entry=setup["brains"].get("fmri"),
        bootstrap=config["comparison"]["bootstrap"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing predictions of auditory cortex with people's recognition of metamers"
    script:
        SCRIPTS / "paper_fmri.py"


# All at once: they are drawn from one table, and take no longer together than one job takes to start.
rule paper_draw_experiments:
    input:
        f"{PUBLISHED}/group_results.csv",
    output:
        report(
            expand(f"{PAPER_FIGURES}/{{experiment}}.svg", experiment=setup["experiments"]),
            caption="../report/paper_experiments.rst",
            category="The paper's figures",
        ),
    log:
        f"{LOGS}/paper_draw_experiments.log",
    benchmark:
        f"{BENCHMARKS}/paper_draw_experiments.tsv"
    params:
        code=code("paper_draw_experiments"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing the published experiments"
    script:
        SCRIPTS / "paper_draw_experiments.py"


rule paper_draw_humans_vs_models:
    input:
        f"{RESULTS}/comparison/humans_vs_models.nc",
    output:
        report(
            f"{PAPER_FIGURES}/humans_vs_models_{{modality}}.svg",
            caption="../report/humans_vs_models.rst",
            category="The paper's figures",
            labels={"panel": "humans_vs_models_{modality}"},
        ),
    log:
        f"{LOGS}/paper_draw_humans_vs_models/{{modality}}.log",
    benchmark:
        f"{BENCHMARKS}/paper_draw_humans_vs_models/{{modality}}.tsv"
    params:
        code=code("report_humans_vs_models"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing people against other models for the paper's page ({wildcards.modality})"
    script:
        SCRIPTS / "report_humans_vs_models.py"


rule paper_draw_judgements:
    input:
        judgements=f"{RESULTS}/comparison/judgements_{{modality}}.nc",
        groups=f"{PUBLISHED}/group_results.csv",
    output:
        report(
            f"{PAPER_FIGURES}/judgements_{{modality}}.svg",
            caption="../report/paper_judgements.rst",
            category="The paper's figures",
            labels={"panel": "judgements_{modality}"},
        ),
    log:
        f"{LOGS}/paper_draw_judgements/{{modality}}.log",
    benchmark:
        f"{BENCHMARKS}/paper_draw_judgements/{{modality}}.tsv"
    params:
        code=code("paper_draw_judgements"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing who recognizes published models' metamers ({wildcards.modality})"
    script:
        SCRIPTS / "paper_draw_judgements.py"


rule paper_draw_brain:
    input:
        f"{RESULTS}/comparison/{{brain}}.nc",
    output:
        report(
            f"{PAPER_FIGURES}/{{brain}}.svg",
            caption="../report/paper_brain.rst",
            category="The paper's figures",
            labels={"panel": "{brain}"},
        ),
    log:
        f"{LOGS}/paper_draw_brain/{{brain}}.log",
    benchmark:
        f"{BENCHMARKS}/paper_draw_brain/{{brain}}.tsv"
    wildcard_constraints:
        brain=one_of(setup["brains"]),
    params:
        code=code("paper_draw_brain"),
        drawn=lambda wildcards: DRAWN_BRAIN[wildcards.brain][1:],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Drawing predictions of brains against people's recognition of metamers ({wildcards.brain})"
    script:
        SCRIPTS / "paper_draw_brain.py"


rule paper_page:
    input:
        figures=PAPER_DRAWN,
        results=[path for path in HUMANS if path.startswith(f"{RESULTS}/comparison/")] + PAPER_DATA,
    output:
        report(f"{REPORT}/paper.html", caption="../report/paper_page.rst", category="The paper's figures"),
    log:
        f"{LOGS}/paper_page.log",
    benchmark:
        f"{BENCHMARKS}/paper_page.tsv"
    params:
        code=code("paper_page", *(SCRIPTS / "metamers" / f"{page}.html.j2" for page in ("page", "paper"))),
        numbers=PAPER_NUMBERS,
        panels=[
            {"kind": kind, "name": name, "title": title, "place": PAPER_NUMBERS["panels"].get(name, "")}
            for kind, panels in PAPER_PANELS.items()
            for name, title in panels.items()
        ],
        captions={kind: (CAPTIONS / f"{kind}.rst").read_text(encoding="utf-8") for kind in PAPER_PANELS},
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Setting the run beside the paper"
    script:
        SCRIPTS / "paper_page.py"
