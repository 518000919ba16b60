"""A step's code is its script and every module that it imports, as far as they can change a result; nothing else counts."""

import ast
import importlib
import shutil
from pathlib import Path

import pytest

from metamers.run.code_version import (
    KINDS,
    LIBRARY,
    SERVICES,
    _imported,
    _module_files,
    _module_of,
    _parsed,
    _version,
    code_version,
    data_version,
    files_that_count,
    files_used,
)

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((LIBRARY / "metamers").rglob("*.py"))
# What runs when the step of the fixture is run: a package's own file too, and what it imports, relatively or not.
RUN = [
    "step.py",
    "metamers/__init__.py",
    "metamers/far.py",
    "metamers/near.py",
    *(f"metamers/report/{name}.py" for name in ("__init__", "style", "tables")),
]


@pytest.fixture
def scripts(tmp_path):
    (tmp_path / "metamers" / "report").mkdir(parents=True)
    for name, text in {
        "step.py": '"""Doc."""\nfrom metamers import near\n',
        "metamers/__init__.py": "",
        "metamers/near.py": "from metamers.report.tables import row\n\n\ndef f():\n    return 1\n",
        "metamers/report/__init__.py": "from .style import COLOUR\n",
        "metamers/report/style.py": "COLOUR = 1\n",
        "metamers/report/tables.py": "from .. import far\n\nrow = far.X\n",
        "metamers/report/other.py": "Z = 1\n",
        "metamers/far.py": "X = 1\n",
        "metamers/other.py": "Y = 1\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def version(scripts, models=None):
    for cached in (_parsed, _imported, _module_files, _version):
        cached.cache_clear()
    return code_version(scripts / "step.py", models, library=scripts)


def counts(scripts, before, after, changed="metamers/near.py"):
    """Whether it counts that a module has one text and not another."""
    (scripts / changed).write_text(before)
    first = version(scripts)
    (scripts / changed).write_text(after)
    return version(scripts) != first


def test_imports_are_followed(scripts):
    used = [path.relative_to(scripts).as_posix() for path in files_used(scripts / "step.py", scripts)]
    assert used == sorted(RUN)


@pytest.mark.parametrize("changed", RUN)
def test_a_change_of_code_that_runs_counts(scripts, changed):
    before = version(scripts)
    (scripts / changed).write_text((scripts / changed).read_text() + "Z = 2\n")
    assert version(scripts) != before


@pytest.mark.parametrize("other", ["metamers/other.py", "metamers/report/other.py"])
def test_a_module_that_is_not_imported_does_not_count(scripts, other):
    before = version(scripts)
    (scripts / other).write_text("Y = 2\n")
    assert version(scripts) == before


def test_comments_and_docstrings_do_not_count(scripts):
    before = version(scripts)
    (scripts / "step.py").write_text('"""Another."""\n# why\nfrom metamers import near\n')
    assert version(scripts) == before


FUNCTION = (
    "def f(values, other):\n    total = 0\n    for one in values:\n        total += one\n    {}\n    return total\n"
)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        # Messages.
        ("raise ValueError('of one')", "raise ValueError('of two')", False),
        ("raise ValueError(f'{one} of one')", "raise ValueError(f'of two: {one}')", False),
        ("raise ValueError(f'{one} of one')", "raise ValueError(f'{total} of one')", True),
        ("raise ValueError('of one')", "raise KeyError('of one')", True),
        ("raise ValueError(other['one'])", "raise ValueError(other['two'])", True),
        ("error = KeyError('of one')", "error = KeyError('of two')", False),
        ("logger.info('of %s', one)", "logger.info('%s is one', one)", False),
        ("logger.info('of %s', one)", "logger.info('of %s', total)", True),
        ("warnings.warn('one')", "warnings.warn('two')", False),
        ("print('one')", "print('two')", True),
        ("other = 'one'", "other = 'two'", True),
        ("other = f'{one} of one'", "other = f'{one} of two'", True),
        # Names of local variables, not of parameters and of what is from elsewhere.
        ("mean = total / 2; total = mean", "half = total / 2; total = half", False),
        ("mean = total / 2; total = mean", "half = total / 2; total = mean", True),
        ("total = [two for two in values]", "total = [each for each in values]", False),
        ("total = np.sum(other)", "total = np.mean(other)", True),
        ("global K; K = 1", "global L; L = 1", True),
        ("def inner(x): return x\n    total = inner(1)", "def another(x): return x\n    total = another(1)", False),
        ("def inner(x): return x\n    total = inner(x=1)", "def inner(y): return y\n    total = inner(x=1)", True),
        ("total = -total", "total = +total", True),
        ("import re; total = re", "import os; total = os", True),
    ],
)
def test_what_counts_in_a_function(scripts, before, after, wanted):
    assert counts(scripts, FUNCTION.format(before), FUNCTION.format(after)) == wanted


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("__version__ = '1'\n", "__version__ = '2'\n", False),
        ("A = 1\nB = 2\n", "B = 2\nA = 1\n", False),
        ("A = 1\nA = 2\n", "A = 2\nA = 1\n", True),
        ("A = []\nA.append(1)\nA.append(2)\n", "A = []\nA.append(2)\nA.append(1)\n", True),
        ("import re\n", "import os as re\n", True),
        ("def f(a, b): return a - b\n", "def f(b, a): return a - b\n", True),
        ("class C:\n    a = 1\n", "class C:\n    b = 1\n", True),
    ],
)
def test_what_counts_in_a_module(scripts, before, after, wanted):
    assert counts(scripts, before, after) == wanted


