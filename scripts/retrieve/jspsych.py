"""Retrieve jsPsych with npm, in the versions of experiment/package-lock.json."""

from metamers.run.job import log_to

from pathlib import Path

from metamers.experiment.folder import install_jspsych

log_to(snakemake.log[0])
install_jspsych(Path(snakemake.input.lock), Path(snakemake.output[0]))
