"""Which code a step runs: a hash over a script and every library module that it imports, directly or not.

Snakemake sees a script change, but not the modules that the script imports. With this hash among a rule's parameters,
changing a module reruns the steps that use it and what follows, no more. These do not count:

- comments, docstrings, layout and the version number;
- literal text in the arguments of errors, warnings and calls of a logger; expressions in them do count. The text of an
  error that a step stores (a model card, a precision of the benchmark) may so be of an earlier version;
- the modules of ``SERVICES`` and ``DECLARATIONS``, and the modules of ``KINDS`` that the models of a job do not need.

The names of modules and of variables count. So a module that moves reruns its steps, which the changelog says.
"""

import ast
import builtins
import functools
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parents[2]  # the folder that holds the package
PACKAGE = "metamers"
STUDIES = "studies"  # in a checkout only, in the folder above that of the library
VERSION = "__version__"
LOG_METHODS = ("debug", "info", "warning", "error", "exception", "critical", "log")
ERRORS = {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}
OUR_ERRORS = ("ConfigurationError",)
IGNORED_FIELDS = ("ctx", "kind", "type_comment")  # fields of a syntax tree that other fields determine

# Modules that change no array between those that a step reads and those that it writes → the reason. Traced runs of the
# tests fail if code that counts calls other functions of these modules than those that read, write, hash or log
# (tests/workflow/runs.py).
SERVICES = {
    "metamers.config.fields": "checks keys of the configuration, which reach a job as parameters",
    "metamers.config.model_lock": "reads the lock file of models; what it says reaches a job as parameters",
    "metamers.config.read": "reads and checks the configuration, which reaches a job as parameters",
    "metamers.config.sources": "a table of sources by name; the module of a source counts",
    "metamers.foreign.hdf5": "checks the structure of a file before it is opened",
    "metamers.foreign.isolated": "calls a function in another process",
    "metamers.models.networks": "a table of builders by their own names; the module of a builder counts",
    "metamers.repository": "finds the folders of the repository",
    "metamers.retrieve": "obtains files and checks their hashes; what was retrieved stays",
    "metamers.retrieve.transfer": "downloads files; what was retrieved stays",
    "metamers.retrieve.publishers": "asks publishers; their answers reach a job as parameters",
    "metamers.run.conventions": "names, units and attributes of files",
    "metamers.run.cpu_time": "measures time",
    "metamers.run.declared": "what steps declare of their files",
    "metamers.run.files": "reads arrays and writes them to the bit (tests/run/test_files.py)",
    "metamers.run.hashes": "computes hashes of files",
    "metamers.run.job": "opens the log of a job and writes its files as they are",
    "metamers.run.logs": "reads and writes logs",
    "metamers.run.manifest": "lists the files of a run with their hashes",
    "metamers.run.packages": "finds files of installed packages",
}

# Modules of any step, and of the studies, that change no array either → the reason.
DECLARATIONS = {
    "files.py": "names, dimensions and meanings of variables",
    "settings.py": "checks keys of the configuration, which reach a job as parameters",
}

# The module that imports those of a folder by the name of a source. A job has those of the sources of its models, and
# what these import.
BY_SOURCE, SOURCE_MODULES = "metamers.models.build", "metamers.models.sources"

# Modules that only some models need → the modality of these models; ``readout``: those that recognize by one; None:
# those with a network of the module.
KINDS = {
    "metamers.config.front_ends": "audio",
    "metamers.config.speech": "audio",
    "metamers.models.cochleagram": "audio",
    "metamers.models.front_ends": "audio",
    "metamers.models.networks.audio": None,
    "metamers.models.networks.vision": None,
    "metamers.models.readout": "readout",
    "metamers.stimuli.excerpts": "audio",
    "metamers.stimuli.images": "vision",
    "metamers.stimuli.sounds": "audio",
    "metamers.stimuli.speech": "audio",
}


