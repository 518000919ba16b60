"""Make brain/<model>.nc: how well each stage of a model predicts each voxel's responses to natural stimuli."""

from metamers import files
from metamers.brain import read_responses, regression
from metamers.logs import log_to

logger = log_to(snakemake.log[0])
name, params = snakemake.wildcards.analysed_model, snakemake.params
responses = files.load_foreign(snakemake.input.responses)
simulated = responses.attrs.get("simulated", "")
found = regression(files.load(snakemake.input.activations), read_responses(responses), params.splits, params.run_seed)
for stage, explained in found["voxels_r2"].mean("participant").to_series().items():
    logger.info("%s %s: corrected R2 %.3f", name, stage, explained)
found.attrs = {"model": name, "simulated": simulated}
files.save(
    found,
    snakemake.output[0],
    title=f"Prediction of {'simulated ' if simulated else ''}voxels by {name}",
    source="ridge regression on time-averaged activations, cross-validated, corrected for noise"
    + (f"; voxels simulated from {simulated}, not measured" if simulated else ""),
    references="; ".join(filter(None, [files.STUDY, responses.attrs.get("references")])),
    step="brain_regression",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
