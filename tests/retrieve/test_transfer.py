"""Servers that send without end, too slowly, or another file than before, and what a download does about them."""

import contextlib
import hashlib
import http.server
import re
import socket
import threading
import time

import pytest

from metamers.retrieve import transfer
from metamers.retrieve.ranges import RemoteArchive
from metamers.retrieve.transfer import download

CONTENT = bytes(range(256)) * 1024
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Does what the requested path names; ``/file`` sends the replies in ``server.replies``, one to each request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        self.server.requests.append((self.path, dict(self.headers)))
        with contextlib.suppress(OSError):
            getattr(self, self.path.strip("/").partition("/")[0])()

    def send(self, content):
        self.wfile.write(content)
        self.server.sent += len(content)

    def begin(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def drip(self, content):
        for value in content:
            self.send(bytes([value]))
            time.sleep(0.05)

    def interim(self):
        while True:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    def headers_drip(self):
        self.drip(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100)

    def redirect_drips(self):
        self.drip(b"HTTP/1.1 302 Found\r\nLocation: /right\r\n" + b"a: b\r\n" * 100)

    def bytes_drip(self):
        self.begin(200, Content_Length=str(len(CONTENT)))
        self.drip(CONTENT)

    def steady(self):
        """More than the least rate, for ever."""
        self.begin(200, Transfer_Encoding="chunked")
        while True:
            self.send(b"%x\r\n" % len(CONTENT) + CONTENT + b"\r\n")
            time.sleep(0.1)

    def endless(self):
        self.begin(200, Transfer_Encoding="chunked")
        while True:
            self.send(b"%x\r\n" % len(CONTENT) + CONTENT + b"\r\n")

    def huge(self):
        self.begin(200, Content_Length=str(2**60))
        self.endless()

    def closing(self):
        self.begin(200)
        self.send(CONTENT)

    def redirect(self):
        self.begin(302, Location="/right", Content_Length=str(2**33))
        while True:
            self.send(CONTENT)

    def redirect_to(self, target):
        self.begin(302, Location=target, Content_Length="0")

    def odd_brackets(self):
        self.redirect_to("http://[bad/")

    def odd_bytes(self):
        self.redirect_to("http://127.0.0.1:1/\xff")

    def odd_label(self):
        self.redirect_to(f"http://{'a' * 64}.example/")

    def below_0(self):
        self.begin(200, Transfer_Encoding="chunked")
        self.send(b"-5\r\n" + CONTENT)

    def loop(self):
        self.begin(302, Location="/loop", Content_Length="0")

    def empty(self):
        self.begin(204)

    def right(self):
        self.begin(200, Content_Length=str(len(CONTENT)))
        self.send(CONTENT)

    def packed(self):
        self.begin(200, Content_Length=str(len(CONTENT)), Content_Encoding="gzip")
        self.send(CONTENT)

    def file(self):
        """A whole file, its ETag and how many of its bytes are sent; parts of it, unless If-Range names another ETag."""
        content, etag, bytes_sent = self.server.replies.pop(0)
        begin = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        named = self.headers.get("If-Range", etag) if self.server.heeds_if_range else etag
        first = int(begin[1]) if begin and named == etag else 0
        last = int(begin[2]) if begin and begin[2] else len(content) - 1
        headers = {"ETag": etag} if etag else {}
        if first >= len(content):
            self.begin(416, Content_Range=f"bytes */{len(content)}", Content_Length="0")
            return
        if begin and named == etag:
            self.begin(
                206,
                Content_Range=f"bytes {first}-{last}/{len(content)}",
                Content_Length=str(last + 1 - first),
                **headers,
            )
        else:
            self.begin(200, Content_Length=str(len(content)), **headers)
        self.send(content[first : min(last + 1, first + bytes_sent)])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "attempts", lambda _url, _deadline: range(transfer.RETRIES))  # without a pause
    monkeypatch.setattr(transfer, "RETRIES", 1)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    httpd.daemon_threads = True
    httpd.requests, httpd.replies, httpd.sent, httpd.heeds_if_range = [], [], 0, True
    httpd.url = f"http://127.0.0.1:{httpd.server_port}"
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.hostile(
    "Servers and mirrors",
    "bytes, headers, redirects or replies `100 Continue` at long intervals or without end; silence",
    "less than 64 KiB in a minute, counted from the connection on, is a broken transfer; five tries, and 24 hours for all of them",
)
@pytest.mark.parametrize("kind", ["interim", "headers_drip", "redirect_drips", "bytes_drip"])
@pytest.mark.parametrize("fetch", [lambda url, store: download(url, store, {}), lambda url, _: RemoteArchive(url)])
def test_a_server_that_is_too_slow_in_any_phase_is_given_up(server, tmp_path, monkeypatch, kind, fetch):
    monkeypatch.setattr(transfer, "STALL_TIMEOUT_S", 0.4)
    monkeypatch.setattr("metamers.retrieve.ranges.attempts", transfer.attempts)
    began = time.monotonic()
    with pytest.raises(OSError, match=r"65536 bytes .*0\.4 s|ranges"):
        fetch(f"{server.url}/{kind}", tmp_path)
    assert time.monotonic() - began < 10


