"""What publishers state about weights: the place of a file, its commit on the Hugging Face hub, its hash and its input.

The functions ``describe`` in ``metamers.models.sources`` use it; ``metamers.retrieve`` fetches the files.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metamers.modalities import INTERPOLATIONS
from metamers.names import ConfigurationError
from metamers.retrieve import hub_url
from metamers.retrieve.transfer import download, mirror_path

COMMIT = re.compile(r"[0-9a-f]{40}")
# Digits of a SHA-256 in an address: a folder of 64 digits, or 8 or more digits at the end of the file's name. A date is
# not a hash.
HASH_IN_ADDRESS = re.compile(r"/([0-9a-f]{64})/[^/]+$|-(?!20\d{6}\.)([0-9a-f]{8,64})\.[a-z.]+$")
MAX_CONFIG_BYTES = 2**24  # of a config.json; one with 21,843 names of classes has 2**20
MAX_CONFIG_DEPTH = 32  # of mappings and lists inside each other; the lock file and the library read them recursively
OFFLINE = (
    "On a machine with network, run `snakemake retrieve` once with the same configuration, and copy the lock file that "
    "it writes beside the registry, and the folder `resources`, to this machine. Or set the key `mirror` to a folder "
    "that has {place}"
)


def square_input(size: Iterable[int], mean: Any, std: Any, interpolation: str, crop: float, key: str) -> dict[str, Any]:
    """The keys of ``input``; an interpolation that the workflow does not have becomes bicubic."""
    rows, columns = size
    if rows != columns:
        raise ConfigurationError(f"{key}: takes images of {rows} × {columns} pixels; the workflow's images are square")
    return {
        "size": int(rows),
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "interpolation": interpolation if interpolation in INTERPOLATIONS else "bicubic",
        "crop": round(min(float(crop), 1.0), 6),
    }


def file_at(url: str) -> dict[str, str]:
    """The place of a file at an address, with the digits of its hash in the address."""
    matched = HASH_IN_ADDRESS.search(url)
    return {"url": url} | ({"sha256": matched[1] or matched[2]} if matched else {})


def file_on_hub(
    repository: str,
    revision: str | None,
    options: Iterable[str],
    mirror: Path | None,
    key: str,
    required: Iterable[str] = (),
) -> tuple[dict[str, str], list[str]]:
    """The place of the first wanted file that a repository of the hub has, and the names of all its files.

    The place has ``hub`` (the repository), ``revision`` (the commit), ``file``, and the hash of the file if the hub
    states it.

    Parameters
    ----------
    repository, revision
        Name of the repository, and its branch, tag or commit; None for the default branch.
    options
        Names of files in the order of preference.
    mirror
        Folder to use instead of the network, or None.
    key
        Begins the message of an error.
    required
        Names of other files that the repository must have.

    Raises
    ------
    ConfigurationError
        When the repository cannot be read, or has no such file.
    """
    if mirror is None:
        commit, files = _ask_hub(repository, revision, key)
    else:
        commit, files = _mirrored_files(repository, revision, mirror, key)
    options = list(options)
    for file in required:
        if file not in files:
            library = "timm" if key == "hub" else key
            raise ConfigurationError(f"{key}: {repository} has no {file} at {commit}; wanted a repository of {library}")
    chosen = next((file for file in options if file in files), None)
    if chosen is None:
        raise ConfigurationError(
            f"{key}: {repository} has none of {', '.join(options)} at {commit}; it has {', '.join(sorted(files)[:10])}"
        )
    return {"hub": repository, "revision": commit, "file": chosen, **files[chosen]}, [*files]


def read_json(repository: str, commit: str, file: str, mirror: Path | None, folder: str, key: str) -> dict[str, Any]:
    """The content of a file of a repository, downloaded to a temporary folder or read from the mirror."""
    url = hub_url(repository, commit, file)
    if mirror is not None:
        path = mirror / mirror_path(url)
    else:
        with _hub_errors(repository, key):
            path = download(url, Path(folder), {}, MAX_CONFIG_BYTES)
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError(f"it has more than {MAX_CONFIG_BYTES} bytes")
        if not isinstance(content := json.loads(path.read_text(encoding="utf-8")), dict):
            raise ValueError("it is not a mapping")
        parts: list[Any] = [content]
        for _ in range(MAX_CONFIG_DEPTH):
            parts = [item for part in parts for item in (part.values() if isinstance(part, dict) else part)]
            parts = [part for part in parts if isinstance(part, dict | list)]
        if parts:
            raise ValueError(f"it has more than {MAX_CONFIG_DEPTH} mappings and lists inside each other")
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{key}: {file} of {repository} cannot be read: {error}") from error
    return content


@contextmanager
def _hub_errors(repository: str, key: str) -> Iterator[None]:
    """Turn an error of the hub's client into an error of the configuration that names a remedy."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ConfigurationError(
            f"{key}: {repository} is open only to those who accepted its terms. Accept them on its page, and log in "
            "with `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigurationError(f"{key}: {repository} has no such revision; wanted a branch, tag or commit") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ConfigurationError(
            f"{key}: the hub has no repository {repository!r}, or it is private (log in with `hf auth login`)"
        ) from error
    except (errors.HTTPError, OSError, ValueError) as error:
        place = mirror_path(hub_url(repository, "COMMIT", "FILE"))
        reason = (str(error).splitlines() or [type(error).__name__])[0]  # an error of the network may have no text
        raise ConfigurationError(
            f"{key}: the hub could not be asked for the weights of {repository} ({reason}). "
            f"{OFFLINE.format(place=place)}"
        ) from error


def _ask_hub(repository: str, revision: str | None, key: str) -> tuple[str, dict[str, dict[str, str]]]:
    """The commit of a revision, and its files: name → the hash that the hub states."""
    import huggingface_hub

    with _hub_errors(repository, key):
        info = huggingface_hub.HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=30)
    if not COMMIT.fullmatch(info.sha or ""):
        raise ConfigurationError(f"{key}: the hub names no commit of {repository}; found {info.sha!r}")
    files = {}
    for file in info.siblings or []:
        if file.lfs:
            files[file.rfilename] = {"sha256": file.lfs.sha256}
        else:
            files[file.rfilename] = {"git_sha1": file.blob_id} if file.blob_id else {}
    return str(info.sha), files


def _mirrored_files(
    repository: str, revision: str | None, mirror: Path, key: str
) -> tuple[str, dict[str, dict[str, str]]]:
    """The commit of a repository in a mirror folder, and its files; the mirror states no hashes."""
    pattern = mirror_path(hub_url(repository, "COMMIT", "FILE"))
    folder = (mirror / pattern).parents[1]
    commits = sorted(place.name for place in folder.glob("*") if COMMIT.fullmatch(place.name))
    if revision and COMMIT.fullmatch(revision):
        commits = [commit for commit in commits if commit == revision]
    if len(commits) != 1:
        known = f"it has {len(commits)} commits of it: {', '.join(commits)}" if commits else "it has no commit of it"
        raise ConfigurationError(
            f"{key}: mirror: {mirror} must have {pattern}, where COMMIT are "
            f"the 40 digits of one commit{'' if commits else ' and FILE is, for example, model.safetensors'}; {known}. "
            "With several, name one as `revision`"
        )
    place = folder / commits[0]
    return commits[0], {file.relative_to(place).as_posix(): {} for file in place.rglob("*") if file.is_file()}
