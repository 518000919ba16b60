"""A run's manifest records every written file; verification finds damaged, stale, foreign and missing files."""

import errno
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import netCDF4
import numpy as np
import pytest
import xarray as xr

from metamers import verify as verification
from metamers.foreign import isolated
from metamers.foreign.isolated import ReaderKilledError, call_isolated
from metamers.run import files, manifest
from metamers.run.conventions import PRODUCT_VERSION
from metamers.run.hashes import sha256_of
from metamers.verify import Problem, count_by_kind, outputs_to_make_again, rebuild, verify
from tests.foreign import hostile_hdf5

PROVENANCE = {"title": "t", "source": "s", "step": "test", "run": "r", "seed": 3}

ROOT = Path(__file__).resolve().parents[1]


class Pool:
    """A pool that calls functions in this process, and notes what it calls them with."""

    calls: ClassVar[list[tuple[str, list]]] = []

    def __init__(self, _workers):
        self.calls.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def map(self, function, items):
        items = list(items)
        self.calls.append((function.__name__, items))
        return map(function, items)


POOL = verification._pool


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    """Files are examined and read in this process, because each further process takes time."""
    monkeypatch.setattr(verification, "_pool", Pool)
    monkeypatch.setattr(isolated, "_isolated", True)


@pytest.fixture
def _in_processes(monkeypatch):
    """Files are examined and read in processes, as in a run."""
    monkeypatch.setattr(verification, "_pool", POOL)
    monkeypatch.setattr(isolated, "_isolated", False)


def start_recorders(number: int, statement: str) -> list[subprocess.Popen]:
    """Start processes that execute a statement as jobs of the run."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from pathlib import Path; from metamers.run import manifest;"
        "manifest.use_run_of('results/r/logs/x.log');"
        "exec(sys.argv[2])"
    )
    library = str(Path(files.__file__).parents[2])
    return [subprocess.Popen([sys.executable, "-c", script, library, statement]) for _ in range(number)]


@contextmanager
def logged(run: Path) -> Iterator[None]:
    """Record and log the files that are written into the run."""
    log = logging.FileHandler(run / "logs" / "writer.log")
    manifest.written.addHandler(log)
    manifest.use_run_of(run / "logs" / "some_rule" / "x.log")
    yield
    manifest.use_run_of("none")
    manifest.written.removeHandler(log)
    log.close()


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> Path:
    """The working directory of a run."""
    directory = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(directory)
        folder = Path("results/r")
        (folder / "logs").mkdir(parents=True)
        Path("table.csv").write_text("file,category\n")
        dataset = xr.Dataset({"correct": ("stimulus", [True, False])}, coords={"stimulus": ["a", "ü"]})
        exported = [folder / "exported" / f"{number}.png" for number in range(2)]
        with logged(folder):
            files.save(dataset, folder / "first.nc", **PROVENANCE, inputs=["table.csv"])
            for number, path in enumerate(exported):
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(bytes([number] * 100))
            manifest.record(*exported)
            files.save(dataset, folder / "second.nc", **PROVENANCE, inputs=[folder / "first.nc", folder / "exported"])
        (folder / "logs" / "some_rule.log").write_text("said\n")
    return directory


@pytest.fixture
def run(whole_run, tmp_path, monkeypatch) -> Path:
    """A run with four files (values, a file computed from them, an exported folder) and two logs, one naming files."""
    shutil.copytree(whole_run, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    with logged(folder := Path("results/r")):
        yield folder


def found(run: Path) -> dict[str, str]:
    """Return path within the run → kind of problem."""
    return {os.path.relpath(problem.path, run): problem.kind for problem in verify(run)}


def rot(path: Path, content: bytes) -> None:
    """Change the bytes of a file, but not its time."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.usefixtures("_in_processes")
def test_a_run_that_nobody_touched_has_no_problem(run):
    assert verify(run) == []
    manifest.close(run)
    assert verify(run, workers=2) == []


def test_the_manifest_is_what_sha256sum_checks(run):
    manifest.close(run)
    ran = subprocess.run(
        ["sha256sum", "--check", "--strict", "r.sha256"], cwd="results", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(": OK") == 6


@pytest.mark.slow
@pytest.mark.parametrize("path", ["first.nc", "second.nc", "exported/1.png", "logs/some_rule.log", "logs/writer.log"])
def test_any_flipped_bit_is_damage_to_that_file_alone(run, path):
    manifest.close(run)
    whole = (run / path).read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, 8 * len(whole), 5):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << (place % 8)
        rot(run / path, flipped)
        assert found(run) == {path: "damaged"}


def test_an_attribute_that_was_edited_is_damage(run):
    whole = (run / "first.nc").read_bytes()
    assert whole.count(b"test") >= 2  # in `history`, `step` and other attributes
    (run / "first.nc").write_bytes(whole.replace(b"test", b"tost"))
    assert found(run) == {"first.nc": "damaged"}


