"""Make benchmark/standard.csv: the match of the quality `standard` and of the published procedure, stage by stage."""

from metamers.run.job import log_results_to

from metamers.run import files
from studies.benchmark.standard import standard_table

logger = log_results_to(snakemake.log[0])
params = snakemake.params
pairs = [(model, stage) for model, stages in params.stages.items() for stage in stages]
table = standard_table(dict(zip(pairs, map(files.load, snakemake.input.matches), strict=True)), params.settings)
files.write(snakemake.output[0], table.to_csv(index=False, float_format="%.4g").encode())
for row in table[~table["reached"]].itertuples():
    logger.warning(
        "%s, %s: quality standard ends at %.4f, the published procedure at %.4f",
        *(row.model, row.stage, row.standard_match, row.published_match),
    )
logger.info(
    "%d of %d stages match at least as closely as by the published procedure", table["reached"].sum(), len(table)
)
