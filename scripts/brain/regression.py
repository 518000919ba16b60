"""Make brain/<model>.nc: prediction of each voxel's responses to natural stimuli by each stage of a model."""

from metamers.run.job import log_to, save

from metamers.brain.files import BRAIN
from metamers.brain.regression import regression
from metamers.brain.responses import read_responses
from metamers.run import files

logger = log_to(snakemake.log[0])
name, params = snakemake.wildcards.analysed_model, snakemake.params
responses = files.load_foreign(snakemake.input.responses)
simulated = responses.attrs.get("simulated", "")
predictions = regression(
    files.load(snakemake.input.activations),
    read_responses(responses),
    params.splits,
    params.shuffles,
    params.run_seed,
)
for one in predictions[["signed_r2", "signed_r2_low", "signed_r2_high", "p_shuffled"]].to_dataframe().itertuples():
    logger.info("%s %s: corrected signed R2 %.3f (%.3f to %.3f), p %.3f against shuffled stimuli", name, *one)
predictions.attrs = {"model": name, "simulated": simulated}
save(
    snakemake,
    predictions,
    declared=BRAIN,
    title=f"Prediction of {'simulated ' if simulated else ''}voxels by {name}",
    source="ridge regression on time-averaged activations, cross-validated, corrected for noise"
    + (f"; voxels simulated from {simulated}, not measured" if simulated else ""),
    references="; ".join(filter(None, [files.STUDY, responses.attrs.get("references")])),
)
