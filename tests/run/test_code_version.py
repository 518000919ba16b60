"""A step's code is its script and every module that it imports, as far as they can change a result; nothing else counts."""

import ast
import importlib
from pathlib import Path

import pytest

from metamers.run.code_version import (
    KINDS,
    LIBRARY,
    SERVICES,
    _imported,
    _module_files,
    _parsed,
    _version,
    _without,
    code_version,
    data_version,
    files_that_count,
    files_used,
    module_of,
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
    ("before", "after", "expected"),
    [
        ("raise ValueError('of one')", "raise ValueError('of two')", False),
        ("raise ValueError(f'{one} of one')", "raise ValueError(f'of two: {one}')", False),
        ("raise ValueError(f'{one} of one')", "raise ValueError(f'{total} of one')", True),
        ("raise ValueError('of one')", "raise KeyError('of one')", True),
        ("raise ValueError(other['one'])", "raise ValueError(other['two'])", True),
        ("raise Stop(kind='one')", "raise Stop(kind='two')", True),
        ("error = KeyError('of one')", "error = KeyError('of two')", False),
        ("return ConfigurationError('of one')", "return ConfigurationError('of two')", False),
        ("error = SquaredError('sum')", "error = SquaredError('mean')", True),
        ("logger.info('of %s', one)", "logger.info('%s is one', one)", False),
        ("logger.info('of %s', one)", "logger.info('of %s', total)", True),
        ("logger.setLevel('INFO')", "logger.setLevel('DEBUG')", True),
        ("warnings.warn('one')", "warnings.warn('two')", False),
        ("warnings.simplefilter('error')", "warnings.simplefilter('ignore')", True),
        ("print('one')", "print('two')", True),
        ("other = 'one'", "other = 'two'", True),
        ("other = f'{one} of one'", "other = f'{one} of two'", True),
        ("total = -total", "total = +total", True),
        ("mean = total; total = mean", "half = total; total = half", True),
    ],
)
def test_what_counts_in_a_function(scripts, before, after, expected):
    assert counts(scripts, FUNCTION.format(before), FUNCTION.format(after)) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("__version__ = '1'\n", "__version__ = '2'\n", False),
        ("VERSION = '1'\n", "VERSION = '2'\n", True),
        ("A = 1\nA = 2\n", "A = 2\nA = 1\n", True),
        ("from metamers.far import X\n", "from metamers.report.tables import X\n", True),
        ("class C:\n    'One.'\n    a = 1\n", "class C:\n    a = 1\n", False),
    ],
)
def test_what_counts_in_a_module(scripts, before, after, expected):
    assert counts(scripts, before, after) == expected


def test_services_do_not_count_and_networks_count_for_their_models(scripts):
    for name in ("retrieve", "foreign/__init__", "foreign/hdf5", "models/__init__", "models/networks/__init__"):
        path = scripts / f"metamers/{name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("A = 1\n")
    (scripts / "metamers/models/networks/audio.py").write_text("def heard(): return 1\n")
    (scripts / "metamers/models/networks/new.py").write_text("def other(): return 1\n")
    (scripts / "step.py").write_text(
        "from metamers import near, retrieve\nfrom metamers.foreign import hdf5\n"
        "from metamers.models.networks.audio import heard\nfrom metamers.models.networks.new import other\n"
    )
    jobs = {
        "another source": ({"modality": "audio", "source": {"timm": "heard"}}, False),
        "another network": ({"modality": "vision", "source": {"metamers": "seen"}}, False),
        "no network": ({"modality": "audio"}, False),
        "this network": ({"modality": "audio", "source": {"metamers": "heard"}}, True),
    }

    def versions():
        return [version(scripts, [entry]) for entry, _ in jobs.values()] + [version(scripts)]

    before = versions()
    for name in ("retrieve", "foreign/hdf5"):
        (scripts / f"metamers/{name}.py").write_text("A = 2\n")
    (scripts / "metamers/models/networks/__init__.py").write_text("A = 2\n")
    assert versions() == before
    (scripts / "metamers/models/networks/audio.py").write_text("def heard(): return 2\n")
    after = versions()
    changed = [new != old for new, old in zip(after, before, strict=True)]
    assert changed == [*(counted for _, counted in jobs.values()), True]
    (scripts / "metamers/models/networks/new.py").write_text("def other(): return 2\n")  # in no list
    assert all(new != old for new, old in zip(versions(), after, strict=True))


