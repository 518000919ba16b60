"""Regenerate the locks and the conda environments from pyproject.toml (`make lock`).

A lock has exact versions with hashes for CPython 3.11 to 3.13 on Linux, and on macOS with Apple silicon (resolved, not
tested); an environment has the same versions for conda.
requirements.lock and environment.yaml have the packages of the workflow and its tests; benchmark.lock and
benchmark.yaml also have the packages that `snakemake benchmark` compares with. No file names an index host.
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


def main() -> None:
    """Resolve all versions and write all files; both locks agree in the packages that they share."""
    for path, (conda, extras) in LOCKS.items():
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal"]
        command += [part for extra in extras for part in ("--extra", extra)]
        command += ["--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]
        command += ["--output-file", str(path), *sys.argv[1:]]
        if path != LOCK:  # uv keeps the versions in an existing file if it can
            shutil.copyfile(LOCK, path)
        subprocess.run(command, check=True, cwd=ENVS.parent, stdout=subprocess.DEVNULL)
        lock = path.read_text(encoding="utf-8")
        conda.write_text(environment(lock, path.name), encoding="utf-8")


if __name__ == "__main__":
    main()
