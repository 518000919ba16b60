"""Every sentence that claims equality with the study names a test with the study's numbers, or says "not verified".

The sentences are those with "as published", "the study's" and the like. ``claims.yaml`` lists them. A new one must take
sides.
"""

import ast
import html
import io
import re
import tokenize
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLE = "tests/claims.yaml"
SOURCES = (
    *("README.md", "config/README.md", "docs/**/*.md", "resources/**/README.md", "workflow/report/*.rst"),
    *("config/*.yaml", "workflow/schemas/*.yaml"),
    *("Snakefile", "workflow/rules/**/*.smk", "scripts/**/*.py", "src/metamers/**/*.py"),
    *("src/metamers/report/**/*.j2", "studies/*.md", "studies/[!t]*/**/*.*", "studies/*.py"),
)
CLAIM = re.compile(r"\bas published\b|\bthe study['’]s\b|\bas the study\b|\bcode of the study\b", re.IGNORECASE)
LIST_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s")
UNDERLINE = re.compile(r"\s*[-=]{3,}\s*")
# The end of a sentence: not after an abbreviation, and not before a small letter.
END = re.compile(r"(?<=[.?!])(?<!\bal\.)(?<!\bFigs\.)(?<!\bFig\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)\s+(?![a-z])")
INLINE = r"a|abbr|b|code|em|i|kbd|small|span|strong|sub|sup|var"
# What in a test's module refers to the study's numbers: fixtures of conftest.py, and the folder of its code's numbers.
STUDY_NUMBERS = {"mirror", "public", "METAMERS_DATA"}


class Sentence(NamedTuple):
    """A sentence that claims equality with the study, and the paragraph that it stands in."""

    text: str
    paragraph: str


def normalized(text: str) -> str:
    return " ".join(text.split())


def paragraphs(text: str) -> list[str]:
    """Paragraphs of Markdown, reStructuredText, a docstring or a comment.

    A list item, a table row, a heading, a line of a code block and a block of other indentation are paragraphs too.
    """
    found: list[list[str]] = [[]]
    in_code, of_list, indentation = False, False, 0
    for line in text.splitlines():
        if UNDERLINE.fullmatch(line):
            found.append([])
            continue
        alone = in_code or line.lstrip().startswith(("|", "#", "```"))
        if line.lstrip().startswith("```"):
            in_code = not in_code
        indented = len(line) - len(line.lstrip())
        begins = indented < indentation if of_list else indented != indentation
        if alone or not line.strip() or begins or LIST_ITEM.match(line):
            found.append([])
            of_list, indentation = bool(LIST_ITEM.match(line)) and not alone, indented
        found[-1].append(line)
        if alone:
            found.append([])
    return [joined for lines in found if (joined := normalized("\n".join(lines)))]


def comment_blocks(comments: list[tuple[int, int, str, bool]]) -> list[str]:
    """Texts of comments; a line of its own belongs to the comment in the same column of the line before.

    Each comment has a line, a column, a text that begins with #, and whether it stands alone in its line.
    """
    blocks: list[str] = []
    before = (-1, -1)
    for line, column, text, alone in comments:
        content = re.sub(r"^#+ ?", "", text)
        if alone and before == (line - 1, column):
            blocks[-1] += "\n" + content
        else:
            blocks.append(content)
        before = (line, column)
    return blocks


def of_yaml(text: str) -> list[str]:
    """Comments and strings."""
    scalars = [token for token in yaml.scan(text) if isinstance(token, yaml.ScalarToken)]
    rest = list(text)
    for token in scalars:
        start, end = token.start_mark.index, token.end_mark.index
        rest[start:end] = re.sub(r"[^\n]", "x", text[start:end])
    comments = []
    for number, line in enumerate("".join(rest).splitlines()):
        if found := re.search(r"(?:^|(?<=\s))#.*", line):
            comments.append((number, found.start(), found[0], not line[: found.start()].strip()))
    return [*comment_blocks(comments), *(token.value for token in scalars)]


def of_python(text: str) -> list[str]:
    """Comments, and strings in three quotation marks, which docstrings are."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    comments = [
        (*token.start, token.string, not token.line[: token.start[1]].strip())
        for token in tokens
        if token.type == tokenize.COMMENT
    ]
    strings = [token.string for token in tokens if token.type == tokenize.STRING and '"""' in token.string[:5]]
    docstrings = []
    for string in strings:
        first, _, rest = string.split('"""')[1].partition("\n")  # not evaluated: it may be an f-string
        docstrings.append(f"{first}\n{re.sub(r'^ {4}', '', rest, flags=re.MULTILINE)}")
    return [*comment_blocks(comments), *docstrings]


def of_template(text: str) -> list[str]:
    """Text between tags; those of inline elements and Jinja's statements do not separate."""
    text = re.sub(r"\{[%#].*?[%#]\}", "", text, flags=re.DOTALL)
    text = re.sub(rf"</?(?:{INLINE})\b[^>]*>", "", text)
    return [normalized(part) for part in re.split(r"<[^>]*>", html.unescape(text))]


def sentences(path: Path) -> list[Sentence]:
    """Sentences of a file that claim equality with the study."""
    text = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".yaml":
            parts = of_yaml(text)
        case ".py" | ".smk" | "":
            parts = of_python(text)
        case ".j2":
            parts = of_template(text)
        case _:
            parts = [text]
    of_file = [paragraph for part in parts for paragraph in paragraphs(part)]
    found = [Sentence(sentence, paragraph) for paragraph in of_file for sentence in END.split(paragraph)]
    return [sentence for sentence in dict.fromkeys(found) if CLAIM.search(sentence.text)]


