"""Make the tables that stand for the participant-level data: group results, noise ceilings, variances."""

from metamers.run.job import log_to

import pandas as pd

from metamers.compare.passes import natural_differences, natural_variance
from metamers.compare.recognition_spread import recognition_table
from metamers.humans.noise_ceiling import noise_ceilings
from metamers.humans.participants import judgements
from metamers.humans.summary import group_results, pooled_points, write_results
from metamers.power.participants import participant_variance
from metamers.run import files

logger = log_to(snakemake.log[0])
modalities = snakemake.params.modalities
experiments = files.load_by_stem(snakemake.input.experiments)
judged = {
    modality: judgements(entry, folder)
    for (modality, entry), folder in zip(
        snakemake.params.recognition_models.items(), snakemake.input.recognition_models, strict=True
    )
}
groups = group_results(experiments, modalities, judged)
write_results(groups, snakemake.output.groups)

by_modality = {
    modality: [data for name, data in experiments.items() if modalities[name] == modality] for modality in judged
}
ceilings = noise_ceilings(pooled_points(groups), by_modality)
for row in ceilings.itertuples(index=False):
    logger.info("%s: noise ceiling of R2 %.4f (%.4f to %.4f over splits, %.4f to %.4f over participants)", *row)
write_results(ceilings, snakemake.output.ceilings)

variance = pd.concat([participant_variance(data, modality) for modality, data in by_modality.items()])
for row in variance.itertuples():
    logger.info(
        "%s: log odds vary by %.2f (%.2f to %.2f) over %s", row.modality, row.sd, row.low, row.high, row.component
    )
write_results(variance, snakemake.output.variance)

natural = natural_variance(experiments, modalities)
for row in natural.itertuples():
    logger.info(
        "%s: recognition of natural stimuli varies by %.4f ± %.4f", row.modality, row.variance, row.standard_error
    )
write_results(natural, snakemake.output.natural_variance)
write_results(natural_differences(experiments, modalities), snakemake.output.natural_difference)
write_results(recognition_table(judged, snakemake.params.families), snakemake.output.recognition)
