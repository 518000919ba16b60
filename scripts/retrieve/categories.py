"""Make the table of a dataset's categories from the published encoding of words."""

from metamers.run.job import log_to

from metamers.run import files
from metamers.stimuli.excerpts import read_vocabulary

log_to(snakemake.log[0])
words = read_vocabulary(snakemake.input[0], snakemake.params.classes)
table = "class_index\tcategory\n" + "".join(f"{index}\t{word}\n" for word, index in words.items())
files.write(snakemake.output[0], table)
