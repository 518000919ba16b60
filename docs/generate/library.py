"""The library's public functions and classes, their signatures and docstrings, read without importing anything."""

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "scripts/metamers"
WIDTH = 76  # of a signature in one line
HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}$", flags=re.MULTILINE)
SPAN = re.compile(r"(``.+?``|`[^`]+`)", flags=re.DOTALL)
# Sections of numpydoc whose entries are names or types, with what they are indented below.
ENTRIES = ("Parameters", "Attributes", "Returns", "Yields", "Raises")

Node = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A module of the library: name, docstring, and its public functions and classes in their order."""

    name: str
    docstring: str
    members: tuple[Node, ...]


def modules(root: Path) -> list[Module]:
    """Every module of the library of a repository, by name."""
    found = []
    for path in sorted((root / LIBRARY).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path.stem != "__init__":
            found.append(Module(path.stem, ast.get_docstring(tree) or "", tuple(public(tree.body))))
    return found


def public(body: Sequence[ast.stmt]) -> Iterator[Node]:
    """Functions and classes that are not marked as private, with a docstring."""
    for node in body:
        if isinstance(node, Node) and not node.name.startswith("_") and ast.get_docstring(node):
            yield node


def signature(node: Node) -> str:
    """How a function or class is called, each parameter in a line of its own where one line is too narrow."""
    function = node
    if isinstance(node, ast.ClassDef):
        function = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if function is None:
        return f"class {node.name}"
    given = ast.unparse(function.args).removeprefix("self, ").removeprefix("self")
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    start = f"class {node.name}(" if isinstance(node, ast.ClassDef) else f"def {node.name}("
    line = f"{start}{given}){returns}"
    if len(line) <= WIDTH:
        return line
    return f"{start}\n" + "".join(f"    {one},\n" for one in _parameters(function.args)) + f"){returns}"


def _parameters(arguments: ast.arguments) -> list[str]:
    """Each parameter as it is written, self left out."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    shown = [
        _with_default(one, default) for one, default in zip(positional, defaults, strict=True) if one.arg != "self"
    ]
    if arguments.vararg:
        shown.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        shown.append("*")
    shown += map(_with_default, arguments.kwonlyargs, arguments.kw_defaults)
    return [*shown, *([f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else [])]


def _with_default(one: ast.arg, default: ast.expr | None) -> str:
    equals = " = " if one.annotation else "="
    return ast.unparse(one) + (equals + ast.unparse(default) if default is not None else "")


def prose(text: str, places: dict[str, str]) -> str:
    """Text of a docstring as Markdown that shows it as it is; names of the library in it become links.

    Parameters
    ----------
    text
        In a docstring's manner, code in double backticks.
    places
        Name, as docstrings write it → where it is explained.
    """
    parts = SPAN.split(text)
    for index, part in enumerate(parts):
        if index % 2:
            code = " ".join(part.strip("`").split())
            parts[index] = f"[`{code}`]({places[code]})" if code in places else f"`{code}`"
        else:
            parts[index] = re.sub(r"([*_<\[\]$])", lambda found: f"&#{ord(found[1])};", part)
    return "".join(parts)


def markdown(docstring: str, places: dict[str, str]) -> str:
    """A numpydoc docstring as Markdown: sections by name, entries as definitions."""
    text = inspect.cleandoc(docstring)
    opening, *rest = HEADING.split(text)
    parts = [prose(opening.strip(), places)]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        content = entries(body, places) if title in ENTRIES else prose(body.strip(), places)
        parts.append(f"**{title}**\n\n{content}")
    return "\n\n".join(parts)


def entries(body: str, places: dict[str, str]) -> str:
    """A section's entries as a list of definitions; a section without any as it is."""
    found = re.findall(r"^(\S.*)\n((?:(?: +.*)?\n)*)", body.strip("\n") + "\n", flags=re.MULTILINE)
    lines = []
    for head, text in found:
        names = ", ".join(f"`{name.strip()}`" for name in _outside_brackets(head))
        explained = prose(inspect.cleandoc(text), places).replace("\n", "\n    ")
        lines.append(f"{names}\n:   {explained}\n" if explained else f"{names}\n:   &nbsp;\n")
    return "\n".join(lines)


def _outside_brackets(head: str) -> list[str]:
    """What is separated by commas that are in no brackets."""
    return re.split(r",\s*(?![^\[(]*[\])])", head)


def places_of(every: Sequence[Module]) -> dict[str, dict[str, str]]:
    """Module → names that its docstrings may write → address of the page and place, seen from that module's page."""
    full = {}
    for module in every:
        full[f"metamers.{module.name}"] = f"{module.name}.md"
        full |= {f"metamers.{module.name}.{node.name}": f"{module.name}.md#{node.name}" for node in module.members}
    return {module.name: full | {node.name: f"#{node.name}" for node in module.members} for module in every}


def page(module: Module, places: dict[str, str]) -> str:
    """The page of one module."""
    parts = [f"# `metamers.{module.name}`\n\n{markdown(module.docstring, places)}\n"]
    for node in module.members:
        parts.append(f"## `{node.name}` {{ #{node.name} }}\n\n{_member(node, places)}\n")
        if isinstance(node, ast.ClassDef):
            parts += [
                f"### `{node.name}.{method.name}` {{ #{node.name}.{method.name} }}\n\n{_member(method, places)}\n"
                for method in public(node.body)
            ]
    return "\n".join(parts)


def _member(node: Node, places: dict[str, str]) -> str:
    return f"```python\n{signature(node)}\n```\n\n{markdown(ast.get_docstring(node), places)}"


INDEX = """# Library

Made from the docstrings of `scripts/metamers/`. The library knows nothing of Snakemake: arrays in, arrays or datasets
out; reading and writing is for the scripts. From Python, with `scripts/` in its path, it is
`import metamers.synthesize`.

| module | what it is for |
| --- | --- |
"""


def index(every: Sequence[Module]) -> str:
    """The page that lists all modules, each with the first sentence of its docstring."""
    rows = []
    for module in every:
        first = re.split(r"(?<=\.)\s", " ".join(module.docstring.split()))[0].removesuffix(".")
        rows.append(f"| [`{module.name}`]({module.name}.md) | {prose(first, {})} |")
    return INDEX + "\n".join(rows) + "\n"
