"""Invalid input is reported before a job starts, or by the job that reads it."""

import re
import subprocess

import pytest

from metamers.run import manifest
from tests.workflow.runs import copy_of, small, snakemake


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("generation_models=[efficientnet_lite]", r"generation_models\.0: .*'efficientnet_lite'"),
        ("mirror=/no/such/folder", "mirror: .*/no/such/folder"),
    ],
)
def test_a_wrong_configuration_is_said_before_a_job_starts(clone, setting, message):
    output = snakemake(clone, "--config", setting, fails=True)
    assert re.search(message, output)
    assert "Job stats" not in output
    assert not (clone / "results").exists()


@pytest.mark.slow
def test_a_place_that_cannot_take_results_is_said_before_a_job_starts(root, clone):
    arguments = small(root, clone)
    (clone / "results").touch()
    output = snakemake(clone, *arguments, fails=True)
    assert re.search(r"\bresults .*\bfile\b", output)
    assert "Traceback" not in output
    assert "Job stats" not in output
    assert (clone / "results").is_file()


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a file where a folder belongs, a folder where the manifest belongs, a run named like a manifest",
    "said before the first job",
)
@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ("touch results", "results .*file"),
        ("ln -s nowhere results", "results .*link"),
        ("mkdir results; touch results/small", "results/small .*file"),
        ("mkdir -p results/small.sha256", r"results/small\.sha256 .*results/small "),
        ("mkdir -p results/.small.sha256.lock", r"results/\.small\.sha256\.lock .*results/small "),
    ],
)
def test_a_place_that_cannot_take_results_is_named_and_left(tmp_path, commands, message):
    manifest.check_places(tmp_path / "results/small")
    subprocess.run(["bash", "-c", commands], cwd=tmp_path, check=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match=rf"^{re.escape(str(tmp_path))}/{message}"):
        manifest.check_places(tmp_path / "results/small")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.hostile("a clone in a folder …")
@pytest.mark.slow
def test_a_folder_that_snakemake_cannot_use_is_said_before_a_job_starts(root, tmp_path):
    said = snakemake(copy_of(root, tmp_path / "br{ace}"), "-n", fails=True)
    assert re.search(r"br\{ace\}: .*\{ \}", said)
    assert "Traceback" not in said


@pytest.mark.hostile("a file of the configuration …")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configfile", "none.yaml"], r"^Error: none\.yaml: .*\(No such file or directory\)"),
        (["--configfile", "tabs.yaml"], r"^Error: tabs\.yaml: .*\bline 2: .*\btabs"),
        (["--config", "synthesis={seeds: 2, seeds: 3}"], "^Error: --config synthesis=.*'seeds'.*line 1 .*line 1"),
        (["-nC", "synthesis.seeds=2"], r"^Error: --config synthesis\.seeds=2: "),
        (["--config", "a=["], r"^Error: --config a=\[: .*'a'.*: run, seed, "),
    ],
)
def test_a_configuration_that_cannot_be_read_is_said_in_one_sentence(clone, arguments, message):
    (clone / "tabs.yaml").write_text("synthesis:\n\tseeds: 2\n")
    said = snakemake(clone, "-n", *arguments, fails=True).splitlines()
    assert len(said) == 2, said  # the first line is Snakemake's, about the profile
    assert re.search(message, said[1])


@pytest.mark.hostile("a repeated key in a mapping …")
@pytest.mark.slow
def test_a_repeated_key_is_named_in_every_configuration_file(clone):
    """Without a profile of the workflow, and with the configuration file that a profile names."""
    (clone / "twice.yaml").write_text("seed: 1\nrun: mine\nseed: 2\n")
    (clone / "own").mkdir()
    (clone / "own" / "config.yaml").write_text("configfile: [twice.yaml]\n")
    for arguments in (["--configfile", "twice.yaml", "--workflow-profile", "none"], ["--profile", "own"]):
        said = snakemake(clone, "-n", *arguments, fails=True)
        after = re.split(r"twice\.yaml: .*'seed'.*line 1 .*line 3\b.*\n", said)[1]
        assert "Traceback" not in said
        assert "metamers" not in after  # no frame of the library


@pytest.mark.slow
def test_a_mirror_that_lacks_a_file_is_said_by_the_job(clone, tmp_path):
    (tmp_path / "mirror").mkdir()
    settings = ["mirror=" + str(tmp_path / "mirror"), "human_data=participants"]
    output = snakemake(clone, "results/demo/humans/auditory-4.nc", "--config", *settings, fails=True)
    assert re.search(rf"{settings[0].replace('=', ': ')} .*raw\.githubusercontent\.com/jenellefeather", output)
    assert not (clone / "resources" / "retrieved" / "experiments").exists()


@pytest.mark.slow
def test_all_images_that_are_none_are_said_by_the_job(root, clone):
    arguments = small(root, clone)
    for number in (0, 1, 2):
        (clone / "mine" / f"image_{number}.png").write_text("<html>404</html>")
    output = snakemake(clone, "results/small/stimuli/own.nc", *arguments, fails=True)
    for number in (0, 1, 2):
        assert f"mine/image_{number}.png: " in output
    assert not list((clone / "results").rglob("*.nc*"))
