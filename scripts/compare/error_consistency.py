"""Make comparison/error_consistency.nc from the accepted metamers and the answers of every recognition model."""

from metamers.run.job import log_to, save

from metamers.compare.error_consistency import PAIRS, error_consistency_dataset
from metamers.compare.files import ERROR_CONSISTENCY
from metamers.run import files

logger = log_to(snakemake.log[0])
compared = error_consistency_dataset(
    files.load_by_stem(snakemake.input.acceptance),
    files.load_answers(snakemake.input.recognition),
    snakemake.params.families,
)
for kind in PAIRS:
    names = [kind, f"{kind}_low", f"{kind}_high", f"{kind}_pairs"]
    for (model, stage), row in compared[names].to_dataframe().dropna(subset=kind).iterrows():
        logger.info("%s %s, %s: kappa %.2f (%.2f to %.2f), %d pairs", model, stage, kind.replace("_", " "), *row)
save(
    snakemake,
    compared,
    declared=ERROR_CONSISTENCY,
    title="Error consistency of recognition models: agreement in right and wrong answers beyond their accuracy",
    source="answers of the recognition models",
    inputs=[*snakemake.input.acceptance, *snakemake.input.recognition],
)