def test_moved_code_does_not_count(scripts):
    """A function that moves to another module, whose importers follow, and a renamed module."""
    (scripts / "metamers/near.py").write_text(
        "from metamers.report.tables import row\nfrom metamers.far import X\n\nY = X\n"
    )
    before = version(scripts)
    (scripts / "metamers/near.py").write_text("from metamers.moved import X\nfrom metamers.rows import row\n\nY = X\n")
    (scripts / "metamers/far.py").rename(scripts / "metamers/moved.py")
    (scripts / "metamers/report/tables.py").rename(scripts / "metamers/rows.py")
    (scripts / "metamers/rows.py").write_text("from . import moved as far\n\nrow = far.X\n")
    (scripts / "metamers/report/style.py").unlink()
    (scripts / "metamers/report/__init__.py").write_text("")
    (scripts / "metamers/moved.py").write_text("X = 1\nCOLOUR = 1\n")
    assert version(scripts) != before  # a module itself is imported by another name
    (scripts / "metamers/rows.py").write_text("from metamers.moved import X\n\nrow = X\n")
    one = version(scripts)
    (scripts / "metamers/moved.py").rename(scripts / "metamers/again.py")
    for name in ("rows", "near"):
        text = (scripts / f"metamers/{name}.py").read_text()
        (scripts / f"metamers/{name}.py").write_text(text.replace("moved", "again"))
    assert version(scripts) == one


def test_it_counts_which_of_two_definitions_of_a_name_is_imported(scripts):
    (scripts / "metamers/far.py").write_text("X = 1\ndef g(): return 1\n")
    (scripts / "metamers/report/style.py").write_text("COLOUR = 1\ndef g(): return 2\n")
    text = "from metamers.report.tables import row\nfrom metamers.{} import g\n"
    assert counts(scripts, text.format("far"), text.format("report.style"))
    text = "from metamers.report.tables import row\nfrom metamers.far import X as {}, g as {}\n"
    assert counts(scripts, text.format("one", "two"), text.format("two", "one"))


def test_it_counts_which_module_has_which_of_two_definitions(scripts):
    """Two modules with a constant of one name, or an import of one name, exchange them."""
    for one, two in (("Z = 1\n", "Z = 2\n"), ("from a import b\n", "from c import b\n")):
        (scripts / "metamers/report/style.py").write_text(f"COLOUR = 1\n{one}")
        (scripts / "metamers/far.py").write_text(f"X = 1\n{two}")
        before = version(scripts)
        (scripts / "metamers/report/style.py").write_text(f"COLOUR = 1\n{two}")
        (scripts / "metamers/far.py").write_text(f"X = 1\n{one}")
        assert version(scripts) != before


def test_services_do_not_count_and_networks_count_for_their_models(scripts):
    for name in ("retrieve", "foreign/__init__", "foreign/pickles", "models/__init__", "models/networks/__init__"):
        path = scripts / f"metamers/{name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("A = 1\n")
    (scripts / "metamers/models/networks/audio.py").write_text("def heard(): return 1\n")
    (scripts / "step.py").write_text(
        "from metamers import near, retrieve\nfrom metamers.foreign import pickles\nfrom metamers.models.networks.audio import heard\n"
    )
    others = [
        {"modality": "audio", "source": {"python": "heard"}},
        {"modality": "vision", "source": {"metamers": "seen"}},
    ]
    user = [{"modality": "audio", "source": {"metamers": "heard"}}]
    before = [version(scripts, models) for models in (others, user, None)]
    for name in ("retrieve", "foreign/pickles", "models/networks/__init__"):
        (scripts / f"metamers/{name}.py").write_text("A = 2\n")
    assert [version(scripts, models) for models in (others, user, None)] == before
    (scripts / "metamers/models/networks/audio.py").write_text("def heard(): return 2\n")
    after = [version(scripts, models) for models in (others, user, None)]
    assert [new == old for new, old in zip(after, before, strict=True)] == [True, False, False]


def test_the_order_of_the_statements_of_a_script_counts(scripts):
    assert counts(
        scripts,
        "from metamers import near\nA = near.f()\nprint(1)\n",
        "from metamers import near\nprint(1)\nA = near.f()\n",
        "step.py",
    )


def test_what_does_not_count_is_a_module_of_the_library():
    names = {_module_of(path, LIBRARY) for path in MODULES}
    assert {*SERVICES, *KINDS} <= names
    assert all(SERVICES.values())


