"""Export a generation model's metamers as 8-bit PNG or 16-bit WAV: <stage>/<stimulus>_<seed>.<suffix>."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.modalities import MODALITIES, sampling_of
from metamers.run import files, manifest
from metamers.stimuli.formats import FORMATS

log_to(snakemake.log[0])
suffix, write = MODALITIES[snakemake.params.modality].suffix, FORMATS[snakemake.params.modality].write
written = []
for path in map(Path, snakemake.input):
    batch = files.load(path)
    metamers, sampling = batch["metamer"], sampling_of(batch.attrs)
    folder = Path(snakemake.output[0]) / path.parent.name
    for stimulus in metamers["stimulus"].values:
        for seed in metamers["seed"].values:
            written.append(folder / f"{stimulus}_{seed}{suffix}")
            write(metamers.sel(stimulus=stimulus, seed=seed).values, written[-1], **sampling)
manifest.record(*written)