@pytest.mark.usefixtures("_in_processes")
def test_values_that_are_not_those_of_the_content_hash_are_damage_whatever_the_manifest_says(run):
    edited = files.load(run / "first.nc").assign(correct=("stimulus", [True, True]))
    edited.to_netcdf(run / "first.nc")
    manifest.record(run / "first.nc")
    assert found(run)["first.nc"] == "damaged"


def test_a_file_of_another_version_of_the_program_is_named_and_no_damage(run, monkeypatch):
    monkeypatch.setattr(verification, "PRODUCT_VERSION", "metamers 99.0")
    problems = verify(run)
    assert {problem.path: problem.kind for problem in problems} == {
        f"{run}/{name}.nc": "other_version" for name in ("first", "second")
    }
    assert PRODUCT_VERSION in problems[0].reason
    assert count_by_kind(problems) == {"other_version": 2}


def test_what_was_computed_from_another_file_is_stale(run):
    Path("table.csv").write_text("file,category\na.png,dog\n")
    assert found(run) == {"first.nc": "stale", "second.nc": "stale"}  # the second from the first
    Path("table.csv").unlink()  # its original content is unknown
    assert found(run) == {}


def test_what_is_made_again_makes_stale_what_came_from_it(run):
    files.save(
        files.load(run / "first.nc").assign(correct=("stimulus", [True, True])),
        run / "first.nc",
        **PROVENANCE,
        inputs=[],
    )
    assert found(run) == {"second.nc": "stale"}
    (run / "exported" / "0.png").write_bytes(b"another")
    manifest.record(run / "exported" / "0.png")
    (reason,) = [problem.reason for problem in verify(run) if problem.kind == "stale"]
    assert "results/r/first.nc" in reason
    assert "results/r/exported" in reason


def test_what_the_run_did_not_write_is_foreign_and_what_is_gone_is_missing(run):
    (run / "mine.txt").write_text("mine")
    (run / "progress").mkdir()
    (run / "progress" / "half.pt").write_text("kept by a job that has not ended")
    (run / "second.nc").unlink()
    assert found(run) == {"mine.txt": "foreign", "second.nc": "missing"}
    assert count_by_kind(verify(run)) == {"foreign": 1, "missing": 1}
    manifest.close(run)
    assert found(run) == {"mine.txt": "foreign", "second.nc": "missing"}


def test_what_lies_in_a_folder_without_belonging_there_or_is_gone_from_it_makes_nothing_stale(run):
    (run / "exported" / ".DS_Store").write_bytes(b"x")
    assert found(run) == {"exported/.DS_Store": "foreign"}
    (run / "exported" / "0.png").unlink()
    assert found(run) == {"exported/.DS_Store": "foreign", "exported/0.png": "missing"}


def test_what_came_from_something_stale_is_stale(run):
    dataset = files.load(run / "first.nc")
    (run / "folder").mkdir()
    files.save(dataset, run / "folder" / "third.nc", **PROVENANCE, inputs=[run / "second.nc"])
    files.save(dataset, run / "fourth.nc", **PROVENANCE, inputs=[run / "folder"])
    Path("table.csv").write_text("file,category\na.png,dog\n")
    assert found(run) == dict.fromkeys(["first.nc", "second.nc", "folder/third.nc", "fourth.nc"], "stale")


def test_what_was_there_before_the_manifest_is_unrecorded(run):
    manifest.manifest_path(run).unlink()
    (run / "weights.safetensors").write_bytes(b"weeks of training")
    manifest.close(run)
    assert not manifest.manifest_path(run).exists()
    os.utime(run / "weights.safetensors", (1, 1))
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    assert found(run)["weights.safetensors"] == "unrecorded"


def test_a_log_that_was_written_after_snakemake_last_ended_is_no_damage(run):
    manifest.close(run)
    (run / "logs" / "some_rule.log").write_text("said of another try\n")
    (run / "logs" / "new.log").write_text("said\n")
    assert found(run) == {}
    manifest.close(run)
    assert found(run) == {}
    rot(run / "logs" / "new.log", b"saId\n")
    assert found(run) == {"logs/new.log": "damaged"}


def test_a_file_that_cannot_be_read_is_named_with_the_others(run):
    (run / "second.nc").unlink()
    (run / "second.nc").symlink_to("nowhere")
    (run / "mine.txt").write_text("mine")
    assert found(run) == {"mine.txt": "foreign", "second.nc": "damaged"}


def test_a_line_that_a_full_disk_cut_off_takes_no_other_along(run):
    path = manifest.manifest_path(run)
    before = path.read_bytes()
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    # As after a disk became full within the new line: the seal still covers the lines before it.
    path.write_bytes(before[: manifest.SEAL_BYTES] + path.read_bytes()[manifest.SEAL_BYTES : -20])
    log = run / "logs" / "writer.log"
    log.write_text("".join(line for line in log.read_text().splitlines(True) if "third.nc" not in line))
    files.save(files.load(run / "first.nc"), run / "fourth.nc", **PROVENANCE, inputs=[])
    assert found(run) == {"../r.sha256": "damaged", "third.nc": "foreign"}
    assert rebuild(run) == []
    assert found(run) == {}


