"""Make stimuli/<dataset>.nc, the natural stimuli of metamers, from a dataset's files or synthetic speech."""

from metamers.run.job import log_to, save

from metamers.stimuli.datasets import readable_stimuli
from metamers.stimuli.files import STIMULI

log_to(snakemake.log[0])
name, params = snakemake.wildcards.dataset, snakemake.params
save(
    snakemake,
    readable_stimuli(name, params.entry, params.folder, params.run_seed, ["test"]),
    declared=STIMULI,
    title=f"Natural stimuli of {name}",
    source=f"the dataset {name}",
    references="; ".join(params.entry.get("references", [])),
)
