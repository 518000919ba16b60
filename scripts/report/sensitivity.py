"""Make report/sensitivity.html, its figures and its media from the files of beyond/sensitivity and beyond/agreement."""

from metamers.run.job import log_to

from pathlib import Path

import numpy as np
import xarray as xr

from metamers.beyond.sensitivity import distorted_stimuli
from metamers.modalities import MODALITIES
from metamers.names import NATURAL
from metamers.report.figures import svg
from metamers.report.looks import looks_of
from metamers.report.media import address
from metamers.report.navigation import navigation_context
from metamers.report.render import render
from metamers.report.sensitivity import part_of
from metamers.run import files, manifest
from metamers.stimuli.formats import FORMATS

log_to(snakemake.log[0])
given, params, media = snakemake.input, snakemake.params, Path(snakemake.output.media)
placed: list[Path] = []


def place(values: np.ndarray, folder: str, name: str, found: xr.Dataset) -> str:
    """Write a stimulus into the page's media, and return its address."""
    modality = found.attrs["modality"]
    suffix = MODALITIES[modality].suffix
    placed.append(media / folder / f"{name}{suffix}")
    FORMATS[modality].write(values, placed[-1], found.attrs.get("sampling_rate_hz"))
    return f"{address(media.name, folder, name)}{suffix}"


def part(found: xr.Dataset, agreed: xr.Dataset) -> dict:
    """The section of a modality, and its media."""
    modality = found.attrs["modality"]
    natural = {
        stimulus: place(found["stimulus_value"].sel(stimulus=stimulus).values, f"{NATURAL}_{modality}", stimulus, found)
        for stimulus in map(str, found["stimulus"].values)
    }
    written = {
        (depth, stimulus, which): place(values, f"{modality}_{depth}_{stimulus}", which, found)
        for (depth, stimulus, which), values in distorted_stimuli(found, params.lengths[modality]).items()
    }
    return part_of(found, agreed, looks_of(params.model_order), natural, written, params.lengths[modality])


parts = [part(*map(files.load, pair)) for pair in zip(given.sensitivity, given.agreement, strict=True)]
for one in parts:
    files.write(Path(snakemake.output.page).parent / "figures" / f"{one['identifier']}.svg", svg(one["figure"]))
    one["figure"] = one["identifier"]
manifest.record(*placed)
context = {"run": snakemake.config["run"], "parts": parts}
context |= navigation_context("sensitivity", params.pages, params.linked)
files.write(snakemake.output.page, render("sensitivity.html.j2", context))
