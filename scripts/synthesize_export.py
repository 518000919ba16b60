"""Export a generation model's metamers as 8-bit PNG or 16-bit WAV: <stage>/<stimulus>_<seed>.<suffix>."""

from pathlib import Path

from metamers import files, manifest
from metamers.logs import log_to
from metamers.stimuli import MODALITIES

log_to(snakemake.log[0])
modality = MODALITIES[snakemake.params.modality]
written = []
for path in map(Path, snakemake.input):
    batch = files.load(path)
    metamers, rate = batch["metamer"], batch.attrs.get("sampling_rate_hz")
    folder = Path(snakemake.output[0]) / path.parent.name
    for stimulus in metamers["stimulus"].values:
        for seed in metamers["seed"].values:
            written.append(folder / f"{stimulus}_{seed}{modality.suffix}")
            modality.write(metamers.sel(stimulus=stimulus, seed=seed).values, written[-1], rate)
manifest.record(*written)
