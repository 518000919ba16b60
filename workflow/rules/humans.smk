"""Human data: the published participants' answers, or the committed table of their group results; one's own people's."""

PARTICIPANTS = setup["human_data"] == "participants"
EXPERIMENTS = [f"{RESULTS}/humans/{experiment}.nc" for experiment in setup["experiments"]]
# With participants, the run makes for itself the tables that the repository carries in resources/published.
PUBLISHED = f"{RESULTS}/humans" if PARTICIPANTS else located("resources/published")
SOURCES = [*EXPERIMENTS, *(f"{RESOURCES}/judges/{modality}" for modality in setup["judges"])] if PARTICIPANTS else []
HUMANS = [f"{RESULTS}/comparison/humans_vs_models.nc"]
HUMANS += [*EXPERIMENTS, f"{RESULTS}/comparison/anova.nc"] if PARTICIPANTS else []
PEOPLE = [f"{RESULTS}/humans/{name}.nc" for name in setup["people"]]


rule humans_participants:
    input:
        f"{RESOURCES}/experiments/{{experiment}}",
    output:
        f"{RESULTS}/humans/{{experiment}}.nc",
    log:
        f"{LOGS}/humans_participants/{{experiment}}.log",
    benchmark:
        f"{BENCHMARKS}/humans_participants/{{experiment}}.tsv"
    wildcard_constraints:
        experiment=one_of(setup["experiments"]),
    params:
        code=code("humans_participants"),
        experiment=lambda wildcards: setup["experiments"][wildcards.experiment],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Reading the participants of {wildcards.experiment}"
    script:
        SCRIPTS / "humans_participants.py"


rule humans_summary:
    input:
        experiments=EXPERIMENTS,
        judges=[f"{RESOURCES}/judges/{modality}" for modality in setup["judges"]],
    output:
        groups=f"{RESULTS}/humans/group_results.csv",
        ceilings=f"{RESULTS}/humans/noise_ceiling.csv",
        variance=f"{RESULTS}/humans/participant_variance.csv",
    log:
        f"{LOGS}/humans_summary.log",
    benchmark:
        f"{BENCHMARKS}/humans_summary.tsv"
    params:
        code=code("humans_summary"),
        modalities={name: entry["modality"] for name, entry in setup["experiments"].items()},
        judges=setup["judges"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Summarizing the published experiments by group"
    script:
        SCRIPTS / "humans_summary.py"


rule humans_people:
    input:
        design=lambda wildcards: f"{RESULTS}/experiment/{setup['people'][wildcards.people]['modality']}.nc",
        answers=lambda wildcards: answer_files(wildcards.people, setup["people"][wildcards.people]["answers"]),
        recognition=lambda wildcards: [
            f"{RESULTS}/recognition/{model}/{model}.nc" for model in shown_to(wildcards.people)
        ],
        categories=lambda wildcards: choice(next(iter(shown_to(wildcards.people))))["categories"],
    output:
        f"{RESULTS}/humans/{{people}}.nc",
    log:
        f"{LOGS}/humans_people/{{people}}.log",
    benchmark:
        f"{BENCHMARKS}/humans_people/{{people}}.tsv"
    wildcard_constraints:
        people=one_of(setup["people"]),
    params:
        code=code("humans_people"),
        stages=lambda wildcards: shown_to(wildcards.people),
        at_least=lambda wildcards: least_right(setup["people"][wildcards.people]["modality"]),
        dataset=lambda wildcards: shown_dataset(setup["people"][wildcards.people]["modality"]),
        dataset_entry=lambda wildcards: choice(next(iter(shown_to(wildcards.people)))),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Reading the answers of {wildcards.people}"
    script:
        SCRIPTS / "humans_people.py"
