"""Export stimuli with distortions of equal length: <depth>/<stimulus>/<distortion or natural>.<suffix>, lengths.csv."""

from metamers.run.job import log_to

from pathlib import Path

import numpy as np
import pandas as pd

from metamers.beyond.sensitivity import distorted_stimuli
from metamers.modalities import MODALITIES, sampling_of
from metamers.names import NATURAL
from metamers.run import files, manifest
from metamers.stimuli.formats import FORMATS

logger = log_to(snakemake.log[0])
distortions = files.load(snakemake.input[0])
modality, sampling = distortions.attrs["modality"], sampling_of(distortions.attrs)
form = FORMATS[modality]
folder, written, rows = Path(snakemake.output[0]), [], []
for (depth, stimulus), made in distorted_stimuli(distortions, snakemake.params.length).items():
    natural = form.as_exported(made[NATURAL][None])
    for name, values in made.items():
        written.append(folder / str(depth) / stimulus / f"{name}{MODALITIES[modality].suffix}")
        form.write(values, written[-1], **sampling)
        if name != NATURAL:
            change = form.as_exported(values[None]) - natural
            rows.append((depth, stimulus, name, float(np.sqrt(np.square(change, dtype=float).mean()))))
table = pd.DataFrame(rows, columns=["depth", "stimulus", "distortion", "root_mean_square"])
for (depth, stimulus), length in table.groupby(["depth", "stimulus"])["root_mean_square"].mean().items():
    logger.info("%s at position %g: root mean square %.3g of %.3g", stimulus, depth, length, snakemake.params.length)
written.append(folder / "lengths.csv")
files.write(written[-1], table.to_csv(index=False, float_format="%.4g"))
manifest.record(*written)
