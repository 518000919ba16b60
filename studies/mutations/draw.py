"""Mutations: lines of a function or of a module's constant with another sign, axis, index, constant or comparison."""

import ast
import hashlib
import itertools
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LIBRARY = Path("src", "metamers")
PACKAGES = (
    *("match", "stimuli", "models", "synthesize", "null", "recognize", "train"),
    *("humans", "compare", "leaderboard", "preregister", "power", "brain", "beyond", "vulnerability"),
)
FIELDS = ("path", "line", "scope", "kind", "old", "new")
SIGNS = {ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*")}
COMPARISONS = {
    ast.Lt: ("<", "<=", ">"),
    ast.LtE: ("<=", "<", ">="),
    ast.Gt: (">", ">=", "<"),
    ast.GtE: (">=", ">", "<="),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.Is: ("is", "is not"),
}
AXES = {"axis", "axes", "dim", "dims"}
LOGS = re.compile(r"(logger|logging|warnings)\.|print\(")


@dataclass(frozen=True)
class Mutation:
    """A changed line: ``text`` replaces the bytes from ``start`` to ``end`` of the file, which are in ``expression``.

    ``scope`` is the name of the function or of the constant.
    """

    path: str
    line: int
    scope: str
    kind: str
    old: str
    new: str
    start: int
    end: int
    text: bytes
    expression: tuple[int, int]

    @property
    def key(self) -> str:
        """What identifies the mutation in other versions of the file."""
        return key_of({field: getattr(self, field) for field in FIELDS})

    @property
    def is_constant(self) -> bool:
        return self.scope.isupper()


def key_of(row: dict[str, str]) -> str:
    """The key of a mutation that is a row of a table."""
    return hashlib.sha256("\n".join(row[field] for field in ("path", "scope", "old", "new")).encode()).hexdigest()[:16]


def find_mutations(root: Path, path: str) -> dict[str, Mutation]:
    """The mutations of a file by key, without those of lines that a function has twice."""
    source, mutations = (root / path).read_bytes(), defaultdict(list)
    span = spans(source)
    for node, scope, numbers in _expressions(ast.parse(source)):
        for start, end, text, kind in _edits(node, numbers, source, span):
            first, last = source.rfind(b"\n", 0, start) + 1, source.find(b"\n", end)
            old, new = source[first:last], source[first:start] + text.encode() + source[end:last]
            number, lines = source.count(b"\n", 0, start) + 1, (line.decode().strip() for line in (old, new))
            expression = span(node.value if isinstance(node, ast.AugAssign) else node)
            mutation = Mutation(path, number, scope, kind, *lines, start, end, text.encode(), expression)
            mutations[mutation.key].append(mutation)
    return {key: same[0] for key, same in mutations.items() if len(same) == 1}


def spans(source: bytes) -> Callable[[ast.AST], tuple[int, int]]:
    """A function that returns the byte offsets of a node."""
    lines = [0, *itertools.accumulate(map(len, source.splitlines(keepends=True)))]
    return lambda node: (lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset)


def _expressions(node: ast.AST, scope: str = "", numbers: str = "constant") -> Iterator[tuple[ast.AST, str, str]]:
    """Yield statements and expressions, with their scope and the kind of a number there, without logs and errors."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.pattern):
        return
    if (isinstance(node, ast.Expr) and LOGS.match(ast.unparse(node))) or getattr(node, "arg", None) == "strict":
        return
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        scope = ".".join(filter(None, (scope, getattr(node, "name", ""))))
        for statement in node.body:
            if isinstance(node, ast.FunctionDef) or isinstance(statement, ast.ClassDef | ast.FunctionDef):
                yield from _expressions(statement, scope)
            elif isinstance(node, ast.Module) and isinstance(statement, ast.Assign | ast.AnnAssign):
                target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
                if statement.value and (name := ast.unparse(target)).isupper():
                    yield from _expressions(statement.value, name)
        return
    yield node, scope, numbers
    for field, value in ast.iter_fields(node) if _number(node) is None else ():
        if field != "annotation":
            kind = "index" if field == "slice" else "axis" if getattr(node, "arg", None) in AXES else "constant"
            kind = numbers if isinstance(node, ast.Slice | ast.Tuple) else kind
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _expressions(child, scope, kind)


def _edits(node: ast.AST, numbers: str, source: bytes, span: Callable) -> Iterator[tuple[int, int, str, str]]:
    """Yield start, end, new text and kind of each change of a node, without those of its parts."""
    if (number := _number(node)) is not None:
        yield *span(node), _changed(number, numbers), numbers
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield span(node)[0], span(node)[0] + 1, "", "sign"
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in SIGNS:
        sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
        if not any(isinstance(side, ast.JoinedStr) or _is_string(side) for side in sides):
            old, new = SIGNS[type(node.op)]
            start = source.index(old.encode(), span(sides[0])[1], span(sides[1])[0])
            yield start, start + len(old), new, "sign"
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        old, *changed = COMPARISONS[type(node.ops[0])]
        start = source.index(old.encode(), span(node.left)[1], span(node.comparators[0])[0])
        for new in changed:
            yield start, start + len(old), new, "comparison"


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _number(node: ast.AST) -> bool | int | float | None:
    """The value of a literal number or truth value, else None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return None if (value := _number(node.operand)) is None else -value
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int | float) else None


def _changed(number: float, kind: str) -> str:
    if isinstance(number, bool):
        return str(not number)
    if isinstance(number, float):
        return repr(2 * number or 1.0)
    if kind == "constant":
        return str(number + 1)
    return str({0: 1, -1: -2}.get(number, number - 1 if number > 0 else number + 1))


def draw(root: Path, count: int, seed: int) -> list[Mutation]:
    """Draw mutations of different lines, from each package and kind in turn as long as there are any."""
    strata, lines, drawn, generator = defaultdict(list), set(), [], random.Random(seed)
    for package in PACKAGES:
        folder = root / LIBRARY / package
        for file in sorted([*folder.rglob("*.py"), *folder.parent.glob(f"{package}.py")]):
            for mutation in find_mutations(root, file.relative_to(root).as_posix()).values():
                strata[package, mutation.kind].append(mutation)
    for stratum in strata.values():
        generator.shuffle(stratum)
    while len(drawn) < count and any(strata.values()):
        for stratum in filter(None, strata.values()):
            mutation = stratum.pop()
            if len(drawn) < count and (mutation.path, mutation.line) not in lines:
                lines.add((mutation.path, mutation.line))
                drawn.append(mutation)
    return sorted(drawn, key=lambda mutation: (mutation.path, mutation.line))
