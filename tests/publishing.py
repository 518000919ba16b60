"""A server for tests that speaks the part of the Hugging Face hub's protocol that its client needs, and serves files.

A repository is a branch and its commits, as on the hub: files of weights are kept apart (LFS) and have a SHA-256, other
files have Git's SHA-1. An address ``/files/NAME`` is a plain file, as on a publisher's own server.
"""

import contextlib
import hashlib
import http.server
import json
import re
import subprocess
import threading
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import safetensors.torch
import torch
from huggingface_hub import constants

from metamers.config import pretrained
from metamers.models import describe

LARGE = (".safetensors", ".bin", ".pth")


@dataclass
class Published:
    """The content of the server, and its faults.

    Attributes
    ----------
    repositories
        Repository → commit → name of a file → content.
    branches
        Repository → branch → commit.
    files
        Name → content of ``/files/NAME``.
    breaks
        Number of transfers of files that break off in the middle.
    altered
        Whether files arrive with one byte changed.
    requests
        Method and path of every request.
    """

    address: str = ""
    repositories: dict = field(default_factory=dict)
    branches: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    breaks: int = 0
    altered: bool = False
    requests: list = field(default_factory=list)

    def commit(self, repository, files, branch="main"):
        """Add a commit with these files to a branch; its 40 digits."""
        commits = self.repositories.setdefault(repository, {})
        name = hashlib.sha1(f"{repository} {len(commits)}".encode()).hexdigest()
        commits[name] = files
        self.branches.setdefault(repository, {})[branch] = name
        return name

    def fetched(self):
        """Paths of the files whose content was requested."""
        return [path for method, path in self.requests if method == "GET" and "/api/" not in path]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def published(self):
        return self.server.published

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        self.published.requests.append((self.command, path))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/(.+))?", path):
            self.describe(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.resolve(found[1], found[2], found[3])
        elif found := re.fullmatch(r"/(?:lfs|files)/(.+)", path):
            content = self.published.files.get(found[1])
            self.error(404, "EntryNotFound") if content is None else self.transfer(content, {})
        else:
            self.error(404, "RepoNotFound")

    def error(self, status, code):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def commit_of(self, repository, revision):
        commits = self.published.repositories.get(repository)
        if commits is None:
            return self.error(404, "RepoNotFound")
        commit = self.published.branches[repository].get(revision, revision)
        return commit if commit in commits else self.error(404, "RevisionNotFound")

    def describe(self, repository, revision):
        if commit := self.commit_of(repository, revision):
            siblings = []
            for name, content in self.published.repositories[repository][commit].items():
                sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                entry = {"rfilename": name, "size": len(content), "blobId": sha1}
                if name.endswith(LARGE):
                    entry["lfs"] = {
                        "sha256": hashlib.sha256(content).hexdigest(),
                        "size": len(content),
                        "pointerSize": 134,
                    }
                siblings.append(entry)
            body = {"_id": "1", "id": repository, "modelId": repository, "sha": commit, "private": False}
            body |= {"downloads": 0, "likes": 0, "tags": [], "siblings": siblings}
            self.transfer(json.dumps(body).encode(), {"Content-Type": "application/json"}, reliable=True)

    def resolve(self, repository, revision, name):
        if not (commit := self.commit_of(repository, revision)):
            return
        content = self.published.repositories[repository][commit].get(name)
        if content is None:
            self.error(404, "EntryNotFound")
        elif name.endswith(LARGE):
            sha256 = hashlib.sha256(content).hexdigest()
            self.published.files[sha256] = content
            self.send_response(302)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("X-Linked-Etag", f'"{sha256}"')
            self.send_header("X-Linked-Size", str(len(content)))
            # Another host, as on the hub.
            self.send_header("Location", f"{self.published.address.replace('127.0.0.1', 'localhost')}/lfs/{sha256}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self.transfer(content, {"X-Repo-Commit": commit, "ETag": f'"{sha1}"'}, reliable=True)

    def transfer(self, content, headers, reliable=False):
        first, last = 0, len(content)
        if found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            first = int(found[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{last}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(last - first))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        body = content[first:]
        if self.published.altered and not reliable:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if self.published.breaks and not reliable:
            self.published.breaks -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def use_as_hub(address, monkeypatch):
    """Let the hub's client in this process ask another address, as the variable HF_ENDPOINT does for a new process."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", address)


def look_up_in_this_process(monkeypatch):
    """Look published weights up in this process, which has imported the libraries already, in place of a new one."""

    def run(command, *, input, **_):
        assert command[1:] == ["-m", "metamers.models.describe"]
        answers = json.dumps(describe._answer(json.loads(input)))
        return subprocess.CompletedProcess(command, 0, stdout=f"a library says something\n{answers}\n", stderr="")

    monkeypatch.setattr(pretrained.subprocess, "run", run)


@contextlib.contextmanager
def publisher():
    """A server on this machine; its ``address`` is the endpoint of the hub."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.published = Published(address=f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.published
    finally:
        server.shutdown()
        server.server_close()


CONFIG = {
    "architecture": "test_vit",
    "num_classes": 10,
    "model_args": {"img_size": 128},
    "pretrained_cfg": {
        "tag": "mine",
        "custom_load": False,
        "input_size": [3, 128, 128],
        "fixed_input_size": True,
        "interpolation": "bilinear",
        "crop_pct": 0.9,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "num_classes": 10,
        "first_conv": "patch_embed.proj",
        "classifier": "head",
        "label_names": ["a"] * 10,
    },
}
WEIGHTS = safetensors.torch.save({"weight": torch.arange(100_000.0)})
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
