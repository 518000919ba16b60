"""What follows from the settings of steps: the table of config/README.md, and the schema of a configuration.

    make reference

writes them; a test compares them.
"""

import json
from pathlib import Path

from generate import keys
from metamers.plan.steps import configuration_schema, default_configuration

FOLDER = Path(__file__).resolve().parents[2] / "config"
PAGE, SCHEMA = FOLDER / "README.md", FOLDER / "config.schema.json"
HEAD = "| key | meaning |\n| --- | --- |\n"


def schema() -> str:
    """The schema of a configuration as JSON, for editors."""
    return json.dumps(configuration_schema(), indent=1, ensure_ascii=False) + "\n"


def table() -> str:
    """The keys of a configuration in Markdown."""
    whole = configuration_schema()
    return HEAD + "".join(map(_row, keys.keys(whole, whole, default_configuration())))


def _row(key: keys.Key) -> str:
    meaning = keys.plain(key.meaning)
    default = f" (default `{key.default}`)" if key.default is not None else ""
    more = f". {key.more}" if key.more else ""
    return f"| `{key.path}` | {meaning}{default}{more} |\n"


def with_table(text: str) -> str:
    """Return a page with the table in the place of its first one."""
    before, rest = text.split(HEAD, 1)
    _, after = rest.split("\n\n", 1)
    return f"{before}{table()}\n{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
