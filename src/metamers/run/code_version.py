"""Which code a step runs: a hash over a script and every library module that it imports, directly or not.

Snakemake sees a script change, but not the modules that the script imports. With this hash among a rule's parameters,
changing a module reruns the steps that use it and what follows, no more. What cannot change a result does not count:

- comments, docstrings and layout; the names of local variables and of modules, and the order of definitions, so that
  code can be moved;
- literal text in the arguments of errors, warnings and calls of a logger, and the version number; expressions do count;
- the modules of ``SERVICES``, and of ``KINDS`` those that the models of a job do not need.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LIBRARY = Path(__file__).resolve().parents[2]  # the folder that holds the package
PACKAGE = "metamers"
VERSION = "__version__"
SPEAKERS = ("logger", "logging", "warnings")  # names whose methods take messages
NETWORKS = "metamers.models.networks"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
UNWRITTEN = ("ctx", "kind", "type_comment")  # fields of a syntax tree that other fields determine

# Modules, or packages with all their modules, that change no array between those that a step reads and those that it
# writes (tests/workflow/test_code_version.py) → the reason.
SERVICES = {
    "metamers.config.model_lock": "reads the lock file of models; what it says reaches a job as parameters",
    "metamers.config.read": "reads and checks the configuration, which reaches a job as parameters",
    "metamers.foreign": "reads files from outside without running their code: gives the arrays in them or refuses",
    "metamers.repository": "finds the folders of the repository",
    "metamers.retrieve": "obtains files, whose hashes are checked",
    "metamers.run.conventions": "names, units and attributes of files",
    "metamers.run.cpu_time": "measures time",
    "metamers.run.files": "reads arrays and writes them as they are",
    "metamers.run.hashes": "computes hashes of files",
    "metamers.run.job": "opens the log of a job",
    "metamers.run.logs": "reads and writes logs",
    "metamers.run.manifest": "lists the files of a run with their hashes",
    "metamers.run.packages": "finds files of installed packages",
    "metamers.texts": "checks texts from outside",
    NETWORKS: "a table of builders; the module of a builder counts",
}

# Modules that only some models need → the modality of these models, or None: those with a network of the module.
KINDS = {
    "metamers.config.speech": "audio",
    "metamers.models.cochleagram": "audio",
    "metamers.stimuli.sounds": "audio",
    "metamers.stimuli.images": "vision",
    f"{NETWORKS}.audio": None,
    f"{NETWORKS}.vision": None,
}


class Parsed(NamedTuple):
    """What a file of Python contributes to a version.

    Attributes
    ----------
    defined
        Name → hash of its definition, for functions, classes, constants and imports.
    others
        Hash of all its other statements, in their order; of a script, of all statements.
    imported
        (module, name) of its imports from the package; ``name`` is empty for ``import module``.
    """

    defined: dict[str, str]
    others: str
    imported: tuple[tuple[str, str], ...]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _without_text(argument: ast.expr) -> ast.expr:
    """An argument of a message without its literal text."""
    if isinstance(argument, ast.JoinedStr):
        return ast.JoinedStr([part for part in argument.values if isinstance(part, ast.FormattedValue)])
    return ast.Constant("") if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else argument


def _takes_messages(function: ast.expr) -> bool:
    """Whether a called function is an error or a warning, or a method of a logger."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in SPEAKERS:
        return True
    name = getattr(function, "attr", getattr(function, "id", ""))
    return name.endswith(("Error", "Exception", "Warning", "Exit"))


