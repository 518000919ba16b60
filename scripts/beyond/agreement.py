"""Make beyond/agreement/<modality>.nc: agreement of models' sensitivities, and recognition of metamers."""

from metamers.run.job import log_to, save

from metamers.beyond.agreement import agreement
from metamers.beyond.compare import of_run
from metamers.beyond.files import AGREEMENT
from metamers.run import files

logger = log_to(snakemake.log[0])
inputs, params = snakemake.input, snakemake.params
with files.open_dataset(inputs.sensitivity) as whole:  # without the distortions, which are large
    sensitivities = whole[["sensitivity", "mean_sensitivity"]].load()
acceptance = files.load_by_stem(inputs.acceptance)
answers, recognized, accepted = files.load_answers(inputs.recognition), {}, {}
for name in params.recognition_models:
    stages = sensitivities["sensing_stage"].sel(sensing_model=name).values
    stimuli = acceptance[name]["stimulus"].values
    distorted = sensitivities["stimulus"].values  # they come first
    stimuli = [*distorted, *(one for one in stimuli if one not in distorted)]
    recognized[name], accepted[name] = of_run(
        answers[name], acceptance[name]["accepted"], stages, stimuli, params.families
    )
made = agreement(sensitivities, recognized, accepted, params.recognition_models, params.families, params.run_seed)
for name, values in made["mean_agreement"].to_series().unstack("depth").iterrows():
    for depth, value in values.items():
        correct = float(made["proportion_correct"].sel(generation_model=name, depth=depth))
        logger.info(
            "%s at position %g: agreement %.2f, %.0f%% of metamers recognized", name, depth, value, 100 * correct
        )
save(
    snakemake,
    made.assign_attrs(
        modality=snakemake.wildcards.sensed_modality,
        judged_by=", ".join(dict.fromkeys(name for names in params.recognition_models.values() for name in names)),
    ),
    declared=AGREEMENT,
    title=f"Agreement of models' sensitivities, and recognition of metamers ({snakemake.wildcards.sensed_modality})",
    source="sensitivities to the distortions of each generation model; answers to accepted metamers of the run",
)
