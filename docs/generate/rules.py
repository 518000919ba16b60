"""The reference page of the rules: their inputs and outputs, from the text of the Snakefile and `workflow/rules/`.

The text is parsed and not run, so the page does not depend on a configuration. Constants are replaced by their values,
wildcards and other names in a path are shown in angle brackets, and a function is shown as the first sentence of its
docstring.
"""

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metamers.plan.steps import STEPS

WRAPPERS = (
    "local",
    "committed",
    "report",
    "directory",
    "expand",
    "collect",
    "unpack",
    "sorted",
    "list",
    "dict.fromkeys",
    "temp",
    "protected",
)
RUN = "results/<run>"


@dataclass
class Step:
    """One file of rules.

    Attributes
    ----------
    name
        Name of the file, without suffix.
    title
        Docstring of the file.
    rules
        Its rules, in order.
    """

    name: str
    title: str
    rules: list["Rule"] = field(default_factory=list)


@dataclass
class Rule:
    """One rule, or all rules that one loop makes.

    Attributes
    ----------
    name
        Name of the rule, with variables in angle brackets.
    directives
        Name of a directive → its text.
    """

    name: str
    directives: dict[str, str]

    @property
    def works(self) -> bool:
        """Whether it makes something, instead of naming what to make."""
        return "message" in self.directives


@dataclass
class Workflow:
    """All rules, and the names that their text uses.

    Attributes
    ----------
    targets
        Rules that only name what to make: those without a message.
    steps
        Files of rules, in order.
    constants
        Name of a constant → the expressions that are assigned or added to it.
    functions
        Name of a function → its docstring.
    """

    targets: list[Rule]
    steps: list[Step]
    constants: dict[str, list[ast.expr]]
    functions: dict[str, str]


