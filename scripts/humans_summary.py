"""Make the tables that stand for the participant-level data out of it: group results, noise ceilings, variance."""

from pathlib import Path

import pandas as pd

from metamers import files
from metamers.humans import (
    CEILING_COLUMNS,
    group_results,
    judgements,
    noise_ceiling,
    noise_ceiling_interval,
    pooled_points,
    write_results,
)
from metamers.logs import log_to
from metamers.power import participant_variance

logger = log_to(snakemake.log[0])
modalities = snakemake.params.modalities
experiments = {Path(path).stem: files.load(path) for path in snakemake.input.experiments}
judged = {
    modality: judgements(entry, folder)
    for (modality, entry), folder in zip(snakemake.params.judges.items(), snakemake.input.judges, strict=True)
}
groups = group_results(experiments, modalities, judged)
write_results(groups, snakemake.output.groups)

points = pooled_points(groups)
ceilings, variances = [], []
for modality in judged:
    wanted = points.loc[points["modality"] == modality, ["generation_model", "stage"]]
    of_modality = [data for name, data in experiments.items() if modalities[name] == modality]
    known = list(wanted.itertuples(index=False, name=None))
    ceilings.append((modality, *noise_ceiling(of_modality, known), *noise_ceiling_interval(of_modality, known)))
    logger.info(
        "%s: noise ceiling of R2 %.4f (%.4f to %.4f over splits, %.4f to %.4f over participants)", *ceilings[-1]
    )
    variances.append(participant_variance(of_modality, modality))
    for row in variances[-1].itertuples():
        logger.info(
            "%s: log odds vary by %.2f (%.2f to %.2f) over %s", modality, row.sd, row.low, row.high, row.component
        )
write_results(pd.DataFrame(ceilings, columns=CEILING_COLUMNS), snakemake.output.ceilings)
write_results(pd.concat(variances), snakemake.output.variance)
