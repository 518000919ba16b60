"""Retrieve data and weights from installed packages, addresses, archives or a mirror folder, and check their SHA-256.

Published weights are fetched by the clients of their publishers: ``huggingface_hub`` and ``torch.hub``.

Downloads are kept in a store under their hash, so that a broken transfer continues where it stopped and no file is
fetched twice. A collection of files is then put into a folder atomically: the folder is complete or absent.
"""

import errno
import hashlib
import logging
import os
import shutil
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import pooch
import requests
from tqdm import tqdm

from metamers.config.model_lock import locked_part, read_lock, update_lock
from metamers.foreign.archives import extract_file, extract_folder
from metamers.run.files import write_atomically
from metamers.run.hashes import sha256_of
from metamers.run.packages import package_file

logger = logging.getLogger("metamers")

RETRIES = 5
# Errors of a server that may be gone at the next attempt: timeout, too many requests.
RETRYABLE_STATUSES = (requests.codes.request_timeout, requests.codes.too_many_requests)
TIMEOUT_S = 30
CHUNK = 1 << 16  # bytes that a broken transfer may lose
STALL_TIMEOUT_S = 60  # without a new chunk for so long, the transfer counts as broken
SPACE_CHECK_BYTES = 1 << 26  # between two checks of the free space
MIN_FREE_BYTES = 1 << 28  # free space that a transfer of unknown length must leave
WRONG_FILES = 2  # a transfer with another hash than stated is repeated once, because it may have been broken
MAX_SIZE_FACTOR = 2  # maximum ratio between a file's size and the size in the registry, in both directions


def mirror_path(url: str) -> str:
    """Return the path of an address in a mirror folder: ``<host>/<path>``."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.netloc}{parts.path}"


def hub_url(repository: str, revision: str, file: str) -> str:
    """Return the address of a file of a repository of the Hugging Face hub."""
    return f"https://huggingface.co/{repository}/resolve/{revision}/{file}"


class ResumingDownloader:
    """A downloader for pooch that continues a broken transfer and shows its progress.

    Parameters
    ----------
    partial
        File for the received bytes, kept between attempts.
    sha256
        The first digits of the expected hash, as many as are known.
    size
        Approximate size in bytes, or None.
    """

    def __init__(self, partial: Path, sha256: str, size: int | None):
        self.partial = partial
        self.sha256 = sha256
        self.size = size

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Fetch ``url`` into ``output_file``.

        Raises
        ------
        requests.RequestException
            When the transfer breaks; received bytes are kept for the next attempt.
        OSError
            With ``errno.ENOSPC`` when the disk has too little free space.
        ValueError
            When the received file has another hash or an implausible size; it is deleted.
        """
        have = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if have and response.status_code == requests.codes.requested_range_not_satisfiable:
                # All bytes, or too many, have been received already: the hash decides.
                logger.info("%s: nothing left to fetch after %d bytes", url, have)
            else:
                response.raise_for_status()
                if response.status_code != requests.codes.partial_content:
                    have = 0
                self._append(response, url, have)
        self._check_size(self.partial.stat().st_size, url, self.size)
        if self.sha256 and not (found := sha256_of(self.partial)).startswith(self.sha256):
            self.partial.unlink()
            raise ValueError(f"found {found}")
        shutil.move(self.partial, output_file)

    def _check_size(self, arrived: int, url: str, wanted: int | None) -> None:
        if wanted and not wanted / MAX_SIZE_FACTOR <= arrived <= wanted * MAX_SIZE_FACTOR:
            self.partial.unlink(missing_ok=True)
            raise ValueError(f"{url} has {arrived} bytes, but the registry says about {wanted}")

    def _check_space(self, url: str, missing: int) -> None:
        free = shutil.disk_usage(self.partial.parent).free
        if free < missing:
            raise OSError(
                errno.ENOSPC,
                f"{url}: {missing / 1e9:.2f} GB are still missing, but only {free / 1e9:.2f} GB are free in "
                f"{self.partial.parent}; free some space, or move {self.partial.parent} to another disk, and run again",
            )

    def _append(self, response: requests.Response, url: str, have: int) -> None:
        length = response.headers.get("Content-Length")
        plain = "Content-Encoding" not in response.headers
        total = have + int(length) if length and plain else None
        if total is not None:
            self._check_size(total, url, self.size)
        self._check_space(url, (total or self.size or 0) - have)
        name = urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]
        with (
            self.partial.open("ab" if have else "wb") as stream,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=name, mininterval=1) as bar,
            _abort_stalled(response, url, stream),
        ):
            arrived = checked = have
            for chunk in response.iter_content(CHUNK):
                arrived += stream.write(chunk)
                bar.update(len(chunk))
                if self.size and arrived > self.size * MAX_SIZE_FACTOR:
                    break  # the check of the whole file reports it
                if arrived - checked >= SPACE_CHECK_BYTES:
                    checked = arrived
                    self._check_space(url, total - arrived if total else MIN_FREE_BYTES)
        arrived = self.partial.stat().st_size
        if total is not None and arrived < total:
            raise requests.ConnectionError(f"{url}: {arrived} of {total} bytes arrived")


