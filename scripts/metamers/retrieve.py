"""Files from outside: out of an installed package, from an address with its SHA-256, or from a mirror folder.

One mechanism for data and weights. Whatever arrives stays in a store under its hash, so that a broken transfer goes on
where it stopped and nothing is fetched twice; a collection of files is then laid out as a folder, whole or not at
all. What the files mean is left to the steps that read them.
"""

import logging
import os
import shutil
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path

import filelock
import pooch
import requests
from tqdm import tqdm

from metamers.hashes import sha256_of
from metamers.packages import package_file

logger = logging.getLogger("metamers")

RETRIES = 5
# What a server may say that a later try can change: too slow, too many requests.
PASSING = (requests.codes.request_timeout, requests.codes.too_many_requests)
TIMEOUT_S = 30
CHUNK = 1 << 16  # what is lost of a transfer that breaks


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
    """

    def __init__(self, partial: Path):
        self.partial = partial

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Fetch ``url`` into ``output_file``; raises ``requests.RequestException`` when the transfer breaks."""
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
        shutil.move(self.partial, output_file)

    def _append(self, response: requests.Response, url: str, have: int) -> None:
        length = response.headers.get("Content-Length")
        plain = "Content-Encoding" not in response.headers
        total = have + int(length) if length and plain else None
        name = urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]
        with (
            self.partial.open("ab" if have else "wb") as stream,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=name, mininterval=1) as bar,
        ):
            for chunk in response.iter_content(CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
        arrived = self.partial.stat().st_size
        if total is not None and arrived < total:
            raise requests.ConnectionError(f"{url}: {arrived} of {total} bytes arrived")


def download(url: str, sha256: str, store: Path) -> Path:
    """Fetch an address into the store, resuming and retrying; whoever wants the same file at the same time waits.

    Parameters
    ----------
    url
        ``http`` or ``https``.
    sha256
        The 64 hexadecimal digits of the right file's hash.
    store
        Folder of files named by their hash.

    Raises
    ------
    OSError
        When the file cannot be had (after retries) or is not what its hash says; nothing wrong is left behind.
    """
    with filelock.FileLock(store / f"{sha256}.lock"):
        return _download(url, sha256, store)


def _download(url: str, sha256: str, store: Path) -> Path:
    target = store / sha256
    partial = store / f"{sha256}.partial"
    problem: Exception | None = None
    for attempt in range(RETRIES):
        if attempt:
            time.sleep(min(2**attempt, 20))
            logger.info("trying again (%d of %d): %s", attempt + 1, RETRIES, url)
        try:
            pooch.retrieve(url, f"sha256:{sha256}", target.name, store, downloader=ResumingDownloader(partial))
            return target
        except ValueError as error:  # pooch: the hash is wrong; it has removed the file, so the next try is from 0
            problem = error
            partial.unlink(missing_ok=True)
        except requests.HTTPError as error:
            problem = error
            status = error.response.status_code
            if status < requests.codes.internal_server_error and status not in PASSING:
                break
        except (requests.RequestException, OSError) as error:
            problem = error
    if isinstance(problem, ValueError):
        raise OSError(
            f"{url}: what arrives does not have SHA-256 {sha256}. Nothing was kept. If the file was changed on "
            f"purpose, check it and change its sha256 in the registry. ({problem})"
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


def obtain(item: Mapping[str, str], store: Path, mirror: Path | None) -> Path:
    """The path of one file, its hash checked.

    Parameters
    ----------
    item
        ``name``, and either ``package`` and ``file``, or ``url``; ``sha256``, which only a package's file may lack.
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
        return download(item["url"], item["sha256"], store)
    found = sha256_of(path)
    if "sha256" in item and found != item["sha256"]:
        raise OSError(f"{place} has SHA-256 {found}, but the registry says {item['sha256']}: it is another file")
    return path


def retrieve(items: Sequence[Mapping[str, str]], folder: Path, store: Path, mirror: Path | None = None) -> None:
    """Make a folder that holds all files of a collection, or nothing.

    Parameters
    ----------
    items
        What ``obtain`` takes; ``name`` is the file's path within the folder.
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
            target = partial / item["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
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
