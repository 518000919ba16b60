"""From natural stimuli to model metamers, to what other models and people make of them."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

import metamers.config


configfile: "config/config.yaml"


setup = metamers.config.resolve(config)


include: "workflow/rules/common.smk"
include: "workflow/rules/retrieve.smk"
include: "workflow/rules/stimuli.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/synthesize.smk"
include: "workflow/rules/null.smk"
include: "workflow/rules/recognize.smk"
include: "workflow/rules/humans.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/benchmark.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        COMPARISON,


rule retrieve:
    input:
        RETRIEVED,


rule humans:
    input:
        HUMANS,


rule comparison:
    input:
        COMPARISON,


rule benchmark:
    input:
        rules.benchmark_cochleagram.output,
