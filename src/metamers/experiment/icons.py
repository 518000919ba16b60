"""Icons of the categories, in a folder of the user."""

from collections.abc import Iterable
from pathlib import Path

from metamers.config.read import resolve_path

ICON_FILES = (".svg", ".png")


def missing_icons(folder: str | None, categories: Iterable[str]) -> str | None:
    """Describe the categories that have no icon; None if every category has one, or no folder is given."""
    if folder is None:
        return None
    names = {path.name for path in Path(resolve_path(folder)).glob("*")}
    missing = [name for name in categories if not names & {f"{name}{ending}" for ending in ICON_FILES}]
    if not missing:
        return None
    return (
        f"experiment.icons: {folder} has no {missing[0]}.svg or {missing[0]}.png; wanted an icon for each category "
        f"(also missing: {', '.join(missing[1:]) or 'none'}), or null for words only"
    )
