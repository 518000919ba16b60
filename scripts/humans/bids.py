"""Make humans/bids/<own_participants>/, the answers of own participants as a BIDS dataset."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.config.tables import stimulus_categories
from metamers.humans.answer_table import exclusions_of_table, trials_of_table
from metamers.humans.bids import bids_files, trials_of_answer_table, trials_of_answers, write_bids
from metamers.humans.own_participants import read_answers
from metamers.humans.read_table import ValidNames, read_answer_table
from metamers.run import files, manifest

logger = log_to(snakemake.log[0])
name, params, inputs = snakemake.wildcards.own_participants, snakemake.params, snakemake.input
categories = stimulus_categories(params.dataset, params.dataset_entry)
design = files.load(inputs.design)
try:
    if params.format == "table":
        valid = ValidNames(params.valid_stages, {*map(str, design["stimulus"].values)}, categories, range(params.seeds))
        trials = trials_of_table(read_answer_table(inputs.answers, params.columns, valid))
        trials, reasons = trials_of_answer_table(trials, design, exclusions_of_table(trials, params.stages))
    else:
        read = read_answers(inputs.answers, design, set(categories))
        trials, reasons = trials_of_answers(read, design, params.at_least)
    written = bids_files(trials, reasons, params.modality, name, categories, adaptive=params.format == "adaptive")
except ValueError as error:
    raise ValueError(f"own_participants.{name}: {error}") from error
folder = Path(snakemake.output[0])
write_bids(written, folder)
manifest.record(*(folder / path for path in written))
logger.info("%s: %d files", name, len(written))
