"""Retrieval from packages, from a misbehaving server on this machine, and from a mirror."""

import concurrent.futures
import contextlib
import hashlib
import http.server
import threading

import pytest

from metamers import retrieve
from metamers.retrieve import transfer

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with support for ranges; breaks off the first ``breaks`` replies."""

    def do_GET(self):
        state = self.server.state
        state["requests"].append(self.headers.get("Range"))
        if self.path.endswith("missing"):
            self.send_error(404)
            return
        body = b"<html>wrong</html>" if self.path.endswith("wrong") else CONTENT
        start = 0
        if (wanted := self.headers.get("Range")) and state["ranges"]:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", '"one"')
        self.end_headers()
        body = body[start:]
        if state["breaks"] > 0:
            state["breaks"] -= 1
            body = body[: len(body) // 2]
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer.time, "sleep", lambda _: None)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.state = {"breaks": 0, "ranges": True, "requests": []}
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def address(server, name):
    return f"http://127.0.0.1:{server.server_port}/{name}"


def item(server, name="file.bin", sha256=SHA256):
    return {"name": name, "url": address(server, name), "sha256": sha256}


def test_a_collection_is_laid_out_as_named(server, tmp_path):
    files = [item(server), item(server, "folder/second.bin")]
    retrieve.retrieve(files, tmp_path / "out", tmp_path / "store")
    assert (tmp_path / "out" / "file.bin").read_bytes() == CONTENT
    assert (tmp_path / "out" / "folder" / "second.bin").read_bytes() == CONTENT
    # Each file is on the disk once: in the store, with a hard link in the folder.
    assert (tmp_path / "out" / "file.bin").samefile(tmp_path / "store" / SHA256)


@pytest.mark.hostile(
    "Servers and mirrors",
    "a broken transfer",
    "continued if a hash or a strong ETag says that the file is the same; else started again",
)
@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_transfer_goes_on_where_the_server_allows(server, tmp_path, ranges):
    server.state |= {"breaks": 2, "ranges": ranges}
    retrieve.retrieve([item(server)], tmp_path / "out", tmp_path / "store")
    assert (tmp_path / "out" / "file.bin").read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert server.state["requests"][:2] == [None, f"bytes={half}-"]


def test_a_transfer_killed_in_another_run_goes_on(server, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / f"{SHA256}.partial").write_bytes(CONTENT[:1000])
    retrieve.retrieve([item(server)], tmp_path / "out", tmp_path / "store")
    assert server.state["requests"] == ["bytes=1000-"]
    assert (tmp_path / "out" / "file.bin").read_bytes() == CONTENT


def test_a_wrong_beginning_is_thrown_away(server, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / f"{SHA256}.partial").write_bytes(b"x" * 1000)
    retrieve.retrieve([item(server)], tmp_path / "out", tmp_path / "store")
    assert server.state["requests"] == ["bytes=1000-", None]
    assert (tmp_path / "out" / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "message"), [("wrong", "SHA-256 .*000"), ("missing", r"404.*`mirror` .*127\.0\.0\.1")]
)
def test_what_cannot_be_had_leaves_nothing_behind(server, tmp_path, name, message):
    with pytest.raises(OSError, match=message):
        retrieve.retrieve([item(server), item(server, name, "0" * 64)], tmp_path / "out", tmp_path / "store")
    assert not (tmp_path / "out").exists()
    # Correct bytes that had arrived are kept for the next attempt.
    assert [path.name for path in (tmp_path / "store").iterdir() if path.suffix != ".lock"] == [SHA256]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_what_arrived_is_not_fetched_again(server, tmp_path):
    with pytest.raises(OSError, match="404"):
        retrieve.retrieve([item(server), item(server, "missing", "0" * 64)], tmp_path / "out", tmp_path / "store")
    server.state["requests"].clear()
    retrieve.retrieve([item(server)], tmp_path / "out", tmp_path / "store")
    assert server.state["requests"] == []


def test_two_jobs_may_want_the_same_file_at_once(server, tmp_path):
    folders = [tmp_path / f"out_{n}" for n in range(4)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda folder: retrieve.retrieve([item(server)], folder, tmp_path / "store"), folders))
    assert {(folder / "file.bin").read_bytes() for folder in folders} == {CONTENT}
    assert len(server.state["requests"]) == 1


def test_a_mirror_stands_for_the_network(server, tmp_path):
    url = "https://example.org/a/b.bin"
    (tmp_path / "mirror/example.org/a").mkdir(parents=True)
    (tmp_path / "mirror/example.org/a/b.bin").write_bytes(CONTENT)
    one = {"name": "b.bin", "url": url, "sha256": SHA256}
    retrieve.retrieve([one], tmp_path / "out", tmp_path / "store", tmp_path / "mirror")
    assert (tmp_path / "out" / "b.bin").read_bytes() == CONTENT


@pytest.mark.hostile("Servers and mirrors", "a mirror with a missing or different file", "reported")
@pytest.mark.parametrize(
    ("url", "sha256", "message"),
    [
        ("https://example.org/a/c.bin", SHA256, r"example\.org/a/c\.bin"),
        ("https://example.org/a/b.bin", "0" * 64, "SHA-256 .*000"),
    ],
)
def test_a_mirror_that_lacks_a_file_or_has_another_says_so(url, sha256, message, tmp_path):
    (tmp_path / "mirror/example.org/a").mkdir(parents=True)
    (tmp_path / "mirror/example.org/a/b.bin").write_bytes(CONTENT)
    one = {"name": "x", "url": url, "sha256": sha256}
    with pytest.raises(OSError, match=message):
        retrieve.retrieve([one], tmp_path / "out", tmp_path / "store", tmp_path / "mirror")
    assert not (tmp_path / "out").exists()


def test_a_file_of_an_installed_package(tmp_path):
    one = {"name": "x.jpg", "package": "foolbox", "file": "foolbox/data/imagenet_00_243.jpg"}
    retrieve.retrieve([one], tmp_path / "out", tmp_path / "store")
    assert (tmp_path / "out" / "x.jpg").read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"package": "not-there"}, "'not-there'"),
        ({"file": "foolbox/data/none.jpg"}, r"'foolbox/data/none\.jpg'"),
        ({"sha256": "0" * 64}, r"imagenet_00_243\.jpg .*SHA-256"),
    ],
)
def test_a_package_without_the_file_is_named(changed, message, tmp_path):
    one = {"name": "x.jpg", "package": "foolbox", "file": "foolbox/data/imagenet_00_243.jpg"} | changed
    with pytest.raises(OSError, match=message):
        retrieve.retrieve([one], tmp_path / "out", tmp_path / "store")
    assert not (tmp_path / "out").exists()


def test_the_first_digits_of_a_hash_do(server, tmp_path):
    retrieve.retrieve([item(server, sha256=SHA256[:8])], tmp_path / "out", tmp_path / "store")
    assert (tmp_path / "out" / "file.bin").read_bytes() == CONTENT
    assert (tmp_path / "store" / SHA256[:8]).is_file()
    with pytest.raises(OSError, match=r"SHA-256 .*00000000"):
        retrieve.retrieve([item(server, sha256="0" * 8)], tmp_path / "other", tmp_path / "store")


def archive(server, **facts):
    return {"url": address(server, "a.tar"), "sha256": None} | facts


@pytest.mark.hostile(
    "Servers and mirrors", "a file without a published hash", "fetched, but not used before you confirm its hash"
)
def test_a_file_without_a_published_hash_waits_for_somebody_to_vouch_for_it(server, tmp_path):
    target, store = tmp_path / "retrieved" / "a.tar", tmp_path / "store"
    server.state["breaks"] = 1
    for _ in range(2):
        with pytest.raises(OSError, match=rf"archives: assets: .*\b{len(CONTENT)} .*{SHA256}"):
            retrieve.retrieve_archive("assets", archive(server), target, store, None)
        assert not target.exists()
    assert len(server.state["requests"]) == 2, "once, and once more to go on"
    retrieve.retrieve_archive("assets", archive(server, sha256=SHA256), target, store, None)
    assert len(server.state["requests"]) == 2
    assert target.read_bytes() == CONTENT
    assert target.samefile(store / SHA256)


@pytest.mark.hostile(
    "Servers and mirrors",
    "an implausible size, or a transfer without end",
    "stopped at twice the size in the registry, else at 69 GB; free space is checked before and during a transfer",
)
@pytest.mark.parametrize("size", [len(CONTENT) // 3, len(CONTENT) * 3])
def test_a_file_of_an_implausible_size_is_refused(server, tmp_path, size):
    with pytest.raises(OSError, match=rf"\b{len(CONTENT)} .*\b{size}\b"):
        retrieve.retrieve_archive("assets", archive(server, bytes=size), tmp_path / "a.tar", tmp_path / "store", None)
    assert not [path for path in (tmp_path / "store").iterdir() if path.suffix != ".lock"]


def test_a_disk_without_room_is_said_at_once(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: type("usage", (), {"free": 1000}))
    with pytest.raises(OSError, match="free "):
        retrieve.retrieve_archive("assets", archive(server), tmp_path / "a.tar", tmp_path / "store", None)
    assert len(server.state["requests"]) == 1
