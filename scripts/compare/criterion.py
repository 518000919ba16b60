"""Make comparison/criterion.nc: every conclusion of the run with its acceptance and with a stricter one."""

from metamers.run.job import log_to, save

from metamers.compare.criterion import conclusions
from metamers.compare.files import CRITERION
from metamers.run import files

logger = log_to(snakemake.log[0])
acceptance = files.load_by_stem(snakemake.input.acceptance)
recognition = files.load_answers(snakemake.input.recognition)
params = snakemake.params
drawn = conclusions(
    *(recognition, acceptance, params.families, params.modalities, params.targets, params.contrasts, params.retrained)
)
for (conclusion, criterion), row in drawn.to_dataframe().iterrows():
    logger.info(
        "%s, %s: %+.3f (%.3f to %.3f), n = %d: %s",
        *(conclusion, criterion, row["difference"], row["low"], row["high"], row["n"], row["degree"]),
    )
save(
    snakemake,
    drawn,
    declared=CRITERION,
    title="Conclusions of the run with its acceptance and with a stricter one",
    source="answers of the recognition models",
    inputs=[*snakemake.input.acceptance, *snakemake.input.recognition],
)
