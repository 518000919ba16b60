"""Every command that the documentation shows runs letter by letter; what stands around it is made here.

Capitals in a command, such as N and FILE, stand for values. What would take hours, a network, a cluster or a graphics
card is only planned: the same letters, and ``-n``.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from metamers.config.tables import read_table
from metamers.plan.steps import merge_defaults
from tests.documentation import ROOT, blocks, commands, pages
from tests.workflow.forked import ForkServer
from tests.workflow.runs import copy_of, counts, forking

HOURS, NETWORK, CLUSTER = "takes hours", "needs the network", "needs a cluster"
PEOPLE = "needs answers of participants"  # in the default run; other tests have a made-up run with some
# Commands that are only planned, in a copy of the repository, and why.
PLANNED = {
    "snakemake --cores 1 bids --configfile people.yaml": PEOPLE,
    "snakemake --cores 1 results/demo/metamers/efficientnet_lite0/block_11/0000.nc": "takes minutes",
    "snakemake --cores 1 retrieve_jspsych": NETWORK,
    "snakemake --cores 2 beyond --configfile more.yaml": HOURS,
    "snakemake --cores 2 brainscore --config human_data=participants": NETWORK,
    "snakemake --cores 2 brainscore_score --configfile people.yaml": PEOPLE,
    "snakemake --cores 2 experiment": NETWORK,
    "snakemake --cores 2 humans --configfile listening.yaml listeners.yaml": HOURS,
    "snakemake --cores 2 humans --configfile mine/sounds.yaml mine/listeners.yaml": HOURS,
    "snakemake --cores 2 humans --configfile people.yaml": PEOPLE,
    "snakemake --cores 2 preregister --configfile listening.yaml": HOURS,
    "snakemake --cores 2 preregister --configfile mine/sounds.yaml": HOURS,
    "snakemake --cores 2 report --configfile mine/sounds.yaml mine/listeners.yaml": HOURS,
    "snakemake --cores 2 resources/retrieved/zero_shot/CLIP_resnet50.safetensors resources/retrieved/zero_shot/CLIP_ViT-B_32.safetensors --configfile config/paper.yaml": HOURS,
    "snakemake --cores all --configfile config/digits.yaml": NETWORK,
    "snakemake --cores all --configfile longer.yaml": HOURS,
    "snakemake --snakefile studies/Snakefile --cores all results/benchmark/benchmark/scale.nc --configfile studies/config/benchmark.yaml": HOURS,
    "snakemake --snakefile studies/Snakefile --cores all equivalence --configfile studies/config/equivalence.yaml": HOURS,
    "snakemake --workflow-profile workflow/profiles/slurm": CLUSTER,
    "snakemake --workflow-profile workflow/profiles/slurm --configfile FILE": CLUSTER,
    "snakemake beyond": "takes minutes",
    "snakemake bids": PEOPLE,
    "snakemake brainscore": PEOPLE,
    "snakemake brainscore_score": PEOPLE,
    "snakemake experiment": NETWORK,
    "snakemake humans --config human_data=participants mirror=FOLDER": NETWORK,
    "snakemake paper --config human_data=participants mirror=FOLDER": NETWORK,
}
# The entry that `metamers add` writes for the network of docs/networks_of_sounds.md, with fewer stages.
ADDED = {
    "wav2vec": {
        "modality": "audio",
        "source": {"python": "mine/wav2vec.py:wav2vec"},
        "weights": "builder",
        "input": {"sampling_rate_hz": 16000, "duration_s": 1, "preprocessing": "normalized_waveform"},
        "classes": False,
        "readout": "linear",
        "stages": {"input": None, "features": "feature_extractor", "middle": "encoder", "output": "scores"},
    }
}
# Commands that another test runs, and which; its file has the same letters.
RUN_BY = {
    "git clone <this repository> && cd metamers": "workflow/test_commands.py::test_a_clone_has_what_the_next_command_needs",
    "jupyter execute --inplace docs/notebook.ipynb": (
        "docs/test_notebook.py::test_the_notebook_runs_and_has_the_outputs_that_are_stored_in_it"
    ),
    "metamers add": "plan/test_add_model.py::test_a_model_is_added_checked_and_ready_to_run",
    "metamers add MODEL": "plan/test_add_model.py::test_a_model_is_added_checked_and_ready_to_run",
    "metamers add timm:resnet50.a1_in1k": "plan/test_add_model.py::test_a_model_is_added_checked_and_ready_to_run",
    "pip install .": "test_package.py::test_the_unpacked_package_works_without_the_checkout",
    'python -m pip install "transformers>=5.24,<6"': (
        "test_lock.py::test_the_optional_library_transformers_has_one_range_of_versions"
    ),
    'python -m pip install "git+https://github.com/OWNER/metamers@TAG"': (
        "workflow/test_module.py::test_pip_installs_a_release_from_its_address"
    ),
    **{
        f"python -m studies.mutations {command}": (
            "../studies/tests/mutations/test_mutations.py::test_a_mutation_is_caught_by_a_test_that_passes_without_it"
        )
        for command in (
            "draw mutations.csv",
            "run mutations.csv before.csv",
            "run before.csv after.csv",
            "compare before.csv after.csv",
        )
    },
    "python -m pip install snakedeploy": (
        "workflow/test_module.py::test_what_snakedeploy_makes_is_the_default_run_and_has_the_flags_of_the_catalog"
    ),
    "snakedeploy deploy-workflow https://github.com/OWNER/metamers mine --tag TAG": (
        "workflow/test_module.py::test_what_snakedeploy_makes_is_the_default_run_and_has_the_flags_of_the_catalog"
    ),
    "python -m pip install --no-deps Resemblyzer": (
        "models/test_waveforms.py::test_the_documentation_says_how_the_packages_are_installed"
    ),
    "python -m pip install --no-deps torchcrepe": (
        "models/test_waveforms.py::test_the_documentation_says_how_the_packages_are_installed"
    ),
    "python scripts/experiment/serve.py results/demo/experiment answers/demo --address 0.0.0.0 --name lab.example": (
        "experiment/test_server.py::test_the_documented_command_serves_under_another_name"
    ),
    "rocrate-validator validate --profile-identifier workflow-run-crate-0.5 results/<run>.crate.zip": (
        "test_crate.py::test_the_documented_command_of_rocrate_validator_finds_nothing_missing"
    ),
    "sha256sum -c": "test_verify.py::test_the_manifest_is_what_sha256sum_checks",
    "sha256sum FILE": "workflow/test_commands.py::test_a_hash_is_what_sha256sum_says",
    "snakemake --cores 2 --configfile mine/run.yaml": "docs/test_tutorial.py::test_the_rest_of_the_report_would_follow",
    "snakemake --cores 2 --configfile mine/sounds.yaml": (
        "docs/test_tutorial.py::test_the_network_of_waveforms_would_recognize_by_its_readout"
    ),
    "snakemake --cores 2 --configfile mine/stimuli.yaml": "docs/test_tutorial.py::test_own_stimuli_are_what_is_exported",
    "snakemake --cores 2 --configfile first.yaml --default-storage-provider s3 --default-storage-prefix s3://BUCKET/FOLDER": (
        "workflow/test_storage.py::test_a_run_in_a_storage_is_killed_goes_on_and_is_verified"
    ),
    "snakemake --cores 2 verify --configfile first.yaml --default-storage-provider s3 --default-storage-prefix s3://BUCKET/FOLDER": (
        "workflow/test_storage.py::test_a_run_in_a_storage_is_killed_goes_on_and_is_verified"
    ),
    "snakemake --cores N --configfile config/paper.yaml": "workflow/test_workflow.py::test_the_published_study",
    "snakemake --touch": "workflow/test_reruns.py::test_touch_keeps_the_results_of_another_version",
}
UNLIKE = {
    "docs/test_tutorial.py": "it follows pages; at their ends, these commands would take minutes",
    "models/test_waveforms.py": "the package index may be out of reach",
    "test_package.py": "pip builds the wheel alone, of a copy",
    "test_verify.py": "the page names the program, not a command",
}
# Commands that end with what they need: the text shows only their names.
INCOMPLETE = {
    "snakemake model_card": "--config model=NAME",
    "metamers check-entry": "--changed-since COMMIT --among FOLDER",
}
# Options of Snakemake with which it runs no job, in a finished run, and what it prints.
METAMERS = "results/small/metamers/first/block/0000.nc"
WITHOUT_JOBS = {
    "--summary": METAMERS,
    "--detailed-summary": METAMERS,
    "--dag": "digraph(?s:.*)synthesize_metamers",
    "--rulegraph": "digraph(?s:.*)report_pages",
    "--list-input-changes": "",
    "--unlock": "",
    "--cleanup-metadata results/small/comparison/recognizability.nc": "",
}


def shown() -> list[str]:
    """Commands that no test runs by following their page, each once."""
    followed = {command.text for command in commands() if command.followed}
    return sorted({command.text for command in commands()} - followed)


EXECUTED = [
    text
    for program in ("snakemake", "metamers")
    for text in shown()
    if text.startswith(f"{program} ") and text not in PLANNED | RUN_BY | INCOMPLETE
]
MADE = [text for text in shown() if text.startswith("make ")]


def filled(command: str, values: dict[str, str]) -> str:
    """A command with values in place of the words in capitals."""
    return re.sub(rf"\b({'|'.join(values)})\b", lambda found: values[found[1]], command) if values else command


def test_every_command_that_is_shown_is_run_by_a_test():
    """Commands of `make`, and Python in one line, have tests of their own, which find every such command."""
    known = {*PLANNED, *RUN_BY, *INCOMPLETE, *EXECUTED}
    strange = [text for text in shown() if text not in known and not text.startswith(("make ", "python -c "))]
    assert not strange, f"no test runs {strange}: name the test that runs them (RUN_BY)"
    assert not known - set(shown()), "no page shows these any more"


@pytest.mark.parametrize(("command", "test"), RUN_BY.items())
def test_the_test_that_runs_a_command_is_there_and_has_its_letters(command, test):
    file, name = test.split("::")
    text = (ROOT / "tests" / file).read_text()
    assert (found := re.search(rf"^def {name}\(.*?(?=^\S|\Z)", text, flags=re.MULTILINE | re.DOTALL))
    if file not in UNLIKE:
        assert command.removesuffix(" MODEL") in found[0]


def printed_by_make(command: str, folder: Path) -> list[str]:
    """The commands that ``make`` would run on a fresh machine, where nothing is installed yet."""
    making = [*shlex.split(command.replace(".venv", f"{folder}/none")), "--dry-run", f"VENV={folder}/none"]
    ran = subprocess.run(making, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize("command", MADE)
def test_what_make_is_told_has_its_programs(command, tmp_path):
    programs = set(re.findall(rf"{tmp_path}/none/bin/(\S+)", "\n".join(printed_by_make(command, tmp_path))))
    assert programs
    assert all((Path(sys.executable).parent / program).exists() for program in programs)


def call(server, folder, command, *more):
    """Run a command of ``snakemake`` or ``metamers``, with more arguments; return its exit status and its output."""
    return server.run(["-m", *shlex.split(command), *more], folder, forking(folder) | {"OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def planning(root, tmp_path_factory):
    """Commands in a copy of the repository, with the files that pages show, and the copy's folder."""
    folder = copy_of(root, tmp_path_factory.mktemp("planned"))
    for text in pages().values():
        for _, content in blocks(text):
            if found := re.match(r"# (\w+\.(?:yaml|csv))\b.*\n", content):
                (folder / found[1]).write_text(content.removeprefix(found[0]) if found[1].endswith("csv") else content)
    # The page's columns are those of another table than its example.
    columns = yaml.safe_load((folder / "people.yaml").read_text())["own_participants"]["earlier"]["columns"]
    answers = folder / "earlier.csv"
    answers.write_text(filled(answers.read_text(), columns))
    (folder / "mirror").mkdir()
    (folder / "mine").mkdir()
    for _, content in blocks(pages()["docs/networks_of_sounds.md"]):
        if found := re.match(r"# (mine/\w+\.\w+)\n", content):
            (folder / found[1]).write_text(content)
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(ADDED, sort_keys=False))
    for run in ("listening", "sounds"):
        (folder / f"answers/{run}/audio").mkdir(parents=True)
        (folder / f"answers/{run}/audio/p01.json").write_text("[]")
    server = ForkServer(folder)
    yield server, folder
    server.end()


