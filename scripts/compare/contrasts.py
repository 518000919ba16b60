"""Make comparison/contrasts.nc from the accepted metamers of the compared models and other models' answers."""

from metamers.run.job import log_to, save

import numpy as np

from metamers.compare.contrasts import contrasts
from metamers.compare.files import CONTRASTS
from metamers.compare.verdict import contrast_evidence
from metamers.run import files

logger = log_to(snakemake.log[0])
acceptance = files.load_by_stem(snakemake.input.acceptance)
recognition = files.load_answers(snakemake.input.recognition)
params = snakemake.params
compared = contrasts(params.contrasts, recognition, acceptance, params.families)
evidence = contrast_evidence(compared, params.contrasts, acceptance, params.families, params.targets)
compared = compared.merge(evidence)
for name in compared["contrast"].values:
    one = compared.sel(contrast=name)
    difference, low, high = (float(one[key]) for key in ("late_difference", "late_low", "late_high"))
    interval = f"{low:+.3f} to {high:+.3f}" if np.isfinite(low) else "no interval"
    logger.info("%s at %s: %+.3f (%s)", name, one["late_stages"].item(), difference, interval)
    if left_out := int(one["late_left_out"]):
        logger.warning("%s: %d stimuli left out, because some of their metamers were not accepted", name, left_out)
save(
    snakemake,
    compared,
    declared=CONTRASTS,
    title="Differences in recognizability between models, for the same other models and the same stimuli",
    source="answers of the recognition models",
    inputs=[*snakemake.input.acceptance, *snakemake.input.recognition],
)
