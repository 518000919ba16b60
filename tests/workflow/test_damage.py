"""Damaged files of a run are named, and made again."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from metamers.run import manifest
from metamers.run.hashes import sha256_of
from tests.workflow.runs import snakemake


def run_command_of(output: str, folder: Path) -> str:
    """Run the command with which a verification ends, letter by letter, and return the command."""
    (command,) = set(re.findall(r"^  (snakemake .+)$", output, re.MULTILINE))
    snakemake(folder, *shlex.split(command)[1:])
    return command


@pytest.mark.slow
def test_a_flipped_bit_in_any_file_is_named_and_the_command_of_verify_makes_it_again(rerun):
    folder, arguments = rerun
    assert "nothing is damaged, stale or foreign" in snakemake(folder, "verify", *arguments)
    rng = np.random.default_rng(0)
    everything = (folder / "results" / "small").rglob("*")
    every = sorted(path for path in everything if path.is_file() and path.stat().st_size)
    for path in every:
        values = bytearray(path.read_bytes())
        place = int(rng.integers(0, 8 * len(values)))
        values[place // 8] ^= 1 << (place % 8)
        times = path.stat()
        path.write_bytes(values)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as bits rot
    (folder / "results" / "small" / "mine.nc").write_bytes(b"")
    said = snakemake(folder, "verify", *arguments, fails=True)
    named = {path: kind for kind, path in re.findall(r"(damaged|stale|foreign|missing): (\S+): ", said)}
    wanted = {path.relative_to(folder).as_posix(): "damaged" for path in every}
    del wanted["results/small/logs/verify.log"]  # which verification writes anew
    assert named == wanted | {"results/small/mine.nc": "foreign"}
    assert snakemake(folder, "verify", *arguments, fails=True).count("damaged: ") == said.count("damaged: ")
    command = run_command_of(said, folder)
    assert command.startswith("snakemake --cores 2 --configfile small.yaml --forcerun results/small/")
    assert "mine.nc" not in command
    assert (folder / "results" / "small" / "mine.nc").exists()
    (folder / "results" / "small" / "mine.nc").unlink()
    assert "nothing is damaged, stale or foreign" in snakemake(folder, "verify", *arguments)


@pytest.mark.hostile("a manifest that was emptied …")
@pytest.mark.slow
def test_a_manifest_that_was_cut_in_half_is_rebuilt(rerun):
    folder, arguments = rerun
    path = folder / "results" / "small.sha256"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n", len(whole) // 2) + 1])
    assert "results/small.sha256: it was cut" in snakemake(folder, "verify", *arguments, fails=True)
    said = snakemake(folder, "verify", *arguments, "--config", "rebuild_manifest=True")
    assert "the manifest was rebuilt; 0 files are not recorded in it" in said
    assert "nothing is damaged, stale or foreign" in said
    recorded = {line.split("  ")[1] for line in path.read_text().splitlines() if not line.startswith("#")}
    assert {line for line in recorded if line.endswith((".nc", ".html", ".svg", ".png"))} == {
        line.split("  ")[1] for line in whole.decode().splitlines() if line.endswith((".nc", ".html", ".svg", ".png"))
    }


@pytest.mark.hostile("a script in a page, or another …")
@pytest.mark.slow
def test_what_was_changed_together_with_the_manifest_is_named_and_made_again(rerun):
    """Two metamers are exchanged, and a script is added to a page and noise to a picture; the manifest has the new hashes.

    Of folders that a rule makes as a whole, one file each is damaged besides.
    """
    folder, arguments = rerun
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
    said = snakemake(folder, "verify", *arguments, fails=True)
    # The report shows the exported picture itself, by a hard link.
    named = {path for _, path in re.findall(r"(damaged|stale|foreign|missing): (\S+): ", said)}
    assert {path for path in named | changed if "/media/first/" not in path} == changed
    run_command_of(said, folder)
    assert [path.read_bytes() for path in in_folders] == before
    assert "nothing is damaged, stale or foreign" in snakemake(folder, "verify", *arguments)
    assert "alert(1)" not in page.read_text()
