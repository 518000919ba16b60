"""The notebook of the documentation runs, says what its text says, and is a page of the site with its outputs."""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from generate import notebook
from tests.documentation import ROOT, pages

PATH = ROOT / "docs" / "notebook.ipynb"


def outputs(cell) -> set[str]:
    """Kinds of a cell's outputs, without those of the progress bar."""
    shown = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
    return {"picture" if "image/png" in output.get("data", {}) else "text" for output in shown}


def text_of(read) -> str:
    return notebook.page(json.loads(nbformat.writes(read)), "notebook")


def answers(text: str, model: str) -> list[str]:
    """The categories that a model gives the photograph and its metamers of an early and of a late stage."""
    (listed,) = re.findall(rf"^{model} \[(.*)\]$", text, flags=re.MULTILINE)
    return re.findall(r"'(.*?)'", listed)


def check_findings(text: str) -> None:
    """The sentences of the notebook about its results are true."""
    assert "\n  accepted\n" in text
    error = float(re.findall(r"^  Normalized error: (\S+)$", text, flags=re.MULTILINE)[0])
    assert round(error, 1) == 0.2  # machines round differently
    assert re.search(r"\b0\.2\b", text)
    assert answers(text, "efficientnet_lite0") == ["bull mastiff"] * 3
    photograph, early, late = answers(text, "efficientnet_lite1")
    assert photograph == early == "bull mastiff"
    assert late != "bull mastiff"
    assert re.search(r"\bSequential\b.*'1'.*\b60\b", text)  # of a sound
    curves = re.findall(r"^[^\n:]+:((?: \d+%){4})$", text, flags=re.MULTILINE)
    itself, others = ([int(value.rstrip("%")) for value in values.split()] for values in curves)
    assert itself == [100] * 4
    assert others == sorted(others, reverse=True)
    assert others[-1] < 50 < others[0]
    assert re.search(r"'layr1'.*\blayer1\b", text)
    assert re.search(r"^natural_category \('stimulus',\) \['bull mastiff'\]$", text, flags=re.MULTILINE)


@pytest.mark.slow
def test_the_notebook_runs_and_has_the_outputs_that_are_stored_in_it(tmp_path):
    stored = nbformat.read(PATH, 4)
    copy = tmp_path / "docs" / PATH.name
    copy.parent.mkdir()
    shutil.copy(PATH, copy)
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    line = "jupyter execute --inplace docs/notebook.ipynb"
    subprocess.run(shlex.split(line), cwd=tmp_path, env=os.environ | {"PATH": programs}, check=True, timeout=600)
    ran = nbformat.read(copy, 4)
    assert [outputs(cell) for cell in ran.cells] == [outputs(cell) for cell in stored.cells]
    check_findings(text_of(ran))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [copy]


def test_the_stored_outputs_say_what_the_text_says():
    text = pages()["docs/notebook.md"]
    check_findings(text)
    assert "\x1b" not in text
    assert "it/s" not in text  # progress bars
    assert str(ROOT) not in PATH.read_text(encoding="utf-8")


def test_the_page_has_every_cell_and_every_picture():
    read = notebook.read(PATH)
    text, pictures = notebook.page(read, "notebook"), notebook.pictures(read)
    for cell in read["cells"]:
        assert "".join(cell["source"]).strip() in text
    shown = re.findall(r"!\[(.+)\]\(notebook/(.+)\)", text)
    assert [name for _, name in shown] == list(pictures)
    assert len(pictures) == 4
    for (described, _), picture in zip(shown, pictures.values(), strict=True):
        assert described != "output of the cell"
        assert Image.open(io.BytesIO(picture)).width > 400


def test_text_of_a_cell_loses_colours_and_progress():
    cell = {
        "cell_type": "code",
        "source": ["f()\n", "g()"],
        "metadata": {},
        "outputs": [
            {"output_type": "stream", "name": "stderr", "text": ["5 %"]},
            {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mred\x1b[0m\n"]},
        ],
    }
    assert notebook.page({"cells": [cell]}, "x") == "```python\nf()\ng()\n```\n\n```text\nred\n```\n"
