"""Download files from addresses: one function for all of them, with limits of time, rate, size and disk space.

``download`` keeps a file in a store under its hash, so that a broken transfer continues where it stopped and no file is
fetched twice. A transfer continues only if the file is known to be the same: by its hash, or by the server's strong
ETag (RFC 9110, section 8.8.3).
"""

import errno
import hashlib
import json
import logging
import re
import shutil
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm

from metamers.run.hashes import sha256_of

logger = logging.getLogger("metamers")

RETRIES = 5
# Errors of a server that may be gone at the next attempt: timeout, too many requests.
RETRYABLE_STATUSES = (requests.codes.request_timeout, requests.codes.too_many_requests)
TIMEOUT_S = 30  # to connect, and to wait for any bytes
CHUNK = 1 << 16  # bytes that a broken transfer may lose
STALL_TIMEOUT_S = 60  # a transfer that brings no new chunk for so long, connection and headers included, is broken
DEADLINE_S = 24 * 3600  # for a file, all attempts together
MAX_REDIRECTS = 10
MAX_BYTES = 1 << 36  # of a file for which the registry gives no size
MAX_SIZE_FACTOR = 2  # maximum ratio between a file's size and the size in the registry, in both directions
SPACE_CHECK_BYTES = 1 << 26  # between two checks of the free space
MIN_FREE_BYTES = 1 << 28  # free space that a transfer of unknown length must leave
HUB = "https://huggingface.co"
UNPACKED = {"Accept-Encoding": "identity"}  # so that lengths and ranges are those of the file


def mirror_path(url: str) -> str:
    """Return the path of an address in a mirror folder: ``<host>/<path>``."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.netloc}{parts.path}"


def unverified_file_name(url: str) -> str:
    """Return the name in the store of a file without a known hash."""
    return f"unverified-{hashlib.sha256(url.encode()).hexdigest()}"


def attempts(url: str, deadline: float) -> Iterator[int]:
    """Count the attempts to retrieve a file until a deadline, with a growing pause before each further one."""
    for attempt in range(RETRIES):
        if attempt:
            if time.monotonic() >= deadline:
                return
            time.sleep(min(2**attempt, 20))
            logger.info("trying again (%d of %d): %s", attempt + 1, RETRIES, url)
        yield attempt


def is_refusal(status: int) -> bool:
    """Whether a server's status says that further attempts are useless."""
    return status < requests.codes.internal_server_error and status not in RETRYABLE_STATUSES


def not_retrieved(url: str, problem: object) -> OSError:
    """The error of a file that no attempt has retrieved."""
    return OSError(
        f"{url}: cannot be retrieved ({problem}). Without network access, set the key `mirror` to a folder that has "
        f"{mirror_path(url)}, or run `snakemake retrieve` on a machine with network access."
    )


class _Adapter(HTTPAdapter):
    """Keeps a second handle of every socket, by which another thread ends a connection in any phase."""

    def __init__(self) -> None:
        super().__init__()
        self.handles: list[socket.socket] = []

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        handles = self.handles

        class Connection(type(pool).ConnectionCls):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                opened: socket.socket = super()._new_conn()
                handles.append(opened.dup())
                return opened

        pool.ConnectionCls = Connection
        return pool

    def cut(self) -> None:
        """Shut all connections down, so that reading from them ends."""
        for handle in self.handles:
            with suppress(OSError):  # the server may have ended it
                handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        for handle in self.handles:
            handle.close()


class _Session(requests.Session):
    """Requests that do not follow redirects, because ``requests`` reads the bodies of redirects to their end."""

    def resolve_redirects(self, *_args: Any, **_kwargs: Any) -> Iterator[Any]:
        return iter(())


