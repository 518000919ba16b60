"""Make report/paper.html, one self-contained page: the paper's numbers and figures with the run's."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.paper.numbers import compared
from metamers.paper.page import page_context
from metamers.report.provenance import page_provenance
from metamers.report.render import render, svg_uri
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
results = files.load_by_stem(inputs.results)
rows = compared(params.numbers["numbers"], results)
for row in rows:
    logger.info(
        "%s: %s: printed %s, here %s: %s", *(row[key] for key in ("section", "what", "printed", "ours", "state"))
    )
text = render(
    "paper.html.j2",
    page_context(
        run=snakemake.config["run"],
        human_data=snakemake.config["human_data"],
        rows=rows,
        panels=params.panels,
        figures={Path(path).stem: svg_uri(Path(path).read_bytes()) for path in inputs.figures},
        captions=params.captions,
        not_public=params.numbers["not_public"],
        origin=page_provenance(inputs.results),
    ),
)
files.write(snakemake.output[0], text)
