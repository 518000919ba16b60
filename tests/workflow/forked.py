"""Runs Python programs as forks of a process that has imported their packages, because imports take most of their time.

A request names the arguments of ``python``. The forked process has the requesting process's working directory, environment
variables and standard streams.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("snakemake.cli", "snakemake.script", "torch", "torchvision", "torchaudio", "xarray", "netCDF4", "pandas", "PIL.Image"),
    *("scipy.stats", "scipy.signal", "matplotlib.figure", "matplotlib.backends.backend_svg", "jinja2", "pydantic", "safetensors.torch"),
)  # fmt: skip


class ForkServer:
    """A process that has imported the packages, and with a folder the library of this folder as well.

    ``command`` starts the command that follows it, in namespaces for example.
    """

    def __init__(self, library: Path | None = None, command: tuple[str, ...] = ()):
        self._folder = tempfile.TemporaryDirectory()
        self.path = f"{self._folder.name}/socket"
        self._process = subprocess.Popen(
            [*command, sys.executable, __file__, self.path, *([str(library)] if library else [])],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""},  # each request has its own
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self._process.pid
        self._process.stdout.readline()

    def run(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
        """Run ``python`` with arguments in a folder; return its exit status and its output."""
        with tempfile.TemporaryFile() as output:
            status = request(self.path, arguments, str(folder), environment, (0, output.fileno(), output.fileno()))
            output.seek(0)
            return status, output.read().decode(errors="replace")

    def end(self) -> None:
        """End the process."""
        self._process.communicate()
        self._folder.cleanup()


def request(path, arguments, folder=None, environment=None, streams=(0, 1, 2)) -> int:
    """Have a program forked, wait for its end, and return its exit status."""
    message = {"arguments": arguments, "folder": folder or os.getcwd(), "environment": environment or dict(os.environ)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(message).encode()], streams)
        return int(connection.recv(16))


def serve(path: str, library: str | None = None) -> None:
    """Fork a process for each request until standard input is closed."""
    for package in PACKAGES:
        importlib.import_module(package)
    if library is not None:
        sys.path.insert(0, f"{library}/src")
        code_version = importlib.import_module("metamers.run.code_version").code_version
        importlib.import_module("metamers.plan.plan")
        for script in Path(library, "scripts").rglob("*.py"):
            code_version(script)
    gc.freeze()  # else each forked process copies the memory of all objects when it collects garbage
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    print("ready", flush=True)
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            return _answer(connection)
        connection.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(connection: socket.socket) -> None:
    """Fork the program of a request, and send its exit status.

    If the requesting process has ended, kill the program and what it has started, this process included.
    """
    os.setpgid(0, 0)
    message, streams, *_ = socket.recv_fds(connection, 1 << 20, 3)
    if not (program := os.fork()):
        return _become(json.loads(message), streams)
    ended = os.pidfd_open(program)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.killpg(0, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with suppress(OSError):
        connection.send(str(status % 256).encode())
    os._exit(0)


def _become(message: dict, streams: list[int]) -> None:
    """Run the program in this process as ``python`` with its arguments does."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(message["folder"])
    os.environ.clear()
    os.environ.update(message["environment"])
    importlib.import_module("torch").set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    sys.argv = message["arguments"]
    is_module = sys.argv[0] == "-m"
    first = os.getcwd() if is_module else str(Path(sys.argv[0]).parent)
    sys.path[:] = [first, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *SEARCHED]
    if is_module:
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__file__ = sys.argv[0]
    if "METAMERS_FIRST" in os.environ:
        runpy.run_path(os.environ["METAMERS_FIRST"])
    exec(compile(Path(sys.argv[0]).read_bytes(), sys.argv[0], "exec"), main.__dict__)


if __name__ == "__main__":
    SEARCHED = sys.path[1:]
    serve(*sys.argv[1:])
