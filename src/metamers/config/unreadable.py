"""Files that no reader can take, recognized by name or header: before the first job, and when a job reads them."""

from pathlib import Path

from metamers.foreign.safe_tensors import is_safetensors, read_header


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


def safetensors_problem(path: str | Path) -> str | None:
    """Return why a file of safetensors cannot be read, or None if its header does not tell."""
    path = Path(path)
    try:
        if is_safetensors(path):
            read_header(path)
    except (OSError, ValueError, RecursionError) as error:
        return f"not a file of safetensors that can be read ({error})"
    return None
