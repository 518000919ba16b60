"""A step's code is its script and every module that it imports; nothing else counts."""

import ast
import importlib
from pathlib import Path

import pytest

from metamers.run.code_version import _imported, _module_files, _parsed, code_version, data_version, files_used

ROOT = Path(__file__).resolve().parents[2]
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


def version(scripts):
    for cached in (_parsed, _imported, _module_files):
        cached.cache_clear()
    return code_version(scripts / "step.py", library=scripts)


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
