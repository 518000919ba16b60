"""Make comparison/fmri.nc from the published voxel regressions and the published experiments' group results."""

from metamers.run.job import log_to, save

from metamers.humans.summary import COLUMNS, read_results
from metamers.paper.brain import fmri_dataset, fmri_predictions, pooled_participants
from metamers.paper.files import FMRI

logger = log_to(snakemake.log[0])
predictions = fmri_predictions(snakemake.params.entry, snakemake.input.voxels)
participants = pooled_participants(read_results(snakemake.input.groups, COLUMNS))
related = fmri_dataset(predictions, participants)
for region in related["region"].values:
    rho, p = (float(related[name].sel(region=region)) for name in ("spearman_rho", "p_bonferroni"))
    logger.info("%s: Spearman's rho %.2f, p %.3f (Bonferroni)", region, rho, p)
save(
    snakemake,
    related,
    declared=FMRI,
    title="fMRI predictions of the published auditory models against participants' recognition of their metamers",
    source="public voxel regressions and participant-level data of the study",
)
