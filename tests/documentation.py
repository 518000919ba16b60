"""The documentation as its tests read it: its pages, their blocks, and every command that they show."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hooks import made_pages

ROOT = Path(__file__).resolve().parents[1]

# A test does what these pages say, block by block: tests/test_tutorial.py.
FOLLOWED = ("docs/first_run.md", "docs/your_own_model.md", "docs/your_own_stimuli.md")
PROGRAMS = ("snakemake", "make", "git", "python", "pip", "sha256sum", "npm", "docker", "conda", "jupyter")


class Command(NamedTuple):
    """A command, the page that shows it, and whether a test that follows the page runs it as it stands."""

    text: str
    page: str
    followed: bool


@cache
def pages() -> dict[str, str]:
    """Path in the repository → Markdown, of every page, those that are made of something else included."""
    written = [ROOT / "README.md", ROOT / "config" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    made = {f"docs/{path}": text for path, text in made_pages().items()}
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in written} | made


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def plain(line: str) -> str:
    """A command without its comment, and without the folder of the environment's programs."""
    return re.sub(r"\s+# .*$", "", line.strip()).removeprefix(".venv/bin/")


@cache
def commands() -> list[Command]:
    """Every command that a page shows.

    A command is each line of a block ``bash`` and of an indented block, and whatever begins with the name of a program in
    another block of text or within a line, in code. What is indented and no command has to be a block ``text``.
    """
    found = []
    for page, text in pages().items():
        bash = [line for language, content in blocks(text) if language == "bash" for line in content.splitlines()]
        found += [Command(plain(line), page, page in FOLLOWED) for line in bash if line.strip()]
        texts = [line for language, content in blocks(text) if language == "text" for line in content.splitlines()]
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        # After an empty line and not in a list or definition.
        for before, block in re.findall(r"(^.*\n)\n((?: {4}.*\n)+)", prose, flags=re.MULTILINE):
            if not re.match(r"\s*([-*:]|\d+\.) |\s{3}", before):
                found += [Command(plain(line), page, False) for line in block.splitlines()]
        spans = re.findall(r"`((?:\.venv/bin/)?\w[^`]*)`", " ".join(prose.split("\n")))
        for span in [*texts, *spans]:
            program, _, rest = plain(span).partition(" ")
            if rest and program in PROGRAMS:
                found.append(Command(plain(span), page, False))
    return found