@contextmanager
def _abort_stalled(response: requests.Response, url: str, written: BinaryIO) -> Iterator[None]:
    """Abort a stalled transfer: a server that sends a byte now and then never runs into the timeout of requests.

    Raises
    ------
    requests.ConnectionError
        When the transfer was aborted.
    """
    done, slow = threading.Event(), threading.Event()

    def watch() -> None:
        last = written.tell()
        while not done.wait(STALL_TIMEOUT_S):
            if written.tell() == last:
                slow.set()
                response.raw.shutdown()  # the reader then finds the end of the stream
                return
            last = written.tell()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()
        if slow.is_set():
            raise requests.ConnectionError(f"{url}: fewer than {CHUNK} bytes arrived within {STALL_TIMEOUT_S} s")


def download(url: str, sha256: str, store: Path, size: int | None = None) -> Path:
    """Fetch an address into the store; broken transfers are resumed and retried.

    Other processes that need the same file wait until it is there.

    Parameters
    ----------
    url
        An ``http`` or ``https`` address.
    sha256
        Hexadecimal digits of the expected hash: all 64, or the first ones if the publisher gives no more. Empty for a
        file without a published hash, which must not be used before the user has confirmed its hash.
    store
        Folder of downloads, named by the given digits of their hash or by their address.
    size
        Approximate size in bytes, or None.

    Returns
    -------
    Path
        The file in the store.

    Raises
    ------
    OSError
        When the file cannot be retrieved after several attempts, or has another hash; a wrong file is deleted.
    """
    name = sha256 or unverified_file_name(url)
    with filelock.FileLock(store / f"{name}.lock"):
        return _download(url, sha256, store / name, size)


def unverified_file_name(url: str) -> str:
    """Return the name in the store of a file without a known hash."""
    return f"unverified-{hashlib.sha256(url.encode()).hexdigest()}"


def attempts(url: str) -> Iterator[int]:
    """Count the attempts to retrieve a file, with a growing pause before each further one."""
    for attempt in range(RETRIES):
        if attempt:
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


