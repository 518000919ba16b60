"""Export stimuli with distortions of equal length: <depth>/<stimulus>_<which distortion>.<suffix>."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.beyond.sensitivity import distorted_stimuli
from metamers.modalities import MODALITIES
from metamers.run import files, manifest
from metamers.stimuli.formats import FORMATS

logger = log_to(snakemake.log[0])
found = files.load(snakemake.input[0])
modality, rate_hz = found.attrs["modality"], found.attrs.get("sampling_rate_hz")
written = []
for (depth, stimulus, which), values in distorted_stimuli(found, snakemake.params.length).items():
    written.append(Path(snakemake.output[0]) / f"{depth:g}" / f"{stimulus}_{which}{MODALITIES[modality].suffix}")
    FORMATS[modality].write(values, written[-1], rate_hz)
manifest.record(*written)
