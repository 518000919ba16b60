"""Make report/sensitivity.html, its figures and its media from the files of beyond/sensitivity and beyond/agreement."""

from metamers.run.job import log_to

from pathlib import Path

import xarray as xr

from metamers.report.figures import write_figures
from metamers.report.looks import looks_of
from metamers.report.media import address, share
from metamers.report.navigation import navigation_context
from metamers.report.render import render
from metamers.report.sensitivity import part_of
from metamers.run import files, manifest

log_to(snakemake.log[0])
inputs, params, media = snakemake.input, snakemake.params, Path(snakemake.output.media)
placed: list[Path] = []


def part(sensitivities: xr.Dataset, agreed: xr.Dataset, exported: Path) -> dict:
    """The section of a modality; links the exported stimuli to the page's media."""
    modality, addresses = sensitivities.attrs["modality"], {}
    for depth in sensitivities["depth"].values:
        for stimulus in map(str, sensitivities["stimulus"].values):
            for source in sorted((exported / str(depth) / stimulus).iterdir()):
                folder = f"{modality}_{depth}_{stimulus}"
                placed.append(media / folder / source.name)
                share(source, placed[-1])
                link = f"{address(media.name, folder, source.stem)}{source.suffix}"
                addresses[float(depth), stimulus, source.stem] = link
    return part_of(sensitivities, agreed, looks_of(params.model_order), addresses, params.lengths[modality])


parts = [
    part(files.load(sensitivity), files.load(agreement), Path(exported))
    for sensitivity, agreement, exported in zip(inputs.sensitivity, inputs.agreement, inputs.exported, strict=True)
]
write_figures(parts, Path(snakemake.output.page))
manifest.record(*placed)
context = {"run": snakemake.config["run"], "parts": parts}
context |= navigation_context("sensitivity", params.pages, params.linked, params.quality, penalties=params.penalties)
files.write(snakemake.output.page, render("sensitivity.html.j2", context))
