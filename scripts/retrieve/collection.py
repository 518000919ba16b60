"""Retrieve a collection of files from the addresses and packages in the registry."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.retrieve import retrieve

log_to(snakemake.log[0])
mirror = snakemake.config["mirror"]
retrieve(
    snakemake.params.collection,
    folder=Path(snakemake.output[0]),
    store=Path("resources/store"),
    mirror=Path(mirror) if mirror else None,
)