def test_a_line_of_the_manifest_that_is_damaged_is_said(run):
    path = manifest.manifest_path(run)
    path.write_bytes(path.read_bytes().replace(b"  r/second.nc", b"  \xff/second.nc", 1)[:-5] + b"\nno line\n")
    kinds = found(run)
    assert kinds["../r.sha256"] == "damaged"
    assert kinds["second.nc"] == "unrecorded"


OUTPUTS = [r"results/r/(first|second)\.nc$", r"results/r/exported$", r"table\.csv"]


def test_a_file_is_made_again_by_the_rule_that_makes_it_or_its_folder(run):
    (run / "mine.txt").write_text("mine")
    (run / "first.nc").write_bytes(b"damaged")
    (run / "exported" / "0.png").write_bytes(b"damaged")
    (run / "exported" / "1.png").unlink()
    Path("table.csv").unlink()
    outside = Problem("table.csv", "damaged", "not of the run")
    assert outputs_to_make_again([*verify(run), outside], run, OUTPUTS) == {
        "results/r/exported/0.png": "results/r/exported",
        "results/r/exported/1.png": "results/r/exported",
        "results/r/first.nc": "results/r/first.nc",
    }


def test_a_problem_is_one_line_whatever_the_name_of_the_file_is(run):
    (run / "x\n\x1b[31mrun: rm.txt").write_text("mine")
    (problem,) = verify(run)
    assert str(problem).startswith("foreign: results/r/x\\n\\x1b[31mrun: rm.txt: ")
    assert str(problem).isprintable()


def test_a_run_without_a_manifest_is_said(run):
    manifest.manifest_path(run).unlink()
    with pytest.raises(FileNotFoundError, match=r"results/r\.sha256"):
        verify(run)


def test_jobs_that_write_at_once_lose_no_line(run):
    writers = start_recorders(4, "for _ in range(100): manifest.record(Path('results/r/exported/0.png'))")
    assert [writer.wait() for writer in writers] == [0] * 4
    lines = manifest.manifest_path(run).read_text().splitlines()
    line = f"{sha256_of(run / 'exported' / '0.png')}  r/exported/0.png"
    assert lines.count(line) == 401
    assert len(lines) == 406
    assert manifest.read(run).fault is None
    assert lines[0].startswith("# linked 000000000404 entries, ")


def seal_of_the_whole_text(run, body):
    """Write a manifest as an older version did: its seal has the SHA-256 of the text after it."""
    entries = sum(not line.startswith(b"#") for line in body.splitlines())
    digest = sha256(body).hexdigest()
    seal = f"# sealed {entries:012d} entries, {len(body):012d} bytes: {digest}\n"
    manifest.manifest_path(run).write_bytes(seal.encode() + body)


def test_the_seal_of_an_older_version_is_checked_and_replaced_by_the_next_job(run):
    body = manifest.manifest_path(run).read_bytes()[manifest.SEAL_BYTES :]
    seal_of_the_whole_text(run, body)
    known = manifest.read(run).recorded
    manifest.record(run / "exported" / "0.png")
    after = manifest.read(run)
    assert (after.fault, after.recorded) == (None, known)
    assert manifest.manifest_path(run).read_bytes().startswith(b"# linked ")
    seal_of_the_whole_text(run, body)
    path = manifest.manifest_path(run)
    path.write_bytes(path.read_bytes().replace(b"exported/1.png", b"exported/2.png"))
    manifest.record(run / "exported" / "0.png")
    assert manifest.read(run).fault not in (None, manifest.NO_SEAL)


def test_a_line_that_another_job_has_half_written_is_not_sealed(run, monkeypatch):
    """On a file system without locks, it may be there between the lines of a job and their seal."""
    path = manifest.manifest_path(run)
    line = f"{sha256_of(run / 'exported' / '0.png')}  r/exported/0.png\n"
    write, halves = os.fsync, [line[:40]]

    def write_half_of_another_line(descriptor):
        write(descriptor)
        if halves:
            with path.open("a") as other:
                other.write(halves.pop())

    monkeypatch.setattr(os, "fsync", write_half_of_another_line)
    manifest._append(run, line)
    with path.open("a") as other:
        other.write(line[40:])
    manifest._append(run, line)
    assert path.read_text().endswith(3 * line)
    assert manifest.read(run).fault is None


def test_a_changed_line_stays_a_fault_however_many_jobs_record(run):
    path = manifest.manifest_path(run)
    whole = bytearray(path.read_bytes())
    whole[-10] ^= 1
    path.write_bytes(whole)
    for _ in range(3):
        manifest.record(run / "exported" / "0.png")
    assert manifest.read(run).fault not in (None, manifest.NO_SEAL)


def test_a_process_that_is_no_job_records_nothing(run, tmp_path):
    before = manifest.manifest_path(run).read_bytes()
    manifest.use_run_of("elsewhere/x.log")
    files.save(xr.Dataset(), run / "third.nc", **PROVENANCE, inputs=[])
    assert manifest.manifest_path(run).read_bytes() == before