@contextmanager
def opened(
    url: str, headers: Mapping[str, str], deadline: float, arrived: Callable[[], int]
) -> Iterator[requests.Response]:
    """Request an address; redirects are followed.

    Parameters
    ----------
    url
        An ``http`` or ``https`` address. Requests to the Hugging Face hub have the user's login, and go to
        ``HF_ENDPOINT``.
    headers
        Of the request.
    deadline
        The time (``time.monotonic``) at which the transfer ends.
    arrived
        Returns the number of bytes that have been read.

    Yields
    ------
    requests.Response
        Its body has not been read.

    Raises
    ------
    requests.RequestException
        When the transfer breaks, or was cut at the deadline or for bringing fewer than ``CHUNK`` bytes in
        ``STALL_TIMEOUT_S``, counted from the connection on.
    """
    adapter = _Adapter()
    done, reasons = threading.Event(), []

    def watch() -> None:
        last = arrived()
        while not done.wait(max(min(STALL_TIMEOUT_S, deadline - time.monotonic()), 0)):
            if time.monotonic() >= deadline:
                reasons.append(f"it did not arrive within {DEADLINE_S / 3600:g} hours; run again to continue")
            elif arrived() - last < CHUNK:
                reasons.append(f"fewer than {CHUNK} bytes arrived within {STALL_TIMEOUT_S} s")
            last = arrived()
            if reasons:
                while not done.wait(0.1):  # again and again, because a connection may be opened meanwhile
                    adapter.cut()

    watching = threading.Thread(target=watch, daemon=True)
    with _Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        watching.start()
        try:
            with _follow(session, url, headers) as response:
                yield response
        finally:
            done.set()
            watching.join()
            if reasons:
                raise requests.ConnectionError(f"{url}: {reasons[0]}")


def _follow(session: requests.Session, url: str, headers: Mapping[str, str]) -> requests.Response:
    """The response of an address after its redirects, whose bodies are not read."""
    login: Mapping[str, str] = {}
    if url.startswith(f"{HUB}/"):
        from huggingface_hub import constants, get_token

        url = url.replace(HUB, constants.ENDPOINT, 1)
        login = {"Authorization": f"Bearer {token}"} if (token := get_token()) else {}
    origin = urllib.parse.urlsplit(url)[:2]
    for _ in range(MAX_REDIRECTS):
        try:
            own = login if urllib.parse.urlsplit(url)[:2] == origin else {}  # no other host, and not unencrypted
            response = session.get(url, headers={**own, **headers}, stream=True, timeout=TIMEOUT_S)
            target = session.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            url = urllib.parse.urljoin(url, target)
        except requests.RequestException:
            raise
        except ValueError as error:  # of the parsers of addresses
            raise requests.exceptions.InvalidURL(
                f"a redirect leads to an address that is not valid: {error}"
            ) from error
    raise requests.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects")


def content_range(response: requests.Response) -> tuple[int, int, int] | None:
    """First byte, last byte and size of the whole file of a response with a part of it; None for anything else."""
    stated = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", response.headers.get("Content-Range", ""))
    if response.status_code != requests.codes.partial_content or not stated:
        return None
    first, last, size = map(int, stated.groups())
    return (first, last, size) if response.raw.length_remaining in (None, last + 1 - first) else None


