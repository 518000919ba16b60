"""Make brain/responses/simulated.nc: voxels that nobody has, out of one stage of one model."""

from metamers import files
from metamers.brain import by_stage, simulated
from metamers.logs import log_to

log_to(snakemake.log[0])
params = snakemake.params
settings = dict(params.settings)
model, stage = settings.pop("model"), settings.pop("stage")
activations = files.load(snakemake.input[0])
made = simulated(by_stage(activations)[stage], activations["stimulus"].values, **settings, seed=params.run_seed)
made = made.to_dataset()
made.attrs = {"simulated": f"{stage} of {model}"}
files.save(
    made,
    snakemake.output[0],
    title="Simulated responses of voxels: not measured, of no person",
    source=f"noisy linear functions of the activations of stage {stage} of {model}",
    step="brain_simulate",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
