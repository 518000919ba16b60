"""Tar archives from outside: take out what is wanted, and nothing else.

Only regular files that are asked for by name come out of an archive, into a place that the caller names: no link,
device or path of the archive's own is ever followed, and nothing is larger than the archive can truthfully hold. Where
the archive comes from, and whether it is the right one, is for ``metamers.retrieve``.
"""

import bz2
import difflib
import gzip
import math
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tqdm import tqdm

LARGEST_RATIO = 100  # of what a compressed archive may unpack to, to its size
LARGEST_HEADER = 2**20  # bytes that are read to find the next member: its name, PAX and GNU headers
LARGEST_LISTING = 2**29  # bytes of memory that the list of members may take
MEMBER_BYTES = 1000  # of memory of a member, without its name and PAX headers
CHUNK = 1 << 20
BLOCK = 512  # of a tar

# First bytes of a compressed archive, and what opens it. Not xz, whose reader takes as much memory as the file says.
COMPRESSED: dict[bytes, Callable[[Path], BinaryIO]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
XZ = b"\xfd7zXZ\x00"


class _Headers:
    """A stream that refuses long reads, because names and headers in a tar state their own size."""

    def __init__(self, stream: BinaryIO, path: Path):
        self.stream, self.path, self.left = stream, path, LARGEST_HEADER
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        """As of a stream.

        Raises
        ------
        OSError
            When a header has more than ``LARGEST_HEADER`` bytes.
        """
        self.left -= size
        if self.left < 0:
            raise OSError(
                f"{self.path}: a member's name or headers have more than {LARGEST_HEADER} bytes: damaged, or made to "
                "do harm; fetch it again"
            )
        return self.stream.read(size)


@contextmanager
def _uncompressed(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The bytes of a tar, compressed or not, and how many there may be."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        begins = stream.read(8)
        if begins.startswith(XZ):
            raise OSError(
                f"{path}: compressed with xz, which is not read; wanted a tar, or one packed with gzip or bzip2"
            )
        opener = next((opener for magic, opener in COMPRESSED.items() if begins.startswith(magic)), None)
        if opener is None:
            stream.seek(0)
            yield stream, size
            return
    with opener(path) as unpacked:
        yield unpacked, LARGEST_RATIO * size


def _plain(name: str) -> str:
    """A member's name without ``./`` and doubled slashes; what leads out of the archive's folder stays to be seen."""
    return PurePosixPath(name).as_posix()


def _is(name: str, wanted: str) -> bool:
    """Whether a name is the wanted path, or ends in it: an archive may have a folder around everything."""
    return f"/{name}".endswith(f"/{wanted}")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[tarfile.TarFile, list[tarfile.TarInfo]]]:
    """An archive and all its members, none of which claims more bytes than there can be.

    Raises
    ------
    OSError
        When the file is no tar, is cut off or damaged, or a member is too large to be true.
    """
    try:
        with _uncompressed(path) as (stream, most):
            headers = _Headers(stream, path)
            tar = tarfile.TarFile(fileobj=headers)
            members, listing = [], 0
            while (member := tar.next()) is not None:
                headers.left = LARGEST_HEADER
                if member.offset_data + member.size > most:
                    raise OSError(
                        f"{path}: {member.name} claims {member.size} bytes, more than an archive of "
                        f"{path.stat().st_size} can hold: it is cut off or damaged, or made to do harm; fetch it again"
                    )
                texts = [member.name, member.linkname, *member.pax_headers, *map(str, member.pax_headers.values())]
                listing += MEMBER_BYTES + sum(map(len, texts))
                if listing > LARGEST_LISTING:
                    raise OSError(f"{path}: the list of its members takes more than {LARGEST_LISTING} bytes of memory")
                members.append(member)
            headers.left = math.inf  # from here on, members are copied in small pieces
            yield tar, members
    except (tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise OSError(f"{path}: not a tar archive, or cut off or damaged ({error}); fetch it again") from error


def _found(path: Path, tar: tarfile.TarFile, members: list[tarfile.TarInfo], wanted: str) -> tarfile.TarInfo:
    """The only member of a name, a regular file with a harmless path."""
    fitting = [member for member in members if _is(_plain(member.name), wanted)]
    if not fitting:
        raise OSError(f"{path} has no member {wanted!r}{_near(members, wanted)}{_damage(tar)}")
    if len(fitting) > 1:
        raise OSError(
            f"{path}: {wanted!r} may be any of {', '.join(member.name for member in fitting)}; give more of its path"
        )
    return _regular(path, fitting[0])


def _regular(path: Path, member: tarfile.TarInfo) -> tarfile.TarInfo:
    if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
        raise OSError(f"{path}: {member.name} leads out of the archive's folder; refused")
    if not member.isreg() or member.issparse():
        kind = "sparse" if member.issparse() else "a link" if member.islnk() or member.issym() else "a folder or device"
        raise OSError(f"{path}: {member.name} is {kind}, wanted a regular file; refused")
    return member


def _near(members: Iterable[tarfile.TarInfo], wanted: str) -> str:
    names = [_plain(member.name) for member in members if member.isreg()]
    last = {PurePosixPath(name).name: name for name in names}
    near = [last[name] for name in difflib.get_close_matches(PurePosixPath(wanted).name, last, n=5)]
    return f". Did you mean {', '.join(near)}?" if near else f"; it has {', '.join(names[:5]) or 'no files'}, ..."


def _damage(tar: tarfile.TarFile) -> str:
    """What follows the last member that could be read, where it is not the end of an archive."""
    tar.fileobj.seek(tar.offset)
    rest = tar.fileobj.read(BLOCK)
    return "" if len(rest) == BLOCK and not rest.strip(b"\0") else f" (it is damaged or cut off at byte {tar.offset})"


def _copy(
    path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, arrived: Callable[[int], None]
) -> None:
    """Write a member's bytes to ``target``, all or an error."""
    if (free := shutil.disk_usage(target.parent).free) < member.size:
        raise OSError(
            f"{path}: {member.name} has {member.size / 1e9:.2f} GB, but {target.parent} has room for "
            f"{free / 1e9:.2f} GB: make room and run again"
        )
    written = 0
    with tar.extractfile(member) as source, target.open("wb") as stream:
        while chunk := source.read(CHUNK):
            stream.write(chunk)
            written += len(chunk)
            arrived(len(chunk))
    if written < member.size:
        raise OSError(f"{path}: {member.name} is cut off ({written} of {member.size} bytes); fetch the archive again")


def take_file(path: Path, file: str, target: Path) -> None:
    """Take one file out of an archive.

    Parameters
    ----------
    path
        A tar, compressed or not.
    file
        The member's name, or the end of it from a ``/`` on.
    target
        Where to write it.

    Raises
    ------
    OSError
        When the archive is damaged, has no such member or several, or the member is no regular file.
    """
    with _opened(path) as (tar, members):
        member = _found(path, tar, members, file)
        with tqdm(total=member.size, unit="B", unit_scale=True, desc=target.name, mininterval=1) as bar:
            _copy(path, tar, member, target, bar.update)


def take_folder(path: Path, folder: str, target: Path) -> None:
    """Take all files that lie directly in one folder of an archive.

    Parameters
    ----------
    path
        A tar, compressed or not.
    folder
        The folder's name, or the end of it from a ``/`` on.
    target
        A folder, which is made.

    Raises
    ------
    OSError
        When the archive is damaged, has no such folder or several, or anything in the folder is neither a regular file
        nor a folder, or is there twice.
    """
    with _opened(path) as (tar, members):
        inside = [m for m in members if not m.isdir() and _is(PurePosixPath(_plain(m.name)).parent.as_posix(), folder)]
        if not inside:
            raise OSError(f"{path} has no folder {folder!r} with files{_near(members, folder)}{_damage(tar)}")
        if len(folders := {str(PurePosixPath(_plain(member.name)).parent) for member in inside}) > 1:
            raise OSError(f"{path}: {folder!r} may be any of {', '.join(sorted(folders))}; give more of its path")
        names = [PurePosixPath(member.name).name for member in inside]
        if double := sorted({name for name in names if names.count(name) > 1}):
            raise OSError(f"{path}: {folder} has {', '.join(double)} twice")
        if damage := _damage(tar):
            raise OSError(f"{path}: more files may have been in {folder}{damage}; fetch it again")
        target.mkdir(parents=True, exist_ok=True)
        for name, member in tqdm(list(zip(names, inside, strict=True)), desc=folder, unit="file", mininterval=1):
            _copy(path, tar, _regular(path, member), target / name, lambda _: None)
