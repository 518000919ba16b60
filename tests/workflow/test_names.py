"""A step has one name: that of its rule, its file of rules, its script and its part of the library."""

import re
import subprocess
import sys

import pytest

from metamers.plan.steps import STEPS

# These time the computation itself on all cores, and write no metamers or answers.
TIMING = {"benchmark_cochleagram", "benchmark_gpu"}
RULES = {"workflow": "workflow/rules", "studies": "studies/rules"}
SCRIPTS = {"workflow": "scripts", "studies": "studies/scripts"}


def steps(root, part="workflow"):
    """Rule → the file of rules that has it, and the text of its directives; the rules of a loop are one.

    Targets, which only have an input, are left out.
    """
    found = {}
    for path in sorted((root / RULES[part]).glob("*.smk")):
        for name, body in re.findall(
            r"^ *rule(?: (\w+))?:\n((?:(?! *rule\b) .*\n|\n)*)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            if re.findall(r"^    (\w+):", body, re.MULTILINE) == ["input"]:
                continue
            of_loop = re.search(r'name:\n *f"(\w+)_\{\w+\}"', body)
            found[name or of_loop[1]] = path.stem, body
    return found


@pytest.mark.parametrize("part", RULES)
def test_every_rule_is_named_like_its_script(root, part):
    scripts = {}
    for name, (_, body) in steps(root, part).items():
        (script,) = re.findall(r'script:\n +(?:STUDY_)?SCRIPTS / "(.*)\.py"', body)
        scripts[script] = name
    assert scripts == {script: script.replace("/", "_") for script in scripts}
    without_rule = {"experiment/serve"}  # started by hand
    folder = root / SCRIPTS[part]
    there = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.py")}
    assert scripts.keys() == there - without_rule


def test_every_rule_lies_in_the_file_of_its_step(root):
    """A rule that writes a page of a step is named as its script, after the report."""
    for name, (file, _) in steps(root).items():
        pages = STEPS[file].pages if file in STEPS else {}
        assert re.fullmatch(rf"({'|'.join([file, *(f'report_{page}' for page in pages)])})(_.*)?", name), (name, file)


def test_every_step_calls_its_part_of_the_library(root):
    """A step of one rule is a module instead of a package."""
    texts = {}
    for path in sorted((root / "scripts").rglob("*.py")):
        step = path.relative_to(root / "scripts").with_suffix("").parts[0]
        texts[step] = texts.get(step, "") + path.read_text(encoding="utf-8")
    assert [
        step
        for step, text in texts.items()
        if not re.search(rf"^from metamers(\.{step}\b| import .*\b{step}\b)", text, re.MULTILINE)
    ] == []


def lines_of(body, directive):
    """The lines of a directive of a rule, without its indentation; none if the rule does not have it."""
    found = re.search(rf"^( *){directive}: *(.*\n(?:\1 +.*\n)*)", body, re.MULTILINE)
    return [line.strip() for line in found[2].splitlines() if line.strip()] if found else []


@pytest.mark.parametrize("part", RULES)
def test_log_benchmark_and_step_of_a_rule_have_its_name(root, part):
    for name, (_, body) in steps(root, part).items():
        (script,) = re.findall(r'script:\n +(?:STUDY_)?SCRIPTS / "(.*)\.py"', body)
        assert re.match(r"\*\*(study_)?step\(", lines_of(body, "params")[0]), name
        assert re.search(rf'\*\*(study_)?step\(\s*"{script}"', body), name
        assert lines_of(body, "conda") in (["ENVIRONMENT"], ["STUDY_ENVIRONMENT"]), name
        for directive, folder, ending in (("log", "logs", "log"), ("benchmark", "benchmarks", "tsv")):
            if directive == "benchmark" and not lines_of(body, "output"):
                assert not lines_of(body, directive), name  # it would be the rule's only output
                continue
            (path,) = re.findall(rf'"results/<run>/{folder}/(.*)\.{ending}"', " ".join(lines_of(body, directive)))
            assert path.split("/")[0] == name


@pytest.mark.slow
@pytest.mark.parametrize("snakefile", ["Snakefile", "studies/Snakefile"])
def test_snakemakes_linter_finds_only_functions_in_the_file_of_their_rules(root, snakefile):
    """A step is one file, with the functions of its rules."""
    found = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--lint"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert set(re.findall(r"^ +\* (.*):$", found, re.MULTILINE)) == {"Mixed rules and functions in same snakefile."}


@pytest.mark.parametrize("part", RULES)
def test_every_rule_has_a_message(root, part):
    assert [name for name, (_, body) in steps(root, part).items() if "    message:\n" not in body] == []


def test_every_rule_that_computes_with_a_network_has_one_thread(root):
    """So that results do not depend on ``--cores``; Snakemake's default is one thread."""
    computing, several = set(), set()
    every = [(part, name, body) for part in RULES for name, (_, body) in steps(root, part).items()]
    for part, name, body in every:
        script = re.search(r'SCRIPTS / "(.*)\.py"', body)
        if script and "use_threads(snakemake.threads)" in (root / SCRIPTS[part] / f"{script[1]}.py").read_text():
            computing.add(name)
            if set(re.findall(r"^ +threads: *(.*)", body, re.MULTILINE)) - {"1"}:
                several.add(name)
    assert {"synthesize_metamers", "recognize", "train_model", "vulnerability"} <= computing
    assert several == TIMING
    profiles = "".join(path.read_text() for path in (root / "workflow" / "profiles").rglob("*.yaml"))
    assert "set-threads" not in profiles


def test_no_function_or_constant_of_the_rules_is_defined_twice(root):
    """All files of rules share one namespace, so the last definition would be used everywhere."""
    found = {}
    for path in sorted(path for folder in RULES.values() for path in (root / folder).rglob("*.smk")):
        for name in re.findall(r"^(?:def (?=\w+\()|)(\w+)(?:\(| = )", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(name, set()).add(path)
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_no_rule_is_cached_and_nothing_of_snakemake_is_replaced(root):
    """Snakemake's key of a cached file contains neither the packages nor the values of files that other jobs made."""
    paths = [root / "Snakefile", *(path for folder in RULES.values() for path in (root / folder).glob("*.smk"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    assert re.findall(r"^ *cache:.*", text, re.MULTILINE) == []
    assert re.findall(r"^ *(\w[\w.]*\.\w+) \W?= ", text, re.MULTILINE) == ["function.__signature__"]
