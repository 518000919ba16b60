"""Make beyond/controversial/<modality>.nc: answers of recognition models to controversial metamers."""

from metamers.run.job import log_to, save

from metamers.beyond.compare import acceptance, controversial
from metamers.beyond.files import CONTROVERSIAL
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
made = files.load(inputs.metamers, without="metamer")
nulls = files.load_by_stem(inputs.nulls)
result = controversial(
    made,
    acceptance(made, nulls, params.measures, params.converged)["accepted"],
    files.load(inputs.recognition),
    params.families,
)
for (case, depth), row in result[["proportion_own", "proportion_other"]].to_dataframe().iterrows():
    logger.info("%s dissents at position %g: %.0f%% against it, %.0f%% with it", case, depth, *(100 * row))
result.attrs = {"modality": snakemake.wildcards.beyond_modality, "judged_by": ", ".join(params.recognition_models)}
save(
    snakemake,
    result,
    declared=CONTROVERSIAL,
    title=f"Answers of recognition models to controversial metamers ({snakemake.wildcards.beyond_modality})",
    source="answers to accepted metamers, of recognition models that the synthesis did not use",
    references=params.references,
)
