"""Make comparison/judgements_<modality>.nc out of the published models' answers about each other's metamers."""

from metamers import files
from metamers.humans import judgements
from metamers.logs import log_to
from metamers.paper_judgements import judgements_dataset

log_to(snakemake.log[0])
entry, modality = snakemake.params.entry, snakemake.wildcards.modality
files.save(
    judgements_dataset(judgements(entry, snakemake.input[0]), entry["models"]),
    snakemake.output[0],
    title=f"What published models make of each other's metamers, {modality}",
    source="public answers of the study's models",
    step="paper_judgements",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
