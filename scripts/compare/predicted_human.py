"""Make comparison/predicted_human.nc from this run's recognizability and the published relation."""

from metamers.run.job import log_to, save

from metamers.compare.files import PREDICTED_HUMAN
from metamers.compare.predicted_human import predicted_human
from metamers.run import files

logger = log_to(snakemake.log[0])
predicted = predicted_human(
    files.load(snakemake.input.recognizability),
    files.load(snakemake.input.relation),
    snakemake.params.modalities,
    snakemake.params.categories,
)
for (model, stage), row in predicted[["predicted", "low", "high"]].to_dataframe().dropna().iterrows():
    logger.info("%s %s: predicted for participants %.2f (%.2f to %.2f)", model, stage, row.predicted, row.low, row.high)
for (model, stage), reason in predicted["reason"].to_series().items():
    if reason:
        logger.info("%s %s: no prediction. %s", model, stage, reason)
save(
    snakemake,
    predicted,
    declared=PREDICTED_HUMAN,
    title="Predicted human recognizability of this run's metamers, without human data of them",
    source="recognizability by other models, and the published relation between participants and models",
)