@pytest.mark.parametrize("command", PLANNED)
def test_a_command_that_cannot_run_here_is_planned(planning, command):
    server, folder = planning
    default = folder / "config/config.yaml"
    settings = default.read_text()
    if PLANNED[command] == PEOPLE:  # they may be in the default run, too
        default.write_text(
            yaml.safe_dump(yaml.safe_load(settings) | yaml.safe_load((folder / "people.yaml").read_text()))
        )
    status, said = call(server, folder, filled(command, {"N": "2", "FOLDER": "mirror", "FILE": "first.yaml"}), "-n")
    default.write_text(settings)
    assert status == 0, said[-3000:]
    assert counts(said)["total"] >= 1


def test_every_call_of_snakemake_by_make_is_planned(planning, tmp_path):
    # As `make photographs` leaves them.
    photographs = planning[1] / "resources/retrieved/free_photographs"
    photographs.mkdir(parents=True)
    for row in read_table(ROOT / "studies/photographs.csv", ["file"]):
        (photographs / row["file"]).touch()
    study = {"FILE": "studies/config/equivalence.yaml"}
    lines = {line for command in MADE for line in printed_by_make(filled(command, study), tmp_path)}
    made = f"{tmp_path}/none/bin/"
    called = {line.removeprefix(made) for line in lines if line.startswith(f"{made}snakemake ")}
    assert len(called) >= 6
    for command in sorted(called):
        status, said = call(*planning, command, *([] if "--lint" in command else ["-n"]))
        assert status == 0, (command, said[-3000:])