@pytest.mark.hostile("bytes, headers, redirects …")
def test_a_server_that_sends_for_ever_is_given_up_at_the_deadline(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "DEADLINE_S", 0.36)
    with pytest.raises(OSError, match=r"0\.0001 hours"):
        download(f"{server.url}/steady", tmp_path, {"sha256": SHA256})


def test_a_deadline_ends_the_attempts_too(monkeypatch):
    monkeypatch.setattr(transfer.time, "sleep", lambda _: None)
    assert len(list(transfer.attempts("a", time.monotonic() + 100))) == transfer.RETRIES
    assert list(transfer.attempts("a", time.monotonic())) == [0]


@pytest.mark.hostile(
    "Servers and mirrors",
    "redirects with bodies of gigabytes, or without end",
    "bodies are not read; at most ten are followed",
)
def test_the_bodies_of_redirects_are_not_read(server, tmp_path):
    assert download(f"{server.url}/redirect", tmp_path, {"sha256": SHA256}).read_bytes() == CONTENT
    time.sleep(0.2)
    assert server.sent < 2e7, "what the buffers of sockets hold"


@pytest.mark.hostile("a file that changed or was cut between …")
@pytest.mark.hostile("redirects with bodies of gigabytes …")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("loop", "10 redirects"),
        ("huge", f"{2**36} bytes"),
        ("closing", "length"),
        ("empty", "204"),
        ("packed", "hash"),
        *[(kind, "redirect") for kind in ("odd_brackets", "odd_bytes", "odd_label")],
    ],
)
def test_a_file_that_cannot_be_accepted_is_named_and_not_kept(server, tmp_path, kind, message):
    with pytest.raises(OSError, match=f"/{kind}: .*{message}"):
        download(f"{server.url}/{kind}", tmp_path, {})
    assert {path.suffix for path in tmp_path.iterdir()} == {".lock"}


def test_a_piece_of_a_length_below_0_is_a_broken_transfer(server, tmp_path):
    with pytest.raises(OSError, match=r"/below_0: .*pieces"):
        download(f"{server.url}/below_0", tmp_path, {})


@pytest.mark.hostile("an implausible size, or a transfer …")
def test_a_file_without_end_is_stopped_at_the_maximum_size(server, tmp_path):
    with pytest.raises(OSError, match=r"\b1000000 bytes"):
        download(f"{server.url}/endless", tmp_path, {}, 1_000_000)
    assert server.sent < 2e7


def test_the_hash_is_that_of_the_bytes_as_they_are_sent(server, tmp_path):
    assert download(f"{server.url}/packed", tmp_path, {"sha256": SHA256}).read_bytes() == CONTENT
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_free_space_is_looked_at_before_any_byte_is_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: type("usage", (), {"free": len(CONTENT) - 1}))
    with pytest.raises(OSError, match=" free "):
        download(f"{server.url}/right", tmp_path, {})
    assert not sum(path.stat().st_size for path in tmp_path.iterdir() if path.suffix == ".partial")


# Resumption

HALF = len(CONTENT) // 2
WHOLE = len(CONTENT)