class _Writer:
    """Writes a syntax tree as text, without what cannot change a result. A method has the name of its kind of node."""

    def __init__(self, package: Sequence[str]) -> None:
        self.package = package  # that holds the file, to which leading dots of an import are relative
        self.numbers: dict[str, str] | None = None  # of local variables, within a function
        self.imported: set[tuple[str, str]] = set()  # (module, name) of imports from the library

    def text(self, node: Any) -> str:
        if isinstance(node, list):
            return f"[{','.join(map(self.text, node))}]"
        if not isinstance(node, ast.AST):
            return repr(node)
        special = getattr(self, type(node).__name__, None)
        return special(node) if special else self.fields(node)

    def fields(self, node: ast.AST, **changed: Any) -> str:
        written = [
            self.text(changed.get(name, getattr(node, name, None))) for name in node._fields if name not in UNWRITTEN
        ]
        return f"{type(node).__name__}({','.join(written)})"

    def named(self, name: str | None) -> str:
        return (self.numbers or {}).get(name or "", name or "")

    def ClassDef(self, node: Any) -> str:  # noqa: N802 (as all names here: of the module ast)
        return self.fields(node, body=node.body[ast.get_docstring(node, clean=False) is not None :])

    def FunctionDef(self, node: Any) -> str:  # noqa: N802
        body = node.body[ast.get_docstring(node, clean=False) is not None :]
        if self.numbers is not None:
            return self.fields(node, name=self.named(node.name), body=body)
        self.numbers = {name: f"{number} " for number, name in enumerate(_local_variables(node))}  # no identifiers
        written = self.fields(node, body=body)
        self.numbers = None
        return written

    AsyncFunctionDef = FunctionDef

    def Call(self, node: ast.Call) -> str:  # noqa: N802
        return self.message(node) if _takes_messages(node.func) else self.fields(node)

    def Raise(self, node: ast.Raise) -> str:  # noqa: N802
        if not isinstance(node.exc, ast.Call):
            return self.fields(node)
        return f"Raise({self.message(node.exc)},{self.text(node.cause)})"

    def message(self, call: ast.Call) -> str:
        keywords = [ast.keyword(keyword.arg, _without_text(keyword.value)) for keyword in call.keywords]
        return self.fields(call, args=list(map(_without_text, call.args)), keywords=keywords)

    def Name(self, node: ast.Name) -> str:  # noqa: N802
        return f"Name({self.named(node.id)})"

    def ExceptHandler(self, node: ast.ExceptHandler) -> str:  # noqa: N802
        return self.fields(node, name=self.named(node.name))

    def Import(self, node: ast.Import) -> str:  # noqa: N802
        return ";".join(self.imports(node).values())

    def ImportFrom(self, node: ast.ImportFrom) -> str:  # noqa: N802
        return ";".join(self.imports(node).values())

    def imports(self, node: ast.Import | ast.ImportFrom) -> dict[str, str]:
        """Name → what it is imported from; of the library, whose modules count themselves, only new names."""
        found = {}
        for alias in node.names:
            module, name = (alias.name, "") if isinstance(node, ast.Import) else (self.module_of(node), alias.name)
            if module.split(".", maxsplit=1)[0] == PACKAGE:
                self.imported.add((module, name))
                if not name or not alias.asname:
                    continue
                module = ""
            found[alias.asname or alias.name] = f"{module} {name} {alias.asname}"
        return found

    def module_of(self, node: ast.ImportFrom) -> str:
        above = self.package[: len(self.package) + 1 - node.level] if node.level else ()
        return ".".join((*above, *filter(None, [node.module])))


