"""Make benchmark/equivalence.csv and equivalence_answers.csv.gz: tests of equal recognition, and every answer."""

from metamers.run.job import log_results_to

import gzip

from metamers.run import files
from studies.benchmark.equivalence import ALL, answers_table, equivalence_table

logger = log_results_to(snakemake.log[0])
params = snakemake.params
recognized = dict(zip(params.modalities, map(files.load, snakemake.input.recognized), strict=True))
table = equivalence_table(recognized, params.modalities, params.margin)
files.write(snakemake.output.table, table.to_csv(index=False, float_format="%.4g").encode())
answers = answers_table(recognized).to_csv(index=False, float_format="%.3f").encode()
files.write(snakemake.output.answers, gzip.compress(answers, mtime=0))
for row in table[table["model"] == ALL].itertuples():
    logger.info(
        "%s, %s, %s: %.3f (90%% interval %.3f to %.3f), margin %.3f: %s",
        *(row.modality, row.version, row.measure, row.difference, row.low, row.high, row.margin, row.verdict),
    )