def strong_etag(response: requests.Response) -> str | None:
    """The ETag of a response, if it changes with every change of the file."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else None


def read_body(response: requests.Response) -> Iterator[bytes]:
    """The bytes of a response as they were sent, in pieces of at most ``CHUNK`` bytes."""
    response.raw.headers.pop("Content-Encoding", None)  # not unpacked: a hash is that of the file as it is stored
    try:
        yield from response.iter_content(CHUNK)
    except ValueError as error:  # a piece of a length below 0
        raise requests.exceptions.ChunkedEncodingError(f"its server sends damaged pieces: {error}") from error


def wrong_hash(path: Path, item: Mapping[str, Any]) -> str:
    """Why a file is not the stated one; empty if its hash is as stated, or no hash is.

    Parameters
    ----------
    path
        The file.
    item
        Optionally ``sha256`` (the first digits or all) and ``git_sha1``.
    """
    if item.get("sha256") and not (digits := sha256_of(path)).startswith(item["sha256"]):
        return f"has SHA-256 {digits}, expected {item['sha256']}"
    if "git_sha1" in item:
        with path.open("rb") as stream:
            digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)  # Git's own hash of a file
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != item["git_sha1"]:
            return f"has Git's SHA-1 {digest.hexdigest()}, expected {item['git_sha1']}"
    return ""


class _WrongFileError(Exception):
    """The received file is not the stated one, and was deleted."""


class _Transfer:
    """The transfer of a file, which several attempts continue."""

    def __init__(self, url: str, item: Mapping[str, Any], target: Path, max_bytes: int):
        self.url, self.item, self.target, self.max_bytes = url, item, target, max_bytes
        self.partial = target.with_name(f"{target.name}.partial")
        self.note = target.with_name(f"{target.name}.partial.json")  # ETag and size, as the server stated them
        self.has_hash = bool(item.get("sha256") or item.get("git_sha1"))

    def attempt(self, deadline: float) -> None:
        """Fetch the missing bytes, check the file and put it in its place.

        Raises
        ------
        requests.RequestException
            When the transfer breaks; received bytes are kept for the next attempt.
        OSError
            With ``errno.ENOSPC`` when the disk has too little free space.
        _WrongFileError
            When the received file has another hash or an implausible size; it is deleted.
        """
        stated = self._stated()
        have = self.partial.stat().st_size if self.partial.exists() else 0
        if not have or have != stated["bytes"]:
            self._fetch(have, stated, deadline)
        size = self.partial.stat().st_size
        self._check_size(size)
        if "bytes" in self.item and size < self.item["bytes"] / MAX_SIZE_FACTOR:
            self._refuse(f"has {size} bytes, but the registry says about {self.item['bytes']}")
        if problem := wrong_hash(self.partial, self.item):
            self._refuse(problem)
        self.partial.replace(self.target)
        self.note.unlink(missing_ok=True)

    def _stated(self) -> dict[str, Any]:
        """What the server stated of the file to which the received bytes belong."""
        with suppress(OSError, ValueError):
            stated = json.loads(self.note.read_text())
            return {"etag": stated["etag"], "bytes": stated["bytes"]}
        return {"etag": None, "bytes": None}

    def delete(self) -> None:
        """Delete what has been received."""
        self.partial.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _refuse(self, problem: str) -> None:
        self.delete()
        raise _WrongFileError(problem)

    def _check_size(self, size: int) -> None:
        if "bytes" in self.item and size > self.item["bytes"] * MAX_SIZE_FACTOR:
            self._refuse(f"has {size} bytes, but the registry says about {self.item['bytes']}")
        if size > self.max_bytes:
            self._refuse(f"has more than {self.max_bytes} bytes")

    def _check_space(self, missing: int) -> None:
        free = shutil.disk_usage(self.partial.parent).free
        if free < missing:
            raise OSError(
                errno.ENOSPC,
                f"{self.url}: {missing / 1e9:.2f} GB are still missing, but only {free / 1e9:.2f} GB are free in "
                f"{self.partial.parent}; free some space, or move {self.partial.parent} to another disk, and run again",
            )

    def _fetch(self, have: int, stated: Mapping[str, Any], deadline: float) -> None:
        """Append the bytes after the first ``have``, or fetch all of them if the file may be another one."""
        if not (self.has_hash or stated["etag"]):
            have = 0
        headers = dict(UNPACKED)
        if have:
            headers["Range"] = f"bytes={have}-"
            headers |= {"If-Range": stated["etag"]} if stated["etag"] else {}
        arrived = 0
        with opened(self.url, headers, deadline, lambda: arrived) as response:
            if have and self.has_hash and response.status_code == requests.codes.requested_range_not_satisfiable:
                logger.info("%s: nothing left to fetch after %d bytes", self.url, have)  # the hash decides
                return
            size = self._size(response, have, stated)
            if response.status_code == requests.codes.ok:
                have = 0
                self.delete()
                self.partial.touch()
                self.note.write_text(json.dumps({"etag": strong_etag(response), "bytes": size}))
            self._check_size(size or 0)
            self._check_space(size - have if size else self.item.get("bytes", MIN_FREE_BYTES) - have)
            name = urllib.parse.urlsplit(self.url).path.rsplit("/", 1)[-1]
            with (
                self.partial.open("ab") as stream,
                tqdm(total=size, initial=have, unit="B", unit_scale=True, desc=name, mininterval=1) as bar,
            ):
                checked = 0
                for chunk in read_body(response):
                    arrived += stream.write(chunk)
                    bar.update(len(chunk))
                    self._check_size(have + arrived)
                    if arrived - checked >= SPACE_CHECK_BYTES:
                        checked = arrived
                        self._check_space(size - have - arrived if size else MIN_FREE_BYTES)
        if size is not None and have + arrived < size:
            raise requests.ConnectionError(f"{self.url}: {have + arrived} of {size} bytes arrived")

    def _size(self, response: requests.Response, have: int, stated: Mapping[str, Any]) -> int | None:
        """The size of the file that a response sends as a whole, or from byte ``have`` on; None if it is unknown."""
        part = content_range(response)
        if (
            have
            and part
            and part[:2] == (have, part[2] - 1)
            and stated["bytes"] in (None, part[2])
            and stated["etag"] in (None, strong_etag(response))
        ):
            return part[2]
        unsatisfiable = requests.codes.requested_range_not_satisfiable
        if have and response.status_code in (requests.codes.partial_content, unsatisfiable):
            self.delete()
            raise requests.ConnectionError(f"{self.url}: the file has changed since its first part was sent")
        if self.url.startswith(HUB) and response.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
            advice = "accept its terms on its page, and log in with `hf auth login`"
            raise requests.HTTPError(f"status {response.status_code}: {advice}", response=response)
        response.raise_for_status()
        if response.status_code != requests.codes.ok:
            raise requests.HTTPError(f"status {response.status_code} without the file", response=response)
        if not self.has_hash and response.headers.get("Content-Encoding", "identity") != "identity":
            raise requests.exceptions.InvalidHeader("its server packs the file, whose hash is not known")
        size: int | None = response.raw.length_remaining
        if size is None and not response.raw.chunked and not self.has_hash:
            raise requests.exceptions.InvalidHeader(
                "its server states no length, so a file without a known hash could be cut off unnoticed"
            )
        return size


def download(url: str, store: Path, item: Mapping[str, Any], max_bytes: int = MAX_BYTES) -> Path:
    """Fetch an address into the store; broken transfers are resumed and retried.

    Other processes that need the same file wait until it is there.

    Parameters
    ----------
    url
        An ``http`` or ``https`` address.
    store
        Folder of downloads, named by the given digits of their hash or by their address. It is created.
    item
        Optionally ``sha256`` (all 64 digits of the expected hash, or the first ones if the publisher gives no more) or
        ``git_sha1``, and ``bytes``, the approximate size. The caller must not trust a file without a hash.
    max_bytes
        Maximum size of the file.

    Returns
    -------
    Path
        The file in the store.

    Raises
    ------
    OSError
        When the file cannot be retrieved after several attempts, is too large, or has another hash; a wrong file is
        deleted.
    """
    store.mkdir(parents=True, exist_ok=True)
    target = store / (item.get("sha256") or item.get("git_sha1") or unverified_file_name(url))
    with filelock.FileLock(store / f"{target.name}.lock"):
        if target.exists():
            if not wrong_hash(target, item):
                return target
            logger.warning("%s is damaged; fetching it again", target)
            target.unlink()
        return _download(url, _Transfer(url, item, target, max_bytes))


def _download(url: str, transfer: _Transfer) -> Path:
    problem: Exception | None = None
    deadline = time.monotonic() + DEADLINE_S
    for _ in attempts(url, deadline):
        resumed = transfer.partial.exists()
        try:
            transfer.attempt(deadline)
            return transfer.target
        except _WrongFileError as error:
            if not resumed:  # otherwise, the part left by an earlier attempt may have been wrong
                raise OSError(
                    f"{url}: the received file {error}. It was deleted. It was changed or damaged on its way, or its "
                    "publisher has changed it: then check the new file and change its entry in the registry"
                ) from error
            problem = error
        except (
            requests.exceptions.InvalidSchema,  # such as a redirect to file://
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidHeader,
            requests.TooManyRedirects,
        ) as error:
            problem = error
            break
        except requests.HTTPError as error:
            problem = error
            if is_refusal(error.response.status_code):
                break
        except (requests.RequestException, OSError) as error:
            problem = error
            if error.errno == errno.ENOSPC:
                raise
    raise not_retrieved(url, problem) from problem
