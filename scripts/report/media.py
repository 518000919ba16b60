"""Make the media of one model for the metamer browser: images, sounds, sheets of thumbnails, and data."""

from metamers.run.job import log_to

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from metamers.modalities import MODALITIES
from metamers.names import NATURAL, stage_path
from metamers.report.browser import as_script, browser_data
from metamers.report.figures import svg
from metamers.report.media import share, sheets, thumbnail
from metamers.run import files, manifest

logger = log_to(snakemake.log[0])
name, entry, inputs = snakemake.wildcards.generation_model, snakemake.params.model, snakemake.input
folder, suffix = Path(snakemake.output[0]), MODALITIES[entry["modality"]].suffix
acceptance = files.load(inputs.acceptance)
stimuli, seeds = acceptance["stimulus"].values, acceptance["seed"].values
written: list[Path] = []

# Stage → exported files, in the order of the thumbnails.
exported = {NATURAL: [Path(inputs.natural) / f"{stimulus}{suffix}" for stimulus in stimuli]}
for stage in acceptance["stage"].values:
    of_stage = Path(inputs.exported) / stage_path(stage)
    exported[stage] = [of_stage / f"{stimulus}_{seed}{suffix}" for stimulus in stimuli for seed in seeds]

if drawn := MODALITIES[entry["modality"]].picture:
    # Imported here, because pictures do not need PyTorch.
    from metamers.models.device import use_threads
    from metamers.report.sounds import cochleagram_figure, cochleagram_of, cochleagram_picture

    use_threads(snakemake.threads)
    cochleagram = cochleagram_of(entry["input"])
    natural = [cochleagram(path) for path in exported[NATURAL]]
    top = max(float(one.max()) for one in natural)
    title = f"Natural: {acceptance['label'].values[0]}"
    files.write(folder / f"{drawn}.svg", svg(cochleagram_figure(natural[0], entry["input"], top, title)))


def thumbnails(stage: str) -> Iterator[Image.Image]:
    """Link the files of a stage, draw pictures beside files that are none themselves, and yield a thumbnail of each."""
    for path in exported[stage]:
        target = folder / stage_path(stage) / path.name
        share(path, target)
        written.append(target)
        if drawn:
            image = cochleagram_picture(cochleagram(path), top)
            written.append(target.with_suffix(".png"))
            image.save(written[-1], format="PNG", optimize=True, bits=4)
        else:
            image = Image.open(target, formats=("PNG",))
        yield thumbnail(image)


for stage in exported:
    for number, sheet in enumerate(sheets(thumbnails(stage))):
        written.append(folder / stage_path(stage) / f"sheet_{number}.jpg")
        written[-1].write_bytes(sheet)
recognition = files.load_by_stem(inputs.recognition)
data = browser_data(name, entry["modality"], acceptance, recognition, files.load(inputs.null))
files.write(folder / "data.js", as_script("metamers.load", data))
manifest.record(*written)
logger.info("%s: %d stimuli and metamers", folder, sum(map(len, exported.values())))
