"""CPU time of a process by kind: what went into imports, and into reading and writing files, besides computation.

``metamers.run.job`` writes the sums into the log of a job; ``metamers.run.logs`` reads them.
"""

import builtins
import gc
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

# Kind → seconds so far. Imports include the start of Python; files include their checks, compression and hashes.
seconds = {"imports": 0.0, "files": 0.0}

_import = builtins.__import__
_counting = False  # whether a part is being counted; parts within it belong to it


@contextmanager
def counted(kind: str) -> Iterator[None]:
    """Add the CPU time of a part of the process to a kind, unless the part is within another counted part.

    Parameters
    ----------
    kind
        A key of ``seconds``.
    """
    global _counting  # noqa: PLW0603 (a process has one CPU time)
    if _counting:
        yield
        return
    _counting, began = True, time.process_time()
    try:
        yield
    finally:
        seconds[kind] += time.process_time() - began
        _counting = False


def _counted_import(
    name: str, globals_: Any = None, locals_: Any = None, fromlist: Sequence[str] | None = (), level: int = 0
) -> Any:
    """Import as the interpreter does, but count the CPU time, and collect no garbage meanwhile.

    Names that are already imported, as drawings do thousands of times, are not counted.
    """
    imported = getattr(sys.modules.get(name), "__dict__", None)
    if imported is not None and not level and all(part in imported for part in fromlist or ()):
        return _import(name, globals_, locals_, fromlist, level)
    collects = gc.isenabled()
    builtins.__import__ = _import  # the imports within this one are part of it
    gc.disable()
    try:
        with counted("imports"):
            return _import(name, globals_, locals_, fromlist, level)
    finally:
        builtins.__import__ = _counted_import
        if collects:
            gc.enable()


def count_imports() -> None:
    """Count the CPU time until now, and that of all later ``import`` statements, and make these imports faster.

    The import of a large library makes hundreds of thousands of objects, which all stay. While they are made, the
    interpreter searches them for garbage again and again. Without these searches, the imports of a job with PyTorch
    take 1.5 instead of 1.9 s, and those of a job with timm 2.3 instead of 3.2 s. So
    no garbage is collected during an import. Calls of ``importlib.import_module`` are counted only within an ``import``
    statement.
    """
    if builtins.__import__ is not _counted_import:
        seconds["imports"] += time.process_time()
        builtins.__import__ = _counted_import
