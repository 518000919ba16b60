"""Make report/beyond.html, its figures and its media from the files of beyond/."""

from metamers.run.job import log_to

from pathlib import Path

import xarray as xr

from metamers.modalities import MODALITIES, sampling_of
from metamers.names import NATURAL, stage_path
from metamers.report.beyond import SHOWN, Addresses, file_name, gallery, lead_cells, leads_of, parts_of
from metamers.report.figures import write_figures
from metamers.report.looks import looks_of
from metamers.report.media import address, share
from metamers.report.navigation import navigation_context
from metamers.report.render import render
from metamers.run import files, manifest
from metamers.stimuli.formats import FORMATS

log_to(snakemake.log[0])
inputs, params, media = snakemake.input, snakemake.params, Path(snakemake.output.media)
natural = {modality: Path(path) for modality, path in zip(params.modalities, inputs.stimuli, strict=True)}
run = {Path(path).name: Path(path) for path in inputs.run}
ensemble, controversial, starts, invariance = (
    files.load_by_stem(inputs.get(kind)) for kind in ("ensemble", "controversial", "starts", "invariance")
)
compared = {
    modality: (
        *(kind.get(modality) for kind in (ensemble, controversial, starts)),
        {name: one for name, one in invariance.items() if one.attrs["modality"] == modality},
    )
    for modality in natural
}
leads = {modality: leads_of(modality, *results) for modality, results in compared.items()}
written: list[Path] = []


def place(folder: str, name: str, suffix: str) -> tuple[Path, str]:
    """A new file of the page's media, and its address on the page."""
    written.append(media / folder / f"{name}{suffix}")
    return written[-1], f"{address(media.name, folder, name)}{suffix}"


def shared(source: Path, folder: str) -> str:
    """Link an exported file, and return its address."""
    target, link = place(folder, source.stem, source.suffix)
    share(source, target)
    return link


def media_of(path: str) -> tuple[xr.Dataset, Addresses]:
    """A set without its metamers, and the files of the stimuli that the page shows."""
    with files.open_dataset(path) as whole:  # opened, not loaded: the metamers themselves are large
        modality, own_set = whole.attrs["modality"], Path(path).stem
        first = list(map(str, whole["stimulus"].values[:SHOWN]))
        chosen = [
            lead["stimulus"]
            for lead in leads[modality].values()
            if any(one["key"]["set"] == own_set for one in lead["shown"])
        ]
        names = list(dict.fromkeys([*first, *chosen]))
        made = whole.sel(stimulus=names).load()
        described = whole.drop_vars("metamer").load()
    suffix, sampling = MODALITIES[modality].suffix, sampling_of(made.attrs)
    alone = {
        (str(member), str(stage), name): shared(
            run[member] / stage_path(stage) / f"{name}_0{suffix}", f"run_{member}_{stage_path(stage)}"
        )
        for member, stages in zip(made["member"].values, made["member_stage"].values, strict=True)
        for stage in dict.fromkeys(stages)
        for name in names
        if made.attrs["part"] != "controversial"
    }
    seen = {
        name: shared(natural[modality] / f"{name}{suffix}", f"{NATURAL}_{modality}")
        for name in dict.fromkeys([*names, *map(str, made["other_stimulus"].values)])
    }
    own = {}
    for name in names:
        for depth in range(made.sizes["depth"]):
            for case in map(str, made["case"].values):
                target, own[file_name(name, depth, case)] = place(own_set, file_name(name, depth, case), suffix)
                values = made["metamer"].sel(stimulus=name, case=case).isel(depth=depth).values
                FORMATS[modality].write(values, target, **sampling)
    return described, Addresses(seen, alone, own)


with_addresses = {Path(path).stem: media_of(path) for path in inputs.metamers}
made, addresses = ({name: pair[n] for name, pair in with_addresses.items()} for n in range(2))
galleries = {name: gallery(made[name], addresses[name]) for name in with_addresses}
parts = []
for modality, results in compared.items():
    for lead in leads[modality].values():
        lead["cells"] = lead_cells(lead, made, addresses)
    parts += parts_of(modality, *results, galleries, leads[modality], looks_of(params.model_order))
parts.sort(key=lambda part: part["lead"] is None)  # pictures first
write_figures(parts, Path(snakemake.output.page), prefix="beyond_")
manifest.record(*dict.fromkeys(written))
context = {"run": snakemake.config["run"], "parts": parts}
context |= navigation_context("beyond", params.pages, params.linked, params.quality, penalties=params.penalties)
files.write(snakemake.output.page, render("beyond.html.j2", context))