def read(root: Path) -> Workflow:
    """Read the rules of a repository, and those of its studies, from their text."""
    snakefile, of_studies = ((root / name).read_text(encoding="utf-8") for name in ("Snakefile", "studies/Snakefile"))
    paths = [root / "workflow" / "rules" / f"{name}.smk" for name in ("common", *STEPS, "crate")]
    further = re.findall(r'^include: "(rules/.*)"$', of_studies, flags=re.MULTILINE)
    paths += [root / "studies" / name for name in further]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    # A file of rules includes a file of its functions.
    included = [
        (path.parent / name).read_text(encoding="utf-8")
        for path in paths
        for name in re.findall(r'^include: "(.*)"$', texts[path], flags=re.MULTILINE)
    ]
    constants: dict[str, list[ast.expr]] = {}
    functions: dict[str, str] = {}
    whole = "\n".join(texts.values())
    for text in [*texts.values(), *included]:
        for module, name in re.findall(
            r"^from metamers\.([\w.]+) import (?:\([^)]*?|[^(\n]*?)([A-Z_]+ as [A-Z_]+)", text, re.MULTILINE
        ):
            there, here = name.split(" as ")
            library = (root / "src" / "metamers" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
            constants[here] = _values(library, there)
        for name in re.findall(r"^([A-Z_]+) = ", text, flags=re.MULTILINE):
            constants[name] = _values(whole, name)
        functions |= dict(re.findall(r'^def (\w+)\(.*?\):\n    """(.*?)"""', text, flags=re.MULTILINE | re.DOTALL))
    rules = {path: rules_of(text) for path, text in texts.items()}
    steps = [
        Step(path.stem, ast.get_docstring(ast.parse(_head(text))) or "", [one for one in rules[path] if one.works])
        for path, text in texts.items()
    ]
    targets = [one for of_file in (rules_of(snakefile), *rules.values()) for one in of_file if not one.works]
    return Workflow(targets, [step for step in steps if step.rules], constants, functions)


def _values(text: str, name: str) -> list[ast.expr]:
    """Return the expressions that a file assigns or adds to a constant."""
    # An expression ends before the next line that is not indented further and does not close a bracket.
    end = r"(?=\n(?!\1 ) *[^\s)\]}]|\Z)"
    found = re.findall(rf"^( *){name} \+?= (.*?){end}", text, flags=re.MULTILINE | re.DOTALL)
    return [ast.parse(value.strip(), mode="eval").body for _, value in found]


def _head(text: str) -> str:
    """Return the docstring at the beginning of a file."""
    return re.match(r'""".*?"""', text, flags=re.DOTALL)[0]


def rules_of(text: str) -> list[Rule]:
    """Return the rules of a file."""
    found = []
    for rule in re.finditer(r"^( *)rule(?: (\w+))?:\n((?:\1    .*\n|\n)*)", text + "\n", flags=re.MULTILINE):
        body = textwrap.dedent(rule[3])
        directives = dict(re.findall(r"^(\w+):(.*?)(?=^\w+:|\Z)", body, flags=re.MULTILINE | re.DOTALL))
        name = rule[2] or directives["name"].strip().removeprefix("f").strip('"')
        found.append(Rule(re.sub(r"\{(\w+)\}", r"<\1>", name), directives))
    return found


def arguments(directive: str) -> list[tuple[str | None, ast.expr]]:
    """Return the arguments of a directive: their names (None for a positional one) and expressions."""
    call = ast.parse(f"f(\n{textwrap.dedent(directive)}\n)", mode="eval").body
    assert isinstance(call, ast.Call)
    return [(None, value) for value in call.args] + [(keyword.arg, keyword.value) for keyword in call.keywords]


def pattern(value: ast.JoinedStr | ast.Constant, constants: Mapping[str, Sequence[ast.expr]]) -> str:
    """Return a string or f-string as text, with values of constants, and other names in angle brackets."""
    if isinstance(value, ast.Constant):
        return re.sub(r"\{(?:\w+\.)*(\w+)\}", r"<\1>", str(value.value))
    parts = []
    for part in value.values:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.Name) and inner.id in constants:
            # If a condition chooses the value of a constant, the first alternative is shown.
            inner = constants[inner.id][0]
            inner = inner.body if isinstance(inner, ast.IfExp) else inner
            inner = inner.values[0] if isinstance(inner, ast.BoolOp) else inner
        text = isinstance(inner, ast.JoinedStr) or (isinstance(inner, ast.Constant) and isinstance(inner.value, str))
        parts.append(pattern(inner, constants) if text else f"<{_word(inner)}>")
    return "".join(parts)


def _word(value: ast.expr) -> str:
    """Return the word that represents a value in a path: a text, a wildcard or a name in its expression."""
    nodes = list(ast.walk(value))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and str(node.value).isidentifier()]
    wildcards = [
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and re.match(r"wildcards|plan|[A-Z_]+\b", ast.unparse(node))
    ]
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    return (texts or wildcards or names)[0]


def described(value: ast.expr, workflow: Workflow) -> list[str]:
    """Describe an input or output in Markdown: one text for each item."""
    parts = _parts(value, workflow.constants)
    if parts is None:
        return [_thing(value, workflow)]
    return [text for part in parts for text in described(part, workflow)]


def _parts(value: ast.expr, constants: Mapping[str, Sequence[ast.expr]]) -> Sequence[ast.expr] | None:
    """Return the expressions that an expression consists of; None if it is a single item."""
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
        # ``by`` applies functions to the value of a wildcard; the first one is called last and gives the result.
        case ast.Call(func=ast.Name(id="by"), args=[_, function, *_]):
            parts = [function]
        case ast.Lambda(body=inner) | ast.Starred(value=inner) | ast.Call(func=ast.Call() as inner):
            parts = [inner]
        case ast.Name(id=name) if name in constants:
            parts = constants[name]
    return parts


