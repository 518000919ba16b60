"""Make comparison/recognizability.nc from the accepted metamers and the answers of every recognition model."""

from metamers.run.job import log_to, save

from metamers.compare.chance import with_chance
from metamers.compare.files import RECOGNIZABILITY
from metamers.compare.recognizability import recognizability
from metamers.compare.relative import with_relative
from metamers.compare.verdict import FIRST_MINUS_LAST, first_minus_last, read_evidence, verdict
from metamers.run import files

logger = log_to(snakemake.log[0])
acceptance = files.load_by_stem(snakemake.input.acceptance)
recognition = files.load_answers(snakemake.input.recognition)
families, modalities = snakemake.params.families, snakemake.params.modalities
recognizable = with_chance(recognizability(acceptance, recognition, families), acceptance, recognition, families)
recognizable = with_relative(recognizable, acceptance, recognition, snakemake.params.guessing)
compared = first_minus_last(recognition, acceptance, families, modalities, snakemake.params.targets)
names = ["other_models", "other_models_low", "other_models_high", "other_models_chance"]
for (model, stage), row in recognizable[names].to_dataframe().dropna(subset=names[:1]).iterrows():
    logger.info(
        "%s %s: %.3f correct (%.3f to %.3f), mean over families of other models; by chance %.3f",
        *(model, stage, *row[names]),
    )
for modality in compared["modality"].values:
    conclusion = verdict(read_evidence(compared.sel(modality=modality), FIRST_MINUS_LAST))
    logger.info(
        "%s, first minus last stage: %s (missing: %s)",
        modality,
        conclusion.degree,
        ", ".join(conclusion.missing) or "–",
    )
save(
    snakemake,
    recognizable.merge(compared),
    declared=RECOGNIZABILITY,
    title="Recognizability of accepted metamers by every recognition model",
    source="answers of the recognition models",
    inputs=[*snakemake.input.acceptance, *snakemake.input.recognition],
)
