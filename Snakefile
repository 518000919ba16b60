"""From natural stimuli to model metamers, and to their recognition by other models and by humans."""

import sys

from snakemake.utils import min_version

min_version("9.24")

from metamers.plan.plan import make_plan
from metamers.config.read import check_configuration_files
from metamers.plan.steps import STEPS, merge_defaults
from metamers.names import ConfigurationError
from metamers.repository import ROOT, check_folders, check_snakefile

try:
    check_folders()
    check_snakefile(workflow.sourcecache.get_path(workflow.included_stack[-1]))
    check_configuration_files(workflow.configfiles)
    # Not `configfile:`, which Snakemake passes over in a module that is given a configuration.
    config |= merge_defaults(config)
    plan = make_plan(config, workflow.configfiles)
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None  # without the traceback through the library


if workflow.is_main_process:
    for line in plan.described_stages:
        print(line, file=sys.stderr)


pathvars:
    run=plan.settings.run,


# The rules of the installed package, which run its scripts, wherever Snakemake has loaded this file from.
RULES = ROOT / "workflow" / "rules"


include: RULES / "common.smk"


for step_name in STEPS:

    include: RULES / f"{step_name}.smk"


onstart:
    check_results_folder()
    fetch_run()


onsuccess:
    close_manifest()
    store_records()
    show_findings()
    cancel_timers()


onerror:
    close_manifest()
    store_records()
    report_without_failed(log)
    cancel_timers()


# The first rule: the default target, unless a workflow that loads this one as a module has a rule before it.
rule all:
    input:
        rules.report_pages.output,
        # What the pages load: asked for here too, so that what is missing is made again beside pages that are there.
        ASSETS,
        rules.report_pages.input.media,
        FIGURES,
        [f"results/<run>/exported/metamers/{model}" for model in plan.generation_models],
        [f"results/<run>/exported/datasets/{dataset}" for dataset in plan.stimuli],
        PICTURE,
        COMPARISON,
        FROM_OWN_PARTICIPANTS,
        ADDED_TO_ALL,


rule humans:
    input:
        HUMANS,
        OWN_PARTICIPANTS,
        ADAPTIVE_PARTICIPANTS,
        FROM_OWN_PARTICIPANTS,
        ADDED_TO_HUMANS,


rule comparison:
    input:
        COMPARISON,
        FROM_OWN_PARTICIPANTS,
        ADDED_TO_COMPARISON,
        PAPER_DATA,
        rules.leaderboard_ranking.output,


rule analyses:
    input:
        VULNERABILITY,
        BRAINS,
        SIMILARITIES,


# After the rule `all`, whose files it packs.
include: RULES / "crate.smk"


check_requested()