def test_what_does_not_count_is_a_module_of_the_library():
    assert {*SERVICES, *KINDS} <= set(map(module_of, MODULES))
    assert all(SERVICES.values())


def test_what_a_step_declares_of_its_files_does_not_count(scripts):
    (scripts / "metamers/near.py").write_text("from metamers.report import files\n")
    assert not counts(scripts, "A = 1\n", "A = 2\n", "metamers/report/files.py")
    modules = [path for path in MODULES if path.name == "files.py" and path.parent.name != "run"]
    assert len(modules) > 10
    assert not [path for path in modules if "def " in path.read_text(encoding="utf-8")]


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
    copy.write_text(ast.unparse(transformer.visit(ast.parse(path.read_text(encoding="utf-8")))), encoding="utf-8")
    return _parsed(path), _parsed(copy)


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
    "measure": "synthesize/measure.py",
    "recognition": "recognize.py",
}
MODELS = {
    "torchvision": {"modality": "vision", "source": {"torchvision": "resnet18"}},
    "small_cnn": {"modality": "vision", "source": {"metamers": "small_cnn"}},
    "coch_cnn9": {"modality": "audio", "source": {"metamers": "coch_cnn9"}},
}
# Module with arithmetic → the steps that compute with it, and the models for which they do.
ARITHMETIC = {
    "match": ("null measure", "all"),
    "models.batches": ("all", "all"),
    "models.cochleagram": ("all", "coch_cnn9"),
    "models.fold": ("all", "all"),
    "models.model": ("all", "all"),
    "models.networks.audio": ("all", "coch_cnn9"),
    "models.networks.vision": ("all", "small_cnn"),
    "models.preprocessing": ("all", "all"),
    "null.distribution": ("null", "all"),
    "stimuli.images": ("all", "torchvision small_cnn"),
    "stimuli.sounds": ("all", "coch_cnn9"),
    "synthesize.memory": ("synthesis", "all"),
    "synthesize.losses": ("synthesis", "all"),
    "synthesize.noise": ("synthesis", "all"),
    "synthesize.optimize": ("synthesis", "all"),
    "synthesize.drafts": ("synthesis", "all"),
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


def test_a_module_of_the_studies_counts_for_their_scripts(tmp_path):
    library, studies = tmp_path / "src", tmp_path / "studies"
    (library / "metamers").mkdir(parents=True)
    studies.mkdir()
    (studies / "__init__.py").touch()
    module, script = studies / "speed.py", library / "step.py"
    script.write_text("from studies.speed import STEPS\n")
    versions = []
    for text in ("STEPS = 3\n", '"""Times."""\nSTEPS = 3\n', "STEPS = 4\n"):
        module.write_text(text)
        versions.append(version(library))
    assert files_used(script, library) == sorted([script, module, studies / "__init__.py"])
    assert versions[0] == versions[1] != versions[2]


def test_a_change_of_a_file_that_a_script_reads_counts(scripts):
    page = scripts / "page.html"
    page.write_text("a")
    before = data_version(page)
    page.write_text("b")
    assert data_version(page) != before


@pytest.mark.parametrize(
    "script",
    sorted(
        path.relative_to(ROOT).as_posix()
        for part in ("scripts", "studies/scripts")
        for path in (ROOT / part).rglob("*.py")
    ),
)
def test_what_scripts_import_of_the_library_is_there(script):
    """Scripts run in jobs only, so a name that has moved would be seen late."""
    for node in ast.walk(ast.parse((ROOT / script).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("metamers", "studies"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


def test_modules_are_chosen_once_for_all_jobs_of_a_kind_of_model(root):
    script = root / "scripts" / "synthesize" / "metamers.py"
    models = [{"modality": "vision", "source": {"metamers": "small_cnn"}, "weights": {"random": n}} for n in range(20)]
    _without.cache_clear()
    versions = {code_version(script, [model]) for model in models}
    assert len(versions) == 1
    assert _without.cache_info().misses == 1
