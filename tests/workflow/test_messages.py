"""Invalid input is reported before a job starts, or by the job that reads it."""

import subprocess

import pytest

from tests.workflow.runs import copy_of, small, snakemake


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "generation_models=[efficientnet_lite]",
            "generation_models.0: unknown model 'efficientnet_lite'. Did you mean",
        ),
        ("human_data=everything", "Wanted: summary or participants"),
        ("mirror=/no/such/folder", "mirror: there is no folder /no/such/folder"),
    ],
)
def test_a_wrong_configuration_is_said_before_a_job_starts(clone, setting, message):
    output = snakemake(clone, "--config", setting, fails=True)
    assert message in output
    assert "Job stats" not in output
    assert not (clone / "results").exists()


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a file where a folder belongs, a folder where the manifest belongs, a run named like a manifest",
    "said before the first job",
)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ("touch results", "results is a file, but the run needs a folder there"),
        ("ln -s nowhere results", "results is a broken link, but the run needs a folder there"),
        ("mkdir results; touch results/small", "results/small is a file, but the run needs a folder there"),
        (
            "mkdir -p results/small.sha256",
            "results/small.sha256 is not a file, but the manifest of results/small belongs",
        ),
        (
            "sed -i 's/^run: small/run: x.sha256/' small.yaml",
            "run: 'x.sha256' ends in .sha256, as the manifest of another",
        ),
    ],
)
def test_a_place_that_cannot_take_results_is_said_before_a_job_starts(root, clone, commands, message):
    arguments = small(root, clone)
    subprocess.run(["bash", "-c", commands], cwd=clone, check=True)
    before = sorted(clone.glob("results*/**"))
    output = snakemake(clone, *arguments, fails=True)
    assert message in output
    assert "Traceback" not in output
    assert "Job stats" not in output
    assert sorted(clone.glob("results*/**")) == before


@pytest.mark.hostile("a clone in a folder …")
@pytest.mark.slow
def test_a_folder_that_snakemake_cannot_use_is_said_before_a_job_starts(root, tmp_path):
    said = snakemake(copy_of(root, tmp_path / "br{ace}"), "-n", fails=True)
    assert "br{ace}: the path of this folder has { }, which Snakemake or netCDF cannot use" in said
    assert "Traceback" not in said


@pytest.mark.hostile("a file of the configuration …")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configfile", "none.yaml"], "Error: none.yaml: there is no such file that can be read (No such file or directory)"),
        (["--configfile", "config"], "Error: config: there is no such file that can be read (Is a directory)"),
        (["--configfile", "binary.yaml"], "Error: binary.yaml: not valid YAML: it is not text in UTF-8"),
        (["--configfile", "tabs.yaml"], "indent with spaces, not with tabs"),
        (["--configfile", "twice.yaml"], "Error: twice.yaml: the key 'seed' is in line 1 and again in line 3"),
        (["--configfile", "long.yaml"], "Error: long.yaml: the number in line 1 has 5002 characters; wanted 32 at most"),
        (["--config", "synthesis={seeds: 2, seeds: 3}"], "the key 'seeds' is in line 1 and again in line 1; keep one"),
        (["-nC", "synthesis.seeds=2"], "Error: --config synthesis.seeds=2: a key inside another cannot be set here"),
        (["--config", "synthesis.seeds=2"], "Error: --config synthesis.seeds=2: a key inside another cannot be set here"),
        (["--config", "a=["], "Error: --config a=[: unknown key 'a'. Valid: run, seed, "),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_read_is_said_in_one_sentence(clone, arguments, message):
    (clone / "binary.yaml").write_bytes(bytes(range(256)))
    (clone / "tabs.yaml").write_text("synthesis:\n\tseeds: 2\n")
    (clone / "twice.yaml").write_text("seed: 1\nrun: mine\nseed: 2\n")
    (clone / "long.yaml").write_text(f"seed: 0x{'f' * 5000}\n")
    said = snakemake(clone, "-n", *arguments, fails=True).splitlines()
    assert len(said) == 2, said
    assert said[0].startswith("Using workflow specific profile")
    assert message in said[1]


@pytest.mark.hostile("a repeated key in a mapping …")
@pytest.mark.slow
def test_a_repeated_key_is_named_in_every_configuration_file(clone):
    """Without a profile of the workflow, and with the configuration file that a profile names."""
    (clone / "twice.yaml").write_text("seed: 1\nrun: mine\nseed: 2\n")
    (clone / "own").mkdir()
    (clone / "own" / "config.yaml").write_text("configfile: [twice.yaml]\n")
    for arguments in (["--configfile", "twice.yaml", "--workflow-profile", "none"], ["--profile", "own"]):
        said = snakemake(clone, "-n", *arguments, fails=True)
        assert "twice.yaml: the key 'seed' is in line 1 and again in line 3; keep one of them" in said
        assert "Traceback" not in said
        assert "metamers" not in said.split("keep one of them")[1]  # no frame of the library


@pytest.mark.slow
def test_a_mirror_that_lacks_a_file_is_said_by_the_job(clone, tmp_path):
    (tmp_path / "mirror").mkdir()
    settings = ["mirror=" + str(tmp_path / "mirror"), "human_data=participants"]
    output = snakemake(clone, "results/demo/humans/auditory-4.nc", "--config", *settings, fails=True)
    assert "lacks raw.githubusercontent.com/jenellefeather" in output
    assert not (clone / "resources" / "retrieved" / "experiments").exists()


@pytest.mark.slow
def test_all_images_that_are_none_are_said_by_the_job(root, clone):
    arguments = small(root, clone)
    for number in (0, 1, 2):
        (clone / "mine" / f"image_{number}.png").write_text("<html>404</html>")
    output = snakemake(clone, "results/small/stimuli/own.nc", *arguments, fails=True)
    for number in (0, 1, 2):
        assert f"mine/image_{number}.png: not an image that can be read" in output
    assert not list((clone / "results").rglob("*.nc*"))
