"""The packages of the library import in one direction, listed in ``metamers.__doc__``, and ``metamers`` is light."""

import ast
import graphlib
import itertools
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

import metamers

HEAVY = ("torch", "torchvision", "torchaudio", "xarray", "soundfile", "timm")


def groups_of(text):
    """Group → names of its modules and packages, from the definition list in a docstring."""
    groups = {}
    for heading, body in re.findall(r"^(\w+)\n((?: {4}.+\n)+)", text, re.MULTILINE):
        groups[heading] = re.findall(r"``(\w+)``", body)
    return groups


def modules_of(package):
    """Dotted name → file, for every module of a package."""
    files = {path: path.relative_to(package.parent).with_suffix("").parts for path in package.rglob("*.py")}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in files.items()}


@cache
def import_statements(text):
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]


def imports_of(name, path, modules):
    """Yield each module of the package that a file imports, also inside functions, with the line of the import."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in import_statements(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        else:
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            inner = [f"{base}.{alias.name}" for alias in node.names]
            found = [one if one in modules else base for one in inner]
        yield from ((one, node.lineno) for one in dict.fromkeys(found) if one in modules and one != name)


def wrong_imports(package, groups):
    """Each import from a later group, as ``file:line: module (group) imports module (group)``."""
    modules, order = modules_of(package), list(groups)
    group_of = {f"{package.name}.{name}": group for group, names in groups.items() for name in names}

    def group(module):
        return group_of.get(".".join(module.split(".")[:2]))

    return [
        f"{path}:{line}: {name} ({group(name)}) imports {imported} ({group(imported)})"
        for name, path in modules.items()
        for imported, line in imports_of(name, path, modules)
        if group(name) and group(imported) and order.index(group(imported)) > order.index(group(name))
    ]


def cycle_of(package, depth=None):
    """A cycle of modules that import each other, as ``file:line`` of each import; empty where there is none.

    With a depth, of folders: modules whose names have the same first parts count as one.
    """
    modules = modules_of(package)
    imports = {}
    for name, path in modules.items():
        whole = ".".join(name.split(".")[:depth])
        for imported, line in imports_of(name, path, modules):
            part = ".".join(imported.split(".")[:depth])
            if part not in (whole, package.name):
                imports.setdefault(whole, {}).setdefault(part, f"{path}:{line}: {name} imports {imported}")
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        cycle = error.args[1]  # each module is imported by the next one
        return [imports[a][b] for b, a in itertools.pairwise(cycle)]
    return []


@pytest.fixture(scope="module")
def package(root):
    return root / "src" / "metamers"


@pytest.fixture
def small(tmp_path):
    """A package whose module in the lower group imports from the upper one, inside a function."""
    folder = tmp_path / "small"
    (folder / "low").mkdir(parents=True)
    (folder / "__init__.py").write_text('"""A package."""\n')
    (folder / "low" / "__init__.py").write_text("")
    (folder / "low" / "one.py").write_text("import os\n\n\ndef f():\n    from ..high import g\n\n    return g()\n")
    (folder / "high.py").write_text("def g():\n    return 1\n")
    return folder


def test_every_module_is_in_one_group(package):
    listed = [name for names in groups_of(metamers.__doc__).values() for name in names]
    assert sorted(listed) == sorted({name.split(".")[1] for name in modules_of(package) if "." in name})


def test_each_group_imports_only_from_itself_and_earlier_groups(package):
    groups = groups_of(metamers.__doc__)
    assert list(groups) == ["services", "science", "analyses", "checks", "presentation"]
    assert wrong_imports(package, groups) == []


def test_no_modules_and_no_folders_import_each_other(package):
    assert cycle_of(package) == []
    assert cycle_of(package, 2) == []


def test_a_wrong_import_is_reported_with_file_and_line(small):
    found = wrong_imports(small, {"below": ["low"], "above": ["high"]})
    assert found == [f"{small / 'low' / 'one.py'}:5: small.low.one (below) imports small.high (above)"]
    assert wrong_imports(small, {"below": ["high"], "above": ["low"]}) == []


def test_a_cycle_is_reported_with_files_and_lines(small):
    assert cycle_of(small) == []
    (small / "high.py").write_text("from small import low\nfrom small.low import one\n")
    assert sorted(cycle_of(small)) == [
        f"{small / 'high.py'}:2: small.high imports small.low.one",
        f"{small / 'low' / 'one.py'}:5: small.low.one imports small.high",
    ]


def test_a_cycle_of_folders_is_reported_although_no_modules_import_each_other(small):
    (small / "high.py").write_text("from small.low import two\n")
    (small / "low" / "two.py").write_text("")
    assert cycle_of(small) == []
    assert len(cycle_of(small, 2)) == 2


def test_no_test_file_is_imported(root):
    """What several tests need is a fixture of a conftest.py, or in a module beside them that has no tests."""
    modules = {}
    for path in (*root.glob("tests/**/*.py"), *root.glob("studies/tests/**/*.py")):
        modules[".".join(path.relative_to(root).with_suffix("").parts)] = path
    wrong = [
        f"{path.relative_to(root)}:{line} imports {imported}"
        for name, path in modules.items()
        for imported, line in imports_of(name, path, modules)
        if imported.rpartition(".")[2].startswith("test_")
    ]
    assert not wrong


def modules_after(statement):
    """Modules that a new process has imported after a statement, and had not before."""
    code = f"import json, sys; before = set(sys.modules); {statement}; print(json.dumps([*set(sys.modules) - before]))"
    return json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def test_importing_the_package_imports_nothing_else():
    assert modules_after("import metamers") == ["metamers"]


def test_importing_the_plan_imports_no_numerical_library():
    assert not {name.split(".")[0] for name in modules_after("import metamers.plan.plan")} & set(HEAVY)


def test_the_version_is_valid_and_the_citation_has_it_and_the_license(root):
    citation = yaml.safe_load(Path(root / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(Version(metamers.__version__)) == metamers.__version__ == citation["version"]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["license"] == project["license"]
    assert citation["title"].startswith(f"{project['name']}: ")
    (study,) = citation["references"]
    assert study["doi"] in (root / "README.md").read_text(encoding="utf-8")
