"""Make report/index.html, one self-contained page, out of a run's files and figures."""

from pathlib import Path

from metamers import files
from metamers.logs import log_to
from metamers.models import use_threads
from metamers.names import NATURAL, stage_path
from metamers.report import model_context, page, page_context, provenance
from metamers.report_figures import svg
from metamers.report_gallery import MEDIA_BYTES, ROWS, pictures
from metamers.report_sounds import cochleagram_figure, cochleagrams, highest, picture, player
from metamers.stimuli import MODALITIES

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
given, params = snakemake.input, snakemake.params
compared = {Path(path).stem: files.load(path) for path in given.comparison}
acceptance = {Path(path).stem: files.load(path) for path in given.acceptance}
recognition = {model: {} for model in acceptance}
for path in map(Path, given.recognition):
    recognition[path.parent.name][path.stem] = files.load(path)

natural = {Path(path).name: Path(path) for path in given.exported_stimuli}
metamers = {Path(path).name: Path(path) for path in given.exported_metamers}
modalities = {entry["modality"] for entry in params.models.values()}
paths = {}
for model, entry in params.models.items():
    suffix = MODALITIES[entry["modality"]].suffix
    seed, rows = acceptance[model]["seed"].values[0], ROWS[entry["modality"]] // len(modalities)
    of_model = paths[model] = {}
    for stimulus in acceptance[model]["stimulus"].values[:rows]:
        of_model[NATURAL, stimulus] = natural[entry["dataset"]] / f"{stimulus}{suffix}"
        for stage in acceptance[model]["stage"].values:
            of_model[stage, stimulus] = metamers[model] / stage_path(stage) / f"{stimulus}_{seed}{suffix}"

figures = {Path(path).stem: Path(path).read_bytes() for path in given.figures}
shown, sounds = {}, {}
for model, entry in params.models.items():
    if entry["modality"] == "audio":
        found = cochleagrams(paths[model], entry["input"])
        top = highest(found.values())
        shown[model] = {key: picture(cochleagram, top) for key, cochleagram in found.items()}
        sounds[model] = {key: player(path) for key, path in paths[model].items()}
        (_, first), cochleagram = next(iter(found.items()))
        title = f"Natural: {acceptance[model]['label'].sel(stimulus=first).item()}"
        figures[f"cochleagram_{model}"] = svg(cochleagram_figure(cochleagram, entry["input"], top, title))

# Sounds are whole; pictures get what room they leave.
taken = sum(len(uri) * 3 // 4 for kind in (shown, sounds) for uris in kind.values() for uri in uris.values())
seen = {(model, *key): path for model in paths if model not in shown for key, path in paths[model].items()}
uris, jpeg_quality = pictures(seen, MEDIA_BYTES - taken)
for (model, *key), uri in uris.items():
    shown.setdefault(model, {})[tuple(key)] = uri

models = [
    model_context(
        model,
        entry,
        acceptance[model],
        recognition[model],
        compared["recognizability"],
        compared["predicted_human"],
        shown[model],
        sounds.get(model, {}),
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
        contrasts=compared.get("contrasts"),
        trained={Path(path).stem: files.load(path) for path in given.training},
        unheard_voices=params.unheard_voices,
        vulnerability={Path(path).stem: files.load(path) for path in given.vulnerability},
        brain={Path(path).stem: files.load(path) for path in given.brain},
        figures=figures,
        captions=params.captions,
        jpeg_quality=jpeg_quality,
        origin=provenance([path for path in given if path.endswith(".nc")]),
        configuration=params.configuration,
    )
)
files.write(snakemake.output[0], text)
counts = [sum(map(len, kind.values())) for kind in (shown, sounds)]
logger.info("%s: %.1f MB, %d pictures, %d sounds", snakemake.output[0], len(text.encode()) / 1e6, *counts)