def _without_text(argument: ast.expr) -> ast.expr:
    """An argument of a message without its literal text."""
    if isinstance(argument, ast.JoinedStr):
        return ast.JoinedStr([part for part in argument.values if isinstance(part, ast.FormattedValue)])
    return ast.Constant("") if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else argument


def _takes_message(function: ast.expr) -> bool:
    """Whether a called function makes an error, warns or logs."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        base = function.value.id
        return (base == "logger" and function.attr in LOG_METHODS) or (base, function.attr) == ("warnings", "warn")
    return isinstance(function, ast.Name) and (function.id in ERRORS or function.id in OUR_ERRORS)


def _written(node: Any) -> str:
    """A syntax tree as text, without what does not count; the same in all versions of Python."""
    if isinstance(node, list):
        return f"[{','.join(map(_written, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    changed: dict[str, Any] = {}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        changed["body"] = node.body[ast.get_docstring(node, clean=False) is not None :]
    elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return f"Raise({_message(node.exc)},{_written(node.cause)})"
    elif isinstance(node, ast.Call) and _takes_message(node.func):
        return _message(node)
    return _fields(node, changed)


def _message(call: ast.Call) -> str:
    return _fields(call, {"args": list(map(_without_text, call.args))})


def _fields(node: ast.AST, changed: Mapping[str, Any]) -> str:
    values = {name: changed.get(name, getattr(node, name, None)) for name in node._fields if name not in IGNORED_FIELDS}
    # A new version of Python adds fields, which are empty.
    written = [f"{name}={_written(value)}" for name, value in values.items() if value not in (None, [])]
    return f"{type(node).__name__}({','.join(written)})"


def _is_version(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and [getattr(target, "id", "") for target in statement.targets] == [
        VERSION
    ]


def _absolute(module: str, importer: Path, library: Path) -> str:
    """The full name of an imported module; leading dots are relative to the importing file's package."""
    name = module.lstrip(".")
    if not (level := len(module) - len(name)):
        return module
    package = _place(importer, library).parts[:-level]
    return ".".join((*package, name) if name else package)


@functools.cache
def _module_files(module: str, library: Path) -> list[Path]:
    """The files that importing a module of a package runs: ``__init__`` of every package above it, and its own."""
    parts = module.split(".")
    folder = library.parent if parts[0] == STUDIES else library
    packages = [folder.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in (*packages, folder.joinpath(*parts).with_suffix(".py")) if path.is_file()]


@functools.cache
def _parsed(path: Path) -> tuple[str, tuple[str, ...], frozenset[str]]:
    """A hash of what counts in a file, its imports of the packages (``.x`` if relative), and its functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            joint = "" if base.endswith(".") else "."
            names += [base, *(f"{base}{joint}{alias.name}" for alias in node.names)]
    modules = tuple(sorted({name for name in names if name.split(".", maxsplit=1)[0] in (PACKAGE, STUDIES, "")}))
    functions = frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    tree.body = [statement for statement in tree.body if not _is_version(statement)]
    return hashlib.sha256(_written(tree).encode()).hexdigest(), modules, functions


@functools.cache
def _imported(importer: Path, library: Path) -> frozenset[Path]:
    """The files of the package that run when a file's own imports are made, without what these import."""
    modules = (_absolute(module, importer, library) for module in _parsed(importer)[1])
    return frozenset(file for module in modules for file in _module_files(module, library))


@functools.cache
def module_of(path: Path, library: Path = LIBRARY) -> str:
    """The name of a module of the library, from its file; empty for another file."""
    if library not in path.parents or path.relative_to(library).parts[0] != PACKAGE:
        return ""
    return ".".join(path.relative_to(library).with_suffix("").parts).removesuffix(".__init__")


def _place(path: Path, library: Path) -> Path:
    """The path of a package's file, relative to the folder that holds the package."""
    return path.relative_to(library if library in path.parents else library.parent)


