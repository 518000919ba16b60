"""Report damaged, stale and foreign files of the run; `rebuild_manifest` runs before the check, `repair` after it."""

from metamers.run.job import log_results_to

import sys
from collections import Counter

from metamers.verify import FAILING, OTHER_VERSION, REPAIRED, count_by_kind, rebuild, repair, verify

logger = log_results_to(snakemake.log[0])
run, params = snakemake.params.run, snakemake.params
own_log = [snakemake.log[0]]
if snakemake.config["rebuild_manifest"]:
    try:
        left_out = rebuild(run, snakemake.threads, own_log)
    except ValueError as error:
        logger.error("%s", error)
        sys.exit(1)
    for problem in left_out:
        logger.info("not recorded: %s: %s", problem.path, problem.reason)
    logger.info("the manifest was rebuilt; %d files are not recorded in it", len(left_out))
problems = verify(run, snakemake.threads, own_log, params.steps)
for problem in problems:
    if problem.kind != OTHER_VERSION:
        logger.info("%s: %s: %s", problem.kind, problem.path, problem.reason)
made_by = Counter(problem.reason for problem in problems if problem.kind == OTHER_VERSION)
for reason, number in sorted(made_by.items()):
    logger.info("%d files: %s", number, reason)
kinds = count_by_kind(problems)
numbers = [f"{number} {kind}" for kind, number in kinds.items()]
if set(kinds) & set(FAILING):
    logger.info("%s: %s", run, ", ".join(numbers))
else:
    logger.info("%s: %s", run, "; ".join(["nothing is damaged, stale or foreign", *numbers]))
if snakemake.config["repair"]:
    try:
        deleted = repair(problems, run, params.made_whole)
    except ValueError as error:
        logger.error("%s", error)
        sys.exit(1)
    for path in deleted:
        logger.info("deleted %s", path)
    logger.info("run again to make the deleted files that are needed")
elif set(kinds) & set(REPAIRED):
    logger.error("`--config repair=True` deletes damaged, stale and foreign files, so that a rerun makes them again")
if "unread" in kinds:
    logger.error("%d files or folders could not be checked, for the reasons above. Verify again", kinds["unread"])
if set(kinds) & set(FAILING) and not (snakemake.config["repair"] and "unread" not in kinds):
    sys.exit(1)
