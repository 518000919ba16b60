"""Make humans/<own_participants>.nc from the answers of own participants."""

from metamers.run.job import log_to, save

from metamers.config.tables import stimulus_categories
from metamers.humans.files import HUMANS
from metamers.humans.own_participants import own_participants_dataset, read_answers
from metamers.run import files

logger = log_to(snakemake.log[0])
name, params, inputs = snakemake.wildcards.own_participants, snakemake.params, snakemake.input
categories = set(stimulus_categories(params.dataset, params.dataset_entry))
design = files.load(inputs.design)
recognition = files.load_by_stem(inputs.recognition)
try:
    read = read_answers(inputs.answers, design, categories)
    answers = own_participants_dataset(read, design, params.stages, recognition, params.at_least)
except ValueError as error:
    raise ValueError(f"own_participants.{name}: {error}") from error
logger.info("%s: %d participants", name, answers.sizes["participant"])
logger.info("%s: %d answers after a reload", name, int(answers["answered_after_reload"]))
logger.info("%s: %d rows set aside", name, int(answers["rows_set_aside"]))
logger.info("%s: %d files set aside", name, int(answers["files_set_aside"]))
for reason, number in answers["excluded"].to_series().items():
    logger.info("%s: %d excluded: %s", name, number, reason)
for (model, observer), mean in answers["proportion_correct"].mean(("participant", "stage")).to_series().items():
    logger.info("%s: %s: %s %.3f correct over all stages", name, model, observer, mean)
save(
    snakemake,
    answers,
    declared=HUMANS,
    title=f"Answers of participants and models in {name}, an experiment with this run's metamers",
    source="answers of own participants, after exclusions",
    inputs=[inputs.design, *inputs.answers, *inputs.recognition],
)
