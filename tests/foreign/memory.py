"""Measure the peak memory of a call in a separate process.

`python tests/foreign/memory.py MODULE:FUNCTION ARGUMENTS` calls the function with a JSON list of arguments, in which
{"path": …} stands for a path, and prints as JSON the type and text of its error, if any, and the peak memory in bytes.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 2 * 10**9  # maximum for reading any refused file, including all imported modules


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call: type and text of its error, or None, and the peak memory in bytes."""

    error: str | None
    message: str
    peak_bytes: int


def peak_bytes() -> int:
    """Return the peak resident memory of this process, or of one that it has started and that has ended, in bytes.

    That of this process comes from ``/proc``, because ``getrusage`` also counts the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return 1024 * max(started, int(status.partition("VmHWM:")[2].split()[0]))


def call_in_process(function: str, *arguments: Any, timeout_s: float = 120) -> Outcome:
    """Call ``module:function`` with arguments that JSON can hold, or paths, in a new process.

    Raises
    ------
    RuntimeError
        When the process was killed or ended without a result.
    """
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "src")))
    encoded = json.dumps(arguments, default=lambda path: {"path": str(path)})
    command = [sys.executable, __file__, function, encoded]
    environment = os.environ | {"PYTHONPATH": paths}
    ran = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=timeout_s, cwd=ROOT
    )
    if ran.returncode:
        raise RuntimeError(f"{function} ended its process with status {ran.returncode}: {ran.stderr[-2000:]}")
    return Outcome(**json.loads(ran.stdout.splitlines()[-1]))


def main(function: str, arguments: str) -> None:
    module, _, name = function.partition(":")
    called = getattr(importlib.import_module(module), name)
    error, message = None, ""
    try:
        called(*json.loads(arguments, object_hook=lambda encoded: Path(encoded["path"])))
    except Exception as raised:
        error, message = type(raised).__name__, str(raised)
    print(json.dumps({"error": error, "message": message, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
