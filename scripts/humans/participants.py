"""Make humans/<experiment>.nc from the public files of one published experiment."""

from metamers.run.job import log_to, save

from metamers.humans.files import HUMANS
from metamers.humans.participants import experiment_dataset

logger = log_to(snakemake.log[0])
experiment, entry = snakemake.wildcards.experiment, snakemake.params.experiment
answers = experiment_dataset(entry, snakemake.input[0])
for (model, observer), mean in answers["proportion_correct"].mean(("participant", "stage")).to_series().items():
    logger.info("%s: %s: %s %.3f correct over all stages", experiment, model, observer, mean)
save(
    snakemake,
    answers,
    declared=HUMANS,
    title=f"Answers of participants and models in {experiment}: {entry['title']}",
    source="public participant-level data of the study",
)
