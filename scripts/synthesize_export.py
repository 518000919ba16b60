"""Export a generation model's metamers as 8-bit PNG: <stage>/<stimulus>_<seed>.png."""

from pathlib import Path

from metamers import files
from metamers.logs import log_to
from metamers.stimuli import write_image

log_to(snakemake.log[0])
for path in map(Path, snakemake.input):
    metamers = files.load(path)["metamer"]
    folder = Path(snakemake.output[0]) / path.parent.name
    for stimulus in metamers["stimulus"].values:
        for seed in metamers["seed"].values:
            write_image(metamers.sel(stimulus=stimulus, seed=seed).values, folder / f"{stimulus}_{seed}.png")