def _download(url: str, sha256: str, target: Path, size: int | None) -> Path:
    if target.exists() and not sha256_of(target).startswith(sha256):
        logger.warning("%s is damaged; fetching it again", target)
        target.unlink()
    partial = target.with_name(f"{target.name}.partial")
    problem: Exception | None = None
    for _ in attempts(url):
        resumed = partial.exists()
        try:
            # The downloader checks the hash, because pooch accepts all its digits or none.
            downloader = ResumingDownloader(partial, sha256, size)
            pooch.retrieve(url, None, target.name, target.parent, downloader=downloader)
            return target
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:  # e.g. redirect to file://
            problem = error
            break
        except ValueError as error:  # a wrong file, unless the part left by an earlier attempt was wrong
            problem = error
            if not resumed:
                break
        except requests.HTTPError as error:
            problem = error
            if is_refusal(error.response.status_code):
                break
        except (requests.RequestException, OSError) as error:
            problem = error
            if error.errno == errno.ENOSPC:
                raise
    if isinstance(problem, ValueError) and not isinstance(problem, requests.RequestException):
        wanted = f"does not have SHA-256 {sha256}" if sha256 else "has an implausible size"
        raise OSError(
            f"{url}: the received file {wanted} and was deleted. If its publisher has changed the file, check the new "
            f"file and change its entry in the registry. ({problem})"
        ) from problem
    raise not_retrieved(url, problem) from problem


def from_mirror(url: str, mirror: Path) -> Path:
    """Return the path of an address's file in a mirror folder.

    Raises
    ------
    FileNotFoundError
        When the folder or the file is missing.
    """
    if not mirror.is_dir():
        raise FileNotFoundError(f"mirror: {mirror} is not a folder; set the key `mirror` to a folder or to null")
    path = mirror / mirror_path(url)
    if not path.is_file():
        raise FileNotFoundError(
            f"mirror: {mirror} lacks {mirror_path(url)}. Put the file there, or set the key `mirror` to null to fetch "
            f"{url}"
        )
    return path


def fetch_from_hub(item: Mapping[str, Any], store: Path) -> Path:
    """Fetch a file of the Hugging Face hub by the hub's own client, which continues a broken transfer.

    Parameters
    ----------
    item
        ``hub`` (the repository), ``revision`` (a commit), ``file``, and ``sha256`` or ``git_sha1`` if the hub states
        them.
    store
        Folder of downloads.

    Returns
    -------
    Path
        The file in the store.

    Raises
    ------
    OSError
        When the file cannot be retrieved after several attempts, or has another hash; a wrong file is deleted.
    """
    import huggingface_hub

    def fetch(anew: bool) -> Path:
        found = huggingface_hub.hf_hub_download(
            item["hub"],
            item["file"],
            revision=item["revision"],
            cache_dir=store / "hub",
            force_download=anew,
            library_name="metamers",
        )
        return Path(found).resolve()  # the client gives a link to the content, which has no suffix

    return _fetch_by_client(fetch, item, hub_url(item["hub"], item["revision"], item["file"]))


def fetch_by_torch_hub(item: Mapping[str, Any], store: Path) -> Path:
    """Fetch published weights from their address by ``torch.hub``, which checks the hash that the address states.

    Without such a hash, ``download`` fetches the file, because ``torch.hub`` does not notice that a transfer broke off.

    Parameters
    ----------
    item
        ``url``, and ``sha256`` (the first digits or all) if the address states them.
    store
        Folder of downloads.

    Raises
    ------
    OSError
        As ``fetch_from_hub``.
    """
    if "sha256" not in item:
        return download(item["url"], "", store)
    import torch

    target = store / item["sha256"]

    def fetch(anew: bool) -> Path:
        if anew or not target.exists():
            torch.hub.download_url_to_file(item["url"], str(target), item["sha256"], progress=True)
        return target

    timeout_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)  # the client waits for ever otherwise
    try:
        with filelock.FileLock(store / f"{target.name}.lock"):
            return _fetch_by_client(fetch, item, item["url"])
    finally:
        socket.setdefaulttimeout(timeout_s)