class OtherMessages(ast.NodeTransformer):
    """Changes docstrings, and literal text of errors and log messages."""

    def __init__(self):
        self.changed = 0

    def other(self, value):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            self.changed += 1
            return ast.Constant(value.value + " indeed")
        if isinstance(value, ast.JoinedStr):
            self.changed += 1
            return ast.JoinedStr([*value.values, ast.Constant(" indeed")])
        return value

    def visit_Module(self, node):
        if ast.get_docstring(node) is not None:
            node.body[0].value = self.other(node.body[0].value)
        self.generic_visit(node)
        return node

    visit_FunctionDef = visit_ClassDef = visit_Module  # noqa: N815

    def visit_Call(self, node):
        if (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "logger"
        ):
            node.args[0] = self.other(node.args[0])
        self.generic_visit(node)
        return node

    def visit_Raise(self, node):
        if isinstance(node.exc, ast.Call):
            node.exc.args = list(map(self.other, node.exc.args))
        self.generic_visit(node)
        return node


class OtherSign(ast.NodeTransformer):
    """Changes the first sum to a difference, product to a quotient, or the other way."""

    changed = False

    def visit_BinOp(self, node):
        signs = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
        if not self.changed and type(node.op) in signs:
            self.changed, node.op = True, signs[type(node.op)]()
        self.generic_visit(node)
        return node


def with_change(path, transformer, folder):
    """What a module contributes as it is, and after a change."""
    copy = folder / path.relative_to(LIBRARY)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, copy)
    before = _parsed(copy, folder)
    copy.write_text(ast.unparse(transformer.visit(ast.parse(copy.read_text(encoding="utf-8")))), encoding="utf-8")
    _parsed.cache_clear()
    return before, _parsed(copy, folder)


def test_other_messages_docstrings_and_log_lines_of_any_module_plan_nothing(tmp_path):
    total = 0
    for path in MODULES:
        transformer = OtherMessages()
        before, after = with_change(path, transformer, tmp_path)
        assert after == before, path
        total += transformer.changed
    assert total > 1500


STEPS = {
    "train": "train/model.py",
    "null": "null/distribution.py",
    "synthesis": "synthesize/metamers.py",
    "recognition": "recognize.py",
}
MODELS = {
    "torchvision": {"modality": "vision", "source": {"torchvision": "resnet18"}},
    "small_cnn": {"modality": "vision", "source": {"metamers": "small_cnn"}},
    "coch_cnn9": {"modality": "audio", "source": {"metamers": "coch_cnn9"}},
}
# Module with arithmetic → the steps that compute with it, and the models for which they do.
ARITHMETIC = {
    "match": ("null synthesis", "all"),
    "models.cochleagram": ("all", "coch_cnn9"),
    "models.fold": ("all", "all"),
    "models.model": ("all", "all"),
    "models.networks.audio": ("all", "coch_cnn9"),
    "models.networks.vision": ("all", "small_cnn"),
    "models.preprocessing": ("all", "all"),
    "null.distribution": ("null", "all"),
    "stimuli.images": ("all", "torchvision small_cnn"),
    "stimuli.sounds": ("all", "coch_cnn9"),
    "synthesize.batches": ("synthesis", "all"),
    "synthesize.losses": ("synthesis", "all"),
    "synthesize.noise": ("synthesis", "all"),
    "synthesize.optimize": ("synthesis", "all"),
    "synthesize.precision": ("synthesis", "all"),
    "synthesize.procedures": ("synthesis", "all"),
    "synthesize.schedules": ("synthesis", "all"),
    "synthesize.target": ("synthesis", "all"),
    "train.examples": ("train", "all"),
    "train.model": ("train", "all"),
    "train.perturbations": ("train", "all"),
}


@pytest.mark.parametrize("module", ARITHMETIC)
def test_a_changed_sign_plans_exactly_what_depends_on_it(module, tmp_path):
    path = LIBRARY.joinpath("metamers", *module.split(".")).with_suffix(".py")
    transformer = OtherSign()
    before, after = with_change(path, transformer, tmp_path)
    assert transformer.changed
    assert after != before
    planned = {
        (step, model)
        for step, script in STEPS.items()
        for model, entry in MODELS.items()
        if path in files_that_count(ROOT / "scripts" / script, [entry])
    }
    steps, models = (
        given.split() if given != "all" else every
        for given, every in zip(ARITHMETIC[module], (STEPS, MODELS), strict=True)
    )
    assert planned == {(step, model) for step in steps for model in models}


def test_a_change_of_a_file_that_a_script_reads_counts(scripts):
    page = scripts / "page.html"
    page.write_text("a")
    before = data_version(page)
    page.write_text("b")
    assert data_version(page) != before


@pytest.mark.parametrize(
    "script", sorted(path.relative_to(ROOT / "scripts").as_posix() for path in (ROOT / "scripts").rglob("*.py"))
)
def test_what_scripts_import_of_the_library_is_there(script):
    """Scripts run in jobs only, so a name that has moved would be seen late."""
    for node in ast.walk(ast.parse((ROOT / "scripts" / script).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "metamers":
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
