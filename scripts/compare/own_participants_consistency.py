"""Make comparison/own_participants_consistency.nc from the answers of own participants and of this run's models."""

from metamers.run.job import log_to, save

from metamers.compare.error_consistency import participants_dataset
from metamers.compare.files import OWN_PARTICIPANTS_CONSISTENCY
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs = snakemake.input
groups = [
    (files.load(answers), files.load(design)) for answers, design in zip(inputs.answers, inputs.designs, strict=True)
]
compared = participants_dataset(groups, files.load_answers(inputs.recognition), snakemake.params.stages)
names = ["participant_consistency", "participant_consistency_low", "participant_consistency_high"]
for (model, stage, recognition_model), row in compared[names].to_dataframe().dropna(subset=names[:1]).iterrows():
    logger.info("%s %s, participants and %s: kappa %.2f (%.2f to %.2f)", model, stage, recognition_model, *row[names])
save(
    snakemake,
    compared,
    declared=OWN_PARTICIPANTS_CONSISTENCY,
    title="Error consistency of own participants and of this run's recognition models",
    source="answers of own participants and of the recognition models",
    inputs=[*inputs.answers, *inputs.recognition, *dict.fromkeys(inputs.designs)],
)
