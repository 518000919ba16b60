"""What follows from the settings of steps: rows of config/README.md, and the whole schema of a configuration.

    make reference

writes them; a test compares them.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from generate import keys
from metamers.plan.steps import SETTINGS, configuration_schema, default_configuration

FOLDER = Path(__file__).resolve().parents[2] / "config"
PAGE, SCHEMA = FOLDER / "README.md", FOLDER / "config.schema.json"


def schema() -> str:
    """The schema of a configuration as JSON, for editors."""
    return json.dumps(configuration_schema(), indent=1, ensure_ascii=False) + "\n"


def rows() -> dict[str, str]:
    """Key of the top level → its rows, in Markdown."""
    whole, default = configuration_schema(), default_configuration()
    sections: dict[str, list[str]] = {name: [] for name in SETTINGS}
    for key in keys.keys(whole, whole, default):
        if key.path.split(".")[0] in sections:
            default_value = f" (default `{key.default}`)" if key.default is not None else ""
            sections[key.path.split(".")[0]].append(f"| `{key.path}` | {keys.plain(key.meaning)}{default_value} |")
    return {name: "\n".join(of_key) for name, of_key in sections.items()}


def with_rows(text: str) -> str:
    """Return a page with the rows in the place of those that it has.

    Raises
    ------
    ValueError
        When it has no row of a section.
    """
    lines: list[str] = []
    left = rows()
    for line in text.split("\n"):
        name = _section(line, SETTINGS)
        if name is None:
            lines.append(line)
        elif name in left:
            lines.append(left.pop(name))
    if left:
        raise ValueError(f"there is no row of {', '.join(left)}: add a row `| `KEY` | |` where it belongs")
    return "\n".join(lines)


def _section(line: str, names: Iterable[str]) -> str | None:
    """The key of the top level to which a row of the table belongs, if it is one of several."""
    return next((name for name in names if line.startswith((f"| `{name}` |", f"| `{name}."))), None)


if __name__ == "__main__":
    PAGE.write_text(with_rows(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
