"""The workflow as a module of somebody else's workflow, in a folder of theirs."""

import shutil

import pytest
from test_workflow import copy_of, counts, small, snakemake

from metamers import config_read, files

FOREIGN = """
configfile: "small.yaml"

rule theirs:
    input:
        "{first}",
        "{second}"
    output:
        "theirs.txt"
    shell:
        "echo done > {{output}}"

module metamers:
    snakefile: "{snakefile}"
    config: config

use rule * from metamers as metamers_*
"""

PIECE = ("results/small/stimuli/own.nc", "results/small/nulls/first.nc")


def foreign(root, folder, snakefile):
    """A foreign workflow with two tiny models of its own."""
    small(root, folder)
    (folder / "Snakefile").write_text(FOREIGN.format(snakefile=snakefile, first=PIECE[0], second=PIECE[1]))
    return folder


@pytest.fixture
def theirs(root, tmp_path):
    return foreign(root, tmp_path, root / "Snakefile")


def test_their_rules_use_what_ours_make_and_their_first_rule_stays_the_default(root, theirs, tmp_path_factory):
    jobs = counts(snakemake(theirs, "-n"))
    assert jobs == {"metamers_stimuli": 1, "metamers_null": 1, "theirs": 1, "total": 3}
    snakemake(theirs)
    assert (theirs / "theirs.txt").is_file()
    assert "Nothing to be done" in snakemake(theirs)
    own = copy_of(root, tmp_path_factory.mktemp("own"))
    snakemake(own, *PIECE, *small(root, own))
    for path in PIECE:
        here, there = (files.load(folder / path).attrs for folder in (theirs, own))
        assert here["content_sha256"] == there["content_sha256"]


def test_the_whole_of_our_workflow_is_in_theirs(root, theirs, tmp_path_factory):
    own = copy_of(root, tmp_path_factory.mktemp("own"))
    ours = counts(snakemake(own, "-n", *small(root, own)))
    jobs = counts(snakemake(theirs, "-n", "metamers_all"))
    assert {rule.removeprefix("metamers_"): number for rule, number in jobs.items()} == ours


def test_a_module_without_configuration_is_the_default_run(root, tmp_path):
    (tmp_path / "Snakefile").write_text(
        f'module metamers:\n    snakefile: "{root}/Snakefile"\n\nuse rule * from metamers\n'
    )
    assert counts(snakemake(tmp_path, "-n"))["train"] == 5


def test_from_another_folder_the_workflow_finds_its_own_files(root, tmp_path):
    arguments = ("--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path))
    assert counts(snakemake(tmp_path, "-n", *arguments))["train"] == 5
    assert not (tmp_path / "config").exists()


def test_a_file_of_the_working_directory_goes_before_the_workflow_s_own(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = "resources/datasets/spoken_words.tsv"
    assert config_read.located(table) == str(root / table)
    (tmp_path / table).parent.mkdir(parents=True)
    shutil.copy(root / table, tmp_path / table)
    assert config_read.located(table) == table
    assert config_read.located("in/neither.tsv") == "in/neither.tsv"


def test_a_wrong_configuration_of_a_module_is_said_before_a_job_starts(theirs):
    settings = theirs / "small.yaml"
    settings.write_text(settings.read_text().replace("- first", "- frist"))
    output = snakemake(theirs, fails=True)
    assert "generation_models.0: unknown model 'frist'. Did you mean 'first'?" in output
    assert "Job stats" not in output


def test_a_configuration_is_laid_over_the_default_key_by_key():
    default = config_read.over_default({})
    given = {"run": "mine", "synthesis": {"one_cycle": {"vision": {"steps": 7}}}, "recognition_models": ["one"]}
    laid = config_read.over_default(given)
    assert laid["run"] == "mine"
    assert laid["recognition_models"] == ["one"]
    wanted = default["synthesis"]["one_cycle"]["vision"] | {"steps": 7}
    assert laid["synthesis"]["one_cycle"] == default["synthesis"]["one_cycle"] | {"vision": wanted}
    assert laid["seed"] == default["seed"]
