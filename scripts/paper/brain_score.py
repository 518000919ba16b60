"""Make comparison/brain_score.nc from the published Brain-Scores and the published experiments' group results."""

from metamers.run.job import log_to, save

from pathlib import Path

from metamers.humans.summary import COLUMNS, read_results
from metamers.paper.brain import brain_score_dataset, pooled_participants, read_brain_scores
from metamers.paper.files import BRAIN_SCORE

logger = log_to(snakemake.log[0])
entry = snakemake.params.entry
scores = read_brain_scores(Path(snakemake.input.scores) / entry["file"], entry["models"], entry["areas"])
participants = pooled_participants(read_results(snakemake.input.groups, COLUMNS))
related = brain_score_dataset(scores, participants)
for area in related["visual_area"].values:
    rho, p = (float(related[name].sel(visual_area=area)) for name in ("spearman_rho", "p_bonferroni"))
    logger.info("%s: Spearman's rho %.2f, p %.3f (Bonferroni) over %d models", area, rho, p, len(entry["models"]))
save(
    snakemake,
    related,
    declared=BRAIN_SCORE,
    title="Brain-Scores of the published visual models against participants' recognition of their metamers",
    source="public table of Brain-Scores and participant-level data of the study",
)
