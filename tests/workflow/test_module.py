"""The workflow as a module of another workflow in another folder; from a checkout, a wheel or a catalog."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from metamers.config import read as config_read
from metamers.plan.steps import merge_defaults
from metamers.run import files
from tests.workflow.runs import copy_of, counts, small, snakemake

pytestmark = pytest.mark.slow

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
    snakefile: {snakefile}
    config: config

use rule * from metamers as metamers_*
"""

PIECE = ("results/small/stimuli/own.nc", "results/small/nulls/first.nc")


def foreign(root, folder, snakefile):
    """Another workflow with two tiny models."""
    small(root, folder)
    (folder / "Snakefile").write_text(FOREIGN.format(snakefile=snakefile, first=PIECE[0], second=PIECE[1]))
    return folder


@pytest.fixture
def theirs(root, tmp_path):
    return foreign(root, tmp_path, f'"{root}/Snakefile"')


def test_their_rules_use_what_ours_make_and_their_first_rule_stays_the_default(root, theirs, tmp_path_factory):
    jobs = counts(snakemake(theirs, "-n"))
    assert jobs == {"metamers_stimuli_datasets": 1, "metamers_null_distribution": 1, "theirs": 1, "total": 3}
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


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("", "results/demo/nulls/cochcnn9_standard.nc"),
        ('prefix: "theirs/"', "theirs/results/demo/nulls/cochcnn9_standard.nc"),
        ('replace_prefix: {"results/": "theirs/"}', "theirs/demo/nulls/cochcnn9_standard.nc"),
    ],
)
def test_path_variables_of_theirs_leave_our_paths_which_their_prefix_changes(root, tmp_path, setting, path):
    (tmp_path / "Snakefile").write_text(
        'pathvars:\n    results="elsewhere",\n    logs="elsewhere",\n\n'
        f'module metamers:\n    snakefile: "{root}/Snakefile"\n    {setting}\n\nuse rule * from metamers\n'
    )
    assert counts(snakemake(tmp_path, "-n", path))["null_distribution"] == 1


def test_a_module_without_configuration_is_the_default_run(root, tmp_path):
    (tmp_path / "Snakefile").write_text(
        f'module metamers:\n    snakefile: "{root}/Snakefile"\n\nuse rule * from metamers\n'
    )
    assert counts(snakemake(tmp_path, "-n"))["train_model"] == 3


