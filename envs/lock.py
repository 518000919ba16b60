"""Regenerate requirements.lock and environment.yaml from pyproject.toml (`make lock`).

The lock holds exact versions with hashes for CPython 3.11 to 3.13 on Linux; environment.yaml holds the same versions
for conda. Neither names an index host.
"""

import re
import subprocess
import sys
from pathlib import Path

ENVS = Path(__file__).parent
LOCK = ENVS / "requirements.lock"
ENVIRONMENT = ENVS / "environment.yaml"


def pins(lock: str) -> list[str]:
    """The pinned requirements of a lock, ``name==version ; marker``, without hashes."""
    return [line.rstrip(" \\") for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]


def environment(lock: str) -> str:
    """The conda environment with a lock's pins."""
    lines = [
        "# Written by `make lock` from requirements.lock: the same pins, for `--software-deployment-method conda`.",
        "channels: [conda-forge, nodefaults]",
        "dependencies:",
        "  - python>=3.11,<3.14",
        "  - pip",
        "  - pip:",
        *(f'      - "{pin}"' for pin in pins(lock)),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Resolve anew and write both files."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra", "test", "--universal"]
    command += ["--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]
    command += ["--output-file", str(LOCK), *sys.argv[1:]]
    subprocess.run(command, check=True, cwd=ENVS.parent, stdout=subprocess.DEVNULL)
    lock = LOCK.read_text(encoding="utf-8")
    ENVIRONMENT.write_text(environment(lock), encoding="utf-8")


if __name__ == "__main__":
    main()
