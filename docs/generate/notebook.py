"""Makes the page of a notebook from its text, its code, and the outputs that are stored in it.

The page shows the notebook as it was executed and committed; tests/docs/test_notebook.py executes it again.
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NEWLINE = "\n"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _picture_name(cell: int, output: int) -> str:
    return f"cell_{cell:02d}_{output}.png"


def read(path: Path) -> dict[str, Any]:
    """Read the JSON of a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))


def page(notebook: Mapping[str, Any], folder: str) -> str:
    """Return the Markdown of a notebook. The text outputs of a cell are one block; progress bars are left out.

    Parameters
    ----------
    notebook
        Its JSON, in the format of Jupyter, version 4.
    folder
        Folder of its pictures, relative to the page. The text of a picture is ``alt`` in the metadata of its cell.
    """
    parts = []
    for number, cell in enumerate(notebook["cells"]):
        source = _joined(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        alt = cell["metadata"].get("alt", "output of the cell")
        text = ""
        for place, output in enumerate(cell["outputs"]):
            data = output.get("data", {})
            if "image/png" in data:
                parts.append(f"![{alt}]({folder}/{_picture_name(number, place)})")
            elif output.get("name") != "stderr":
                text += _joined(output.get("text", data.get("text/plain", "")))
        if text.strip():
            parts.append(f"```text\n{ANSI.sub('', text).strip(NEWLINE)}\n```")
    return "\n\n".join(parts) + "\n"


def pictures(notebook: Mapping[str, Any]) -> dict[str, bytes]:
    """Return name → PNG of every picture of a notebook."""
    return {
        _picture_name(number, place): base64.b64decode(_joined(output["data"]["image/png"]))
        for number, cell in enumerate(notebook["cells"])
        for place, output in enumerate(cell.get("outputs", []))
        if "image/png" in output.get("data", {})
    }
