"""From natural stimuli to model metamers, to what other models and people make of them."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

# The workflow's own folder, also where it is a module of another workflow.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))

sys.path.insert(0, str(ROOT / "scripts"))

from metamers.config import resolve
from metamers.config_read import check_configuration_files, over_default
from metamers.names import ConfigurationError

try:
    check_configuration_files(workflow.configfiles)
    # Not `configfile:`, which Snakemake passes over in a module that is given a configuration.
    config |= over_default(config)
    setup = resolve(config)
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None  # without the traceback through the library


include: "workflow/rules/common.smk"
include: "workflow/rules/retrieve.smk"
include: "workflow/rules/stimuli.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/synthesize.smk"
include: "workflow/rules/null.smk"
include: "workflow/rules/recognize.smk"
include: "workflow/rules/experiment.smk"
include: "workflow/rules/humans.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/power.smk"
include: "workflow/rules/vulnerability.smk"
include: "workflow/rules/brain.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/leaderboard.smk"
include: "workflow/rules/beyond.smk"
include: "workflow/rules/model_card.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/simulations.smk"
include: "workflow/rules/verify.smk"


onstart:
    check_results_folder()


onsuccess:
    close_manifest()


onerror:
    close_manifest()


# The first rule, so the default target; of a workflow that has this one as a module its own first rule is.
rule all:
    input:
        rules.report.output,
        rules.leaderboard.output,
        rules.beyond_page.output if SETS else [],
        COMPARISON,
        OF_PEOPLE,


rule retrieve:
    input:
        RETRIEVED,


rule humans:
    input:
        HUMANS,
        PEOPLE,
        OF_PEOPLE,


rule comparison:
    input:
        COMPARISON,
        OF_PEOPLE,
        PAPER_DATA,
        rules.leaderboard.output.netcdf,


rule experiment:
    input:
        every_experiment,


rule paper:
    input:
        rules.paper_page.output,
        PAPER_DRAWN,


rule analyses:
    input:
        ANALYSES,


rule beyond:
    input:
        what_is_beyond,
        rules.beyond_page.output,


rule simulations:
    input:
        SIMULATED,


rule benchmark:
    input:
        rules.benchmark_page.output,
