"""Draw what other models take one generation model's metamers for."""

from pathlib import Path

from metamers import files
from metamers.logs import log_to
from metamers.report_confusion import confusion, confusion_figure, shown_stages
from metamers.report_figures import svg

log_to(snakemake.log[0])
recognition = {Path(path).stem: files.load(path) for path in snakemake.input.recognition}
accepted = files.load(snakemake.input.acceptance)["accepted"]
stages = shown_stages(list(map(str, accepted["stage"].values)))
counts = confusion(snakemake.wildcards.generation_model, recognition, accepted, stages)
figure = confusion_figure(counts, snakemake.params.model["modality"])
files.replace_whole(snakemake.output[0], lambda partial: partial.write_bytes(svg(figure)))
