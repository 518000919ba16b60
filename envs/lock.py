"""Regenerate the locks and the conda environments from pyproject.toml (`make lock`).

A lock holds exact versions with hashes for CPython 3.11 to 3.13 on Linux, and an environment the same versions for
conda: requirements.lock and environment.yaml of what the workflow and its tests need, benchmark.lock and benchmark.yaml
of the same with what `snakemake benchmark` compares with. None names an index host.
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
    """The pinned requirements of a lock, ``name==version ; marker``, without hashes."""
    return [line.rstrip(" \\") for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]


def environment(lock: str, name: str = LOCK.name) -> str:
    """The conda environment with a lock's pins."""
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
    """Resolve anew and write all files; what both locks have is of one version."""
    for path, (conda, extras) in LOCKS.items():
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal"]
        command += [part for extra in extras for part in ("--extra", extra)]
        command += ["--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]
        command += ["--output-file", str(path), *sys.argv[1:]]
        if path != LOCK:  # what is in the file already is kept where it can be
            shutil.copyfile(LOCK, path)
        subprocess.run(command, check=True, cwd=ENVS.parent, stdout=subprocess.DEVNULL)
        lock = path.read_text(encoding="utf-8")
        conda.write_text(environment(lock, path.name), encoding="utf-8")


if __name__ == "__main__":
    main()
