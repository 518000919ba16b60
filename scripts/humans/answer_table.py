"""Make humans/<own_participants>.nc and humans/shown/<own_participants>.nc from a table of answers."""

from metamers.run.job import log_to, save

from metamers.config.tables import stimulus_categories
from metamers.humans.answer_table import shown_in_table, table_dataset, trials_of_table
from metamers.humans.files import HUMANS, SHOWN
from metamers.humans.read_table import ValidNames, read_answer_table
from metamers.run import files

logger = log_to(snakemake.log[0])
name, params, inputs = snakemake.wildcards.own_participants, snakemake.params, snakemake.input
with files.open_dataset(inputs.stimuli) as stimuli:
    categories = dict(zip(map(str, stimuli["stimulus"].values), map(str, stimuli["category"].values), strict=True))
recognition = files.load_by_stem(inputs.recognition)
valid = ValidNames(
    params.valid_stages,
    list(categories),
    stimulus_categories(params.dataset, params.dataset_entry),
    range(params.seeds),
)
try:
    trials = trials_of_table(read_answer_table(inputs.answers, params.columns, valid))
    exhibits = shown_in_table(trials, categories)
    answers = table_dataset(trials, exhibits, params.stages, recognition)
except ValueError as error:
    raise ValueError(f"own_participants.{name}: {error}") from error
logger.info("%s: %d trials, %d participants", name, len(trials), answers.sizes["participant"])
logger.info("%s: %d rows without an answer", name, int(answers["rows_set_aside"]))
for reason, number in answers["excluded"].to_series().items():
    logger.info("%s: %d excluded: %s", name, number, reason)
for dataset, path, declared, title in (
    (answers, snakemake.output.answers, HUMANS, f"Answers of participants and models in {name}, from a table"),
    (exhibits, snakemake.output.shown, SHOWN, f"What the participants of {name} were shown, from a table"),
):
    save(
        snakemake,
        dataset,
        path,
        declared=declared,
        title=title,
        source="table of answers of own participants, after exclusions",
        inputs=[*inputs.answers, inputs.stimuli, *inputs.recognition],
    )