def _fetch_by_client(fetch: Callable[[bool], Path], item: Mapping[str, Any], url: str) -> Path:
    """Call ``fetch`` (which is told whether to fetch a file anew) until the file has the stated hash."""
    wrong, problem, anew = 0, "", False
    for _ in attempts(url):
        try:
            path = fetch(anew)
            if not (problem := _wrong_hash(path, item)):
                return path
            path.unlink()
        # The clients raise many kinds of errors for a broken transfer, torch.hub a RuntimeError for a wrong hash.
        except Exception as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise
            problem = str(error).splitlines()[0] if str(error) else type(error).__name__
            status = getattr(getattr(error, "response", None), "status_code", getattr(error, "code", None))
            if isinstance(status, int) and is_refusal(status):
                break
            if not (isinstance(error, RuntimeError) and "invalid hash value" in problem):
                continue
        anew = True
        if (wrong := wrong + 1) == WRONG_FILES:
            raise OSError(
                f"{url}: the received file has another hash than its publisher states ({problem}) and was deleted. It "
                "was changed or damaged on its way, or its publisher has changed it"
            )
    raise not_retrieved(url, problem)


def _wrong_hash(path: Path, item: Mapping[str, Any]) -> str:
    """Why a file is not the stated one; empty if its hash is as stated, or no hash is."""
    if "sha256" in item and not (found := sha256_of(path)).startswith(item["sha256"]):
        return f"expected SHA-256 {item['sha256']}, found {found}"
    if "git_sha1" in item:
        with path.open("rb") as stream:
            digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)  # Git's own hash of a file
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != item["git_sha1"]:
            return f"expected Git's SHA-1 {item['git_sha1']}, found {digest.hexdigest()}"
    return ""


def obtain(item: Mapping[str, Any], store: Path, mirror: Path | None) -> Path:
    """Return the path of one file after checking its hash.

    Parameters
    ----------
    item
        Either ``package`` and ``file``, or ``url``; ``sha256`` (all digits or the first ones), which only the file of a
        package may lack; optionally ``bytes``, the approximate size. Or published weights: ``url``, or ``hub``,
        ``revision`` and ``file``; ``sha256`` or ``git_sha1`` if the publisher states them; and ``lock`` (``path``,
        ``model``, ``source``), where the hash of the received file is kept.
    store
        Folder of downloads.
    mirror
        Folder to use instead of the network, or None.

    Raises
    ------
    OSError
        When the file is missing, cannot be retrieved, or has another hash.
    """
    url = hub_url(item["hub"], item["revision"], item["file"]) if "hub" in item else item.get("url", "")
    if "package" in item:
        path, place = package_file(item["package"], item["file"]), f"package {item['package']}: {item['file']}"
    elif mirror is not None:
        path, place = from_mirror(url, mirror), f"mirror: {mirror / mirror_path(url)}"
    elif "hub" in item:
        path, place = fetch_from_hub(item, store), url
    elif "lock" in item:
        path, place = fetch_by_torch_hub(item, store), url
    else:
        return download(item["url"], item["sha256"], store, item.get("bytes"))
    if "lock" in item:
        check_published(path, item, place)
        _record_received(path, item["lock"])
    else:
        _check_hash(path, item, place)
    return path


def _check_hash(path: Path, item: Mapping[str, Any], place: str) -> None:
    if "sha256" in item and not (found := sha256_of(path)).startswith(item["sha256"]):
        raise OSError(f"{place} has SHA-256 {found}, but the registry says {item['sha256']}: it is a different file")


def check_published(path: Path, item: Mapping[str, Any], place: str) -> None:
    """Check published weights: the hash that the publisher states, and the one that the lock file has from before.

    Parameters
    ----------
    path
        The file.
    item
        As for ``obtain``, with ``lock``.
    place
        Where the file is from, for messages.

    Raises
    ------
    OSError
        When the file has another hash.
    """
    if problem := _wrong_hash(path, item):
        raise OSError(f"{place} is not the file that its publisher states: {problem}")
    lock = item["lock"]
    received = _locked_weights(lock).get("received_sha256")
    if received and (found := sha256_of(path)) != received:
        raise OSError(
            f"{place} has SHA-256 {found}, but {lock['path']} has {received} from an earlier retrieval of the weights "
            f"of {lock['model']}. If you trust the new file, delete `weights` of {lock['model']} there and run again"
        )


