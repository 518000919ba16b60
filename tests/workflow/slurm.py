"""SLURM on one machine for tests: munged, slurmctld and slurmd with their own folder, without accounting or cgroups."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,batch_sched_delay=0
KillWait=10
MinJobAge=300
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=cards Nodes={host} MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Return the programs that are not installed (Debian packages: slurm-wlm, munge)."""
    return [program for program in PROGRAMS if shutil.which(program, path=search_path()) is None]


def search_path() -> str:
    """Return the search path for programs, including those for administrators."""
    return f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Start SLURM and return the environment variables with which its commands work.

    Raises
    ------
    RuntimeError
        When SLURM does not start; the message contains the output of its daemons.
    """
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # the path of a socket must be short
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host = socket.gethostname().split(".")[0]
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    configuration = CONFIGURATION.format(host=host, user=user, folder=folder, ports=_free_ports(2))
    (folder / "slurm.conf").write_text(configuration)
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
    variables = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder}/bin:{search_path()}"}
    environment = os.environ | variables
    # The executor removes SLURM's variables from a job's environment, so that srun would look for a cluster's own file.
    srun = folder / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    commands = (
        ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D", "-N", host],
    )
    daemons = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.log").open("wb") as log:
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
            if command[0] == "munged":
                _wait_for((folder / "munge.socket").exists, folder)
        _wait_for(lambda: "idle" in _said(["sinfo", "-h", "-o", "%T"], environment), folder)
        yield variables
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        _kill_what_is_left(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _kill_what_is_left(folder: Path) -> None:
    """End processes that outlived their job, which SLURM may lose track of without cgroups."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended, or belongs to another user
            if os.fsencode(folder) in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def _said(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def _wait_for(ready, folder: Path, seconds: float = 60) -> None:
    for _ in range(int(seconds * 5)):
        if ready():
            return
        time.sleep(0.2)
    said = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in folder.glob("*.log"))
    raise RuntimeError(f"SLURM did not start: {said}")
