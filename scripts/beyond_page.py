"""Make report/beyond.html and its figures out of everything under beyond/."""

from pathlib import Path

from metamers import files
from metamers.beyond_page import SHOWN, Gallery, gallery, parts_of
from metamers.logs import log_to
from metamers.names import stage_path
from metamers.pages import render, svg_uri
from metamers.report_figures import svg
from metamers.stimuli import MODALITIES

log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
natural = {modality: Path(path) for modality, path in zip(params.rates_hz, given.stimuli, strict=True)}
run = {Path(path).name: Path(path) for path in given.run}
ensemble, controversial, starts, invariance = (
    {Path(path).stem: files.load(path) for path in given.get(kind)}
    for kind in ("ensemble", "controversial", "starts", "invariance")
)


def gallery_of(path: str) -> Gallery:
    """What is shown of a set, beside what was exported of the run."""
    with files.open_dataset(path) as whole:  # opened, not loaded: the metamers themselves are large
        made = whole.isel(stimulus=slice(SHOWN)).load()
    modality = made.attrs["modality"]
    read, suffix = MODALITIES[modality].read, MODALITIES[modality].suffix
    shown = made["stimulus"].values
    alone = {
        (member, stage, stimulus): read(run[member] / stage_path(stage) / f"{stimulus}_0{suffix}")
        for member, stages in zip(made["member"].values, made["member_stage"].values, strict=True)
        for stage in stages
        for stimulus in shown
        if made.attrs["part"] != "controversial"
    }
    seen = {name: read(natural[modality] / f"{name}{suffix}") for name in [*shown, *made["other_stimulus"].values]}
    return gallery(made, seen, alone, params.rates_hz[modality])


galleries = {Path(path).stem: gallery_of(path) for path in given.metamers}
parts = []
for modality in natural:
    of_modality = {name: one for name, one in invariance.items() if one.attrs["modality"] == modality}
    kinds = (kind.get(modality) for kind in (ensemble, controversial, starts))
    parts += parts_of(modality, *kinds, of_modality, galleries)
for part in parts:
    content = svg(part["figure"])
    files.write(Path(snakemake.output.page).parent / "figures" / f"beyond_{part['identifier']}.svg", content)
    part["figure"] = svg_uri(content)
files.write(snakemake.output.page, render("beyond.html.j2", {"run": snakemake.config["run"], "parts": parts}))
