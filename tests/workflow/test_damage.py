"""Damaged files of a run are named, and made again."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from metamers.run import manifest
from metamers.run.hashes import sha256_of
from tests.workflow.runs import counts, snakemake


def named_in(folder: Path, arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Path → kind of problem that a failing verification names, and the arguments of the command with which it ends."""
    said = snakemake(folder, "verify", *arguments, fails=True)
    named = {path: kind for kind, path in re.findall(r"(damaged|stale|foreign|missing): (\S+): ", said)}
    (command,) = set(re.findall(r"^  (snakemake .+)$", said, re.MULTILINE))
    return named, shlex.split(command)[1:]


def flip_a_bit(path: Path, rng: np.random.Generator) -> None:
    """Flip a bit of a file without a change of its times, as bits rot."""
    values = bytearray(path.read_bytes())
    place = int(rng.integers(0, 8 * len(values)))
    values[place // 8] ^= 1 << (place % 8)
    times = path.stat()
    path.write_bytes(values)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.hostile("a manifest that was emptied …")
@pytest.mark.slow
def test_a_manifest_that_was_cut_in_half_is_rebuilt(rerun):
    folder, arguments = rerun
    path = folder / "results" / "small.sha256"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n", len(whole) // 2) + 1])
    assert "results/small.sha256: " in snakemake(folder, "verify", *arguments, fails=True)
    said = snakemake(folder, "verify", *arguments, "--config", "rebuild_manifest=True")
    assert re.search(r"\bmanifest\b.*\b0 files\b", said)
    recorded = {line.split("  ")[1] for line in path.read_text().splitlines() if not line.startswith("#")}
    assert {line for line in recorded if line.endswith((".nc", ".html", ".svg", ".png"))} == {
        line.split("  ")[1] for line in whole.decode().splitlines() if line.endswith((".nc", ".html", ".svg", ".png"))
    }


@pytest.mark.hostile("a script in a page, or another …")
@pytest.mark.slow
def test_what_was_changed_with_the_manifest_or_by_a_flipped_bit_is_named_and_made_again(rerun):
    """Two metamers are exchanged, and a script is added to a page and noise to a picture; the manifest has the new hashes.

    Of folders that a rule makes as a whole, one file each is damaged besides. Then a bit flips in every file.
    """
    folder, arguments = rerun
    snakemake(folder, "verify", *arguments)
    results = folder / "results" / "small"
    one, other = (results / "metamers" / model / "block" / "0000.nc" for model in ("first", "second"))
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])
    page = results / "report" / "index.html"
    page.write_text(page.read_text().replace("</body>", "<script>alert(1)</script></body>"))
    picture = next((results / "exported" / "metamers" / "first").rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"x")
    known = manifest.read(results)
    manifest.replace(results, {name: sha256_of(folder / "results" / name) for name in known.recorded})
    in_folders = [
        next(path for path in sorted((results / name).rglob("*.*")) if path.suffix in (".css", ".png"))
        for name in ("report/assets", "report/media/second", "exported/datasets/own")
    ]
    before = [path.read_bytes() for path in in_folders]
    # Snakemake does not make this file again after its deletion, because the report exists.
    null = results / "nulls" / "first.nc"
    for path in (*in_folders, null):
        path.unlink()  # the report has hard links to exported files
        path.write_bytes(b"damaged")
    changed = {path.relative_to(folder).as_posix() for path in (one, other, page, picture, *in_folders, null)}
    named, repair = named_in(folder, arguments)
    assert named_in(folder, arguments) == (named, repair)
    # The report shows the exported picture itself, by a hard link.
    assert {path for path in named.keys() | changed if "/media/first/" not in path} == changed
    planned = counts(snakemake(folder, "-n", *repair))
    assert planned["null_distribution"] == 1
    assert planned["synthesize_measure"] == 2
    exported = {"stimuli_export", "synthesize_export", "report_media", "report_assets"}
    later = {"null_acceptance", "compare_recognizability", "leaderboard_ranking", "report_model", "report_pages"}
    assert exported | later <= planned.keys()

    rng = np.random.default_rng(0)
    all_files = sorted(path for path in results.rglob("*") if path.is_file() and path.stat().st_size)
    for path in all_files:
        flip_a_bit(path, rng)
    (results / "mine.nc").write_bytes(b"")
    named, repair = named_in(folder, arguments)
    expected = {path.relative_to(folder).as_posix(): "damaged" for path in all_files}
    del expected["results/small/logs/verify.log"]  # which verification writes anew
    assert named == expected | {"results/small/mine.nc": "foreign"}
    assert repair[:5] == ["--cores", "2", "--configfile", "small.yaml", "--forcerun"]
    assert "results/small/mine.nc" not in repair
    snakemake(folder, *repair)
    assert [path.read_bytes() for path in in_folders] == before
    assert "alert(1)" not in page.read_text()
    (results / "mine.nc").unlink()
    snakemake(folder, "verify", *arguments)
