"""Make the folder of jsPsych's files out of experiment/package-lock.json, by npm."""

from pathlib import Path

from metamers.experiment_folder import install_jspsych
from metamers.logs import log_to

log_to(snakemake.log[0])
install_jspsych(Path(snakemake.input.lock), Path(snakemake.output[0]))
