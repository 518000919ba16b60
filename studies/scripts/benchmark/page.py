"""Make report/benchmark.html from the files of the benchmark."""

from metamers.run.job import log_to

from metamers.report.figures import svg
from metamers.report.render import render, svg_uri
from metamers.report.steps import run_times
from metamers.run import files
from studies.benchmark.page import TEMPLATE, page_context, ratio_figure

log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
benchmark = files.load(given.synthesis)
figures = {"ratios": ratio_figure(benchmark)}
context = page_context(
    benchmark,
    files.load(given.cochleagram),
    run_times(params.benchmarks),
    files.load(given.scale[0]) if given.scale else None,
    {name: svg_uri(svg(figure)) for name, figure in figures.items()},
    params.settings,
    snakemake.config["run"],
)
text = render(TEMPLATE, context)
files.write(snakemake.output[0], text)
