"""One file of an archive at an address is retrieved without the rest of the archive."""

import http.server
import io
import re
import tarfile
import threading

import pytest

from metamers.foreign.archives import extract_file
from metamers.retrieve import transfer
from metamers.retrieve.ranges import FIRST_BYTES, RemoteArchive

LARGE = 3 * FIRST_BYTES  # bytes of each of the other files


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers requests for ranges of ``server.content``, unless ``server.whole``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        if self.path != "/archive.tar":
            self.send_error(404)
            return
        if server.breaks:
            server.breaks -= 1
            self.close_connection = True
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if server.whole or not asked:
            self.send_response(200)
            body = server.content
        else:
            begin, end = map(int, asked.groups())
            body = server.content[begin : end + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        server.sent += len(body)

    def log_message(self, *_):
        pass


def packed(files, compression=""):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w{compression and ':' + compression}") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer.time, "sleep", lambda _seconds: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files = {f"checkpoints/{n}.pt": bytes([n]) * LARGE for n in range(30)}
    server.content = packed(files | {"checkpoints/small.pt": bytes(range(256)) * 1000})
    server.sent, server.breaks, server.whole = 0, 0, False
    server.url = f"http://127.0.0.1:{server.server_port}/archive.tar"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_only_headers_and_the_wanted_file_are_sent(server, tmp_path):
    extract_file(RemoteArchive(server.url), "small.pt", tmp_path / "small.pt")
    assert (tmp_path / "small.pt").read_bytes() == bytes(range(256)) * 1000
    assert server.sent < 0.45 * len(server.content), "a part of 64 KiB for each header of a file of 192 KiB"


def test_a_broken_connection_is_tried_again(server, tmp_path):
    server.breaks = 2
    extract_file(RemoteArchive(server.url), "checkpoints/3.pt", tmp_path / "3.pt")
    assert (tmp_path / "3.pt").read_bytes() == b"\3" * LARGE


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"whole": True}, "ranges"),
        ({"breaks": 99}, "`mirror`"),
        ({"url": "/other.tar"}, "404"),
        ({"content": packed({"a": b"a" * 9000}, "gz")}, "compressed"),
        ({"content": b"x" * 9000}, r"\btar\b"),
        ({"content": packed({"a.pt": b"a" * 9000})[:5000]}, "9000 bytes.* 5000 bytes"),
        ({}, r"'smal\.pt'.*checkpoints/small\.pt"),
    ],
)
def test_faults_are_said_with_the_address(server, tmp_path, fault, message):
    address = server.url.replace("/archive.tar", fault.pop("url", "/archive.tar"))
    vars(server).update(fault)
    with pytest.raises(OSError, match=f"(?s){re.escape(address)}.*{message}"):
        extract_file(RemoteArchive(address), "smal.pt", tmp_path / "small.pt")
