"""Every NetCDF file of a run: its variables with dimensions, unit and meaning."""

import re
from collections.abc import Mapping, Sequence

from generate import rules

PAGE = """# Files of a run

Made from `workflow/schemas/files.yaml` and `scripts/metamers/descriptions.yaml`, against which tests check every file
of a run. Paths are under `results/<run>/`; what stands in angle brackets stands for any name.

<!-- include README.md "Files of a run" -->

## Variables and coordinates

*signal* is channel, row and column of pictures, and sample of sounds; the unit 1 is that of a number without one. A
file may lack what is marked *optional*. Every file has the attributes `title`, `source`, `references`, `history`,
`run`, `seed`, `step`, `path` (within the run), `software`, `inputs` (path → SHA-256) and `content_sha256`.
"""


def anchor(path: str) -> str:
    """The name of a file's place on the page."""
    return re.sub(r"[^\w]+", "-", path.removesuffix(".nc")).strip("-")


def names_of(path: str) -> str:
    """A path with every name in angle brackets made the same, to compare paths by."""
    return re.sub(r"<[^>]*>", "<>", path)


def page(
    files: Mapping[str, Mapping[str, str]],
    descriptions: Mapping[str, Sequence[str]],
    made_by: Mapping[str, str],
) -> str:
    """The page of all files.

    Parameters
    ----------
    files
        Path → variable, with ``?`` where it may be missing → dimensions, joined by commas.
    descriptions
        Variable → long name, unit.
    made_by
        Path of an output under the run's folder → name of the rule.
    """
    makers = {names_of(path): rule for path, rule in made_by.items()}
    parts = [PAGE]
    for path, variables in files.items():
        maker = makers.get(names_of(path))
        parts.append(f"### `{path}` {{ #{anchor(path)} }}\n")
        if maker:
            parts.append(f"Made by [`{maker}`](rules.md#{rules.anchor(maker)}).\n")
        lines = ["| variable | dimensions | unit | what it is |", "| --- | --- | --- | --- |"]
        for variable, dimensions in variables.items():
            name = variable.removesuffix("?")
            long_name, unit = descriptions[name]
            optional = " *(optional)*" if variable.endswith("?") else ""
            cells = [f"`{name}`{optional}", dimensions.replace("signal", "*signal*"), unit, long_name]
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
