"""Which code a step runs: a hash over a script and every library module that it imports, directly or not.

Snakemake sees a script change, but not the modules that the script imports. With this hash among a rule's parameters,
changing a module reruns the steps that use it and what follows, no more. Comments, docstrings and layout do not count.
"""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = "metamers"


def _module_file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


@functools.cache
def _parsed(path: Path) -> tuple[str, tuple[str, ...]]:
    """What a file means (its syntax tree without docstrings), and the package's modules that it names."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = body[1:]
    modules = tuple(sorted({name for name in names if name.split(".")[0] == PACKAGE}))
    return ast.dump(tree), modules


def files_used(script: str | Path) -> list[Path]:
    """The script and all the modules of the package that it imports, directly or not, sorted."""
    script = Path(script)
    seen = {script}
    waiting = [script]
    while waiting:
        for module in _parsed(waiting.pop())[1]:
            file = _module_file(module, script.parent)
            if file is not None and file not in seen:
                seen.add(file)
                waiting.append(file)
    return sorted(seen)


def code_version(script: str | Path, data: tuple[str | Path, ...] = ()) -> str:
    """Hash (16 hexadecimal digits) of what a script does: its code, its modules' code, and ``data`` files it reads.

    Parameters
    ----------
    script
        A script whose folder holds the package.
    data
        Further files whose bytes count, such as page templates.
    """
    digest = hashlib.sha256()
    for path in files_used(script):
        digest.update(f"{path.name}\0{_parsed(path)[0]}\0".encode())
    for path in map(Path, data):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
