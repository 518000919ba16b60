"""Make beyond/starts/<modality>.nc: recognition of metamers from different starts of the synthesis."""

from metamers.run.job import log_to, save

from metamers.beyond.compare import acceptance, starts
from metamers.beyond.files import STARTS
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params

nulls = files.load_by_stem(inputs.nulls)
made = {model: files.load(path, without="metamer") for model, path in zip(params.models, inputs.metamers, strict=True)}
result = starts(
    made,
    {model: acceptance(one, nulls, params.measures, params.converged)["accepted"] for model, one in made.items()},
    dict(zip(params.models, files.load_all(inputs.recognition), strict=True)),
    files.load_answers(inputs.run),
    files.load_by_stem(inputs.acceptance),
    params.families,
)
for (model, start, depth), proportion in result["proportion_correct"].to_series().items():
    logger.info("%s from %s at position %g: %.0f%% recognized", model, start, depth, 100 * proportion)
result.attrs = {"modality": snakemake.wildcards.beyond_modality, "judged_by": ", ".join(params.recognition_models)}
save(
    snakemake,
    result,
    declared=STARTS,
    title=f"Recognition of metamers from other starts ({snakemake.wildcards.beyond_modality})",
    source="answers to accepted metamers, of recognition models that the synthesis did not use",
)
