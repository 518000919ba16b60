"""Draw report/picture_<model>.png: a natural photograph, its metamers over stages, and their recognizability."""

from metamers.run.job import log_to

from pathlib import Path

import numpy as np
from PIL import Image

from metamers.names import NATURAL, stage_path
from metamers.report.picture import example_stimulus, picture, png
from metamers.run import files

log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
acceptance = files.load(inputs.acceptance)
accepted = acceptance["accepted"]
stimulus = example_stimulus(accepted)
seed = int(accepted["seed"].values[0])
errors = acceptance["normalized_error"].sel(stimulus=stimulus, seed=seed).to_series().to_dict()
places = {NATURAL: Path(inputs.natural, f"{stimulus}.png")} | {
    stage: Path(inputs.exported, stage_path(stage), f"{stimulus}_{seed}.png") for stage in accepted["stage"].values
}
images = {stage: np.asarray(Image.open(path).convert("RGB")) for stage, path in places.items()}
figure = picture(images, errors, files.load(inputs.recognizability), params.name, params.model["categories"])
files.write(snakemake.output[0], png(figure))
