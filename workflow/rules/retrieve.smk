"""Data and weights from packages, addresses or a mirror: the only rules that may need the network."""

RETRIEVED = [f"{RESOURCES}/{collection}" for collection in COLLECTIONS if needed(collection)]


rule retrieve_collection:
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
        mem_mb=1000,
    conda:
        ENVIRONMENT
    message:
        "Retrieving {wildcards.collection}"
    script:
        SCRIPTS / "retrieve_collection.py"
