"""Make report/benchmark.html out of what was timed."""

from metamers import files
from metamers.benchmark_page import descent_figure, page_context, speedup_figure
from metamers.logs import log_to
from metamers.pages import render, svg_uri
from metamers.report_figures import svg

log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
benchmark = files.load(given.synthesis)
figures = {"speedup": speedup_figure(benchmark)}
paths = iter(given.matched)
for (name, stages), speed in zip(params.models.items(), given.speed, strict=True):
    matched = {stage: files.load(next(paths)) for stage in stages}
    figures[name] = descent_figure(name, matched, files.load(speed))
context = page_context(
    benchmark,
    files.load(given.cochleagram),
    files.load(given.workflow),
    files.load(given.trials[0]) if given.trials else None,
    files.load(given.scale[0]) if given.scale else None,
    {name: svg_uri(svg(figure)) for name, figure in figures.items()},
    params.settings,
    snakemake.config["run"],
)
text = render("benchmark.html.j2", context)
files.write(snakemake.output[0], text)