@pytest.mark.parametrize(("command", "needed"), INCOMPLETE.items())
def test_a_command_that_lacks_something_says_what(planning, command, needed):
    status, said = call(*planning, command)
    assert status != 0
    assert needed in said


@pytest.fixture(scope="module")
def running(finished, tmp_path_factory):
    """Commands in a folder whose default run is small and finished, and the folder."""
    finished_folder, (_, file) = finished
    folder = tmp_path_factory.mktemp("commands") / "run"
    shutil.copytree(finished_folder, folder, symlinks=True)
    settings = merge_defaults(yaml.safe_load((folder / file).read_text()))
    (folder / "config/config.yaml").write_text(yaml.safe_dump(settings))
    (folder / "other.yaml").write_text("seed: 0\n")
    server = ForkServer(folder)
    yield server, folder
    server.end()


@pytest.fixture(scope="module")
def entry(running) -> Path:
    """An entry of the run, on a branch of a leaderboard's repository, whose branch main has an empty folder."""
    server, folder = running
    status, said = call(server, folder, "snakemake --cores 2 leaderboard_entries")
    assert status == 0, said[-3000:]
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main"], cwd=folder, check=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@laboratory.example", "-c", "commit.gpgsign=false"]
    (folder / "entries").mkdir()
    (folder / "entries/.gitkeep").touch()
    shutil.copy(folder / "results/small/comparison/leaderboard.nc", folder / "published.nc")
    for line in ("add entries published.nc", "commit --quiet -m board", "switch --quiet --create more"):
        subprocess.run([*git, *line.split()], cwd=folder, check=True)
    # Models without a prediction have no entry.
    made = next((folder / "results/small/leaderboard/entries").rglob("*.nc"))
    shutil.copy(made, folder / "entries")
    for line in ("add entries", "commit --quiet -m entry"):
        subprocess.run([*git, *line.split()], cwd=folder, check=True)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("command", [text for text in EXECUTED if text.startswith("snakemake")])
