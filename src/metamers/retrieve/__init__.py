"""Retrieve data and weights from installed packages, addresses, archives or a mirror folder, and check their SHA-256.

``metamers.retrieve.transfer`` fetches files from addresses. A collection of files is put into a folder atomically: the
folder is complete or absent.
"""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from metamers.config.model_lock import locked_part, read_lock, update_lock
from metamers.foreign.archives import extract_file, extract_folder
from metamers.retrieve.transfer import HUB, download, mirror_path, unverified_file_name, wrong_hash
from metamers.run.files import write_atomically
from metamers.run.hashes import sha256_of
from metamers.run.packages import package_file

logger = logging.getLogger("metamers")


def hub_url(repository: str, revision: str, file: str) -> str:
    """Return the address of a file of a repository of the Hugging Face hub."""
    return f"{HUB}/{repository}/resolve/{revision}/{file}"


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
    else:
        path, place = download(url, store, item), url
    if "lock" in item:
        check_published(path, item, place)
        _record_received(path, item["lock"])
    elif "package" in item or mirror is not None:
        _check_hash(path, item, place)
    return path


def _check_hash(path: Path, item: Mapping[str, Any], place: str) -> None:
    if "sha256" in item and not (sha256 := sha256_of(path)).startswith(item["sha256"]):
        raise OSError(f"{place} has SHA-256 {sha256}, but the registry says {item['sha256']}: it is a different file")


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
    if problem := wrong_hash(path, item):
        raise OSError(f"{place} is not the file that its publisher states: it {problem}")
    lock = item["lock"]
    received = _locked_weights(lock).get("received_sha256")
    if received and (sha256 := sha256_of(path)) != received:
        raise OSError(
            f"{place} has SHA-256 {sha256}, but {lock['path']} has {received} from an earlier retrieval of the weights "
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
        path = download(entry["url"], store, entry) if mirror is None else from_mirror(entry["url"], mirror)
        raise OSError(
            f"archives: {name}: the publisher of {entry['url']} gives no SHA-256, so the workflow does not use the "
            f"file until you confirm it. The retrieved file, {path}, has {path.stat().st_size} bytes and SHA-256 "
            f"{sha256_of(path)}. If you trust it, add this hash as `sha256` of {name} to the registry of archives "
            "(config/archives.yaml) and run again; the file will not be fetched twice."
        )
    if unverified.exists() and mirror is None:
        if (sha256 := sha256_of(unverified)).startswith(entry["sha256"]):
            unverified.replace(store / entry["sha256"])
        else:
            logger.warning("%s: the file fetched before has another SHA-256, %s; fetching it again", name, sha256)
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
