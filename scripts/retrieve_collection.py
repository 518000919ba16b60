"""Make a folder of retrieved files out of the registry's addresses and packages."""

from pathlib import Path

from metamers.logs import log_to
from metamers.retrieve import retrieve

log_to(snakemake.log[0])
mirror = snakemake.config["mirror"]
retrieve(
    snakemake.params.collection,
    folder=Path(snakemake.output[0]),
    store=Path("resources/store"),
    mirror=Path(mirror) if mirror else None,
)
