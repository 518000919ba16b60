"""Make examples/<dataset>.nc, all splits of a dataset for training, from its files or synthetic speech."""

from metamers.run.job import log_to, save

from metamers.stimuli.datasets import read_dataset
from metamers.train.files import EXAMPLES

logger = log_to(snakemake.log[0])
name, params = snakemake.wildcards.dataset, snakemake.params
examples = read_dataset(name, params.entry, params.folder, params.run_seed)
splits_of = examples["split"].to_series().groupby(examples["speaker"].values).unique()
for speaker, splits in splits_of.items():
    if speaker and len(splits) > 1:
        logger.warning("%s: speaker %s is in the splits %s: models are tested on a known voice", name, speaker, splits)
save(
    snakemake,
    examples,
    declared=EXAMPLES,
    title=f"Examples of {name} for training, validation and test",
    source=f"the dataset {name}",
    references="; ".join(params.entry.get("references", [])),
)
