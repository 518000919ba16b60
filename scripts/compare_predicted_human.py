"""Make comparison/predicted_human.nc out of this run's recognizability and the published relation."""

from metamers import files
from metamers.logs import log_to
from metamers.predicted import predicted_human

logger = log_to(snakemake.log[0])
predicted = predicted_human(
    files.load(snakemake.input.recognizability),
    files.load(snakemake.input.relation),
    snakemake.params.modalities,
    snakemake.params.categories,
)
for (model, stage), row in predicted[["predicted", "low", "high"]].to_dataframe().dropna().iterrows():
    logger.info("%s %s: expected of people %.2f (%.2f to %.2f)", model, stage, row.predicted, row.low, row.high)
outside = int(predicted["outside_published_range"].sum())
logger.info("%d stages lie outside the published range of other models: no prediction", outside)
files.save(
    predicted,
    snakemake.output[0],
    title="Human recognizability expected of this run's metamers, which nobody has judged yet",
    source="recognizability by other models, and the published relation between people and models",
    step="compare_predicted_human",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
