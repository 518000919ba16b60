"""Make the table of a dataset's categories from the published encoding of words."""

from metamers.run.job import log_to

from metamers.run import files
from metamers.stimuli.excerpts import category_table

log_to(snakemake.log[0])
files.write(snakemake.output[0], category_table(snakemake.input[0], snakemake.params.classes))
