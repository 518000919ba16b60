"""Export natural stimuli as 8-bit PNG or 16-bit WAV, one file for each stimulus."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.modalities import MODALITIES, sampling_of
from metamers.run import files, manifest
from metamers.stimuli.formats import FORMATS
from metamers.stimuli.labels import check_usable

log_to(snakemake.log[0])
stimuli = files.load(snakemake.input[0])
check_usable(stimuli, lambda name: name not in snakemake.params.left_out)
suffix, write = MODALITIES[snakemake.params.modality].suffix, FORMATS[snakemake.params.modality].write
exported = {name: Path(snakemake.output[0]) / f"{name}{suffix}" for name in stimuli["stimulus"].values}
for name, path in exported.items():
    values = stimuli["stimulus_value"].sel(stimulus=name).values
    write(values, path, **sampling_of(stimuli.attrs))
manifest.record(*exported.values())
