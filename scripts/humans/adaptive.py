"""Make humans/adaptive/<adaptive_participants>.nc from the answers to an adaptive experiment."""

from metamers.run.job import log_to, save

from metamers.config.tables import stimulus_categories
from metamers.humans.adaptive import adaptive_dataset
from metamers.humans.design import QUESTION
from metamers.humans.files import ADAPTIVE
from metamers.humans.own_participants import read_answers
from metamers.run import files

logger = log_to(snakemake.log[0])
name, params, inputs = snakemake.wildcards.adaptive_participants, snakemake.params, snakemake.input
design = files.load(inputs.design)
try:
    read = read_answers(inputs.answers, design, set(stimulus_categories(params.dataset, params.dataset_entry)))
    results = adaptive_dataset(read, design, params.at_least)
except ValueError as error:
    raise ValueError(f"own_participants.{name}: {error}") from error
logger.info("%s: %d participants", name, int(results["participants_included"]))
for reason, number in results["excluded"].to_series().items():
    logger.info("%s: %d excluded: %s", name, number, reason)
logger.info("%s: %d rows set aside", name, int(results["rows_set_aside"]))
values = (float(results[key]) for key in ("estimate", "estimate_low", "estimate_high"))
logger.info("%s: %s %.3f (95%% interval %.3f to %.3f)", name, results.attrs[QUESTION], *values)
save(
    snakemake,
    results,
    declared=ADAPTIVE,
    title=f"Posterior distribution from the answers of participants in {name}, an adaptive experiment",
    source="answers of own participants, after exclusions",
    inputs=[inputs.design, *inputs.answers],
)
