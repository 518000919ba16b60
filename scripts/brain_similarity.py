"""Make similarity/<modality>.nc: whether stages of models, and brains, agree about which natural stimuli are alike."""

from pathlib import Path

from metamers import files
from metamers.brain import check_responses, read_responses
from metamers.logs import log_to
from metamers.similarity import of_participants, similarity

log_to(snakemake.log[0])
models = {Path(path).stem: files.load(path) for path in snakemake.input.models}
stimuli = next(iter(models.values()))["stimulus"].values
people, simulated = None, ""
if snakemake.input.responses:
    responses = files.load_foreign(snakemake.input.responses[0])
    simulated = responses.attrs.get("simulated", "")
    measured = read_responses(responses)
    check_responses(measured, stimuli)
    people = of_participants(measured.sel(stimulus=stimuli))
found = similarity(models, people, stimuli)
found.attrs = {"simulated": simulated}
files.save(
    found,
    snakemake.output[0],
    title=f"Representational similarity between stages of models ({snakemake.wildcards.compared_modality})"
    + (", and to simulated voxels" if simulated else ""),
    source="Spearman correlation of representational dissimilarity (1 - Pearson r between stimuli)"
    + (f"; voxels simulated from {simulated}, not measured" if simulated else ""),
    step="brain_similarity",
    run=snakemake.config["run"],
    seed=snakemake.params.run_seed,
    inputs=[*snakemake.input.models, *snakemake.input.responses],
)
