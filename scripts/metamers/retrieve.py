"""Files from outside: out of an installed package, an address or an archive with its SHA-256, or a mirror folder.

One mechanism for data and weights. Whatever arrives stays in a store under its hash, so that a broken transfer goes on
where it stopped and nothing is fetched twice; a collection of files is then laid out as a folder, whole or not at
all. What the files mean is left to the steps that read them.
"""

import errno
import hashlib
import logging
import os
import shutil
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import pooch
import requests
from tqdm import tqdm

from metamers.archives import take_file, take_folder
from metamers.files import replace_whole
from metamers.hashes import sha256_of
from metamers.packages import package_file

logger = logging.getLogger("metamers")

RETRIES = 5
# What a server may say that a later try can change: too slow, too many requests.
PASSING = (requests.codes.request_timeout, requests.codes.too_many_requests)
TIMEOUT_S = 30
CHUNK = 1 << 16  # what is lost of a transfer that breaks
PATIENCE_S = 60  # in which a chunk must arrive, else the transfer counts as broken
ROOM_CHECKED = 1 << 26  # bytes, after each of which there must still be room
ROOM_LEFT = 1 << 28  # bytes, of a disk, that a transfer of unknown length must leave
PLAUSIBLE = 2  # a file has neither more than this many times the bytes that the registry says, nor so many times fewer