def _local_variables(function: ast.AST) -> list[str]:
    """The local variables of a function and of the functions within it, in the order of their appearance.

    Without parameters, which calls may name.
    """
    found: dict[str, None] = {}
    kept: set[str] = set()
    waiting: list[Any] = [function]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += [child for child in node[::-1] if isinstance(child, ast.AST)]
            continue
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is ast.Store:
                found[node.id] = None
            continue
        if (kind in FUNCTIONS and node is not function) or (kind is ast.ExceptHandler and node.name):
            found[node.name] = None
        elif kind is ast.arg:
            kept.add(node.arg)
        elif kind is ast.Global or kind is ast.Nonlocal:
            kept.update(node.names)
        elif kind is ast.ClassDef:  # its attributes
            kept.update(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
        waiting += [
            child for name in reversed(node._fields) if isinstance(child := getattr(node, name), ast.AST | list)
        ]
    return [name for name in found if name not in kept]


def _definitions(statement: ast.stmt, writer: _Writer) -> dict[str, str] | None:
    """Name → text of what a statement of a module defines; None if it does something else."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return writer.imports(statement)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name: writer.text(statement)}
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    if isinstance(statement, ast.Assign | ast.AnnAssign) and len(targets) == 1 and isinstance(targets[0], ast.Name):
        return {targets[0].id: writer.text(statement)}
    return None


@functools.cache
def _parsed(path: Path, library: Path) -> Parsed:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    in_library = library in path.parents and path.relative_to(library).parts[0] == PACKAGE
    writer = _Writer(path.relative_to(library).parts[:-1] if in_library else ())
    defined: dict[str, str] = {}
    others = []
    for statement in tree.body[ast.get_docstring(tree, clean=False) is not None :]:
        new = _definitions(statement, writer)
        # A script runs its statements one after another.
        if new is None or new.keys() & defined.keys() or not in_library:
            others.append(writer.text(statement) if new is None else str(new))
        else:
            defined |= new
    defined.pop(VERSION, None)
    hashes = {name: _hash(text) for name, text in defined.items()}
    return Parsed(hashes, _hash("\n".join(others)), tuple(sorted(writer.imported)))


@functools.cache
def _module_files(module: str, library: Path) -> list[Path]:
    """The files that importing a module of the package runs: ``__init__`` of every package above it, and its own."""
    parts = module.split(".")
    found = [library.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in (*found, library.joinpath(*parts).with_suffix(".py")) if path.is_file()]


@functools.cache
def _imported(importer: Path, library: Path) -> frozenset[Path]:
    """The files of the package that run when a file's own imports are made, without what these import."""
    imported = _parsed(importer, library).imported
    return frozenset(
        file
        for module, name in imported
        for part in (module, f"{module}.{name}")
        for file in _module_files(part, library)
    )


def _module_of(path: Path, library: Path) -> str:
    """The name of a module, from its file."""
    name = ".".join(path.relative_to(library).with_suffix("").parts)
    return name.removesuffix(".__init__")


def _is_service(module: str) -> bool:
    return module in SERVICES or (module.rpartition(".")[0] in SERVICES and module not in KINDS)


def _left_out(models: Iterable[Mapping[str, Any]] | None, library: Path) -> frozenset[str]:
    """The modules of ``KINDS`` that none of the models needs."""
    if models is None:
        return frozenset()
    models = list(models)
    modalities = {model["modality"] for model in models}
    networks = {model.get("source", {}).get(PACKAGE) for model in models}
    return frozenset(
        module
        for module, modality in KINDS.items()
        if (not networks & _defined(module, library) if modality is None else modality not in modalities)
    )


def _defined(module: str, library: Path) -> frozenset[str]:
    """The names that a module defines; none if there is no such module."""
    path = library.joinpath(*module.split(".")).with_suffix(".py")
    return frozenset(_parsed(path, library).defined if path.is_file() else ())


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


def files_that_count(
    script: str | Path, models: Iterable[Mapping[str, Any]] | None = None, library: Path = LIBRARY
) -> list[Path]:
    """The files of ``files_used`` without services, and without what the models of a job do not need.

    Parameters
    ----------
    script, library
        As for ``files_used``.
    models
        Registry entries, of which the keys ``modality`` and ``source`` are used; None: of every kind.
    """
    return _files_that_count(Path(script), _left_out(models, library), library)


def _files_that_count(script: Path, left_out: frozenset[str], library: Path) -> list[Path]:
    def counts(path: Path) -> bool:
        if path == script or library not in path.parents:
            return True
        module = _module_of(path, library)
        return module not in left_out and not _is_service(module)

    return [path for path in files_used(script, library) if counts(path)]


def code_version(script: str | Path, models: Iterable[Mapping[str, Any]] | None = None, library: Path = LIBRARY) -> str:
    """Hash (16 hexadecimal digits) of the code that a script runs: its own and that of the modules that it imports.

    Parameters
    ----------
    script, models, library
        As for ``files_that_count``.
    """
    return _version(Path(script), _left_out(models, library), library)


@functools.cache
def _version(script: Path, left_out: frozenset[str], library: Path) -> str:
    files = {path: _parsed(path, library) for path in _files_that_count(script, left_out, library)}
    definitions: dict[str, set[str]] = {}
    for parsed in files.values():
        for name, text in parsed.defined.items():
            definitions.setdefault(name, set()).add(text)
    parts = set()
    for path, parsed in files.items():
        parts.add(parsed.others)
        # Where a name is defined in several ways, it matters in which module, and who imports it from where.
        parts.update(
            f"{path.stem} {text}" if len(definitions[name]) > 1 else text for name, text in parsed.defined.items()
        )
        for module, name in parsed.imported:
            imported = f"{module}.{name}" if name else module
            is_module = not name or len(_module_files(imported, library)) > len(_module_files(module, library))
            if len(definitions.get(name, ())) > 1 or (is_module and not _is_service(imported)):
                parts.add(f"{path.stem} {module} {name}")
    return _hash("\n".join(sorted(parts)))[:16]


def data_version(*files: str | Path) -> str:
    """Hash (16 hexadecimal digits) of the names and bytes of files that a script reads, such as page templates."""
    digest = hashlib.sha256()
    for path in map(Path, files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