def _thing(value: ast.expr, workflow: Workflow) -> str:
    """Describe a single item in Markdown: a path, files of another rule, or the result of a function; else its code."""
    if isinstance(value, ast.Constant | ast.JoinedStr):
        return f"`{pattern(value, workflow.constants)}`"
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "lookup":
        return f"`{ast.literal_eval(value.args[0]).rpartition('/')[2]}` of the registry's entry"
    name = ast.unparse(value.func if isinstance(value, ast.Call) else value)
    if name in workflow.functions:
        return sentence(workflow.functions[name])
    if other := re.fullmatch(r"rules\.(\w+)\.(output|input)(?:\.(\w+)|\[0\])?", name):
        verb = "makes" if other[2] == "output" else "takes"
        return f"what [`{other[1]}`](#{other[1]}) {verb}" + (f": {other[3]}" if other[3] else "")
    return f"`{ast.unparse(value)}`"


def sentence(docstring: str) -> str:
    """Return the first sentence of a docstring as an item of a list: lower case, without period."""
    first = re.split(r"(?<=\.)\s", " ".join(docstring.split()))[0].removesuffix(".")
    first = first.removeprefix("Input function: ").replace("``", "`")
    return first[0].lower() + first[1:]


def outputs(workflow: Workflow) -> dict[str, str]:
    """Return path → rule, for every output in the run's folder; paths are relative to this folder."""
    found = {}
    for step in workflow.steps:
        for rule in step.rules:
            for _, value in arguments(rule.directives.get("output", "")):
                for text in described(value, workflow):
                    if text.startswith(f"`{RUN}/"):
                        found[text.strip("`").removeprefix(f"{RUN}/")] = rule.name
    return found


def listed(directive: str, workflow: Workflow) -> str:
    """Return a directive as a list in Markdown, without repetitions."""
    lines = []
    for name, value in arguments(directive):
        things = list(dict.fromkeys(described(value, workflow)))
        if things:
            lines.append(f"- {f'*{name}*: ' if name else ''}{', '.join(things)}")
    return "\n".join(lines) or "- nothing"


PAGE = """# Rules

This page is generated from the text of `Snakefile`, `workflow/rules/` and `studies/rules/`. Names in angle brackets are
wildcards or names in the registries.

## Targets

Every file that a rule makes is a target. These names are targets, too.

"""


def has_wildcards(directive: str) -> bool:
    """Whether a directive's paths have wildcards."""
    nodes = (node for _, value in arguments(directive) for node in ast.walk(value))
    return any(isinstance(node, ast.Constant) and "{" in str(node.value) for node in nodes)


def anchor(name: str) -> str:
    """Return the anchor of a rule on the page."""
    return re.sub(r"_?<\w+>", "", name)


def page(workflow: Workflow) -> str:
    """Return the page of all rules in Markdown."""
    parts = [PAGE, "| target | makes |\n| --- | --- |\n"]
    for target in workflow.targets:
        things = [
            text for _, value in arguments(target.directives.get("input", "")) for text in described(value, workflow)
        ]
        parts.append(f"| `{target.name}`{{ #{target.name} }} | {', '.join(dict.fromkeys(things))} |\n")
    # A rule whose outputs have no wildcards is a target by its name.
    asked = [
        rule.name
        for step in workflow.steps
        for rule in step.rules
        if rule.name == step.name and not has_wildcards(rule.directives.get("output", ""))
    ]
    parts += [f"| `{name}` | [what the rule makes](#{name}) |\n" for name in asked]
    for step in workflow.steps:
        parts.append(f"\n## {step.name.replace('_', ' ').capitalize()}\n\n{step.title}\n")
        for rule in step.rules:
            script = re.search(r'(STUDY_)?SCRIPTS / "(.*)"', rule.directives.get("script", ""))
            folder = "studies/scripts" if script and script[1] else "scripts"
            runs = f"runs `{folder}/{script[2]}`" if script else "runs a shell command"
            message = " ".join(
                f"{described(value, workflow)[0].strip('`')}" for _, value in arguments(rule.directives["message"])
            )
            parts.append(
                f"\n### `{rule.name}` {{ #{anchor(rule.name)} }}\n\n"
                f"Says “{message.replace('<', '&lt;')}” and {runs}.\n\n"
                f"Input\n\n{listed(rule.directives.get('input', ''), workflow)}\n\n"
                f"Output\n\n{listed(rule.directives.get('output', ''), workflow)}\n"
            )
    return "".join(parts)
