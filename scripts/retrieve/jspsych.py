"""Retrieve jsPsych with npm, in the versions of experiment/package-lock.json."""

from pathlib import Path

from metamers.experiment.folder import install_jspsych
from metamers.run.logs import log_to

log_to(snakemake.log[0])
install_jspsych(Path(snakemake.input.lock), Path(snakemake.output[0]))
