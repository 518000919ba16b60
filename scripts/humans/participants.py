"""Make humans/<experiment>.nc from the public files of one published experiment."""

from metamers.run.job import log_to

from metamers.humans.participants import experiment_dataset
from metamers.run import files

logger = log_to(snakemake.log[0])
experiment, entry = snakemake.wildcards.experiment, snakemake.params.experiment
answers = experiment_dataset(entry, snakemake.input[0])
for (model, observer), mean in answers["proportion_correct"].mean(("participant", "stage")).to_series().items():
    logger.info("%s: %s: %s %.3f correct over all stages", experiment, model, observer, mean)
files.save(
    answers,
    snakemake.output[0],
    title=f"Answers of participants and models in {experiment}: {entry['title']}",
    source="public participant-level data of the study",
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
