"""Say which files of the run are damaged, stale or foreign; with `repair`, delete those."""

import sys

from metamers.logs import log_to
from metamers.verify import REPAIRED, counted, repair, verify

logger = log_to(snakemake.log[0])
run, params = snakemake.params.run, snakemake.params
problems = verify(run, snakemake.threads, [snakemake.log[0]])
for problem in problems:
    logger.info("%s: %s: %s", problem.kind, problem.path, problem.reason)
kinds = counted(problems)
summary = ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "nothing is damaged, stale or foreign"
logger.info("%s: %s", run, summary)
if snakemake.config["repair"]:
    for path in repair(problems, run, params.made_whole):
        logger.info("deleted %s", path)
    logger.info("run again to make what is needed of what was deleted")
elif set(kinds) & set(REPAIRED):
    logger.error("`--config repair=True` deletes what is damaged, stale or foreign, so that a rerun makes it")
    sys.exit(1)
