"""Make examples/<dataset>.nc, all splits of a dataset for training, out of its files or of synthetic speech."""

from metamers import files
from metamers.datasets import read_dataset
from metamers.logs import log_to

log_to(snakemake.log[0])
name, params = snakemake.wildcards.dataset, snakemake.params
files.save(
    read_dataset(name, params.entry, params.folder, params.run_seed),
    snakemake.output[0],
    title=f"Examples of {name} for training, validation and test",
    source=f"the dataset {name}",
    references="; ".join(params.entry.get("references", [])),
    step="train_examples",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
