"""Fuzz a reader with atheris, which searches for bytes that reach new code.

`python tests/foreign/fuzz.py READER FOLDER [OPTION OF LIBFUZZER…]`, with a reader of readers.py, ends with an error
when the reader raises an error that its callers do not expect, crashes, hangs, or takes too much memory; the bytes are
then in FOLDER. The search begins with a valid file and with those that ended an earlier reader (seeds.py).

The reader runs in this process, because the code that it reaches in another one is not seen.

Memory is measured here, because libFuzzer's measure includes the peak of the process that started this one.
"""

import pickle
import sys
from contextlib import suppress
from pathlib import Path

import atheris

from metamers.foreign import isolated
from tests.foreign.memory import MOST_BYTES, peak_bytes

with atheris.instrument_imports(include=["metamers", "yaml", "PIL", "tarfile", "zipfile"]):
    from tests.foreign.readers import READERS
    from tests.foreign.seeds import seeds_of

for load in set(pickle._Unpickler.dispatch.values()):
    atheris.instrument_func(load)


def main(name: str, folder: Path, *options: str) -> None:
    make, read, error = READERS[name]
    path = make(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "right").write_bytes(path.read_bytes())
    for number, content in enumerate(seeds_of(name, folder)):
        (corpus / f"seed_{number}").write_bytes(content)
    isolated._isolated = True

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
