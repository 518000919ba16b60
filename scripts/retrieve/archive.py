"""Retrieve a file of the registry of archives and check its SHA-256."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.retrieve import retrieve_archive

log_to(snakemake.log[0])
mirror = snakemake.config["mirror"]
retrieve_archive(
    snakemake.params.archive,
    snakemake.params.entry,
    target=Path(snakemake.output[0]),
    store=Path("resources/store"),
    mirror=Path(mirror) if mirror else None,
)
