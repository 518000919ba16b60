"""Files that no reader can take, recognized by name or header: before the first job, and when a job reads them."""

import re
from pathlib import Path

NARROW_TYPE = re.compile(r"[A-Z]+[1-7](?!\d)")  # of safetensors, such as F4 and F6_E2M3


def sound_file_problem(path: str | Path) -> str | None:
    """Return why a file cannot be read as a sound, or None if its name and first bytes do not tell."""
    path = Path(path)
    if path.suffix.lower() == ".raw":
        return "the ending .raw means samples without a header; save it as WAV or FLAC, under a name with that ending"
    with path.open("rb") as file:
        start = file.read(26)
    # The last 36 bits of these are the total number of samples, where 0 means unknown (RFC 9639, section 8.2).
    if start[:4] == b"fLaC" and len(start) == 26 and int.from_bytes(start[18:26], "big") % 2**36 == 0:
        return "a FLAC file whose header does not state its length, as streams have it; decode it, and encode it again"
    return None


def narrow_tensor(path: str | Path) -> str | None:
    """Return which tensor of a file of safetensors has values of less than 8 bits, or None.

    Also None for a file that cannot be read: the job that reads it says why.
    """
    from safetensors import SafetensorError, safe_open  # here, because the check of an entry does not need it

    try:
        with safe_open(path, "np") as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError):
        return None
    name, kind = next(((name, kind) for name, kind in types.items() if NARROW_TYPE.match(kind)), (None, None))
    return name and f"{name} has the type {kind}, values of less than 8 bits; wanted 8 bits or more, such as F16"
