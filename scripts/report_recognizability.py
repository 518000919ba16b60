"""Draw recognizability of one generation model's metamers over stages."""

from metamers import files
from metamers.humans import COLUMNS, read_results
from metamers.logs import log_to
from metamers.report_figures import recognizability_figure, svg

log_to(snakemake.log[0])
name, model = snakemake.wildcards.generation_model, snakemake.params.model
figure = recognizability_figure(
    name,
    files.load(snakemake.input.recognizability),
    files.load(snakemake.input.predicted),
    files.load(snakemake.input.relation),
    read_results(snakemake.input.groups, COLUMNS),
    model["modality"],
    1 / model["categories"],
    model["published_as"],
)
files.replace_whole(snakemake.output[0], lambda partial: partial.write_bytes(svg(figure)))
