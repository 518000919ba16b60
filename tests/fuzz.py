"""Fuzz a reader with atheris, which looks for bytes that reach code which none has reached before.

`python tests/fuzz.py READER FOLDER [OPTION OF LIBFUZZER…]`; readers are those of test_fuzz.py. Ends with an error when a
reader raises another kind of error than its callers expect, hangs, or takes too much memory; the bytes lie in the folder.

Memory is measured here: libFuzzer asks the kernel for a peak that a process inherits from the one that started it.
"""

import pickle
import sys
from contextlib import suppress
from pathlib import Path

import atheris
from memory import MOST_BYTES, peak_bytes

with atheris.instrument_imports(include=["metamers", "yaml", "PIL", "tarfile", "zipfile"]):
    from test_fuzz import READERS

for load in set(pickle._Unpickler.dispatch.values()):
    atheris.instrument_func(load)


def main(name: str, folder: Path, *options: str) -> None:
    make, read, error = READERS[name]
    path = make(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "right").write_bytes(path.read_bytes())

    def attempt(content: bytes) -> None:
        path.write_bytes(content)
        with suppress(error):
            read(path)
        if (peak := peak_bytes()) > MOST_BYTES:
            raise MemoryError(f"the reader took {peak} bytes")

    own = (f"-artifact_prefix={folder}/", "-rss_limit_mb=0")
    atheris.Setup([sys.argv[0], str(corpus), *own, *options], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
