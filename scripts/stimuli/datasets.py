"""Make stimuli/<dataset>.nc, the natural stimuli of metamers, from a dataset's files or synthetic speech."""

from metamers.run.job import log_to

from metamers.run import files
from metamers.stimuli.datasets import read_dataset

log_to(snakemake.log[0])
name, params = snakemake.wildcards.dataset, snakemake.params
files.save(
    read_dataset(name, params.entry, params.folder, params.run_seed, splits=["test"]),
    snakemake.output[0],
    title=f"Natural stimuli of {name}",
    source=f"the dataset {name}",
    references="; ".join(params.entry.get("references", [])),
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
