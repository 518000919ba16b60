"""Fetch a file of the registry of archives, whose SHA-256 somebody has vouched for."""

from pathlib import Path

from metamers.logs import log_to
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
