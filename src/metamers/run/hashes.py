"""SHA-256 of files and folders, and of the names, sizes and times of a folder's files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's sorted file paths and their SHA-256, in hexadecimal digits."""
    path = Path(path)
    if path.is_dir():
        return combined_sha256({p.relative_to(path).as_posix(): sha256_of(p) for p in path.rglob("*") if p.is_file()})
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def combined_sha256(files: Mapping[str, str]) -> str:
    """SHA-256 of a folder, computed from the path within the folder and the SHA-256 of each file."""
    lines = (f"{files[name]}  {name}\n" for name in sorted(files, key=PurePosixPath))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def listing_sha256(folder: str | Path) -> str:
    """SHA-256 of the relative path, the size and the modification time of each file in a folder.

    It shows that files were added, removed or changed, without reading them. The modification time of a folder shows
    only changes of its direct entries.
    """
    folder = Path(folder)
    files = {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*") if path.is_file()}
    lines = (f"{files[name].st_size} {files[name].st_mtime_ns} {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