# Links


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a folder or file of the run that was moved elsewhere and linked",
    "followed; the link is reported as `linked`, and a damaged file behind it as damaged",
)
def test_a_folder_that_was_moved_to_another_disk_and_linked_is_verified(run, tmp_path):
    disk = tmp_path / "disk"
    (run / "exported").rename(disk)
    (run / "exported").symlink_to(disk)
    (note,) = verify(run)
    assert (note.path, note.kind) == ("results/r/exported", "linked")
    assert str(disk) in note.reason
    rot(disk / "1.png", b"damaged")
    (disk / "mine.txt").write_text("mine")
    assert found(run) == {"exported": "linked", "exported/1.png": "damaged", "exported/mine.txt": "foreign"}


@pytest.mark.hostile("a folder or file of the run that …")
def test_a_file_that_was_moved_and_linked_is_verified(run, tmp_path):
    (run / "first.nc").rename(tmp_path / "elsewhere.nc")
    (run / "first.nc").symlink_to(tmp_path / "elsewhere.nc")
    assert found(run) == {"first.nc": "linked"}
    rot(tmp_path / "elsewhere.nc", b"damaged")
    (problem,) = verify(run)
    assert (problem.path, problem.kind) == ("results/r/first.nc", "damaged")
    assert str(tmp_path / "elsewhere.nc") in problem.reason


