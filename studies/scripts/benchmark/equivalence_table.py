"""Make benchmark/equivalence.csv: tests of equal recognition of metamers of one cycle and the published procedure."""

from metamers.run.job import log_results_to

from metamers.run import files
from studies.benchmark.equivalence import ALL, equivalence_table

logger = log_results_to(snakemake.log[0])
params = snakemake.params
recognized = dict(zip(params.modalities, map(files.load, snakemake.input.recognized), strict=True))
table = equivalence_table(recognized, params.modalities, params.settings, params.reference, params.margin)
files.write(snakemake.output[0], table.to_csv(index=False, float_format="%.4g").encode())
for row in table[table["model"] == ALL].itertuples():
    logger.info(
        "%s, %s stages, %s, %s: %.3f (90%% interval %.3f to %.3f), margin %.3f: %s",
        *(
            row.modality,
            row.stage,
            row.version,
            row.measure,
            row.difference,
            row.low,
            row.high,
            row.margin,
            row.decision,
        ),
    )
