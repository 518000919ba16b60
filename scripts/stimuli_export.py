"""Export natural stimuli as 8-bit PNG or 16-bit WAV, one file a stimulus."""

from pathlib import Path

from metamers import files
from metamers.logs import log_to
from metamers.stimuli import MODALITIES

log_to(snakemake.log[0])
stimuli = files.load(snakemake.input[0])
modality = MODALITIES[snakemake.params.modality]
for stimulus in stimuli["stimulus"].values:
    values = stimuli["stimulus_value"].sel(stimulus=stimulus).values
    path = Path(snakemake.output[0]) / f"{stimulus}{modality.suffix}"
    modality.write(values, path, stimuli.attrs.get("sampling_rate_hz"))
