"""A run's manifest has what the run wrote; verification names what is damaged, stale, foreign or missing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from metamers import files, manifest
from metamers.hashes import sha256_of
from metamers.verify import Problem, counted, repair, verify

PROVENANCE = {"title": "t", "source": "s", "step": "test", "run": "r", "seed": 3}


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """A run of four files: values, what was computed from them, an exported folder, and a log."""
    monkeypatch.chdir(tmp_path)
    folder = Path("results/r")
    manifest.keep_for(folder / "logs" / "some_rule" / "x.log")
    Path("table.csv").write_text("file,category\n")
    dataset = xr.Dataset({"correct": ("stimulus", [True, False])}, coords={"stimulus": ["a", "ü"]})
    files.save(dataset, folder / "first.nc", **PROVENANCE, inputs=["table.csv"])
    exported = [folder / "exported" / f"{number}.png" for number in range(2)]
    for number, path in enumerate(exported):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number] * 100))
    manifest.record(*exported)
    files.save(dataset, folder / "second.nc", **PROVENANCE, inputs=[folder / "first.nc", folder / "exported"])
    (folder / "logs").mkdir()
    (folder / "logs" / "some_rule.log").write_text("said\n")
    yield folder
    manifest.keep_for("none")


def found(run: Path) -> dict[str, str]:
    """Path within the run → what is wrong with it."""
    return {os.path.relpath(problem.path, run): problem.kind for problem in verify(run)}


def rot(path: Path, content: bytes) -> None:
    """Other bytes in a file, whose time stays."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


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
    assert ran.stdout.count(": OK") == 5


@pytest.mark.parametrize("path", ["first.nc", "second.nc", "exported/1.png", "logs/some_rule.log"])
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
    assert whole.count(b"test") == 1  # in `history`
    (run / "first.nc").write_bytes(whole.replace(b"test", b"tost"))
    assert found(run) == {"first.nc": "damaged"}


def test_values_that_are_not_those_of_the_content_hash_are_damage_whatever_the_manifest_says(run):
    edited = files.load(run / "first.nc").assign(correct=("stimulus", [True, True]))
    edited.to_netcdf(run / "first.nc")
    manifest.record(run / "first.nc")
    assert found(run)["first.nc"] == "damaged"


def test_what_was_computed_from_another_file_is_stale(run):
    Path("table.csv").write_text("file,category\na.png,dog\n")
    assert found(run) == {"first.nc": "stale", "second.nc": "stale"}  # the second from the first
    Path("table.csv").unlink()  # what it was cannot be told
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
    assert reason == "computed from another results/r/first.nc, results/r/exported"


def test_what_the_run_did_not_write_is_foreign_and_what_is_gone_is_missing(run):
    (run / "mine.txt").write_text("mine")
    (run / "progress").mkdir()
    (run / "progress" / "half.pt").write_text("kept by a job that has not ended")
    (run / "second.nc").unlink()
    assert found(run) == {"mine.txt": "foreign", "second.nc": "missing"}
    assert counted(verify(run)) == {"foreign": 1, "missing": 1}
    manifest.close(run)
    assert found(run) == {"mine.txt": "foreign", "second.nc": "missing"}
    repair(verify(run), run, [])
    assert found(run) == {}


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


def test_what_was_there_before_the_manifest_is_not_deleted(run):
    manifest.manifest_of(run).unlink()
    (run / "weights.safetensors").write_bytes(b"weeks of training")
    manifest.close(run)
    assert not manifest.manifest_of(run).exists()
    os.utime(run / "weights.safetensors", (1, 1))
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    assert found(run)["weights.safetensors"] == "unrecorded"
    repair(verify(run), run, [run / "exported"])
    assert (run / "weights.safetensors").exists()


def test_a_log_that_was_written_after_snakemake_last_ended_is_no_damage(run):
    manifest.close(run)
    (run / "logs" / "some_rule.log").write_text("said of another try\n")
    (run / "logs" / "new.log").write_text("said\n")
    assert found(run) == {}
    manifest.close(run)
    assert found(run) == {}
    rot(run / "logs" / "new.log", b"saId\n")
    assert found(run) == {"logs/new.log": "damaged"}
    repair(verify(run), run, [])
    assert (run / "logs" / "new.log").exists()


def test_a_file_that_cannot_be_read_is_named_with_the_others(run):
    (run / "second.nc").unlink()
    (run / "second.nc").symlink_to("nowhere")
    (run / "mine.txt").write_text("mine")
    assert found(run) == {"mine.txt": "foreign", "second.nc": "damaged"}
    repair(verify(run), run, [])
    assert not (run / "second.nc").is_symlink()


def test_a_line_that_a_full_disk_cut_off_takes_no_other_along(run):
    path = manifest.manifest_of(run)
    path.write_bytes(path.read_bytes()[:-20])
    files.save(files.load(run / "first.nc"), run / "third.nc", **PROVENANCE, inputs=[])
    assert found(run) == {"../r.sha256": "damaged", "second.nc": "foreign"}


def test_a_line_of_the_manifest_that_is_damaged_is_said(run):
    path = manifest.manifest_of(run)
    path.write_bytes(path.read_bytes().replace(b"  r/second.nc", b"  \xff/second.nc", 1)[:-5] + b"\nno line\n")
    kinds = found(run)
    assert kinds["../r.sha256"] == "damaged"
    assert kinds["second.nc"] == "foreign"


def test_repair_deletes_just_what_is_wrong(run):
    manifest.close(run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    (run / "mine.txt").write_text("mine")
    (run / "first.nc").write_bytes(b"damaged")
    (run / "exported" / "1.png").write_bytes(b"damaged")
    outside = Problem("table.csv", "damaged", "not of the run")
    deleted = repair([*verify(run), outside], run, [run / "exported"])
    assert sorted(deleted) == ["results/r/exported", "results/r/first.nc", "results/r/mine.txt"]
    assert found(run) == {}
    assert {path for path in run.rglob("*") if path.is_file()} == {run / "second.nc", run / "logs" / "some_rule.log"}
    assert all(path.read_bytes() == before[path] for path in run.rglob("*") if path.is_file())
    assert Path("table.csv").is_file()


def test_a_run_without_a_manifest_is_said(run):
    manifest.manifest_of(run).unlink()
    with pytest.raises(FileNotFoundError, match="older version"):
        verify(run)


def test_jobs_that_write_at_once_lose_no_line(run):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from pathlib import Path; from metamers import manifest;"
        "manifest.keep_for('results/r/logs/x.log');"
        "[manifest.record(Path('results/r/exported/0.png')) for _ in range(100)]"
    )
    library = str(Path(files.__file__).parents[1])
    writers = [subprocess.Popen([sys.executable, "-c", script, library]) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    lines = manifest.manifest_of(run).read_text().splitlines()
    line = f"{sha256_of(run / 'exported' / '0.png')}  r/exported/0.png"
    assert lines.count(line) == 401
    assert len(lines) == 405


def test_a_process_that_is_no_job_records_nothing(run, tmp_path):
    before = manifest.manifest_of(run).read_bytes()
    manifest.keep_for("elsewhere/x.log")
    files.save(xr.Dataset(), run / "third.nc", **PROVENANCE, inputs=[])
    assert manifest.manifest_of(run).read_bytes() == before
