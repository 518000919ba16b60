"""Make comparison/preregistered.nc: the frozen prediction, scored against the answers of own participants."""

from metamers.run.job import log_to, save

from metamers.preregister.files import SCORED
from metamers.preregister.freeze import list_items
from metamers.preregister.score import (
    answers_before,
    find_changes,
    participants_judged,
    read_frozen,
    scored_prediction,
)
from metamers.report.figures import svg
from metamers.report.preregistered import preregistered_figure
from metamers.run import files
from metamers.run.hashes import sha256_of

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
frozen = read_frozen(inputs.frozen)
items = list_items({kind: inputs[kind] for kind in params.kinds}, params.settings, params.versions, params.entries)
changes = find_changes(frozen, items)
for row in changes.itertuples():
    logger.info("after the prediction was frozen: %s %s: %s", row.changed_kind, row.changed_item, row.change)
before, first = answers_before(frozen, inputs.answers)
judged = participants_judged(files.load(path) for path in inputs.own_participants)
try:
    scored = scored_prediction(frozen, judged, changes, params.run_seed)
except ValueError as error:
    raise ValueError(f"{inputs.frozen}: {error}") from error
scored = scored.assign(first_answer=first, answer_files_before=before, frozen_sha256=sha256_of(inputs.frozen))
for row in scored[["observed", "predicted", "low", "high", "log_score", "log_score_depth"]].to_dataframe().itertuples():
    logger.info(
        "%s %s: observed %.2f, predicted %.2f (%.2f to %.2f), log score %.2f, by depth %.2f",
        *(row.generation_model, row.stage, row.observed, row.predicted, row.low, row.high),
        *(row.log_score, row.log_score_depth),
    )
save(
    snakemake,
    scored,
    snakemake.output.netcdf,
    declared=SCORED,
    title="Frozen prediction of human recognizability, scored against the answers of own participants",
    source="the frozen prediction, and answers of own participants",
    inputs=[inputs.frozen, *inputs.own_participants, *inputs.answers],
)
files.write(snakemake.output.figure, svg(preregistered_figure(scored)))
