"""Make brain/responses/simulated.nc: simulated voxels that respond to one stage of one model."""

from metamers.run.job import log_to, save

from metamers.brain.activations import features_by_stage
from metamers.brain.files import SIMULATED
from metamers.brain.simulate import simulated_brain
from metamers.run import files

log_to(snakemake.log[0])
params = snakemake.params
settings = dict(params.settings)
model, stage = settings.pop("model"), settings.pop("stage")
activations = files.load(snakemake.input[0])
made = simulated_brain(
    features_by_stage(activations)[stage], activations["stimulus"].values, **settings, seed=params.run_seed
)
made = made.to_dataset()
made.attrs = {"simulated": f"{stage} of {model}"}
save(
    snakemake,
    made,
    declared=SIMULATED,
    title="Simulated responses of voxels (not measured)",
    source=f"noisy linear functions of the activations of stage {stage} of {model}",
)