def test_a_command_runs_as_it_is_written(running, command):
    server, folder = running
    if "preregister" in command:  # a frozen prediction is never overwritten
        shutil.rmtree(folder / "preregistered", ignore_errors=True)
    if "rebuild_manifest" in command:  # only a damaged manifest is rebuilt
        manifest = folder / "results/small.sha256"
        manifest.write_bytes(b"#" + manifest.read_bytes())
    status, said = call(server, folder, filled(command, {"N": "2", "FILE": "other.yaml", "NAME": "first"}))
    assert status == 0, said[-3000:]
    if "--report" in command:
        assert (folder / "report.zip").stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.parametrize("command", [text for text in EXECUTED if text.startswith("metamers")])
def test_a_command_about_the_leaderboard_runs_as_it_is_written(running, entry, command):
    values = {"RUN": "small", "MODEL": entry.parent.name, "FOLDER": "entries", "SITE": "other_site"}
    file = entry.stem if "FILE.nc" in command else "published.nc" if "--board" in command else f"entries/{entry.name}"
    status, said = call(*running, filled(command, values | {"FILE": file}))
    assert status == 0, said[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(("options", "expected"), WITHOUT_JOBS.items())
def test_a_command_without_jobs_shows_what_it_is_asked_for(running, options, expected):
    status, said = call(*running, f"snakemake {options}")
    assert status == 0, said[-3000:]
    assert re.search(expected, said)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("conda") is not None, reason="conda would install the environment, for many minutes")
def test_an_archive_needs_conda_alone(running):
    status, said = call(*running, "snakemake --archive run.tar.gz")
    assert status == 1
    assert "conda" in said


@pytest.mark.parametrize("command", sorted({text for text in shown() if text.startswith("python -c ")}))
def test_one_line_of_python_runs(command, tmp_path):
    """Without the network that pretrained weights come from."""
    line = [sys.executable, *shlex.split(command)[1:]]
    line = [word.replace("pretrained=True", "pretrained=False") for word in line]
    ran = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_clone_has_what_the_next_command_needs(tmp_path):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git, and a repository to clone")
    line = "git clone <this repository> && cd metamers".replace("<this repository>", f"{ROOT} metamers")
    subprocess.run(f"{line} && test -f Makefile -a -f Snakefile -a -d envs", shell=True, cwd=tmp_path, check=True)


def test_a_hash_is_what_sha256sum_says(tmp_path):
    from metamers.run.hashes import sha256_of

    (tmp_path / "weights").write_bytes(b"weights")
    line = "sha256sum FILE".replace("FILE", "weights")
    said = subprocess.run(line.split(), cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == sha256_of(tmp_path / "weights")
