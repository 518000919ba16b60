"""Tables of every NetCDF file of a run: its variables with dimensions, unit and meaning."""

import re
from collections.abc import Mapping

from generate import rules
from metamers.run.declared import RunFile

MARK = "<!-- variables of files -->"


def anchor(path: str) -> str:
    """Return the anchor of a file's section."""
    return re.sub(r"[^\w]+", "-", path.removesuffix(".nc")).strip("-")


def names_of(path: str) -> str:
    """Return a path with its placeholders made equal, so that paths can be compared."""
    return re.sub(r"<[^>]*>", "<>", path)


def tables(files: Mapping[str, RunFile], made_by: Mapping[str, str]) -> str:
    """Return one section with a table of variables for each file.

    Parameters
    ----------
    files
        Path → file.
    made_by
        Path of an output under the run's folder → name of the rule.
    """
    makers = {names_of(path): rule for path, rule in made_by.items()}
    parts = []
    for path, file in files.items():
        maker = makers.get(names_of(path))
        parts.append(f"### `{path}` {{ #{anchor(path)} }}\n")
        if maker:
            parts.append(f"Made by [`{maker}`](rules.md#{rules.anchor(maker)}).\n")
        lines = ["| variable | dimensions | unit | meaning |", "| --- | --- | --- | --- |"]
        for variable, dimensions in file.dimensions.items():
            name = variable.removesuffix("?")
            long_name, unit = file.described[name]
            optional = " *(optional)*" if variable.endswith("?") else ""
            cells = [f"`{name}`{optional}", dimensions.replace("signal", "*signal*"), unit, long_name]
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def with_tables(markdown: str, of_files: str) -> str:
    """Return a page with the tables in the place of ``MARK``."""
    return markdown.replace(MARK, of_files)
