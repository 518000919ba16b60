"""Make comparison/own_participants_vs_models.nc from the answers of own participants and of this run's models."""

from metamers.run.job import log_to, save

from metamers.compare.files import OWN_PARTICIPANTS_VS_MODELS
from metamers.compare.humans_vs_models import correlation_lines, own_participants_vs_models
from metamers.humans.own_participants import judgements_of_shown, pooled_designs
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
own_participants = files.load_by_stem(inputs.own_participants)
recognition = files.load_answers(inputs.recognition)
designs: dict[str, list] = {}
for modality, path in zip(params.design_modalities, inputs.designs, strict=True):
    designs.setdefault(modality, []).append(files.load(path))
judged = {
    modality: judgements_of_shown(pooled_designs(of_modality), recognition, params.stages[modality])
    for modality, of_modality in designs.items()
}
compared = own_participants_vs_models(own_participants, params.modalities, judged)
for line in correlation_lines(compared):
    logger.info(line)
save(
    snakemake,
    compared,
    declared=OWN_PARTICIPANTS_VS_MODELS,
    title="Recognizability of this run's metamers by own participants, compared with that by other models",
    source="answers of own participants and of the recognition models",
    inputs=[*inputs.own_participants, *inputs.recognition, *inputs.designs],
)
