"""Extract named files from untrusted tar archives.

Only regular files that the caller names are extracted, to paths that the caller names. Links, devices and the archive's
own paths are never followed, and no file may be larger than the archive can hold. Local archives are read in a separate
process. ``metamers.retrieve`` obtains the archive and checks its hash.
"""

import bz2
import difflib
import gzip
import math
import shutil
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from tqdm import tqdm

from metamers.foreign.isolated import read_isolated, reading_s

MAX_RATIO = 100  # unpacked size of a compressed archive, relative to its size
MAX_HEADER_BYTES = 2**20  # read to find the next member: its name, PAX and GNU headers
MAX_LISTING_BYTES = 2**29  # memory of the list of members
MEMBER_BYTES = 1000  # memory of one member without its name and PAX headers
EXTRACTING = 10  # maximum time of extracting files, relative to that of reading a file
CHUNK = 1 << 20
BLOCK = 512  # block size of the tar format

# First bytes of a compressed archive → the function that opens it. Not xz: the file decides how much memory its reader
# takes.
COMPRESSED: dict[bytes, Callable[[Path], BinaryIO]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
XZ = b"\xfd7zXZ\x00"


class Remote(Protocol):
    """An archive that is read in parts: what ``pathlib.Path`` has in common with it."""

    def open(self, mode: str) -> BinaryIO:
        """The content."""

    def stat(self) -> Any:
        """``st_size``, in bytes."""


class _Headers:
    """A stream that limits the bytes read for one header: names and headers in a tar archive declare their own size."""

    def __init__(self, stream: BinaryIO, path: Path):
        self.stream, self.path, self.left = stream, path, MAX_HEADER_BYTES
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes.

        Raises
        ------
        OSError
            When a header has more than ``MAX_HEADER_BYTES`` bytes.
        """
        self.left -= size
        if self.left < 0:
            raise OSError(
                f"{self.path}: the name or headers of a member have more than {MAX_HEADER_BYTES} bytes: the archive is "
                "damaged or malicious; fetch it again"
            )
        return self.stream.read(size)


@contextmanager
def _uncompressed(path: Path | Remote) -> Iterator[tuple[BinaryIO, int]]:
    """Open a tar archive, compressed or not; yields its stream and the maximum number of bytes in it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        begins = stream.read(8)
        if begins.startswith(XZ):
            raise OSError(
                f"{path}: compressed with xz, which is not supported; wanted a tar archive, plain or compressed with "
                "gzip or bzip2"
            )
        opener = next((opener for magic, opener in COMPRESSED.items() if begins.startswith(magic)), None)
        if opener is not None and not isinstance(path, Path):
            raise OSError(f"{path}: compressed, so it cannot be read in parts; retrieve the whole archive instead")
        if opener is None:
            stream.seek(0)
            yield stream, size
            return
    with opener(path) as unpacked:
        yield unpacked, MAX_RATIO * size


def _plain(name: str) -> str:
    """Normalize a member's name: remove ``./`` and doubled slashes, but keep ``..`` so that it can be refused."""
    return PurePosixPath(name).as_posix()


def _matches(name: str, path: str) -> bool:
    """Whether a name equals the wanted path or ends with it: an archive may have an outer folder."""
    return f"/{name}".endswith(f"/{path}")


@contextmanager
def _opened(path: Path | Remote) -> Iterator[tuple[tarfile.TarFile, list[tarfile.TarInfo]]]:
    """Open an archive and list all its members.

    Raises
    ------
    OSError
        When the file is not a tar archive, is cut off or damaged, or a member claims more bytes than the archive can
        hold.
    """
    try:
        with _uncompressed(path) as (stream, most):
            headers = _Headers(stream, path)
            tar = tarfile.TarFile(fileobj=headers)
            members, listing = [], 0
            while (member := tar.next()) is not None:
                headers.left = MAX_HEADER_BYTES
                if member.offset_data + member.size > most:
                    raise OSError(
                        f"{path}: {member.name} claims {member.size} bytes, more than an archive of "
                        f"{path.stat().st_size} bytes can hold: it is cut off, damaged or malicious; fetch it again"
                    )
                texts = [member.name, member.linkname, *member.pax_headers, *map(str, member.pax_headers.values())]
                listing += MEMBER_BYTES + sum(map(len, texts))
                if listing > MAX_LISTING_BYTES:
                    raise OSError(f"{path}: its list of members takes more than {MAX_LISTING_BYTES} bytes of memory")
                members.append(member)
            headers.left = math.inf  # from now on, members are copied in small pieces
            yield tar, members
    except (tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise OSError(f"{path}: not a tar archive, or it is cut off or damaged ({error}); fetch it again") from error


def _find(path: Path, tar: tarfile.TarFile, members: list[tarfile.TarInfo], member_path: str) -> tarfile.TarInfo:
    """Return the only member that matches a name; it must be a regular file inside the archive's folder."""
    fitting = [member for member in members if _matches(_plain(member.name), member_path)]
    if not fitting:
        raise OSError(
            f"{path} has no member {member_path!r}{_suggestion(members, member_path)}{_damage_after_last(tar)}"
        )
    if len(fitting) > 1:
        raise OSError(
            f"{path}: {member_path!r} matches {', '.join(member.name for member in fitting)}; give more of its path"
        )
    return _regular(path, fitting[0])


def _regular(path: Path, member: tarfile.TarInfo) -> tarfile.TarInfo:
    if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
        raise OSError(f"{path}: {member.name} leads out of the archive's folder; refused")
    if not member.isreg() or member.issparse():
        kind = "sparse" if member.issparse() else "a link" if member.islnk() or member.issym() else "a folder or device"
        raise OSError(f"{path}: {member.name} is {kind}, wanted a regular file; refused")
    return member


def _suggestion(members: Iterable[tarfile.TarInfo], member_path: str) -> str:
    names = [_plain(member.name) for member in members if member.isreg()]
    last = {PurePosixPath(name).name: name for name in names}
    near = [last[name] for name in difflib.get_close_matches(PurePosixPath(member_path).name, last, n=5)]
    return f". Did you mean {', '.join(near)}?" if near else f"; it has {', '.join(names[:5]) or 'no files'}, ..."


def _damage_after_last(tar: tarfile.TarFile) -> str:
    """Describe the damage after the last readable member; empty when the archive ends there as it should."""
    tar.fileobj.seek(tar.offset)
    rest = tar.fileobj.read(BLOCK)
    return "" if len(rest) == BLOCK and not rest.strip(b"\0") else f" (it is damaged or cut off at byte {tar.offset})"


def _copy(
    path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, arrived: Callable[[int], None]
) -> None:
    """Write all bytes of a member to ``target``; ``arrived`` is called with the size of each piece."""
    if (free := shutil.disk_usage(target.parent).free) < member.size:
        raise OSError(
            f"{path}: {member.name} has {member.size / 1e9:.2f} GB, but only {free / 1e9:.2f} GB are free in "
            f"{target.parent}; free some space and run again"
        )
    written = 0
    with tar.extractfile(member) as source, target.open("wb") as stream:
        while chunk := source.read(CHUNK):
            stream.write(chunk)
            written += len(chunk)
            arrived(len(chunk))
    if written < member.size:
        raise OSError(f"{path}: {member.name} is cut off ({written} of {member.size} bytes); fetch the archive again")


def extract_file(path: Path | Remote, file: str, target: Path) -> None:
    """Extract one file from an archive.

    Parameters
    ----------
    path
        A tar archive, plain or compressed with gzip or bzip2; or a plain one at an address
        (``metamers.retrieve.ranges.RemoteArchive``), of which only this file and the headers are retrieved.
    file
        The member's name, or the last parts of its path.
    target
        The file to write.

    Raises
    ------
    OSError
        When the archive is damaged, no member or several members match, or the member is not a regular file.
    """
    _isolated(lambda path: _extract_file(path, file, target), path)


def _isolated(extract: Callable[[Any], None], path: Path | Remote) -> None:
    """Extract from a local archive in a separate process. A remote one is never decompressed."""
    if not isinstance(path, Path):
        extract(path)
        return
    try:
        read_isolated(extract, path, timeout_s=lambda path: EXTRACTING * reading_s(path))
    except ValueError as error:
        raise OSError(str(error)) from error


def _extract_file(path: Path | Remote, file: str, target: Path) -> None:
    with _opened(path) as (tar, members):
        member = _find(path, tar, members, file)
        with tqdm(total=member.size, unit="B", unit_scale=True, desc=target.name, mininterval=1) as bar:
            _copy(path, tar, member, target, bar.update)


def extract_folder(path: Path, folder: str, target: Path) -> None:
    """Extract all files directly in one folder of an archive; files in its subfolders are left out.

    Parameters
    ----------
    path
        A tar archive, plain or compressed with gzip or bzip2.
    folder
        The folder's name, or the last parts of its path.
    target
        The folder to create and fill.

    Raises
    ------
    OSError
        When the archive is damaged, no folder or several folders match, or the folder contains a name twice or
        anything but regular files and folders.
    """
    _isolated(lambda path: _extract_folder(path, folder, target), path)


def _extract_folder(path: Path, folder: str, target: Path) -> None:
    with _opened(path) as (tar, members):
        inside = [
            m for m in members if not m.isdir() and _matches(PurePosixPath(_plain(m.name)).parent.as_posix(), folder)
        ]
        if not inside:
            raise OSError(
                f"{path} has no folder {folder!r} with files{_suggestion(members, folder)}{_damage_after_last(tar)}"
            )
        if len(folders := {str(PurePosixPath(_plain(member.name)).parent) for member in inside}) > 1:
            raise OSError(f"{path}: {folder!r} matches {', '.join(sorted(folders))}; give more of its path")
        names = [PurePosixPath(member.name).name for member in inside]
        if double := sorted(name for name, number in Counter(names).items() if number > 1):
            raise OSError(f"{path}: {folder} contains {', '.join(double)} twice")
        if damage := _damage_after_last(tar):
            raise OSError(f"{path}: files of {folder} may be missing{damage}; fetch it again")
        target.mkdir(parents=True, exist_ok=True)
        for name, member in tqdm(list(zip(names, inside, strict=True)), desc=folder, unit="file", mininterval=1):
            _copy(path, tar, _regular(path, member), target / name, lambda _: None)