def mirror_path(url: str) -> str:
    """Where an address lies in a mirror folder: ``<host>/<path>``."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.netloc}{parts.path}"


class ResumingDownloader:
    """A downloader for pooch that goes on where a broken transfer stopped and shows its progress.

    Parameters
    ----------
    partial
        Where the bytes that have arrived are kept between tries.
    sha256
        The first digits of the right file's hash, as many as are known.
    size
        About how many bytes the file has, or None.
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
            When the transfer breaks; what has arrived stays for the next try.
        OSError
            With ``errno.ENOSPC`` when there is no room for it.
        ValueError
            When what arrives has another hash or a size that cannot be right; nothing is kept.
        """
        have = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if have and response.status_code == requests.codes.requested_range_not_satisfiable:
                # All bytes are here already, or more than there are: the hash decides.
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
        if wanted and not wanted / PLAUSIBLE <= arrived <= wanted * PLAUSIBLE:
            self.partial.unlink(missing_ok=True)
            raise ValueError(f"{url} has {arrived} bytes, but the registry says about {wanted}")

    def _check_room(self, url: str, missing: int) -> None:
        free = shutil.disk_usage(self.partial.parent).free
        if free < missing:
            raise OSError(
                errno.ENOSPC,
                f"{url}: {missing / 1e9:.2f} GB are still to come, but {self.partial.parent} has room for "
                f"{free / 1e9:.2f} GB; make room, or put {self.partial.parent} elsewhere, and run again",
            )

    def _append(self, response: requests.Response, url: str, have: int) -> None:
        length = response.headers.get("Content-Length")
        plain = "Content-Encoding" not in response.headers
        total = have + int(length) if length and plain else None
        if total is not None:
            self._check_size(total, url, self.size)
        self._check_room(url, (total or self.size or 0) - have)
        name = urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]
        with (
            self.partial.open("ab" if have else "wb") as stream,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=name, mininterval=1) as bar,
            _broken_where_slow(response, url, stream),
        ):
            arrived = checked = have
            for chunk in response.iter_content(CHUNK):
                arrived += stream.write(chunk)
                bar.update(len(chunk))
                if self.size and arrived > self.size * PLAUSIBLE:
                    break  # the check of the whole tells
                if arrived - checked >= ROOM_CHECKED:
                    checked = arrived
                    self._check_room(url, total - arrived if total else ROOM_LEFT)
        arrived = self.partial.stat().st_size
        if total is not None and arrived < total:
            raise requests.ConnectionError(f"{url}: {arrived} of {total} bytes arrived")


@contextmanager
def _broken_where_slow(response: requests.Response, url: str, written: BinaryIO) -> Iterator[None]:
    """End a transfer of which too little arrives, as a server that sends a byte now and then is never timed out.

    Raises
    ------
    requests.ConnectionError
        When it was ended.
    """
    done, slow = threading.Event(), threading.Event()

    def watch() -> None:
        last = written.tell()
        while not done.wait(PATIENCE_S):
            if written.tell() == last:
                slow.set()
                response.raw.shutdown()  # what reads from it then finds its end
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
            raise requests.ConnectionError(f"{url}: not even {CHUNK} bytes arrived within {PATIENCE_S} s")


def download(url: str, sha256: str, store: Path, size: int | None = None) -> Path:
    """Fetch an address into the store, resuming and retrying; whoever wants the same file at the same time waits.

    Parameters
    ----------
    url
        ``http`` or ``https``.
    sha256
        The hexadecimal digits of the right file's hash: all 64, or as many of the first as its publisher gives. Empty
        for a file whose hash nobody has published, which must not be used before somebody has vouched for it.
    store
        Folder of files named by their hash as far as it was given, or by their address.
    size
        About how many bytes the file has, or None.

    Raises
    ------
    OSError
        When the file cannot be had (after retries) or is not what its hash says; nothing wrong is left behind.
    """
    name = sha256 or unverified_name(url)
    with filelock.FileLock(store / f"{name}.lock"):
        return _download(url, sha256, store / name, size)


def unverified_name(url: str) -> str:
    """Under which a file without a known hash lies in the store."""
    return f"unverified-{hashlib.sha256(url.encode()).hexdigest()}"


def _download(url: str, sha256: str, target: Path, size: int | None) -> Path:
    if target.exists() and not sha256_of(target).startswith(sha256):
        logger.warning("%s is damaged; fetching it again", target)
        target.unlink()
    partial = target.with_name(f"{target.name}.partial")
    problem: Exception | None = None
    for attempt in range(RETRIES):
        if attempt:
            time.sleep(min(2**attempt, 20))
            logger.info("trying again (%d of %d): %s", attempt + 1, RETRIES, url)
        resumed = partial.exists()
        try:
            # The downloader compares the hash, of which pooch takes all digits or none.
            downloader = ResumingDownloader(partial, sha256, size)
            pooch.retrieve(url, None, target.name, target.parent, downloader=downloader)
            return target
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:  # as a redirect to a file
            problem = error
            break
        except ValueError as error:  # another file, unless only what an earlier try left of it was
            problem = error
            if not resumed:
                break
        except requests.HTTPError as error:
            problem = error
            status = error.response.status_code
            if status < requests.codes.internal_server_error and status not in PASSING:
                break
        except (requests.RequestException, OSError) as error:
            problem = error
            if error.errno == errno.ENOSPC:
                raise
    if isinstance(problem, ValueError) and not isinstance(problem, requests.RequestException):
        wanted = f"does not have SHA-256 {sha256}" if sha256 else "cannot be the file"
        raise OSError(
            f"{url}: what arrives {wanted}. Nothing was kept. If the file was changed on "
            f"purpose, check it and change its entry in the registry. ({problem})"
        ) from problem
    raise OSError(
        f"{url}: cannot be retrieved ({problem}). Without network, set the key `mirror` to a folder that has "
        f"{mirror_path(url)}, or run `snakemake retrieve` where there is one."
    ) from problem


def from_mirror(url: str, mirror: Path) -> Path:
    """The file of an address in a mirror folder.

    Raises
    ------
    FileNotFoundError
        When the folder or the file is missing.
    """
    if not mirror.is_dir():
        raise FileNotFoundError(f"mirror: there is no folder {mirror}; set the key `mirror` to a folder or to null")
    path = mirror / mirror_path(url)
    if not path.is_file():
        raise FileNotFoundError(
            f"mirror: {mirror} lacks {mirror_path(url)}. Put the file there, or set the key `mirror` to null to fetch "
            f"{url}"
        )
    return path


def obtain(item: Mapping[str, Any], store: Path, mirror: Path | None) -> Path:
    """The path of one file, its hash checked.

    Parameters
    ----------
    item
        Either ``package`` and ``file``, or ``url``; ``sha256`` (all its digits or the first), which only a package's
        file may lack; ``bytes``, about how many, where that is known.
    store
        Where downloads are kept.
    mirror
        Folder that stands for the network, or None.

    Raises
    ------
    OSError
        When the file is missing, cannot be had, or has another hash.
    """
    if "package" in item:
        path, place = package_file(item["package"], item["file"]), f"package {item['package']}: {item['file']}"
    elif mirror is not None:
        path, place = from_mirror(item["url"], mirror), f"mirror: {mirror / mirror_path(item['url'])}"
    else:
        return download(item["url"], item["sha256"], store, item.get("bytes"))
    _check_hash(path, item, place)
    return path


def _check_hash(path: Path, item: Mapping[str, Any], place: str) -> None:
    if "sha256" in item and not (found := sha256_of(path)).startswith(item["sha256"]):
        raise OSError(f"{place} has SHA-256 {found}, but the registry says {item['sha256']}: it is another file")


def retrieve_archive(name: str, entry: Mapping[str, Any], target: Path, store: Path, mirror: Path | None) -> None:
    """Put a file of the registry of archives in its place, once somebody has vouched for it.

    A file whose SHA-256 the registry does not have is fetched, so that it can be told, and stays in the store; when
    the SHA-256 is there, it is not fetched again.

    Parameters
    ----------
    name, entry
        The registry's name, and ``url``, ``sha256`` (or None) and ``bytes`` (or missing).
    target
        Where the file is wanted.
    store, mirror
        As for ``obtain``.

    Raises
    ------
    OSError
        When the file cannot be had, has another hash, or its hash is not in the registry yet: then with its hash.
    """
    store.mkdir(parents=True, exist_ok=True)
    unverified = store / unverified_name(entry["url"])
    if entry["sha256"] is None:
        if mirror is not None:
            path = from_mirror(entry["url"], mirror)
        else:
            path = download(entry["url"], "", store, entry.get("bytes"))
        raise OSError(
            f"archives: {name}: nobody has published the SHA-256 of {entry['url']}, so this workflow does not use it "
            f"before you say that it is the right file. What was found, {path}, has {path.stat().st_size} bytes and "
            f"SHA-256 {sha256_of(path)}. If you trust it, write that as `sha256` of {name} into the registry of "
            "archives (config/archives.yaml) and run again; nothing will be fetched twice."
        )
    if unverified.exists() and mirror is None:
        if (found := sha256_of(unverified)).startswith(entry["sha256"]):
            unverified.replace(store / entry["sha256"])
        else:
            logger.warning("%s: what was fetched before has another SHA-256, %s; fetching it again", name, found)
            unverified.unlink()
    path = obtain(entry, store, mirror)
    replace_whole(target, lambda partial: _lay_out(path, partial, store))


def retrieve(items: Sequence[Mapping[str, Any]], folder: Path, store: Path, mirror: Path | None = None) -> None:
    """Make a folder that holds all files of a collection, or nothing.

    Parameters
    ----------
    items
        ``name``, the file's path within the folder, and what ``obtain`` takes; or ``name``, ``archive`` (a tar that is
        here already) and ``file``, its member (without it the archive is the file), with ``sha256`` where it is known;
        or ``archive`` and ``folder``, of which all files are wanted.
    folder
        Made here; it must not exist with other content.
    store, mirror
        As for ``obtain``.

    Raises
    ------
    OSError
        When a file cannot be had; the folder is not made then.
    """
    store.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for item in tqdm(items, desc=folder.name, unit="file", mininterval=1, disable=len(items) < 2):
            if "folder" in item:
                take_folder(Path(item["archive"]), item["folder"], partial)
                continue
            target = partial / item["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if "archive" in item:
                archive = Path(item["archive"])
                if "file" in item:
                    take_file(archive, item["file"], target)
                else:
                    _lay_out(archive, target, archive.parent)
                _check_hash(target, item, f"{archive}: {item.get('file', item['name'])}")
            else:
                _lay_out(obtain(item, store, mirror), target, store)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _lay_out(source: Path, target: Path, store: Path) -> None:
    """Put a file in its place: one of the store as a link, which takes no room twice, any other as a copy."""
    if source.parent == store:
        try:
            target.hardlink_to(source)
        except OSError:  # a file system without links
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)
