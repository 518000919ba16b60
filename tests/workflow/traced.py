"""Runs before the jobs of a run: records which functions of the library run, and who calls them.

Each process of a job writes the file ``traced/<process>.json`` in the working directory: ``step``, ``models``
(registry entries that the job computes with, or None) and ``calls``, [module, function, module of the caller], from the
opening of its log on, without calls during imports, of comprehensions, and of constructors that dataclasses generate.

The import of a module of the library puts a call of ``record`` at the beginning of each of its functions. A trace function
of Python would also be called for all functions of other libraries.
"""

import ast
import atexit
import builtins
import json
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from unittest.mock import patch

import __main__

FOLDER = Path.cwd() / "traced"
known: set[tuple[CodeType, CodeType]] = set()
calls: set[tuple[str, str, str]] = set()
begun = False


def module_of(frame: FrameType) -> str:
    name = str(frame.f_globals.get("__name__"))
    return name if name.split(".", maxsplit=1)[0] in ("metamers", "__main__") else ""


def record() -> None:
    """Record the function that calls this one."""
    if not begun:
        return
    frame = sys._getframe(1)
    code, back = frame.f_code, frame.f_back
    while back is not None and not module_of(back):
        back = back.f_back
    if back is None or (pair := (code, back.f_code)) in known:
        return
    known.add(pair)
    during_import = back.f_code.co_name == "<module>" and module_of(back) != "__main__"
    if not during_import:
        calls.add((module_of(frame), code.co_qualname, module_of(back)))


class Recorded(ast.NodeTransformer):
    """Code whose functions begin with a call of ``record``."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.body.insert(1 if ast.get_docstring(node) is not None else 0, ast.Expr(self.call()))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self.generic_visit(node)
        node.body = ast.Subscript(ast.Tuple([self.call(), node.body], ast.Load()), ast.Constant(1), ast.Load())
        return node

    def call(self) -> ast.Call:
        return ast.Call(ast.Name("record_call", ast.Load()), [], [])


class Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """The changed code of a module, which the first job that imports it compiles for all jobs."""
        with patch.object(sys, "pycache_prefix", f"{FOLDER}/code"), patch.object(sys, "dont_write_bytecode", False):
            return super().get_code(fullname)

    def source_to_code(self, data: bytes, path: str, *, _optimize: int = -1) -> CodeType:
        tree = ast.fix_missing_locations(Recorded().visit(ast.parse(data)))
        return super().source_to_code(tree, path, _optimize=_optimize)


class Finder(PathFinder):
    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.split(".", maxsplit=1)[0] != "metamers":
            return None
        spec = super().find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def write() -> None:
    params = dict(__main__.snakemake.params.items())
    models = [params["model"]] if isinstance(params.get("model"), dict) else None
    for key in ("recognition_models", "entries"):
        if isinstance(params.get(key), dict):
            models = [one["model"] for one in params[key].values()]
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(
        {"step": params["step"], "models": models, "code": params["code"], "calls": sorted(calls)}, default=dict
    )
    (FOLDER / f"{os.getpid()}.json").write_text(text)


def begin(event: str, arguments: tuple) -> None:
    """Begin with the first file that a job opens in the folder of logs."""
    global begun  # noqa: PLW0603 (a process has one job)
    if event == "open" and not begun and hasattr(__main__, "snakemake") and "/logs/" in str(arguments[0]):
        begun = True
        atexit.register(write)


builtins.record_call = record  # type: ignore[attr-defined]
sys.meta_path.insert(0, Finder)
sys.addaudithook(begin)
