"""Archives with given members."""

import io
import tarfile

CONTENT = bytes(range(256)) * 40


def member(name, content=CONTENT, **facts):
    """A member of an archive with its bytes; ``facts`` overrides fields of its header."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in facts.items():
        setattr(info, key, value)
    return info, content


def pack(path, *members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path
