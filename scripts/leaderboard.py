"""Make comparison/leaderboard.nc, page and table out of people's group results and the run's predictions."""

from metamers import files
from metamers.humans import COLUMNS, read_results, write_results
from metamers.leaderboard import entries_of, leaderboard, page_context
from metamers.logs import log_to
from metamers.pages import render

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
experiments = {}
for path, modality in zip(given.experiments, params.modalities, strict=True):
    experiments.setdefault(modality, []).append(files.load(path))
board = leaderboard(
    read_results(given.groups, COLUMNS),
    files.load(given.relation),
    experiments,
    files.load(given.predicted[0]) if given.predicted else None,
    params.models,
    params.bootstrap,
    params.run_seed,
)
entries = entries_of(board)
for _, entry in entries.dropna(subset="rank").iterrows():
    logger.info(
        "%s %d: %s: area %.3f (%.3f to %.3f), %s",
        *entry[["entry_modality", "rank", "generation_model", "area", "area_low", "area_high", "basis"]],
    )
files.save(
    board,
    snakemake.output.netcdf,
    title="Models by the area under human recognizability of their metamers over relative depth",
    source=f"public data of the study ({snakemake.config['human_data']}), and predictions for the run's own models",
    step="leaderboard",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=[*given],
)
write_results(entries, snakemake.output.table)
text = render("leaderboard.html.j2", page_context(board, snakemake.config["run"]))
files.write(snakemake.output.page, text)
