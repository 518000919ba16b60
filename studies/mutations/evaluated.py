"""Which tests evaluate which expressions: the modules of a clone record it themselves.

An expression is recorded if it is evaluated in the process of a test or in one that inherits its environment, a
constant of a module where a function reads its name.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from studies.mutations.draw import LIBRARY, Mutation, spans

MODULE = """import os

_recorded = set()


def evaluated(key):
    row = f"{{key}}\\t{{os.environ.get('PYTEST_CURRENT_TEST', '')}}\\n"
    if row not in _recorded:
        _recorded.add(row)
        try:
            with open({path!r}, "a") as file:
                file.write(row)
        except Exception:  # in a process that may not write files
            pass
    return True
"""


def record_evaluations(root: Path, mutations: Iterable[Mutation], record: Path) -> None:
    """Change the modules of a clone: they append the key of a mutation and the test to the file ``record``."""
    constants, insertions = defaultdict(set), defaultdict(set)
    for mutation in mutations:
        if mutation.is_constant:
            constants[mutation.scope].add(mutation.key)
        else:
            insertions[root / mutation.path].add((mutation.expression, mutation.key))
    for path in (root / LIBRARY).rglob("*.py") if constants else ():
        for name, span in _reads(path.read_bytes()):
            insertions[path] |= {(span, key) for key in constants.get(name, ())}
    for path, expressions in insertions.items():
        source, texts = path.read_bytes(), []
        for (start, end), key in expressions:
            opening = f"(__import__('mutation_record').evaluated({key!r}) and ("
            texts += [(start, -end, opening.encode()), (end, 0, b"))")]
        for offset, _, text in sorted(texts, reverse=True):
            source = source[:offset] + text + source[offset:]
        path.write_bytes(source)
    (root / "src" / "mutation_record.py").write_text(MODULE.format(path=str(record)), encoding="utf-8")


def _reads(source: bytes) -> set[tuple[str, tuple[int, int]]]:
    """The names and attributes that functions read, each with the byte offsets of its expression."""
    span, reads = spans(source), set()

    def visit(node: ast.AST, in_function: bool) -> None:
        if isinstance(node, ast.JoinedStr | ast.pattern):
            return
        if in_function and isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            reads.add((node.id if isinstance(node, ast.Name) else node.attr, span(node)))
        for field, value in ast.iter_fields(node):
            inside = field == "body" if isinstance(node, ast.FunctionDef) else in_function
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and field != "annotation":
                    visit(child, inside)

    visit(ast.parse(source), False)
    return reads


def read_record(record: Path, tests: Iterable[str]) -> dict[str, list[str]]:
    """The tests that evaluate each mutated expression: all ``tests`` for a fixture or an import."""
    evaluated = defaultdict(set)
    for line in record.read_text(encoding="utf-8").splitlines():
        key, _, current = line.partition("\t")
        test, _, phase = current.rpartition(" ")
        evaluated[key] |= {test} if phase == "(call)" else set(tests)
    return {key: sorted(evaluated[key]) for key in sorted(evaluated)}
