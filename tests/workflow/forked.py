"""Commands of the documentation, run as they are written, in forks of a process that has imported what they need.

A call of Snakemake spends most of its time on imports, on reading the registries and on hashing the library's code.
"""

import importlib
import json
import os
import runpy
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.workflow.runs import library_of

ROOT = Path(__file__).resolve().parents[2]


class Commands:
    """Runs commands in a folder, with the folder's own library if it has one."""

    def __init__(self, folder: Path):
        self.output = tempfile.NamedTemporaryFile(suffix=".txt")  # noqa: SIM115 (closed in `end`)
        environment = library_of(folder) | {"OMP_NUM_THREADS": "1"}
        search = os.pathsep.join([str(ROOT), environment["PYTHONPATH"]])
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.workflow.forked", self.output.name],
            cwd=folder,
            env=environment | {"PYTHONPATH": search},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command: str, *more: str) -> tuple[int, str]:
        """Run a command of ``snakemake`` or ``metamers``, with more arguments; return its exit status and its output."""
        self.server.stdin.write(json.dumps([*shlex.split(command), *more]) + "\n")
        self.server.stdin.flush()
        status = int(self.server.stdout.readline())
        return status, Path(self.output.name).read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """End the process."""
        self.server.communicate()
        self.output.close()


def serve(output: str) -> None:
    """Run each command of standard input, a list in JSON, and write its exit status."""
    from metamers.repository import ROOT as OWN_ROOT
    from metamers.run.code_version import code_version

    for module in ("snakemake.cli", "metamers.plan.plan"):
        importlib.import_module(module)
    for script in (OWN_ROOT / "scripts").rglob("*.py"):
        code_version(script)
    for line in sys.stdin:
        if not (child := os.fork()):
            program, *sys.argv[1:] = json.loads(line)
            with open(output, "wb") as file:
                for stream in (1, 2):
                    os.dup2(file.fileno(), stream)
            runpy.run_module(program, run_name="__main__", alter_sys=True)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
