"""Make stimuli/<dataset>.nc, of which metamers are made, out of a dataset's files or of synthetic speech."""

from metamers import files
from metamers.datasets import read_dataset
from metamers.logs import log_to

log_to(snakemake.log[0])
name, params = snakemake.wildcards.dataset, snakemake.params
files.save(
    read_dataset(name, params.entry, params.folder, params.run_seed, splits=["test"]),
    snakemake.output[0],
    title=f"Natural stimuli of {name}",
    source=f"the dataset {name}",
    references="; ".join(params.entry.get("references", [])),
    step="stimuli",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
