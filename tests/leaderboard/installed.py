"""Commands of a shared leaderboard in a Python that imports only what its file for GitHub installs."""

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

from metamers.repository import ROOT

PACKAGES = ROOT / "resources" / "leaderboard" / "requirements.in"
ONLY = """
import sys
from importlib.metadata import packages_distributions
allowed = set({allowed!r})
known = packages_distributions()
class Refuse:
    def find_spec(self, name, path=None, target=None):
        own = known.get(name.split(".")[0])
        if own and not {{one.lower().replace("_", "-") for one in own}} & allowed and name.split(".")[0] != "metamers":
            raise ImportError(f"{{name}} is not installed there")
sys.meta_path.insert(0, Refuse())
from metamers.__main__ import main
for arguments in {commands!r}:
    main(arguments)
"""


def installed() -> list[str]:
    """The packages that the file installs, and all that they require, as in this environment."""
    found: set[str] = set()
    waiting = [line for line in PACKAGES.read_text().splitlines() if line[0] != "#"]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop().lower())
        if name in found:
            continue
        found.add(name)
        try:
            required = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            continue
        waiting += [one.name for one in required if not one.marker or one.marker.evaluate({"extra": ""})]
    return sorted(found)


def call_with_installed(*commands: Sequence[object]) -> None:
    """Call ``metamers`` with the arguments of each command, one after another."""
    line = ONLY.format(allowed=installed(), commands=[list(map(str, arguments)) for arguments in commands])
    ran = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
