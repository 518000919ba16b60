"""Make report/index.html, one self-contained page, out of a run's files and figures."""

from pathlib import Path

from metamers import files
from metamers.logs import log_to
from metamers.names import NATURAL, stage_path
from metamers.report import GALLERY_STIMULI, model_context, page, page_context, pictures, provenance

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params
compared = {Path(path).stem: files.load(path) for path in given.comparison}
acceptance = {Path(path).stem: files.load(path) for path in given.acceptance}
recognition = {model: {} for model in acceptance}
for path in map(Path, given.recognition):
    recognition[path.parent.name][path.stem] = files.load(path)

natural = {Path(path).name: Path(path) for path in given.exported_stimuli}
metamers = {Path(path).name: Path(path) for path in given.exported_metamers}
paths = {}
for model, entry in params.models.items():
    if entry["modality"] == "vision":
        seed = acceptance[model]["seed"].values[0]
        for stimulus in acceptance[model]["stimulus"].values[:GALLERY_STIMULI]:
            paths[model, NATURAL, stimulus] = natural[entry["dataset"]] / f"{stimulus}.png"
            for stage in acceptance[model]["stage"].values:
                paths[model, stage, stimulus] = metamers[model] / stage_path(stage) / f"{stimulus}_{seed}.png"
shown, jpeg_quality = pictures(paths)

models = [
    model_context(
        model,
        entry,
        acceptance[model],
        recognition[model],
        compared["recognizability"],
        compared["predicted_human"],
        {(stage, stimulus): uri for (owner, stage, stimulus), uri in shown.items() if owner == model},
    )
    for model, entry in params.models.items()
]
text = page(
    page_context(
        run=snakemake.config["run"],
        models=models,
        judges=params.judges,
        relation=compared["humans_vs_models"],
        anova=compared.get("anova"),
        figures={Path(path).stem: Path(path).read_bytes() for path in given.figures},
        captions=params.captions,
        jpeg_quality=jpeg_quality,
        origin=provenance([path for path in given if path.endswith(".nc")]),
        configuration=params.configuration,
    )
)
files.replace_whole(snakemake.output[0], lambda partial: partial.write_text(text, encoding="utf-8"))
logger.info("%s: %.1f MB, %d pictures", snakemake.output[0], len(text.encode()) / 1e6, len(shown))