@pytest.mark.hostile("a broken transfer")
@pytest.mark.parametrize("known", [{}, {"sha256": SHA256}])
@pytest.mark.parametrize("etag", ['"one"', 'W/"one"', None])
def test_a_broken_transfer_goes_on_only_if_the_file_is_known_to_be_the_same(server, tmp_path, monkeypatch, known, etag):
    monkeypatch.setattr(transfer, "RETRIES", 2)
    server.replies = [(CONTENT, etag, HALF), (CONTENT, etag, WHOLE)]
    assert download(f"{server.url}/file", tmp_path, known).read_bytes() == CONTENT
    headers = server.requests[1][1]
    goes_on = bool(known) or etag == '"one"'
    assert headers.get("Range") == (f"bytes={HALF}-" if goes_on else None)
    assert headers.get("If-Range") == ('"one"' if etag == '"one"' else None)
    assert {path.suffix for path in tmp_path.iterdir()} == {".lock", ""}, "no part is left"


@pytest.mark.hostile(
    "Servers and mirrors",
    "a file that changed or was cut between two parts; a reply without length, of a file without a hash",
    "fetched anew; refused",
)
@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize(
    ("other", "etag"),
    [
        (OTHER, '"two"'),
        *[(other, etag) for other in (OTHER[: HALF // 2], OTHER + b"more") for etag in ('"two"', '"one"')],
    ],
    ids=["other", "shorter", "shorter with the same ETag", "longer", "longer with the same ETag"],
)
def test_a_file_that_changed_between_two_parts_is_fetched_anew(
    server, tmp_path, monkeypatch, heeds_if_range, other, etag
):
    """Also where the server ignores If-Range, or states the same ETag for a file of another length."""
    monkeypatch.setattr(transfer, "RETRIES", 3)
    server.heeds_if_range = heeds_if_range
    server.replies = [(CONTENT, '"one"', HALF), *[(other, etag, len(other))] * 2]
    assert download(f"{server.url}/file", tmp_path, {}).read_bytes() == other


def test_all_bytes_that_were_announced_are_the_whole_file(server, tmp_path):
    """A job that was ended before it could move the file does not ask the server again."""
    server.replies = [(CONTENT, '"one"', HALF)]
    with pytest.raises(OSError, match="/file: "):
        download(f"{server.url}/file", tmp_path, {})
    (partial,) = tmp_path.glob("*.partial")
    partial.write_bytes(CONTENT)
    assert download(f"{server.url}/file", tmp_path, {}).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_part_without_a_note_of_its_file_is_not_used_without_a_hash(server, tmp_path):
    url = f"{server.url}/file"
    (tmp_path / f"{transfer.unverified_file_name(url)}.partial").write_bytes(OTHER[:HALF])
    server.replies = [(CONTENT, '"one"', WHOLE)]
    assert download(url, tmp_path, {}).read_bytes() == CONTENT


@pytest.mark.hostile("a file that changed or was cut between …")
@pytest.mark.parametrize("second", [(OTHER, '"two"', WHOLE), (OTHER + b"more", '"one"', WHOLE)])
def test_an_archive_that_changes_while_it_is_read_is_an_error(server, second):
    server.replies = [(CONTENT, '"one"', WHOLE), second]
    archive = RemoteArchive(f"{server.url}/file")
    with pytest.raises(OSError, match=r"bytes 10 to 19 .*changed"):
        archive.read(10, 10)


# The hub


@pytest.mark.hostile("a redirect to another host")
def test_the_login_of_the_hub_goes_to_the_hub_only(server, tmp_path, monkeypatch):
    from huggingface_hub import constants

    def elsewhere(self):
        self.begin(302, Location=self.server.url.replace("127.0.0.1", "localhost") + "/right", Content_Length="0")

    monkeypatch.setattr(Server, "lab", elsewhere, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert download("https://huggingface.co/lab/net/file", tmp_path, {"sha256": SHA256}).read_bytes() == CONTENT
    assert [headers.get("Authorization") for _, headers in server.requests] == ["Bearer hf_secret", None]


@pytest.mark.hostile("bytes, headers, redirects …")
def test_a_connection_that_hangs_before_its_first_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "STALL_TIMEOUT_S", 0.3)
    monkeypatch.setattr(transfer, "RETRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(OSError, match=r"65536 bytes .*0\.3 s"):
            download(f"http://127.0.0.1:{silent.getsockname()[1]}/a", tmp_path, {})
        with pytest.raises(OSError, match=r"65536 bytes .*0\.3 s"):  # in the handshake of TLS
            download(f"https://127.0.0.1:{silent.getsockname()[1]}/a", tmp_path, {})