def content_of(*folders: Path) -> dict[Path, bytes]:
    """Return the bytes of all files in folders."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a link to a folder elsewhere, with a manifest that names files there",
    "named with their real paths; nothing is deleted, and no command is given for them",
)
def test_files_outside_the_run_that_a_manifest_names_are_named_and_not_deleted(run, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("0.png", "1.png", "thesis.txt"):
        (home / name).write_text("of somebody")
    shutil.rmtree(run / "exported")
    (run / "exported").symlink_to(home)
    (run / "first.nc").write_bytes(b"damaged")
    manifest.replace(run, manifest.read(run).recorded | {"r/exported/thesis.txt": "0" * 64})
    assert manifest.read(run).fault is None
    before = content_of(run, home)
    output = run_step(run, fails=True)
    for name in ("0.png", "1.png", "thesis.txt"):
        (line,) = [line for line in output.splitlines() if f"damaged: results/r/exported/{name}: " in line]
        assert str(home / name) in line
    assert "\n  snakemake --cores 2 --forcerun results/r/first.nc results/r/second.nc\n" in output
    after = content_of(run, home)
    assert {path: after[path] for path in before if path.parent.name != "logs"} == {
        path: content for path, content in before.items() if path.parent.name != "logs"
    }


def test_a_run_that_is_itself_a_link_has_no_problem(run, tmp_path):
    run.rename(tmp_path / "disk")
    run.symlink_to(tmp_path / "disk")
    assert found(run) == {}
    (run / "mine.txt").write_text("mine")
    (problem,) = verify(run)
    assert (problem.path, problem.kind) == ("results/r/mine.txt", "foreign")
    assert str(tmp_path) not in problem.reason


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a link whose target is absent, as on a disk that is not mounted",
    "damaged; the files below it are missing",
)
def test_a_link_to_a_disk_that_is_not_mounted_is_damage(run, tmp_path):
    disk = tmp_path / "disk"
    (run / "exported").rename(disk)
    (run / "exported").symlink_to(disk)
    disk.rename(tmp_path / "unmounted")
    assert found(run) == {"exported": "damaged", "exported/0.png": "missing", "exported/1.png": "missing"}
    assert outputs_to_make_again(verify(run), run, OUTPUTS) == {}
    (tmp_path / "unmounted").rename(disk)
    assert found(run) == {"exported": "linked"}


@pytest.mark.hostile(
    "Results, and a bad disk",
    "links in a circle, to `/`, or to another folder of the run",
    "named, and not followed without end",
)
def test_links_in_a_circle_and_to_everything_end(run):
    (run / "exported" / "up").symlink_to("..")
    (run / "itself").symlink_to("itself")
    (run / "everything").symlink_to("/")
    (run / "one").symlink_to("two")
    (run / "two").symlink_to("one")
    links = {"exported/up": "foreign", "everything": "foreign"}
    links |= dict.fromkeys(["itself", "one", "two"], "damaged")
    assert found(run) == links


@pytest.mark.hostile("links in a circle, to `/` …")
@pytest.mark.slow
def test_a_circle_that_the_manifest_leads_through_ends(run):
    (run / "exported" / "up").symlink_to("..")
    names = [f"r/{'exported/up/' * times}first.nc" for times in range(1, 20)]
    recorded = manifest.read(run).recorded
    manifest.replace(run, recorded | dict.fromkeys(names, recorded["r/first.nc"]))
    assert found(run)["exported/up"] == "linked"


@pytest.mark.hostile("Results, and a bad disk", "a pipe or device in a file's place", "named, not opened")
def test_a_pipe_in_the_place_of_a_file_is_named(run):
    (run / "exported" / "0.png").unlink()
    os.mkfifo(run / "exported" / "0.png")
    os.mkfifo(run / "mine")
    assert found(run) == {"exported/0.png": "damaged", "mine": "foreign"}


@pytest.mark.hostile("Results, and a bad disk", "a folder in a file's place", "damaged")
def test_a_folder_in_the_place_of_a_file_is_damaged(run):
    (run / "second.nc").unlink()
    (run / "second.nc").mkdir()
    assert found(run) == {"second.nc": "damaged"}
    (run / "second.nc" / "sub").mkdir()
    (run / "second.nc" / "sub" / "mine.txt").write_text("mine")
    assert found(run) == {"second.nc": "damaged", "second.nc/sub/mine.txt": "foreign"}
    assert outputs_to_make_again(verify(run), run, OUTPUTS) == {}


@pytest.mark.hostile("a folder in a file's place")
def test_a_file_that_became_a_folder_of_recorded_files_is_missing(run):
    """For example when a new version of a rule makes a folder."""
    manifest.replace(run, manifest.read(run).recorded | {"r/exported": "0" * 64})
    assert found(run) == {"exported": "missing"}


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a manifest whose paths lead out of the run",
    "those lines are damaged; no file outside is read",
)
def test_a_manifest_leads_to_no_file_outside_the_run(run):
    Path("results/mine.txt").write_text("mine")
    with manifest.manifest_path(run).open("a") as stream:
        stream.write(f"{'0' * 64}  r/../mine.txt\n{'0' * 64}  r//mine.txt\n")
    assert found(run) == {"../r.sha256": "damaged"}
    assert rebuild(run) == []
    assert found(run) == {}


# A manifest that is itself damaged


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a manifest that was emptied or cut, or has a flipped bit",
    "said, until it is rebuilt from the hashes in files and logs; later jobs do not hide it, however little is left",
)
@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 1, 50, 99, 0.3, 0.5, "line", 0.9, -1])
def test_a_manifest_that_was_cut_is_said(run, kept):
    manifest.close(run)
    path = manifest.manifest_path(run)
    whole = path.read_bytes()
    if kept == "line":
        kept = whole.index(b"\n", len(whole) // 2) + 1
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    kinds = found(run)
    assert kinds.pop("../r.sha256") == "damaged"
    assert set(kinds.values()) <= {"unrecorded"}


@pytest.mark.hostile("a manifest that was emptied …")
@pytest.mark.slow
def test_a_manifest_with_any_flipped_bit_is_said(run):
    path = manifest.manifest_path(run)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, 8 * manifest.SEAL_BYTES, 7), *rng.integers(0, 8 * len(whole), 100)]:
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        assert manifest.read(run).fault, place


@pytest.mark.hostile("a manifest that was emptied …")
@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 1, 50, manifest.SEAL_BYTES - 1, manifest.SEAL_BYTES, 300])
def test_a_manifest_that_was_cut_is_not_sealed_again_by_later_jobs(run, kept):
    path = manifest.manifest_path(run)
    path.write_bytes(path.read_bytes()[:kept])
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    manifest.close(run)
    files.save(files.load(run / "first.nc"), run / "fourth.nc", **PROVENANCE, inputs=[])
    kinds = found(run)
    assert kinds["../r.sha256"] == "damaged"
    assert "third.nc" not in kinds
    assert "fourth.nc" not in kinds


def record_on_a_full_disk(run: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
    manifest.record(run / "first.nc")


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a disk that is full when the first job records",
    "an error; no part of a manifest is left",
)
@pytest.mark.usefixtures("_in_processes")
def test_a_disk_that_is_full_at_the_first_record_leaves_no_part_of_a_manifest(run):
    path = manifest.manifest_path(run)
    path.unlink()
    with pytest.raises(OSError, match=r"results/r\.sha256"):
        call_isolated(record_on_a_full_disk, run)
    assert not path.exists()
    manifest.record(run / "first.nc")
    assert manifest.read(run).fault is None
    assert list(manifest.read(run).recorded) == ["r/first.nc"]


@pytest.mark.slow
def test_a_job_that_is_killed_while_it_records_leaves_a_manifest_that_fits_its_seal(run):
    rng = np.random.default_rng(0)
    sealed = int(manifest.SEAL.match(manifest.manifest_path(run).read_bytes())[2])
    for _ in range(10):
        before = manifest.manifest_path(run).stat().st_size
        writers = start_recorders(2, "while True: manifest.record(Path('results/r/exported/0.png'))")
        while manifest.manifest_path(run).stat().st_size == before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))
        for writer in writers:
            writer.kill()
            writer.wait()
        assert manifest.read(run).fault is None
    # Each of the twenty writers leaves at most one line that is not sealed.
    lines = sum("exported/0.png" in line for line in manifest.manifest_path(run).read_text().splitlines())
    assert int(manifest.SEAL.match(manifest.manifest_path(run).read_bytes())[2]) >= max(sealed + 1, lines - 20)
    assert {kind for kind in found(run).values() if kind != "damaged"} == set()  # a line may be cut
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    if manifest.read(run).damaged:
        rebuild(run)
    assert found(run) == {}


def test_what_was_appended_and_not_sealed_yet_counts(run):
    before = manifest.manifest_path(run).read_bytes()
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    path = manifest.manifest_path(run)
    path.write_bytes(before[: manifest.SEAL_BYTES] + path.read_bytes()[manifest.SEAL_BYTES :])
    assert found(run) == {}


def test_a_manifest_of_an_older_version_is_read_and_said(run):
    path = manifest.manifest_path(run)
    path.write_bytes(path.read_bytes()[manifest.SEAL_BYTES :])
    assert found(run) == {"../r.sha256": "unconfirmed"}
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    manifest.close(run)
    rot(run / "third.nc", b"damaged")
    assert found(run) == {"../r.sha256": "unconfirmed", "third.nc": "damaged"}
    assert [problem.path for problem in rebuild(run)] == ["results/r/third.nc"]
    assert found(run) == {"third.nc": "damaged"}


@pytest.mark.slow
@pytest.mark.parametrize("kept", [None, 0, 150, 400])
def test_a_manifest_is_rebuilt_from_the_files_own_hashes(run, kept):
    path = manifest.manifest_path(run)
    whole = path.read_bytes()
    path.unlink() if kept is None else path.write_bytes(whole[:kept])
    assert rebuild(run) == []
    assert verify(run) == []
    recorded = manifest.read(run).recorded
    assert {name for name in recorded if "/logs/" not in name} == {
        *("r/first.nc", "r/second.nc", "r/exported/0.png", "r/exported/1.png")
    }
    with pytest.raises(ValueError, match=r"results/r\.sha256"):
        rebuild(run)


def test_a_manifest_that_is_rebuilt_lacks_what_nothing_vouches_for(run):
    manifest.manifest_path(run).unlink()
    edited = files.load(run / "first.nc").assign(correct=("stimulus", [True, True]))
    edited.to_netcdf(run / "first.nc")
    (run / "exported" / "0.png").write_bytes(b"another")
    (run / "mine.txt").write_text("mine")
    left_out = {os.path.relpath(problem.path, run) for problem in rebuild(run)}
    assert left_out == {"first.nc", "exported/0.png", "mine.txt"}
    assert found(run) == {"first.nc": "damaged", "exported/0.png": "damaged", "mine.txt": "unrecorded"}


@pytest.mark.hostile(
    "Results, and a bad disk",
    "files that were damaged before the manifest was rebuilt",
    "damaged where they contradict the log of their job, their `content_sha256` or their `path`; what was computed from a file without an entry is not blamed",
)
@pytest.mark.slow
@pytest.mark.parametrize("logs", [True, False])
def test_what_was_damaged_before_the_manifest_was_rebuilt_is_damaged_after_it(run, logs):
    files.write(run / "page.html", "page")
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    (run / "third.nc").rename(run / "fourth.nc")
    manifest.manifest_path(run).write_bytes(manifest.manifest_path(run).read_bytes()[:400])
    (run / "page.html").write_text("another page")
    files.load(run / "second.nc").assign(correct=("stimulus", [True, True])).to_netcdf(run / "second.nc")
    if not logs:
        (run / "logs" / "writer.log").unlink()
    assert {"second.nc", "fourth.nc", "page.html"} <= {os.path.basename(problem.path) for problem in rebuild(run)}
    kinds = found(run)
    assert kinds["second.nc"] == kinds["fourth.nc"] == "damaged"
    assert kinds["page.html"] == ("damaged" if logs else "unrecorded")  # without a log it contradicts nothing
    assert kinds.get("first.nc") is None


@pytest.mark.hostile("files that were damaged before …")
@pytest.mark.parametrize("changed", ["first.nc", "exported/1.png"])
def test_what_came_from_a_file_without_an_entry_is_not_blamed(run, changed):
    manifest.manifest_path(run).unlink()
    shutil.rmtree(run / "logs")
    whole = (run / changed).read_bytes()
    (run / changed).write_bytes(whole.replace(b"table.csv", b"tabla.csv") if changed == "first.nc" else b"another")
    assert str(run / changed) in [problem.path for problem in rebuild(run)]
    kinds = found(run)
    assert "second.nc" not in kinds
    assert kinds[changed] == ("damaged" if changed == "first.nc" else "unrecorded")


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a manifest restored from an older copy, or with fewer entries and a checksum that fits",
    "files that logs name with their hash are `unrecorded`",
)
def test_files_that_a_manifest_lacks_and_logs_vouch_for_are_unrecorded(run):
    path = manifest.manifest_path(run)
    older = path.read_bytes()
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[run / "first.nc"])
    files.write(run / "page.html", "page")
    path.write_bytes(older)
    assert manifest.read(run).fault is None
    assert found(run) == {"third.nc": "unrecorded", "page.html": "unrecorded"}
    manifest.replace(run, {"r/exported/0.png": sha256_of(run / "exported" / "0.png")})
    for file in run.rglob("*.*"):
        os.utime(file)  # none is older than the manifest
    unrecorded = dict.fromkeys(["exported/1.png", "first.nc", "page.html", "second.nc", "third.nc"], "unrecorded")
    assert found(run) == unrecorded
    (run / "page.html").write_text("another page")
    exchange(run / "first.nc", run / "third.nc")
    assert found(run) == unrecorded | dict.fromkeys(["page.html", "first.nc", "third.nc"], "damaged")


def test_a_manifest_is_rebuilt_from_the_hashes_of_inputs_where_logs_are_gone(run):
    manifest.manifest_path(run).unlink()
    (run / "logs" / "writer.log").unlink()
    Path(run / "page.html").write_text("page")
    assert [problem.path for problem in rebuild(run)] == ["results/r/page.html"]
    assert "r/exported/1.png" in manifest.read(run).recorded


# A manifest that was changed together with files


def forge(run: Path) -> None:
    """Write a manifest that fits its seal and the current files."""
    manifest.replace(run, {name: sha256_of(run.parent / name) for name in manifest.read(run).recorded})


def exchange(one: Path, other: Path) -> None:
    """Exchange two files."""
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


@pytest.mark.hostile(
    "Results, and a bad disk",
    "two files exchanged, with a manifest that fits",
    "both are damaged, by their own `path`; what was computed from them is not blamed",
)
@pytest.mark.parametrize("logs", [True, False])
def test_of_two_files_that_were_exchanged_both_are_damaged_and_no_innocent_is(run, logs):
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=["table.csv"])
    files.save(files.load(run / "first.nc"), run / "fourth.nc", **PROVENANCE, inputs=[run / "third.nc"])
    if not logs:
        (run / "logs" / "writer.log").unlink()
    exchange(run / "first.nc", run / "third.nc")
    forge(run)
    first, third = (problem for problem in verify(run) if problem.kind != "unconfirmed")
    assert (first.path, first.kind) == ("results/r/first.nc", "damaged")
    assert (third.path, third.kind) == ("results/r/third.nc", "damaged")
    assert first.reason.endswith("third.nc")
    assert third.reason.endswith("first.nc")


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a script in a page, or another picture, sound or file of weights, with a manifest that fits",
    "damaged: the log of the job that wrote it has another hash; a file that no log names is `unconfirmed`",
)
@pytest.mark.slow
@pytest.mark.parametrize("name", ["report/index.html", "exported/0.png", "x.wav", "training/x.safetensors"])
def test_a_file_that_was_changed_with_the_manifest_is_damaged_by_its_job_s_log(run, name):
    files.write(run / name, "<p>The report</p>")
    assert found(run) == ({} if name != "exported/0.png" else {"second.nc": "stale"})
    with (run / name).open("a") as stream:
        stream.write("<script>fetch('https://example.org')</script>")
    forge(run)
    kinds = found(run)
    assert [path for path, kind in kinds.items() if kind == "damaged"] == [name]
    assert "second.nc" not in kinds


@pytest.mark.hostile("a script in a page, or another …")
def test_a_file_that_no_log_names_is_unconfirmed(run):
    manifest.close(run)
    (run / "logs" / "writer.log").unlink()
    assert found(run) == {"logs/writer.log": "missing"}
    recorded = manifest.read(run).recorded
    manifest.replace(run, {name: sha256 for name, sha256 in recorded.items() if "writer" not in name})
    assert found(run) == {"exported/0.png": "unconfirmed", "exported/1.png": "unconfirmed"}


def test_a_run_that_is_moved_or_copied_has_no_problem(run, tmp_path, monkeypatch):
    manifest.close(run)
    for name in ("r", "r.sha256"):
        whole = Path("results") / name
        target = tmp_path / "elsewhere" / "results" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, target)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert found(Path("results/r")) == {}


@pytest.mark.hostile("a NetCDF file of any kind …")
@pytest.mark.parametrize(("end", "kind"), [(signal.SIGSEGV, "damaged"), (signal.SIGKILL, "unread")])
@pytest.mark.usefixtures("_in_processes")
def test_a_file_that_ends_its_reader_s_process_is_named_with_the_others(run, monkeypatch, end, kind):
    """A crash says that the file is damaged; SIGKILL says that the system ran out of memory."""
    read = files.content_sha256

    def die(dataset):
        if dataset.encoding["source"].endswith("second.nc"):
            os.kill(os.getpid(), end)
        return read(dataset)

    monkeypatch.setattr(files, "content_sha256", die)
    rot(run / "exported" / "0.png", b"damaged")
    assert found(run) == {"exported/0.png": "damaged", "second.nc": kind}


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a NetCDF file of any kind of the section “NetCDF”, one that crashes its reader, or that names no inputs, with a manifest that fits",
    "named with the others",
)
@pytest.mark.slow
@pytest.mark.parametrize("make", hostile_hdf5.HOSTILE, ids=lambda make: make.__name__)
@pytest.mark.usefixtures("_in_processes")
def test_a_hostile_netcdf_file_with_a_manifest_that_fits_is_named_with_the_others(run, make):
    (run / "hostile").mkdir()
    path = hostile_hdf5.made(make, run / "hostile").rename(run / "first.nc")
    manifest.record(path)
    rot(run / "exported" / "0.png", b"damaged")
    problems = {problem.path: problem for problem in verify(run)}
    assert problems[str(path)].kind == "damaged"
    assert problems[str(run / "exported" / "0.png")].kind == "damaged"


@pytest.mark.hostile("a folder that cannot be listed …")
@pytest.mark.slow
@pytest.mark.usefixtures("_in_processes")
def test_a_reader_that_never_ends_is_ended(run, monkeypatch):
    read = files.content_sha256
    monkeypatch.setattr(verification, "TIMEOUT_S", 5)
    monkeypatch.setattr(verification, "reading_s", lambda _: 0)
    monkeypatch.setattr(
        files, "content_sha256", lambda data: time.sleep(60) if "second" in data.encoding["source"] else read(data)
    )
    (problem,) = verify(run)
    assert (problem.path, problem.kind) == (str(run / "second.nc"), "unread")


SHORTAGES = {
    "memory": (files, "content_sha256", MemoryError("")),
    "ENOMEM": (files, "content_sha256", OSError(errno.ENOMEM, "Cannot allocate memory")),
    "time for the structure": (files, "check_structure", ReaderKilledError("its reader did not end within 120 s")),
    "ENOMEM for the bytes": (verification, "sha256_of", OSError(errno.ENOMEM, "Cannot allocate memory")),
}


def fail_with(error: Exception):
    def fail(*_):
        raise error

    return fail


@pytest.mark.hostile("a folder that cannot be listed …")
@pytest.mark.slow
@pytest.mark.parametrize("shortage", SHORTAGES)
@pytest.mark.usefixtures("_in_processes")
def test_a_file_that_memory_or_time_did_not_suffice_for_is_unread(run, monkeypatch, shortage):
    module, name, error = SHORTAGES[shortage]
    monkeypatch.setattr(module, name, fail_with(error))
    problems = verify(run)
    assert {problem.kind for problem in problems} == {"unread"}
    assert {str(run / "first.nc"), str(run / "second.nc")} <= {problem.path for problem in problems}
    assert outputs_to_make_again(problems, run, OUTPUTS) == {}


@pytest.mark.hostile(
    "Results, and a bad disk",
    "a folder that cannot be listed; a file for whose check memory or time did not suffice",
    "`unread`, and `snakemake verify` fails",
)
def test_a_folder_that_cannot_be_listed_is_unread(run, monkeypatch):
    listed, there = os.scandir, os.path.lexists
    refuse = fail_with(PermissionError(errno.EACCES, "Permission denied"))
    kinds = {"exported": "unread", "exported/0.png": "missing", "exported/1.png": "missing"}
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", lambda path: refuse() if Path(path).name == "exported" else listed(path))
        patched.setattr(os.path, "lexists", lambda path: "exported/" not in str(path) and there(path))
        assert found(run) == kinds
    assert found(run) == {}


def run_step(run: Path, *, unread: bool = False, fails: bool = False) -> str:
    """Run the step's script for a run, and return what it logs."""
    code = f"""
import runpy, sys
from types import SimpleNamespace as Space
sys.path.insert(0, {str(Path(files.__file__).parents[2])!r})
from metamers.run import files
def fail(_): raise MemoryError
if {unread}: files.content_sha256 = fail
params = Space(run={str(run)!r}, outputs={OUTPUTS})
step = Space(log=[{str(run / "logs" / "verify.log")!r}], params=params, threads=1, config=dict(rebuild_manifest=False))
runpy.run_path({str(ROOT / "scripts" / "verify.py")!r}, dict(snakemake=step))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"METAMERS_CALL": "snakemake --cores 2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == fails, ran.stderr
    return ran.stderr


@pytest.mark.hostile("a folder that cannot be listed …")
@pytest.mark.parametrize("unread", [False, True])
def test_the_step_fails_where_a_file_is_unread(run, unread):
    output = run_step(run, unread=unread, fails=unread)
    assert ("unread: results/r/first.nc: " in output) == unread


@pytest.mark.hostile("a NetCDF file of any kind …")
@pytest.mark.parametrize("inputs", ["[]", '{"table.csv": 3}', "{", '{"/dev/zero": "0"}'])
def test_inputs_that_are_none_are_survived(run, inputs):
    with netCDF4.Dataset(run / "first.nc", "a") as file:
        file.inputs = inputs
    manifest.record(run / "first.nc")
    assert found(run).keys() <= {"first.nc", "second.nc"}


def test_each_file_is_looked_at_once_for_all_folders():
    """A run has a folder of exported files for each model, so a search for each folder takes the square of the time."""

    class Counted(dict):
        """Hashes of files that count how often they are all read."""

        read = 0

        def items(self):
            self.read += 1
            return super().items()

    hashes = Counted(
        {f"results/r/exported/model_{model}/{n}.png": f"{model}{n}" for model in range(50) for n in range(3)}
    )
    folders = [f"results/r/exported/model_{model}" for model in range(50)]
    inside = verification._inside(hashes, folders)
    assert inside["results/r/exported/model_7"] == {f"{n}.png": f"7{n}" for n in range(3)}
    assert inside.keys() == set(folders)
    assert hashes.read == 1


def test_processes_get_only_inputs_from_outside_the_run(run):
    """What a process gets is copied for each call, so it must not be the table of all files."""
    assert verify(run) == []
    assert ("_sha256_now", ["table.csv"]) in Pool.calls