def _of_sources(kinds: frozenset[str] | None, library: Path) -> frozenset[Path]:
    """The files of the sources among some kinds of models; None: of all sources."""
    folder = library.joinpath(*SOURCE_MODULES.split("."))
    names = {path.stem for path in folder.glob("[!_]*.py")}
    used = names if kinds is None else names & kinds
    return frozenset(file for name in used for file in _module_files(f"{SOURCE_MODULES}.{name}", library))


def files_used(script: str | Path, library: Path = LIBRARY, kinds: frozenset[str] | None = None) -> list[Path]:
    """The script and all files of the package that run when it is imported, directly or not, sorted.

    Parameters
    ----------
    script
        A Python file.
    library
        The folder that holds the package.
    kinds
        Modalities and sources of the models that the script computes with; None: all.
    """
    seen = {Path(script)}
    waiting = [Path(script)]
    while waiting:
        importer = waiting.pop()
        new = _imported(importer, library) - seen
        if module_of(importer, library) == BY_SOURCE:
            new |= _of_sources(kinds, library) - seen
        seen |= new
        waiting += new
    return sorted(seen)


_Needs = tuple[frozenset[str] | None, frozenset[str | None]]


def _needs(models: Iterable[Mapping[str, Any]] | None) -> _Needs:
    """The kinds of models (modalities, sources and ``readout``; None: all), and the networks of the library."""
    if models is None:
        return None, frozenset()
    models = list(models)
    kinds = {model["modality"] for model in models}.union(*(model.get("source", ()) for model in models))
    kinds |= {"readout" for model in models if "readout" in model}
    networks = {model["source"].get(PACKAGE) for model in models if "source" in model}
    return frozenset(kinds), frozenset(networks)


@functools.cache
def _without(kinds: frozenset[str] | None, networks: frozenset[str | None], library: Path) -> frozenset[str]:
    """The modules of ``KINDS`` that neither these kinds of models nor these networks need; once for all their jobs."""
    if kinds is None:
        return frozenset()

    def needed(module: str, kind: str | None) -> bool:
        if kind is not None:
            return kind in kinds
        files = _module_files(module, library)
        return not networks.isdisjoint(_parsed(files[-1])[2] if files else ())

    return frozenset(module for module, kind in KINDS.items() if not needed(module, kind))


def files_that_count(
    script: str | Path, models: Iterable[Mapping[str, Any]] | None = None, library: Path = LIBRARY
) -> list[Path]:
    """The files of ``files_used`` without services, declarations, and what the models of a job do not need.

    Parameters
    ----------
    script, library
        As for ``files_used``.
    models
        Registry entries of all models that the job computes with, of which ``modality``, ``source`` and ``readout`` are
        used; ``modality`` alone if it computes with none. None: of every kind.
    """
    return _files_that_count(Path(script), _needs(models), library)


def _files_that_count(script: Path, needs: _Needs, library: Path) -> list[Path]:
    left_out = SERVICES.keys() | _without(*needs, library)
    used = [path for path in files_used(script, library, needs[0]) if path.name not in DECLARATIONS]
    return [path for path in used if path == script or module_of(path, library) not in left_out]


def code_version(script: str | Path, models: Iterable[Mapping[str, Any]] | None = None, library: Path = LIBRARY) -> str:
    """Hash (16 hexadecimal digits) of the code that a script runs: its own and that of the modules that it imports.

    Parameters
    ----------
    script, models, library
        As for ``files_that_count``.
    """
    return _version(Path(script), _needs(models), library)


@functools.cache
def _version(script: Path, needs: _Needs, library: Path) -> str:
    digest = hashlib.sha256()
    for path in _files_that_count(script, needs, library):
        name = path.name if path == script else _place(path, library).as_posix()
        digest.update(f"{name}\0{_parsed(path)[0]}".encode())
    return digest.hexdigest()[:16]


def data_version(*files: str | Path) -> str:
    """Hash (16 hexadecimal digits) of the names and bytes of files that a script reads, such as page templates."""
    digest = hashlib.sha256()
    for path in map(Path, files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
