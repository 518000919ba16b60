"""Make similarity/<modality>.nc: representational similarity between stages of models, and to brains."""

from metamers.run.job import log_to, save

from metamers.brain.files import SIMILARITY
from metamers.brain.responses import check_responses, read_responses
from metamers.brain.similarity import participant_dissimilarities, similarity
from metamers.run import files

log_to(snakemake.log[0])
models = files.load_by_stem(snakemake.input.models)
stimuli = next(iter(models.values()))["stimulus"].values
participants, simulated = None, ""
if snakemake.input.responses:
    responses = files.load_foreign(snakemake.input.responses[0])
    simulated = responses.attrs.get("simulated", "")
    measured = read_responses(responses)
    check_responses(measured, stimuli)
    participants = participant_dissimilarities(measured.sel(stimulus=stimuli))
similarities = similarity(models, participants, stimuli)
similarities.attrs = {"simulated": simulated}
save(
    snakemake,
    similarities,
    declared=SIMILARITY,
    title=f"Representational similarity between stages of models ({snakemake.wildcards.compared_modality})"
    + (", and to simulated voxels" if simulated else ""),
    source="Spearman correlation of representational dissimilarity (1 - Pearson r between stimuli)"
    + (f"; voxels simulated from {simulated}, not measured" if simulated else ""),
    inputs=[*snakemake.input.models, *snakemake.input.responses],
)
