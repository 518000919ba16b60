"""Name damaged, stale, missing and foreign files of the run; with `rebuild_manifest`, first rebuild its manifest."""

from metamers.run.job import log_results_to

import os
import shlex
import sys
from collections import Counter

from metamers.verify import FAILING, OTHER_VERSION, count_by_kind, outputs_to_make_again, rebuild, verify

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
        logger.info("%s", problem)
    logger.info("the manifest was rebuilt; %d files are not recorded in it", len(left_out))
problems = verify(run, snakemake.threads, own_log)
for problem in problems:
    if problem.kind != OTHER_VERSION:
        logger.info("%s", problem)
made_by = Counter(problem.reason for problem in problems if problem.kind == OTHER_VERSION)
for reason, number in sorted(made_by.items()):
    logger.info("%d files: %s", number, reason)
kinds = count_by_kind(problems)
numbers = [f"{number} {kind}" for kind, number in kinds.items()]
if set(kinds) & set(FAILING):
    logger.info("%s: %s", run, ", ".join(numbers))
else:
    logger.info("%s: %s", run, "; ".join(["nothing is damaged, stale or foreign", *numbers]))
if again := outputs_to_make_again(problems, run, params.outputs):
    command = f"{os.environ.get('METAMERS_CALL', 'snakemake')} --forcerun {shlex.join(sorted(set(again.values())))}"
    logger.info(
        "%d files are made again, with the requested files that are computed from them, by\n  %s", len(again), command
    )
others = {problem.path for problem in problems if problem.kind in FAILING and problem.kind != "unread"} - again.keys()
if params.outputs and (others := [path for path in others if path.startswith(f"{run}/")]):
    logger.error(
        "no command makes these files again: %d that the run or this configuration does not make, or that are outside "
        "the run's folder. Look at each before you move or delete it",
        len(others),
    )
if "unread" in kinds:
    logger.error("%d files or folders could not be checked, for the reasons above. Verify again", kinds["unread"])
if set(kinds) & set(FAILING):
    sys.exit(1)
