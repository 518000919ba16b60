"""Every rule of the workflow: what it makes of what, out of the text of the Snakefile and `workflow/rules/`.

The text is read and not run, so that the page does not depend on a configuration: constants are followed, wildcards and
other names in a path stand in angle brackets, and a function stands for itself by the first sentence of its docstring.
"""

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WRAPPERS = ("report", "directory", "expand", "unpack", "sorted", "list", "dict.fromkeys", "temp", "protected")
RUN = "results/<run>"


@dataclass
class Step:
    """One file of rules.

    Attributes
    ----------
    name
        Of the file, without ending.
    title
        Its docstring.
    rules
        In their order.
    """

    name: str
    title: str
    rules: list["Rule"] = field(default_factory=list)


@dataclass
class Rule:
    """One rule, or one kind of rules that are made in a loop: name → directives, as they are written."""

    name: str
    directives: dict[str, str]


@dataclass
class Workflow:
    """All rules, with what their text names: constants and the docstrings of functions."""

    targets: list[Rule]
    steps: list[Step]
    constants: dict[str, list[ast.expr]]
    functions: dict[str, str]


def read(root: Path) -> Workflow:
    """The workflow of a repository, from its text."""
    snakefile = (root / "Snakefile").read_text(encoding="utf-8")
    paths = [root / path for path in re.findall(r'^include: "(.*)"$', snakefile, flags=re.MULTILINE)]
    texts = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    constants: dict[str, list[ast.expr]] = {}
    functions: dict[str, str] = {}
    whole = "\n".join(texts.values())
    for text in texts.values():
        for module, name in re.findall(
            r"^from metamers\.(\w+) import (?:\([^)]*?|[^(\n]*?)([A-Z_]+ as [A-Z_]+)", text, re.MULTILINE
        ):
            there, here = name.split(" as ")
            library = (root / "scripts" / "metamers" / f"{module}.py").read_text(encoding="utf-8")
            constants[here] = _values(library, there)
        for name in re.findall(r"^([A-Z_]+) = ", text, flags=re.MULTILINE):
            constants[name] = _values(whole, name)
        functions |= dict(re.findall(r'^def (\w+)\(.*?\):\n    """(.*?)"""', text, flags=re.MULTILINE | re.DOTALL))
    steps = [
        Step(name, ast.get_docstring(ast.parse(_head(text))) or "", rules_of(text)) for name, text in texts.items()
    ]
    return Workflow(rules_of(snakefile), [step for step in steps if step.rules], constants, functions)


def _values(text: str, name: str) -> list[ast.expr]:
    """What a constant is set to in a file, and what is added to it."""
    # Up to the next line that is not further in, and closes no bracket.
    end = r"(?=\n(?!\1 ) *[^\s)\]}]|\Z)"
    found = re.findall(rf"^( *){name} \+?= (.*?){end}", text, flags=re.MULTILINE | re.DOTALL)
    return [ast.parse(value.strip(), mode="eval").body for _, value in found]


def _head(text: str) -> str:
    """The docstring that a file begins with."""
    return re.match(r'""".*?"""', text, flags=re.DOTALL)[0]


def rules_of(text: str) -> list[Rule]:
    """The rules of a file."""
    found = []
    for rule in re.finditer(r"^( *)rule(?: (\w+))?:\n((?:\1    .*\n|\n)*)", text + "\n", flags=re.MULTILINE):
        body = textwrap.dedent(rule[3])
        directives = dict(re.findall(r"^(\w+):(.*?)(?=^\w+:|\Z)", body, flags=re.MULTILINE | re.DOTALL))
        name = rule[2] or directives["name"].strip().removeprefix("f").strip('"')
        found.append(Rule(re.sub(r"\{(\w+)\}", r"<\1>", name), directives))
    return found


def arguments(directive: str) -> list[tuple[str | None, ast.expr]]:
    """What a directive lists: name or None → expression."""
    call = ast.parse(f"f(\n{textwrap.dedent(directive)}\n)", mode="eval").body
    assert isinstance(call, ast.Call)
    return [(None, value) for value in call.args] + [(keyword.arg, keyword.value) for keyword in call.keywords]


def pattern(value: ast.JoinedStr | ast.Constant, constants: Mapping[str, Sequence[ast.expr]]) -> str:
    """A string that may be formatted, with constants put in and everything else in angle brackets."""
    if isinstance(value, ast.Constant):
        return re.sub(r"\{(?:\w+\.)*(\w+)\}", r"<\1>", str(value.value))
    parts = []
    for part in value.values:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.Name) and inner.id in constants:
            # Of a constant that a condition sets, what stands first.
            inner = constants[inner.id][0]
            inner = inner.body if isinstance(inner, ast.IfExp) else inner
            inner = inner.values[0] if isinstance(inner, ast.BoolOp) else inner
        text = isinstance(inner, ast.JoinedStr) or (isinstance(inner, ast.Constant) and isinstance(inner.value, str))
        parts.append(pattern(inner, constants) if text else f"<{_word(inner)}>")
    return "".join(parts)


