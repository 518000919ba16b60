"""What follows from the settings of steps: the table of config/README.md, and the schema of a configuration.

    make reference

writes them; a test compares them.
"""

import json
import re
from pathlib import Path

from generate import keys
from metamers.plan.steps import configuration_schema, default_configuration

FOLDER = Path(__file__).resolve().parents[2] / "config"
PAGE, SCHEMA = FOLDER / "README.md", FOLDER / "config.schema.json"
HEAD = "| key | meaning |\n| --- | --- |\n"
RANGE = re.compile(r"\bfrom (\d[\d.]*) to (\d[\d.]*\d|\d)\b")  # limits in a meaning, which the table writes in short


def schema() -> str:
    """The schema of a configuration as JSON, for editors."""
    return json.dumps(configuration_schema(), indent=1, ensure_ascii=False) + "\n"


def table() -> str:
    """The keys of a configuration in Markdown; keys that differ in their last name only share a row."""
    whole = configuration_schema()
    rows: list[list[keys.Key]] = []
    explained = set()  # further sentences, each of which is in the first row of its key
    for complete in keys.keys(whole, whole, default_configuration()):
        sentences = complete.path.rpartition(".")[2], complete.more
        key = complete._replace(more="") if sentences in explained else complete
        explained.add(sentences)
        if rows and _shared(rows[-1][-1]) == _shared(key):
            rows[-1].append(key)
        else:
            rows.append([key])
    return HEAD + "".join(map(_row, rows))


def _shared(key: keys.Key) -> tuple[str | None, ...]:
    """What keys of one row have in common."""
    return key.path.rpartition(".")[0] or key.path, key.default, key.meaning, key.more


def _row(together: list[keys.Key]) -> str:
    first, *others = together
    names = ", ".join([f"`{first.path}`", *(f"`.{key.path.rpartition('.')[2]}`" for key in others)])
    meaning = RANGE.sub(r"\1–\2", keys.plain(first.meaning))
    default = f" (default `{first.default}`)" if first.default is not None else ""
    more = f". {first.more}" if first.more else ""
    return f"| {names} | {meaning}{default}{more} |\n"


def with_table(text: str) -> str:
    """Return a page with the table in the place of its first one."""
    before, rest = text.split(HEAD, 1)
    _, after = rest.split("\n\n", 1)
    return f"{before}{table()}\n{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
