"""Make comparison/judgements_<modality>.nc from the published models' answers to each other's metamers."""

from metamers.run.job import log_to

from metamers.humans.participants import judgements
from metamers.paper.judgements import judgements_dataset
from metamers.run import files

log_to(snakemake.log[0])
entry, modality = snakemake.params.entry, snakemake.wildcards.modality
files.save(
    judgements_dataset(judgements(entry, snakemake.input[0]), entry["models"]),
    snakemake.output[0],
    title=f"Recognition of published models' metamers by each other, {modality}",
    source="public answers of the study's models",
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
