"""Draw recognizability of one generation model's metamers over stages."""

from pathlib import Path

from metamers import files
from metamers.compare import by_others
from metamers.humans import COLUMNS, read_results
from metamers.logs import log_to
from metamers.report_figures import recognizability_figure, svg

log_to(snakemake.log[0])
name, model = snakemake.wildcards.generation_model, snakemake.params.model
recognition = {Path(path).stem: files.load(path) for path in snakemake.input.recognition}
figure = recognizability_figure(
    name,
    files.load(snakemake.input.recognizability),
    by_others(recognition, files.load(snakemake.input.acceptance)["accepted"], name),
    files.load(snakemake.input.predicted),
    files.load(snakemake.input.relation),
    read_results(snakemake.input.groups, COLUMNS),
    model["modality"],
    1 / model["categories"],
    model["published_as"],
)
files.replace_whole(snakemake.output[0], lambda partial: partial.write_bytes(svg(figure)))
