"""Names that the configuration, the library and the files of a run share, and the error for a wrong one."""

import difflib
import re
from collections.abc import Iterable

# What may name a file of a run: letters, digits and a few signs, no separator, not hidden.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")

INPUT_STAGE = "input"
NATURAL = "natural"


class ConfigurationError(ValueError):
    """What is wrong in a configuration file, naming the key, what was found, and what would do."""


def unknown_name(what: str, found: str, valid: Iterable[str], key: str) -> ConfigurationError:
    """The error for a name that is not in a registry, with the nearest valid name and all of them."""
    valid = list(valid)
    near = difflib.get_close_matches(str(found), valid, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ConfigurationError(f"{key}: unknown {what} {found!r}.{hint} Valid: {', '.join(valid) or 'none'}.")


def stage_path(stage: str) -> str:
    """A stage's name as it stands in a path: ``/`` and spaces become ``_``."""
    return stage.replace("/", "_").replace(" ", "_")
