"""Make comparison/judgements_<modality>.nc from the published models' answers to each other's metamers."""

from metamers.run.job import log_to, save

from metamers.humans.participants import judgements
from metamers.paper.files import JUDGEMENTS
from metamers.paper.judgements import judgements_dataset

log_to(snakemake.log[0])
entry, modality = snakemake.params.entry, snakemake.wildcards.modality
save(
    snakemake,
    judgements_dataset(judgements(entry, snakemake.input[0]), entry["models"]),
    declared=JUDGEMENTS,
    title=f"Recognition of published models' metamers by each other, {modality}",
    source="public answers of the study's models",
)
