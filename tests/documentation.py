"""The documentation for its tests: its pages, their blocks, and every command that they show."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hooks import made_pages

ROOT = Path(__file__).resolve().parents[1]

# tests/docs/test_tutorial.py follows these pages block by block.
FOLLOWED = (
    "docs/first_run.md",
    "docs/your_own_model.md",
    "docs/your_own_model_more.md",
    "docs/networks_of_sounds.md",
    "docs/networks_of_sounds_more.md",
    "docs/your_own_stimuli.md",
    "docs/own_classes.md",
)
PROGRAMS = (
    "snakemake",
    "metamers",
    "make",
    "git",
    "python",
    "pip",
    "sha256sum",
    "npm",
    "docker",
    "conda",
    "jupyter",
    "snakedeploy",
)


class Command(NamedTuple):
    """A command, the page that shows it, and whether a test of the page runs it unchanged."""

    text: str
    page: str
    followed: bool


@cache
def pages() -> dict[str, str]:
    """Path in the repository → Markdown of every page, including generated pages."""
    written = [
        ROOT / "README.md",
        ROOT / "config" / "README.md",
        ROOT / "studies" / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    made = {f"docs/{path}": text for path, text in made_pages().items()}
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in written} | made


def blocks(text: str) -> list[tuple[str, str]]:
    """Return (language, content) of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def plain(line: str) -> str:
    """Remove the comment of a command, and the folder of the environment's programs."""
    return re.sub(r"\s+# .*$", "", line.strip()).removeprefix(".venv/bin/")


@cache
def commands() -> list[Command]:
    """Return every command that a page shows.

    Commands are the lines of ``bash`` blocks and of indented blocks, and code in other blocks or within a line that
    begins with the name of a program. Indented text that is not a command must be in a ``text`` block.
    """
    found = []
    for page, text in pages().items():
        bash = [line for language, content in blocks(text) if language == "bash" for line in content.splitlines()]
        found += [Command(plain(line), page, page in FOLLOWED) for line in bash if line.strip()]
        texts = [line for language, content in blocks(text) if language == "text" for line in content.splitlines()]
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        # After an empty line, and not in a list or definition.
        for before, block in re.findall(r"(^.*\n)\n((?: {4}.*\n)+)", prose, flags=re.MULTILINE):
            if not re.match(r"\s*([-*:]|\d+\.) |\s{3}", before):
                found += [Command(plain(line), page, False) for line in block.splitlines()]
        spans = re.findall(r"`((?:\.venv/bin/)?\w[^`]*)`", " ".join(prose.split("\n")))
        for span in [*texts, *spans]:
            program, _, rest = plain(span).partition(" ")
            if rest and program in PROGRAMS:
                found.append(Command(plain(span), page, False))
    return found
