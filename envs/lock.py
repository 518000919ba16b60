"""Regenerate the locks and the conda environments from pyproject.toml (`make lock`).

A lock has exact versions with hashes for CPython 3.11 to 3.13 on Linux, and on macOS with Apple silicon (resolved, not
tested); an environment has the same versions for conda.
requirements.lock and environment.yaml have the packages of the workflow and its tests; benchmark.lock and
benchmark.yaml also have the packages that `make benchmark` compares with. brainscore.lock has the packages of
brainscore.in alone, which do not fit the others' versions. requirements.lock in resources/leaderboard has the packages
of its requirements.in, with the versions of the lock. No file names an index host.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ENVS = Path(__file__).parent
LOCK = ENVS / "requirements.lock"
# Lock → the conda environment with the same pins, and the extras of pyproject.toml that it holds.
LOCKS = {
    LOCK: (ENVS / "environment.yaml", ["test"]),
    ENVS / "benchmark.lock": (ENVS / "benchmark.yaml", ["test", "benchmark"]),
}


BRAINSCORE = ENVS / "brainscore.in"
LEADERBOARD = ENVS.parent / "resources" / "leaderboard" / "requirements.in"
OPTIONS = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]


def pins(lock: str) -> list[str]:
    """Return the pinned requirements of a lock, ``name==version ; marker``, without hashes."""
    return [line.rstrip(" \\") for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]


def environment(lock: str, name: str = LOCK.name) -> str:
    """Return the conda environment with the versions of a lock."""
    lines = [
        f"# Written by `make lock` from {name}: the same pins, for `--software-deployment-method conda`.",
        "channels: [conda-forge, nodefaults]",
        "dependencies:",
        "  - python>=3.11,<3.14",
        "  - pip",
        "  - pip:",
        *(f'      - "{pin}"' for pin in pins(lock)),
    ]
    return "\n".join(lines) + "\n"


def resolve(lock: Path, source: str, *options: str) -> None:
    """Write a lock of the requirements in a file."""
    command = [sys.executable, "-m", "uv", "pip", "compile", source, *OPTIONS, *options]
    command += ["--output-file", str(lock), *sys.argv[1:]]
    subprocess.run(command, check=True, cwd=ENVS.parent, stdout=subprocess.DEVNULL)


def main() -> None:
    """Resolve all versions and write all files; both locks agree in the packages that they share."""
    for path, (conda, extras) in LOCKS.items():
        if path != LOCK:  # uv keeps the versions in an existing file if it can
            shutil.copyfile(LOCK, path)
        resolve(path, "pyproject.toml", *(part for extra in extras for part in ("--extra", extra)))
        lock = path.read_text(encoding="utf-8")
        conda.write_text(environment(lock, path.name), encoding="utf-8")
    resolve(BRAINSCORE.with_suffix(".lock"), str(BRAINSCORE), "--no-deps")
    resolve(LEADERBOARD.with_suffix(".lock"), str(LEADERBOARD), "--constraint", str(LOCK))


if __name__ == "__main__":
    main()