def _word(value: ast.expr) -> str:
    """What stands for a value that is put into a path: the outermost name in it."""
    nodes = list(ast.walk(value))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and str(node.value).isidentifier()]
    wildcards = [
        node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "wildcards"
    ]
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    return (texts or wildcards or names)[0]


def described(value: ast.expr, workflow: Workflow) -> list[str]:
    """What an input or output is, each thing in Markdown."""
    parts = _parts(value, workflow.constants)
    if parts is None:
        return [_thing(value, workflow)]
    return [text for part in parts for text in described(part, workflow)]


def _parts(value: ast.expr, constants: Mapping[str, Sequence[ast.expr]]) -> Sequence[ast.expr] | None:
    """What an expression lists or stands for; None of one that is a thing itself."""
    parts = None
    match value:
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
            last = value.generators[-1]
            same = ast.unparse(value.elt) == ast.unparse(last.target)
            parts = [last.iter if same else value.elt]
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.BoolOp(values=items):
            parts = items
        case ast.BinOp(left=one, op=ast.Add(), right=other) | ast.IfExp(body=one, orelse=other):
            parts = [one, other]
        case ast.Call(func=function, args=[first, *_]) if ast.unparse(function) in WRAPPERS:
            parts = [first]
        case ast.Lambda(body=inner) | ast.Starred(value=inner) | ast.Call(func=ast.Call() as inner):
            parts = [inner]
        case ast.Name(id=name) if name in constants:
            parts = constants[name]
    return parts


def _thing(value: ast.expr, workflow: Workflow) -> str:
    """A path, what another rule makes, or what a function gives, in Markdown; whatever else, as it is written."""
    if isinstance(value, ast.Constant | ast.JoinedStr):
        return f"`{pattern(value, workflow.constants)}`"
    name = ast.unparse(value.func if isinstance(value, ast.Call) else value)
    if name in workflow.functions:
        return sentence(workflow.functions[name])
    if other := re.fullmatch(r"rules\.(\w+)\.(output|input)(?:\.(\w+)|\[0\])?", name):
        verb = "makes" if other[2] == "output" else "takes"
        return f"what [`{other[1]}`](#{other[1]}) {verb}" + (f": {other[3]}" if other[3] else "")
    return f"`{ast.unparse(value)}`"


def sentence(docstring: str) -> str:
    """The first sentence of a docstring, as a part of a list."""
    first = re.split(r"(?<=\.)\s", " ".join(docstring.split()))[0].removesuffix(".")
    first = first.removeprefix("Input function: ").replace("``", "`")
    return first[0].lower() + first[1:]


def outputs(workflow: Workflow) -> dict[str, str]:
    """Path of every output of a rule under the run's folder → the rule's name."""
    found = {}
    for step in workflow.steps:
        for rule in step.rules:
            for _, value in arguments(rule.directives.get("output", "")):
                for text in described(value, workflow):
                    if text.startswith(f"`{RUN}/"):
                        found[text.strip("`").removeprefix(f"{RUN}/")] = rule.name
    return found


def listed(directive: str, workflow: Workflow) -> str:
    """A directive as a list in Markdown, the same thing once."""
    lines = []
    for name, value in arguments(directive):
        things = list(dict.fromkeys(described(value, workflow)))
        if things:
            lines.append(f"- {f'*{name}*: ' if name else ''}{', '.join(things)}")
    return "\n".join(lines) or "- nothing"


PAGE = """# Rules

Made from the text of `Snakefile` and `workflow/rules/`. Names in angle brackets are wildcards, or names of the
registries.

## Targets

Any file that a rule makes is a target, and so are these names.

"""


def anchor(name: str) -> str:
    """The name of a rule's place on the page."""
    return re.sub(r"_?<\w+>", "", name)


def page(workflow: Workflow) -> str:
    """The page of all rules of what ``read`` gives."""
    parts = [PAGE, "| target | makes |\n| --- | --- |\n"]
    for target in workflow.targets:
        things = [
            text for _, value in arguments(target.directives.get("input", "")) for text in described(value, workflow)
        ]
        parts.append(f"| `{target.name}` | {', '.join(dict.fromkeys(things))} |\n")
    # Whose files have no wildcards, so that they can be asked for by the rule's name.
    asked = [
        rule.name
        for step in workflow.steps
        for rule in step.rules
        if rule.name == step.name and "{{" not in rule.directives.get("output", "")
    ]
    parts += [f"| `{name}` | [what the rule makes](#{name}) |\n" for name in asked]
    for step in workflow.steps:
        parts.append(f"\n## {step.name.replace('_', ' ').capitalize()}\n\n{step.title}\n")
        for rule in step.rules:
            script = re.search(r'"(.*)"', rule.directives["script"])[1]
            message = " ".join(
                f"{described(value, workflow)[0].strip('`')}" for _, value in arguments(rule.directives["message"])
            )
            parts.append(
                f"\n### `{rule.name}` {{ #{anchor(rule.name)} }}\n\n"
                f"Says “{message.replace('<', '&lt;')}” and runs `scripts/{script}`.\n\n"
                f"Input\n\n{listed(rule.directives.get('input', ''), workflow)}\n\n"
                f"Output\n\n{listed(rule.directives.get('output', ''), workflow)}\n"
            )
    return "".join(parts)
