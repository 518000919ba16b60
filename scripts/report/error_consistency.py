"""Draw the error consistency of recognition models, stage by stage."""

from metamers.run.job import log_to

from metamers.report.error_consistency import consistency_figure
from metamers.run import files

log_to(snakemake.log[0])
files.write(snakemake.output[0], consistency_figure(files.load(snakemake.input[0])))