def _locked_weights(lock: Mapping[str, Any]) -> dict[str, Any]:
    return locked_part(read_lock(lock["path"]), lock["model"], lock["source"], "weights") or {}


def _record_received(path: Path, lock: Mapping[str, Any]) -> None:
    """Write the hash of a received file to the lock file, if the file has none."""
    weights = _locked_weights(lock)
    if weights and "received_sha256" not in weights:
        value = weights | {"received_sha256": sha256_of(path)}
        update_lock(lock["path"], lock["model"], lock["source"], "weights", value)


def retrieve_archive(name: str, entry: Mapping[str, Any], target: Path, store: Path, mirror: Path | None) -> None:
    """Retrieve a file of the registry of archives, if its SHA-256 is in the registry.

    A file without SHA-256 in the registry is fetched too, so that the error can report its hash. It stays in the store,
    and is not fetched again once the user has added the hash.

    Parameters
    ----------
    name, entry
        Name of the archive, and its entry: ``url``, ``sha256`` (or None) and optionally ``bytes``.
    target
        The file to write.
    store, mirror
        As for ``obtain``.

    Raises
    ------
    OSError
        When the file cannot be retrieved, has another hash, or the registry has no hash of it; the message then
        contains the hash.
    """
    store.mkdir(parents=True, exist_ok=True)
    unverified = store / unverified_file_name(entry["url"])
    if entry["sha256"] is None:
        if mirror is not None:
            path = from_mirror(entry["url"], mirror)
        else:
            path = download(entry["url"], "", store, entry.get("bytes"))
        raise OSError(
            f"archives: {name}: the publisher of {entry['url']} gives no SHA-256, so the workflow does not use the "
            f"file until you confirm it. The retrieved file, {path}, has {path.stat().st_size} bytes and SHA-256 "
            f"{sha256_of(path)}. If you trust it, add this hash as `sha256` of {name} to the registry of archives "
            "(config/archives.yaml) and run again; the file will not be fetched twice."
        )
    if unverified.exists() and mirror is None:
        if (found := sha256_of(unverified)).startswith(entry["sha256"]):
            unverified.replace(store / entry["sha256"])
        else:
            logger.warning("%s: the file fetched before has another SHA-256, %s; fetching it again", name, found)
            unverified.unlink()
    path = obtain(entry, store, mirror)
    write_atomically(target, lambda partial: _link_or_copy(path, partial, store))


def retrieve(items: Sequence[Mapping[str, Any]], folder: Path, store: Path, mirror: Path | None = None) -> None:
    """Retrieve a collection of files into a folder, which is complete or absent afterwards.

    Parameters
    ----------
    items
        For each file ``name``, its path within the folder, and the keys of ``obtain``; or ``name``, ``archive`` (a
        local tar archive), ``file`` (a member; without it the file is the archive itself) and optionally ``sha256``;
        or ``archive`` and ``folder``, whose files are all extracted.
    folder
        The folder to create; existing content is replaced.
    store, mirror
        As for ``obtain``.

    Raises
    ------
    OSError
        When a file cannot be retrieved; the folder is then not created.
    """
    store.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for item in tqdm(items, desc=folder.name, unit="file", mininterval=1, disable=len(items) < 2):
            if "folder" in item:
                extract_folder(Path(item["archive"]), item["folder"], partial)
                continue
            target = partial / item["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if "archive" in item:
                archive = Path(item["archive"])
                if "file" in item:
                    extract_file(archive, item["file"], target)
                else:
                    _link_or_copy(archive, target, archive.parent)
                _check_hash(target, item, f"{archive}: {item.get('file', item['name'])}")
            else:
                _link_or_copy(obtain(item, store, mirror), target, store)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _link_or_copy(source: Path, target: Path, store: Path) -> None:
    """Create a file as a hard link if the source is in the store, which saves space, otherwise as a copy."""
    if store.resolve() in source.resolve().parents:
        try:
            target.hardlink_to(source)
        except OSError:  # a file system without links
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)