@cache
def claims() -> dict[str, list[Sentence]]:
    """File → its sentences that claim equality with the study."""
    paths = sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)})
    found = {path.relative_to(ROOT).as_posix(): sentences(path) for path in paths}
    return {name: of_file for name, of_file in found.items() if of_file}


@cache
def table() -> dict[str, dict[str, dict]]:
    """File → beginning of a sentence → ``test`` or ``not_verified``."""
    return yaml.safe_load((ROOT / TABLE).read_text(encoding="utf-8"))


@cache
def definitions(module: str) -> dict[str, ast.AST]:
    """Name → definition at the top of a module of tests."""
    found: dict[str, ast.AST] = {}
    for node in ast.parse((ROOT / module).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        found |= {getattr(target, "name", getattr(target, "id", "")): node for target in targets}
    return found


def names_in(node: ast.AST) -> set[str]:
    """Names, arguments and strings of a definition."""
    return {
        value
        for part in ast.walk(node)
        for value in (getattr(part, "id", None), getattr(part, "arg", None), getattr(part, "value", None))
        if isinstance(value, str)
    }


def uses_study_numbers(module: str, test: str) -> bool:
    """Whether a test refers to the study's numbers, by itself or by what it uses of its module."""
    seen, waiting = set(), {test}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if name in definitions(module):
            waiting |= names_in(definitions(module)[name]) - seen
    return bool(seen & STUDY_NUMBERS)


FILES = sorted({*claims(), *table()})


@pytest.mark.parametrize("name", FILES)
def test_every_sentence_that_claims_equality_takes_sides(name):
    listed = table().get(name, {})
    problems = []
    for sentence in claims().get(name, []):
        found = [begin for begin in listed if sentence.text.startswith(begin)]
        if not found:
            problems.append(
                f"not in {TABLE}: {sentence.text!r}. Name under {name} a test that compares with the study's numbers "
                '(test: tests/test_x.py::test_y), or write "not verified" in the paragraph and list it as '
                "not_verified: true, or say it without as published and the study's"
            )
        elif "not_verified" in listed[found[0]] and "not verified" not in sentence.paragraph:
            problems.append(f"{TABLE} lists this as not verified, but its paragraph does not say so: {sentence.text!r}")
    for begin in listed:
        count = sum(sentence.text.startswith(begin) for sentence in claims().get(name, []))
        if count != 1:
            problems.append(f"{TABLE}: {count} sentences begin with {begin!r}, wanted one: correct or remove the entry")
    assert not problems, f"{name}:\n" + "\n".join(problems)


@pytest.mark.parametrize("name", FILES)
def test_every_named_test_exists_and_uses_the_study_s_numbers(name):
    for begin, entry in table().get(name, {}).items():
        where = f"{TABLE}: {name}: {begin!r}"
        assert entry == {"not_verified": True} or list(entry) == ["test"], f"{where}: wanted test or not_verified: true"
        named = entry.get("test", [])
        for test in [named] if isinstance(named, str) else named:
            module, _, function = test.partition("::")
            assert (ROOT / module).is_file(), f"{where}: there is no {module}"
            assert isinstance(definitions(module).get(function), ast.FunctionDef), f"{where}: there is no {test}"
            assert uses_study_numbers(module, function), f"{where}: {test} uses no number of the study"


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("x.md", "One. Two, as\npublished (not\nverified). Three.", ["Two, as published (not verified)."]),
        (
            "x.md",
            "| a | as published |\n| b | none |\n\n- one\n  wrapped\n- the study’s",
            ["| a | as published |", "- the study’s"],
        ),
        (
            "x.md",
            "Nobody has published it. As in Feather et al. (2023), as published.",
            ["As in Feather et al. (2023), as published."],
        ),
        (
            "x.yaml",
            "# The study's\n# own.\na: 1 # as published\n# next\nb: 'no # the study''s'",
            ["The study's own.", "as published", "no # the study's"],
        ),
        ("x.smk", "rule a:\n    # As\n    # published.\n    input: 'as published' # one\n", ["As published."]),
        (
            "x.py",
            'def f():\n    """Do.\n\n    Parameters\n    ----------\n    size\n        The study\'s.\n    """\n',
            ["The study's."],
        ),
        (
            "x.html.j2",
            "<p>As <b>the study&rsquo;s</b>{% if a %} one{% endif %}.</p><p>Other</p>",
            ["As the study’s one."],
        ),
    ],
)
def test_sentences_are_found_whole_wherever_they_stand(name, text, wanted, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [sentence.text for sentence in sentences(tmp_path / name)] == wanted


def test_a_test_that_has_only_its_own_formulas_is_no_evidence():
    assert uses_study_numbers("tests/compare/test_anova.py", "test_every_printed_result_to_its_last_digit")
    assert not uses_study_numbers("tests/compare/test_anova.py", "test_f_of_stage_alone_is_that_of_statsmodels")
    assert uses_study_numbers(
        "tests/null/test_acceptance.py", "test_those_metamers_are_kept_that_the_study_s_code_keeps"
    )
    assert not uses_study_numbers("tests/null/test_acceptance.py", "test_every_two_stimuli_are_paired_once")
