"""Comparison: recognizability of this run's metamers, people against models, and what to expect of people."""

COMPARISON = [path for path in HUMANS if path.startswith(f"{RESULTS}/comparison/")]
if setup["generation_models"]:
    COMPARISON += [f"{RESULTS}/comparison/recognizability.nc", f"{RESULTS}/comparison/predicted_human.nc"]
COMPARISON += [f"{RESULTS}/comparison/power.nc"]
# With one's own people alone the published experiments, which would have to be retrieved, are left alone.
TESTED = [*(EXPERIMENTS if PARTICIPANTS or not PEOPLE else []), *PEOPLE]
COMPARED = judged_by_others(setup["people"])
OF_PEOPLE = [f"{RESULTS}/comparison/anova.nc"] if PEOPLE else []
OF_PEOPLE += [f"{RESULTS}/comparison/people_vs_models.nc"] if COMPARED else []
CONTRASTS = config["comparison"]["contrasts"]
if CONTRASTS:
    COMPARISON += [f"{RESULTS}/comparison/contrasts.nc"]


rule compare_recognizability:
    input:
        acceptance=expand(f"{RESULTS}/acceptance/{{model}}.nc", model=setup["generation_models"]),
        recognition=[path for model in setup["generation_models"] for path in recognition_of(model)],
    output:
        f"{RESULTS}/comparison/recognizability.nc",
    log:
        f"{LOGS}/compare_recognizability.log",
    benchmark:
        f"{BENCHMARKS}/compare_recognizability.tsv"
    params:
        code=code("compare_recognizability"),
        families=FAMILIES,
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing how well models recognize each other's metamers"
    script:
        SCRIPTS / "compare_recognizability.py"


rule compare_contrasts:
    input:
        acceptance=lambda wildcards: [f"{RESULTS}/acceptance/{model}.nc" for model in compared_models()],
        recognition=lambda wildcards: [path for model in compared_models() for path in recognition_of(model)],
    output:
        f"{RESULTS}/comparison/contrasts.nc",
    log:
        f"{LOGS}/compare_contrasts.log",
    benchmark:
        f"{BENCHMARKS}/compare_contrasts.tsv"
    params:
        code=code("compare_contrasts"),
        contrasts=CONTRASTS,
        families=FAMILIES,
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing how well metamers of differently trained models are recognized"
    script:
        SCRIPTS / "compare_contrasts.py"


rule compare_humans_vs_models:
    input:
        groups=f"{PUBLISHED}/group_results.csv",
        ceilings=f"{PUBLISHED}/noise_ceiling.csv",
        sources=SOURCES,  # not read: what the tables were made of, for the record of inputs
    output:
        f"{RESULTS}/comparison/humans_vs_models.nc",
    log:
        f"{LOGS}/compare_humans_vs_models.log",
    benchmark:
        f"{BENCHMARKS}/compare_humans_vs_models.tsv"
    params:
        code=code("compare_humans_vs_models"),
        judges={
            modality: {"public": len(entry["models"]), **entry["published"]}
            for modality, entry in setup["judges"].items()
        },
        bootstrap=config["comparison"]["bootstrap"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing people with models in the published data"
    script:
        SCRIPTS / "compare_humans_vs_models.py"


rule compare_people_vs_models:
    input:
        people=[
            f"{RESULTS}/humans/{name}.nc" for name in setup["people"] if setup["people"][name]["modality"] in COMPARED
        ],
        designs=expand(f"{RESULTS}/experiment/{{modality}}.nc", modality=COMPARED),
        recognition=[
            path for modality in COMPARED for model in setup["shown"][modality] for path in recognition_of(model)
        ],
    output:
        f"{RESULTS}/comparison/people_vs_models.nc",
    log:
        f"{LOGS}/compare_people_vs_models.log",
    benchmark:
        f"{BENCHMARKS}/compare_people_vs_models.tsv"
    params:
        code=code("compare_people_vs_models"),
        modalities={name: entry["modality"] for name, entry in setup["people"].items()},
        stages=setup["shown"],
        bootstrap=config["comparison"]["bootstrap"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing one's own people with models"
    script:
        SCRIPTS / "compare_people_vs_models.py"


rule compare_anova:
    input:
        TESTED,
    output:
        f"{RESULTS}/comparison/anova.nc",
    log:
        f"{LOGS}/compare_anova.log",
    benchmark:
        f"{BENCHMARKS}/compare_anova.tsv"
    params:
        code=code("compare_anova"),
        comparisons=of_tested(setup["comparisons"] | setup["own_comparisons"], TESTED),
        stage_effects=of_tested(setup["stage_effects"] | setup["own_stage_effects"], TESTED),
        own=list(setup["people"]),
        permutations=config["comparison"]["permutations"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Testing human against model, model against model, and stages in every experiment"
    script:
        SCRIPTS / "compare_anova.py"


rule compare_predicted_human:
    input:
        recognizability=rules.compare_recognizability.output[0],
        relation=rules.compare_humans_vs_models.output[0],
    output:
        f"{RESULTS}/comparison/predicted_human.nc",
    log:
        f"{LOGS}/compare_predicted_human.log",
    benchmark:
        f"{BENCHMARKS}/compare_predicted_human.tsv"
    params:
        code=code("compare_predicted_human"),
        modalities={model: setup["models"][model]["modality"] for model in setup["generation_models"]},
        categories={model: number_of_categories(setup["dataset_of"][model]) for model in setup["generation_models"]},
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Predicting what people would make of the metamers"
    script:
        SCRIPTS / "compare_predicted_human.py"
