"""Examples in the reference of the library run and give what they show; every function of synthesis and match has one."""

import doctest
import importlib
import inspect

import pytest

import metamers as mm
from generate import library
from tests.documentation import ROOT

FOLDERS = ("match.py", "models/cochleagram.py", "recognize/[!_]*.py", "synthesize/[!_]*.py")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / library.LIBRARY).glob(folder))]
MODULES = [".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in SOURCES]


def check(name, value, needed=True):
    """Run the examples of a function or class, each docstring by itself; ``needed``: there must be one."""
    tests = doctest.DocTestFinder().find(value, name, globs={})
    if needed:
        assert any(test.examples for test in tests), f"{name} has no example"
        assert "\nExamples\n--------\n" in inspect.getdoc(value), f"{name} has its examples in no section"
    said = []
    for test in tests:
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_an_example_that_gives_what_it_shows(name):
    module = importlib.import_module(name)
    for key, value in vars(module).items():
        if not key.startswith("_") and getattr(value, "__module__", None) == name:
            is_function = inspect.isroutine(inspect.unwrap(value))
            if is_function or inspect.isclass(value):
                check(f"{name}.{key}", value, needed=is_function)


def test_the_reference_begins_with_five_names_and_the_examples_of_their_docstrings():
    page = library.pages(ROOT)[f"{library.PAGES}/index.md"]
    beginning, rest = page.split("\n## ", 1)
    assert set(library.names(ROOT)) == set(mm.__all__)
    for name, text in library.names(ROOT).items():
        assert text in beginning
        assert f"mm.{name}" in text.split("```pycon")[1]
        check(f"mm.{name}", getattr(mm, name))
    assert "| services | `names`, `modalities`, " in library.with_groups(rest, ROOT)
    assert library.GROUPS_MARK in (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("docstring", "message"),
    [
        ("Nothing.", "f has no example"),
        (">>> 1 + 1\n2\n", "f .*section"),
        ("Add.\n\nExamples\n--------\n>>> 1 + 1\n3\n", r"Expected:\s+3\s+Got:\s+2"),
    ],
)
def test_a_missing_or_wrong_example_is_named(docstring, message):
    def function():
        pass

    function.__doc__ = docstring
    with pytest.raises(AssertionError, match=message):
        check("f", function)
