"""Sources of models: one entry of one table and one module each, whose code counts for the models of that source only."""

import importlib
import shutil
import subprocess
import sys

import pytest

from metamers.config.sources import SOURCES, source_schema
from metamers.run import code_version
from metamers.run.code_version import LIBRARY, files_that_count, module_of

FOLDER = LIBRARY / "metamers" / "models" / "sources"


def test_each_source_has_a_module_and_each_module_is_of_a_source():
    assert SOURCES.keys() == {path.stem for path in FOLDER.glob("[!_]*.py")}


@pytest.mark.parametrize("name", SOURCES)
def test_the_module_of_a_source_has_the_functions_that_the_table_says(name):
    module = importlib.import_module(f"metamers.models.sources.{name}")
    source = SOURCES[name]
    expected = {"build": True, "load": source.published, "describe": source.published}
    expected |= {"usual_input": source.states_input, "modality_of": source.published and source.modality is None}
    assert {function: hasattr(module, function) for function in expected} == expected


def test_the_table_is_read_without_a_numerical_library():
    code = "import sys, metamers.config.sources; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "numpy", "timm"} & set(imported)


@pytest.mark.parametrize("name", SOURCES)
def test_code_of_a_source_counts_for_its_models_only(name, root):
    """What a source's module imports counts with it: networks of the hub are built by timm."""
    entry = {"modality": "vision", "source": {name: "net"}}
    used = {module_of(path) for path in files_that_count(root / "scripts" / "recognize.py", [entry])}
    modules = {module.removeprefix("metamers.models.sources.") for module in used if ".models.sources." in module}
    assert modules == {name} | ({"timm"} if name == "hub" else set())
    assert ("metamers.retrieve.transformers_config" in used) == (name == "transformers")


def test_a_new_source_plans_nothing_of_other_models(root, tmp_path):
    script, library = root / "scripts" / "recognize.py", tmp_path / "src"
    shutil.copytree(LIBRARY / "metamers", library / "metamers", ignore=shutil.ignore_patterns("__pycache__"))
    entries = [[{"modality": "vision", "source": {name: "net"}}] for name in SOURCES]
    before = [code_version.code_version(script, entry, library) for entry in entries]
    table = library / "metamers" / "config" / "sources.py"
    table.write_text(table.read_text(encoding="utf-8") + 'SOURCES["new"] = Source(about="a name")\n', encoding="utf-8")
    (library / "metamers" / "models" / "sources" / "new.py").write_text("def build(): ...\n")
    for cached in (code_version._parsed, code_version._imported, code_version._module_files, code_version._version):
        cached.cache_clear()
    assert [code_version.code_version(script, entry, library) for entry in entries] == before


def test_keys_of_published_weights_belong_to_their_sources():
    schema = source_schema()
    assert schema["dependentRequired"] == {"weights": ["torchvision"], "pretrained": ["open_clip"]}
    (shared,) = schema["allOf"]
    assert {"revision", "hub", "transformers"} <= {*shared["then"]["description"].split()}
    assert {*SOURCES, "weights", "pretrained", "revision", "arguments"} == schema["properties"].keys()
