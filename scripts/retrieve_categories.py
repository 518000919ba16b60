"""Make the table of a dataset's categories out of the published encodings of words."""

from metamers import files
from metamers.excerpts import read_vocabulary
from metamers.logs import log_to

log_to(snakemake.log[0])
words = read_vocabulary(snakemake.input[0], snakemake.params.classes)
table = "class_index\tcategory\n" + "".join(f"{index}\t{word}\n" for word, index in words.items())
files.write(snakemake.output[0], table)
