"""Make beyond/starts/<modality>.nc: recognition of metamers from different starts of the synthesis."""

from metamers.run.job import log_to, save

from metamers.beyond.compare import acceptance, starts
from metamers.beyond.inputs import load_answers, load_by_name, load_set

logger = log_to(snakemake.log[0])
given, params = snakemake.input, snakemake.params

nulls = load_by_name(params.models, given.nulls)
made = {model: load_set(path) for model, path in zip(params.models, given.metamers, strict=True)}
found = starts(
    made,
    {model: acceptance(one, nulls, params.measures, params.converged)["accepted"] for model, one in made.items()},
    load_by_name(params.models, given.recognition),
    load_answers(params.models, params.recognition_models, given.run),
    load_by_name(params.models, given.acceptance),
    params.families,
)
for (model, start, depth), proportion in found["proportion_correct"].to_series().items():
    logger.info("%s from %s at depth %g: %.0f%% recognized", model, start, depth, 100 * proportion)
found.attrs = {"modality": snakemake.wildcards.beyond_modality, "judged_by": ", ".join(params.recognition_models)}
save(
    snakemake,
    found,
    title=f"Recognition of metamers from other starts ({snakemake.wildcards.beyond_modality})",
    source="answers to accepted metamers, of recognition models that the synthesis did not use",
)
