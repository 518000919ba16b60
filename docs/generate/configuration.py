"""The rows of config/README.md for the keys of steps that declare their settings.

    PYTHONPATH=docs .venv/bin/python -m generate.configuration

writes them; a test compares them.
"""

from collections.abc import Iterable
from pathlib import Path

from generate import keys
from metamers.plan.steps import SETTINGS, configuration_schema, default_configuration

PAGE = Path(__file__).resolve().parents[2] / "config" / "README.md"


def rows() -> dict[str, str]:
    """Key of the top level → its rows, in Markdown."""
    schema, default = configuration_schema(), default_configuration()
    sections: dict[str, list[str]] = {name: [] for name in SETTINGS}
    for key in keys.keys(schema, schema, default):
        if key.path.split(".")[0] in sections:
            meaning = key.meaning.replace("|", "&#124;")
            default_value = f" (default `{key.default}`)" if key.default is not None else ""
            sections[key.path.split(".")[0]].append(f"| `{key.path}` | {meaning}{default_value} |")
    return {name: "\n".join(of_key) for name, of_key in sections.items()}


def with_rows(text: str) -> str:
    """Return a page with the rows in the place of those that it has."""
    lines: list[str] = []
    left = rows()
    for line in text.split("\n"):
        name = _section(line, SETTINGS)
        if name is None:
            lines.append(line)
        elif name in left:
            lines.append(left.pop(name))
    return "\n".join(lines)


def _section(line: str, names: Iterable[str]) -> str | None:
    """The key of the top level to which a row of the table belongs, if it is one of several."""
    return next((name for name in names if line.startswith((f"| `{name}` |", f"| `{name}."))), None)


if __name__ == "__main__":
    PAGE.write_text(with_rows(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
