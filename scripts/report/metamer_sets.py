"""Make report/metamer_sets.html, its figures and its media from the files of beyond/metamer_sets."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.beyond.metamer_set import by_depth
from metamers.modalities import MODALITIES, sampling_of
from metamers.names import NATURAL
from metamers.report.figures import write_figures
from metamers.report.looks import looks_of
from metamers.report.media import address, share
from metamers.report.metamer_sets import part_of
from metamers.report.navigation import navigation_context
from metamers.report.render import render
from metamers.run import files, manifest
from metamers.stimuli.formats import FORMATS

log_to(snakemake.log[0])
inputs, params, media = snakemake.input, snakemake.params, Path(snakemake.output.media)
placed: list[Path] = []


def place(folder: str, name: str, suffix: str) -> tuple[Path, str]:
    """A new file of the page's media, and its address on the page."""
    placed.append(media / folder / f"{name}{suffix}")
    return placed[-1], f"{address(media.name, folder, name)}{suffix}"


metamer_sets = files.load_by_stem(inputs.metamer_sets)
folders = {name: Path(path) for name, path in zip(metamer_sets, inputs.stimuli, strict=True)}
parts = []
for modality in dict.fromkeys(one.attrs["modality"] for one in metamer_sets.values()):
    own = {name: one for name, one in metamer_sets.items() if one.attrs["modality"] == modality}
    suffix, addresses = MODALITIES[modality].suffix, {}
    for name, of_model in own.items():
        for stimulus in map(str, of_model["stimulus"].values):
            if stimulus not in addresses:
                target, addresses[stimulus] = place(f"{NATURAL}_{modality}", stimulus, suffix)
                share(folders[name] / target.name, target)
            for depth in range(of_model.sizes["depth"]):
                for which, metamer in (
                    of_model["metamer"].sel(stimulus=stimulus).isel(depth=depth).groupby("most_different")
                ):
                    target, addresses[name, stimulus, depth, which] = place(
                        f"{name}_{depth}", f"{stimulus}_{which}", suffix
                    )
                    FORMATS[modality].write(
                        metamer.squeeze("most_different").values, target, **sampling_of(of_model.attrs)
                    )
    summaries = {name: by_depth(one, params.recognition_models[name], params.families) for name, one in own.items()}
    parts.append(part_of(own, summaries, looks_of(params.model_order), addresses))
write_figures(parts, Path(snakemake.output.page))
manifest.record(*placed)
context = {"run": snakemake.config["run"], "parts": parts}
context |= navigation_context("metamer_sets", params.pages, params.linked, params.quality, penalties=params.penalties)
files.write(snakemake.output.page, render("metamer_sets.html.j2", context))