def test_from_another_folder_the_workflow_finds_its_own_files(root, tmp_path):
    arguments = ("--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path))
    assert counts(snakemake(tmp_path, "-n", *arguments))["train_model"] == 3
    assert not (tmp_path / "config").exists()


def test_a_file_of_the_working_directory_goes_before_the_workflow_s_own(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = "resources/datasets/spoken_words.tsv"
    assert config_read.resolve_path(table) == str(root / table)
    (tmp_path / table).parent.mkdir(parents=True)
    shutil.copy(root / table, tmp_path / table)
    assert config_read.resolve_path(table) == table
    assert config_read.resolve_path("in/neither.tsv") == "in/neither.tsv"


def test_a_wrong_configuration_of_a_module_is_said_before_a_job_starts(theirs):
    settings = theirs / "small.yaml"
    settings.write_text(settings.read_text().replace("- first", "- frist"))
    output = snakemake(theirs, fails=True)
    assert re.search(r"generation_models\.0: .*'frist'.*'first'", output)
    assert "Job stats" not in output


def test_a_configuration_is_laid_over_the_default_key_by_key():
    default = merge_defaults({})
    given = {"run": "mine", "synthesis": {"quick": {"vision": {"steps": 7}}}, "recognition_models": ["one"]}
    laid = merge_defaults(given)
    assert laid["run"] == "mine"
    assert laid["recognition_models"] == ["one"]
    wanted = default["synthesis"]["quick"]["vision"] | {"steps": 7}
    assert laid["synthesis"]["quick"] == default["synthesis"]["quick"] | {"vision": wanted}
    assert laid["seed"] == default["seed"]


# From an installed package and a Git repository


@pytest.fixture(scope="module")
def repository(root, tmp_path_factory):
    """A clone of this repository."""
    if not (root / ".git").exists():
        pytest.skip("this is no Git repository")
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "clone", "--quiet", root, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def installed(repository, tmp_path_factory):
    """The files of the wheel that is built from the clone, in a folder for the import path."""
    built, folder = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        built,
        repository,
    ]
    subprocess.run(command, check=True)
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def commit_of(repository):
    """The current commit of a repository."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=repository, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


@pytest.fixture
def of_git(root, repository, installed, tmp_path, monkeypatch):
    """Another workflow that loads this one from the Git repository and has the package from the wheel."""
    monkeypatch.setenv("PYTHONPATH", str(installed))
    return foreign(root, tmp_path, f'gitfile("{repository}", path="Snakefile", commit="{commit_of(repository)}")')


def test_from_a_git_repository_with_the_installed_package_a_job_runs(of_git, installed):
    imported = [sys.executable, "-c", "import metamers; print(metamers.__file__)"]
    where = subprocess.run(imported, cwd=of_git, stdout=subprocess.PIPE, check=True, text=True).stdout
    assert where.startswith(str(installed))
    snakemake(of_git)
    assert (of_git / "theirs.txt").is_file()
    assert files.load(of_git / PIECE[1]).attrs["step"] == "null_distribution"


def test_from_a_git_repository_the_default_run_is_planned(of_git):
    text = (of_git / "Snakefile").read_text().replace("    config: config\n", "")
    (of_git / "Snakefile").write_text(text)
    jobs = counts(snakemake(of_git, "-n", "metamers_all", "metamers_experiment"))
    assert jobs["metamers_train_model"] == 3
    assert jobs["metamers_experiment_folder"] == 2


def test_a_workflow_of_another_version_than_the_package_is_refused(of_git, repository, installed):
    snakefile = repository / "Snakefile"
    whole = snakefile.read_text()
    author = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    before = commit_of(repository)
    snakefile.write_text(whole + "\n# Changed.\n")
    subprocess.run(["git", *author, "commit", "--quiet", "--all", "--message=other"], cwd=repository, check=True)
    try:
        text = (of_git / "Snakefile").read_text().replace(before, commit_of(repository))
        (of_git / "Snakefile").write_text(text)
        output = snakemake(of_git, "-n", fails=True)
    finally:
        subprocess.run(["git", "reset", "--quiet", "--hard", before], cwd=repository, check=True)
    assert str(installed / "metamers/workflow_files/Snakefile") in output
    assert "Traceback" not in output


def test_another_python_imports_the_installed_package_and_nothing_beside_it(installed, tmp_path):
    """As in the conda environment of a job, which keeps its packages."""
    code = "from pathlib import Path; from metamers.repository import library_folder; print(library_folder(Path('library')))"
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    for _ in range(2):
        found = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, check=True, text=True)
        assert found.stdout.strip() == str(tmp_path / "library")
    assert [path.name for path in (tmp_path / "library").iterdir()] == ["metamers"]
    assert (tmp_path / "library" / "metamers").resolve() == (installed / "metamers").resolve()


# As the documentation and the catalog have it


def test_the_documented_snippet_makes_the_users_first_rule_the_default(root, tmp_path):
    page = (
        (root / "docs" / "your_own_model_more.md")
        .read_text(encoding="utf-8")
        .split("# As a module of your workflow")[1]
    )
    (snippet,) = re.findall(r"```python\n(.*?)```", page.split("\n# ")[0], re.DOTALL)
    assert "/path/to/metamers" in snippet
    (tmp_path / "Snakefile").write_text(snippet.replace("/path/to/metamers", str(root)))
    small(root, tmp_path)
    settings = yaml.safe_load((tmp_path / "small.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"metamers": settings | {"run": "demo"}}))
    jobs = counts(snakemake(tmp_path, "-n"))
    assert {"mine", "metamers_compare_recognizability"} <= jobs.keys()
    assert not {"metamers_all", "metamers_report_pages"} & jobs.keys()


ADDRESS = "https://github.com/OWNER/metamers"


@pytest.fixture
def released(repository, installed, tmp_path, monkeypatch):
    """A folder in which git takes the address of a repository on GitHub from the clone, which has a tag."""
    subprocess.run(["git", "tag", "--force", "TAG"], cwd=repository, check=True, stdout=subprocess.DEVNULL)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{repository.as_uri()}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", ADDRESS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # Snakemake keeps clones
    monkeypatch.setenv("PYTHONPATH", str(installed))
    return tmp_path


def test_the_documented_module_of_a_release_is_planned(root, released):
    page = (root / "docs" / "your_own_model_more.md").read_text(encoding="utf-8").split("## From a release")[1]
    (snippet,) = re.findall(r"```text\n(module .*?)```", page, re.DOTALL)
    small(root, released)
    lines = ['configfile: "config.yaml"', snippet, "use rule * from metamers as metamers_*"]
    (released / "Snakefile").write_text("\n\n".join(lines) + "\n")
    settings = yaml.safe_load((released / "small.yaml").read_text())
    (released / "config.yaml").write_text(yaml.safe_dump({"metamers": settings}))
    output = snakemake(released, "-n", PIECE[1])
    assert "Cloning github.com/OWNER/metamers" in output
    assert counts(output)["metamers_null_distribution"] == 1


def test_pip_installs_a_release_from_its_address(released, repository):
    line = 'python -m pip install "git+https://github.com/OWNER/metamers@TAG"'
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", released / "site"]
    subprocess.run([sys.executable, *shlex.split(line)[1:], *options], check=True)
    carried = released / "site/metamers/workflow_files/Snakefile"
    assert carried.read_bytes() == (repository / "Snakefile").read_bytes()


def test_what_snakedeploy_makes_is_the_default_run_and_has_the_flags_of_the_catalog(root, released):
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if (program := shutil.which("snakedeploy", path=beside)) is None:
        pytest.skip("no snakedeploy (python -m pip install snakedeploy)")
    line = "snakedeploy deploy-workflow https://github.com/OWNER/metamers mine --tag TAG"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([program, *line.split()[1:]], cwd=released, env=environment, check=True, capture_output=True)
    mine = released / "mine"
    assert 'github("OWNER/metamers", path="workflow/Snakefile", tag="TAG")' in (mine / "workflow/Snakefile").read_text()
    flags = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]["mandatory-flags"]["flags"]
    output = snakemake(mine, "-n", *(flags or "").split())
    assert "profiles/default" in output
    assert counts(output)["train_model"] == 3
    settings = mine / "config/config.yaml"
    settings.write_text(re.sub(r"^run: .*$", "run: changed", settings.read_text(), flags=re.MULTILINE))
    assert counts(snakemake(mine, "-n", "results/changed/nulls/cochcnn9_standard.nc"))["null_distribution"] == 1


def test_without_the_package_the_profile_says_what_to_install(root, tmp_path):
    own = copy_of(root, tmp_path)
    packages = Path(yaml.__file__).parents[1]
    command = [sys.executable, "-S", "-m", "snakemake", "-n"]  # -S: without the editable installation
    environment = os.environ | {"PYTHONPATH": str(packages)}
    ran = subprocess.run(command, cwd=own, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert re.search(r"\(No module .*\).*`pip install \.`", ran.stderr)
    assert "Traceback" not in ran.stderr


def test_the_catalog_finds_a_workflow_of_standardized_usage(root):
    """It asks for these files, and reads these keys."""
    assert (root / "workflow" / "Snakefile").is_file()
    assert any((root / "workflow" / "rules").glob("*.smk"))
    for readme in ("README.md", "config/README.md"):
        assert (root / readme).read_text(encoding="utf-8").startswith("# ")
    usage = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    assert "`pip install .`" in usage["mandatory-flags"]["desc"]
    # What `snakemake --report` makes, and that each rule has an environment, is tested elsewhere.
    assert usage["software-stack-deployment"] == {"conda": True, "singularity": False, "singularity+conda": False}
    assert usage["report"] is True


def test_the_catalogs_snakefile_is_the_same_workflow(root, tmp_path):
    own = copy_of(root, tmp_path)
    arguments = small(root, own)
    jobs = counts(snakemake(own, "-n", "--snakefile", "workflow/Snakefile", *arguments))
    ours = counts(snakemake(own, "-n", *arguments))
    assert jobs.pop("default") == ours.pop("all") == 1
    assert jobs == ours
