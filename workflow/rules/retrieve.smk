"""Data and weights from packages, addresses or a mirror: the only rules that may need the network."""

RETRIEVED = [
    f"{RESOURCES}/{collection}"
    for collection in COLLECTIONS
    if setup["human_data"] == "participants" or not collection.startswith(("experiments/", "judges/"))
]


rule retrieve_collection:
    output:
        directory(f"{RESOURCES}/{{collection}}"),
    log:
        f"{LOGS}/retrieve_collection/{{collection}}.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_collection/{{collection}}.tsv"
    wildcard_constraints:
        collection="|".join(COLLECTIONS) or "(?!)",
    params:
        collection=lambda wildcards: COLLECTIONS[wildcards.collection],
    conda:
        ENVIRONMENT
    message:
        "Retrieving {wildcards.collection}"
    script:
        SCRIPTS / "retrieve_collection.py"
