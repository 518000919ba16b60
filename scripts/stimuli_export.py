"""Export natural stimuli as 8-bit PNG, one file a stimulus."""

from pathlib import Path

from metamers import files
from metamers.logs import log_to
from metamers.stimuli import write_image

log_to(snakemake.log[0])
stimuli = files.load(snakemake.input[0])
for stimulus in stimuli["stimulus"].values:
    values = stimuli["stimulus_value"].sel(stimulus=stimulus).values
    write_image(values, Path(snakemake.output[0]) / f"{stimulus}.png")
