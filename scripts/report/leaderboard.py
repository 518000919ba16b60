"""Make report/leaderboard.html, its table and its figures from comparison/leaderboard.nc and comparison/passes.nc."""

from metamers.run.job import log_to

from metamers.humans.summary import write_results
from metamers.leaderboard.ranking import entries_of
from metamers.report.calibration import reliability_figure
from metamers.report.figures import svg
from metamers.report.leaderboard import own_models_first, page_context
from metamers.report.looks import looks_of
from metamers.report.navigation import navigation_context
from metamers.report.passes import passes_figure
from metamers.report.render import render
from metamers.run import files

log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
board, tested = files.load(inputs.board), files.load(inputs.tested)
recognizable = files.load(inputs.recognizability[0]) if inputs.recognizability else None
write_results(own_models_first(entries_of(board)), snakemake.output.table)
files.write(snakemake.output.figure, svg(reliability_figure(board)))
files.write(snakemake.output.passes, svg(passes_figure(tested)))
context = page_context(board, tested, recognizable, snakemake.config["run"], looks_of(params.model_order))
context |= navigation_context(
    "leaderboard", params.pages, params.linked, params.quality, params.left_out, params.penalties
)
files.write(snakemake.output.page, render("leaderboard.html.j2", context))
