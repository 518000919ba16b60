"""A run by the documented commands with its files in a storage: killed, continued and verified, on a disk and on S3."""

import re
import shlex
import shutil
import socket
import subprocess
import sys
import time as clock
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from metamers.run import manifest
from tests.documentation import pages
from tests.needs import without
from tests.workflow.runs import copy_of, counts, kill_when_there_is, small, snakemake

pytestmark = pytest.mark.slow

PLUGINS = {"fs": "snakemake_storage_plugin_fs", "s3": "snakemake_storage_plugin_s3"}
# Where .ci/run installs the plugins and the server of S3: Snakemake imports every plugin that it finds.
INSTALLED = Path(sys.prefix) / "storage"
MISSING = [name for name in (*PLUGINS.values(), "boto3", "moto", "flask") if not (INSTALLED / name).is_dir()]
MISSING += ["rsync"] if shutil.which("rsync") is None else []
needs_plugins = pytest.mark.skipif(bool(MISSING), reason=without(", ".join(MISSING)))


@dataclass
class Storage:
    """A storage provider: Snakemake's option for the place of files, and the folder that holds the local copies."""

    provider: str
    prefix: str
    place: Path
    bucket: object = None

    @property
    def copies(self) -> str:
        """Where Snakemake has the local copies, relative to its working folder."""
        return f".snakemake/storage/{self.provider}/{self.prefix.removeprefix('s3://')}"

    def path_or_key(self, name: str) -> tuple[Path, str]:
        folder = self.prefix.partition("://")[2].partition("/")[2]
        return self.place / self.prefix / name, f"{folder}/{name}"

    def read(self, name: str) -> bytes:
        path, key = self.path_or_key(name)
        return self.bucket.Object(key).get()["Body"].read() if self.bucket else path.read_bytes()

    def write(self, name: str, content: bytes) -> None:
        path, key = self.path_or_key(name)
        self.bucket.put_object(Key=key, Body=content) if self.bucket else path.write_bytes(content)

    def names(self) -> set[str]:
        """The files of runs and their manifests."""
        if self.bucket:
            prefix = self.path_or_key("")[1]
            return {one.key.removeprefix(prefix) for one in self.bucket.objects.filter(Prefix=prefix)}
        top = self.place / self.prefix
        return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(autouse=True)
def _with_plugins(monkeypatch):
    """Let this process and those that it starts import what is installed for this test."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(INSTALLED)])
    monkeypatch.setenv("PYTHONPATH", str(INSTALLED))


@pytest.fixture
def s3_server(monkeypatch) -> Iterator[str]:
    """The address of a server of S3 on this machine, which Snakemake's plugin takes from the environment."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    for name, value in {
        "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "ours",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with closing(socket.socket()) as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None
            clock.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def storage(request, tmp_path) -> Storage:
    if request.param == "fs":
        return Storage("fs", "store", tmp_path)
    import boto3

    address = request.getfixturevalue("s3_server")
    bucket = boto3.resource("s3", endpoint_url=address, region_name="us-east-1").Bucket("laboratory")
    return Storage("s3", "s3://laboratory/ours", tmp_path, bucket)


@needs_plugins
@pytest.mark.parametrize("storage", PLUGINS, indirect=True)
def test_a_run_in_a_storage_is_killed_goes_on_and_is_verified(root, tmp_path, storage):
    run = "snakemake --cores 2 --configfile first.yaml --default-storage-provider s3 --default-storage-prefix s3://BUCKET/FOLDER"
    verify = "snakemake --cores 2 verify --configfile first.yaml --default-storage-provider s3 --default-storage-prefix s3://BUCKET/FOLDER"

    def arguments(command: str) -> list[str]:
        """Those of a documented command, for this storage."""
        assert command in pages()["docs/more_clusters.md"]
        here = {"s3://BUCKET/FOLDER": storage.prefix, "s3": storage.provider}
        return [here.get(word, word) for word in shlex.split(command)[1:]]

    copy_of(root, tmp_path)
    small(root, tmp_path)
    settings = yaml.safe_load((tmp_path / "small.yaml").read_text())
    settings["generation_models"] = [{"model": "first", "stages": ["block"]}]
    settings["synthesis"] |= {"seeds": 1, "quick": {"vision": {"steps": 500}}}
    (tmp_path / "first.yaml").write_text(yaml.safe_dump(settings))
    progress = f"{storage.copies}/results/small/progress/synthesize_metamers/*/*/*/*/*.pt"
    kill_when_there_is(progress, tmp_path, *arguments(run), writes=3)
    assert manifest.read(tmp_path / storage.copies / "results/small").fault is None
    assert "results/small.sha256" not in storage.names()  # stored when a call ends

    output = snakemake(tmp_path, *arguments(run))
    assert re.search(r"first block 0000: \D+\d+ of 500$", output, re.MULTILINE)
    assert not (tmp_path / "results").exists()
    assert counts(snakemake(tmp_path, *arguments(run), "-n")) == {}

    # What is verified is what the storage has, also from another machine.
    shutil.rmtree(tmp_path / ".snakemake/storage")
    snakemake(tmp_path, *arguments(verify))
    recorded = {f"results/{name}" for name in manifest.read(tmp_path / storage.copies / "results/small").recorded}
    assert len(recorded) > 50
    assert recorded <= storage.names()
    damaged = "results/small/comparison/recognizability.nc"
    storage.write(damaged, storage.read(damaged)[:-1] + b"?")
    shutil.rmtree(tmp_path / ".snakemake/storage")
    output = snakemake(tmp_path, *arguments(verify), fails=True)
    assert re.search(rf"damaged: \S+{damaged}", output)
    assert "--forcerun" not in output
