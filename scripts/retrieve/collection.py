"""Retrieve a collection of files from the addresses and packages in the registry."""

from pathlib import Path

from metamers.retrieve import retrieve
from metamers.run.logs import log_to

log_to(snakemake.log[0])
mirror = snakemake.config["mirror"]
retrieve(
    snakemake.params.collection,
    folder=Path(snakemake.output[0]),
    store=Path("resources/store"),
    mirror=Path(mirror) if mirror else None,
)
