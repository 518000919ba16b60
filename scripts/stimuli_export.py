"""Export natural stimuli as 8-bit PNG or 16-bit WAV, one file a stimulus."""

from pathlib import Path

from metamers import files, manifest
from metamers.logs import log_to
from metamers.stimuli import MODALITIES

log_to(snakemake.log[0])
stimuli = files.load(snakemake.input[0])
modality = MODALITIES[snakemake.params.modality]
exported = {name: Path(snakemake.output[0]) / f"{name}{modality.suffix}" for name in stimuli["stimulus"].values}
for name, path in exported.items():
    values = stimuli["stimulus_value"].sel(stimulus=name).values
    modality.write(values, path, stimuli.attrs.get("sampling_rate_hz"))
manifest.record(*exported.values())
