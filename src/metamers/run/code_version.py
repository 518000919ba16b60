"""Which code a step runs: a hash over a script and every library module that it imports, directly or not.

Snakemake sees a script change, but not the modules that the script imports. With this hash among a rule's parameters,
changing a module reruns the steps that use it and what follows, no more. Comments, docstrings and layout do not count.
"""

import ast
import functools
import hashlib
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2]  # the folder that holds the package
PACKAGE = "metamers"


def _absolute(module: str, importer: Path, library: Path) -> str:
    """The full name of an imported module; leading dots are relative to the importing file's package."""
    name = module.lstrip(".")
    if not (level := len(module) - len(name)):
        return module
    package = importer.relative_to(library).parts[:-level]
    return ".".join((*package, name) if name else package)


@functools.cache
def _module_files(module: str, library: Path) -> list[Path]:
    """The files that importing a module of the package runs: ``__init__`` of every package above it, and its own."""
    parts = module.split(".")
    found = [library.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in (*found, library.joinpath(*parts).with_suffix(".py")) if path.is_file()]


@functools.cache
def _parsed(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """A hash of a file's syntax tree without docstrings, and its imports of the package (``.x`` if relative)."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            joint = "" if base.endswith(".") else "."
            names += [base, *(f"{base}{joint}{alias.name}" for alias in node.names)]
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = body[1:]
    modules = tuple(sorted({name for name in names if name.split(".")[0] in (PACKAGE, "")}))
    return hashlib.sha256(ast.dump(tree).encode()).digest(), modules


@functools.cache
def _imported(importer: Path, library: Path) -> frozenset[Path]:
    """The files of the package that run when a file's own imports are made, without what these import."""
    modules = (_absolute(module, importer, library) for module in _parsed(importer)[1])
    return frozenset(file for module in modules for file in _module_files(module, library))


def files_used(script: str | Path, library: Path = LIBRARY) -> list[Path]:
    """The script and all files of the package that run when it is imported, directly or not, sorted.

    Parameters
    ----------
    script
        A Python file.
    library
        The folder that holds the package.
    """
    seen = {Path(script)}
    waiting = [Path(script)]
    while waiting:
        new = _imported(waiting.pop(), library) - seen
        seen |= new
        waiting += new
    return sorted(seen)


def code_version(script: str | Path, library: Path = LIBRARY) -> str:
    """Hash (16 hexadecimal digits) of the code that a script runs: its own and that of the modules that it imports.

    Parameters
    ----------
    script
        A Python file.
    library
        The folder that holds the package.
    """
    script = Path(script)
    digest = hashlib.sha256()
    for path in files_used(script, library):
        name = path.name if path == script else path.relative_to(library).as_posix()
        digest.update(name.encode() + b"\0" + _parsed(path)[0])
    return digest.hexdigest()[:16]


def data_version(*files: str | Path) -> str:
    """Hash (16 hexadecimal digits) of the names and bytes of files that a script reads, such as page templates."""
    digest = hashlib.sha256()
    for path in map(Path, files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
