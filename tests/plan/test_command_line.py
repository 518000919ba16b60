"""Configuration files and values on the command line are checked before Snakemake reads them."""

import re

import pytest

from metamers.config import read as config_read
from metamers.plan import command_line

pytestmark = pytest.mark.usefixtures("in_the_repository")


@pytest.mark.hostile(
    "Configuration",
    "a file of the configuration that is missing, a folder, binary, empty, a list, or indented with tabs; `--config` (also `-C`, `-nC`) with a dotted key, no key, no value, or a repeated key in its value",
    "one sentence, no traceback, where Snakemake takes the workflow's profile",
)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"x\.yaml: .*\(No such file"),
        (b"run: a\n\tseed: 1\n", r"x\.yaml: .*\bline 2: .*\btabs$"),
        (b"\x80\x02}q\x00.", r"x\.yaml: .*\bUTF-8$"),
        (b"\x7fELF\x02\x01\x01\x00", r"x\.yaml: .*\bUTF-8$"),
        (b"", r"x\.yaml: .*`run: mine`$"),
        (b"[run, seed]", r"x\.yaml: .*\blist\b"),
        (b"run: [", r"x\.yaml: .*\bline 1: "),
    ],
)
def test_a_configuration_file_that_cannot_be_used_is_named_in_one_line(tmp_path, content, message):
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match=rf"^Error: .*{message}"):
        command_line.check(["humans", "-n", "--configfile", str(path), "--cores", "2"])


@pytest.mark.hostile(
    "Configuration",
    "a number of more than 32 characters in a file of the configuration (`0xfff…` of 5000 digits, which Python does not write into a message; `1:59:59…`, which takes it a long time)",
    "refused with the file and line, before it is converted",
)
@pytest.mark.parametrize(
    "number",
    [
        "0x" + "f" * 5000,
        "0b" + "1" * 20_000,
        "1" + ":59" * 5000,
        "9" * 33,
        "0." + "1" * 400,
        "1" + ":59" * 20_000 + ".5",
    ],
    ids=lambda number: f"{number[:4]}...{number[-3:]}",
)
@pytest.mark.parametrize("text", ["run: mine\nseed: {}\n", "run: mine\nmodels: [{}]\n", "run: mine\n? {}\n: 1\n"])
def test_a_number_that_is_too_long_is_named_with_its_line(tmp_path, text, number):
    """Python takes a long time for some of these, and refuses to write others into a message."""
    path = tmp_path / "x.yaml"
    path.write_text(text.format(number))
    with pytest.raises(SystemExit, match=rf"^Error: .*x\.yaml: .*\bline 2 .*\b{len(number)} .*\b32\b"):
        command_line.check(["--configfile", str(path)])
    path.write_text(text.format(f"'{number}'"))
    assert number in str(config_read.read_yaml(path))


@pytest.mark.hostile("Configuration", "a home folder that cannot be made", "one sentence, no traceback")
@pytest.mark.parametrize(
    ("variable", "cache"), [("HOME", "/file/.cache/snakemake"), ("XDG_CACHE_HOME", "/file/snakemake")]
)
def test_a_cache_folder_that_snakemake_cannot_make_is_named(variable, cache, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    with pytest.raises(SystemExit, match=rf"^Error: .*{cache} \(Not a direct"):
        command_line.check(["-n"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    command_line.check(["-n"])


@pytest.mark.hostile("a file of the configuration …")
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("synthesis.seeds=2", r".*--configfile$"),
        ("a=[", r".*'a'.* run, seed, "),
        ("sed=1", r".*'sed'.*'seed'.* run, "),
        ("people={}", "people: .*own_participants$"),
        ("=1", ".*''"),
        ("run", ".*KEY=VALUE$"),
        ("synthesis={seeds: 2, seeds: 3}", r".*'seeds' .*\bline 1 .*\bline 1\b"),
        ("training={m: {a: 1, a: 2}}", r".*'a' .*\bline 1 .*\bline 1\b"),
        ("synthesis={seeds: 0x" + "f" * 5000 + "}", r".*\bline 1 .*\b5002 .*\b32\b"),
    ],
)
def test_an_entry_of_the_command_line_that_sets_no_key_is_named(entry, message):
    for option in ("--config", "-C", "-nC", "-nFC"):
        with pytest.raises(SystemExit, match=rf"^Error: --config {re.escape(entry)}: {message}"):
            command_line.check(["humans", option, "seed=1", entry, "-F"])


@pytest.mark.parametrize("target", ["leaderboard", "results/demo/metamers/net/stage/0000.nc"])
def test_a_target_after_a_configuration_file_is_not_taken_for_one(target):
    with pytest.raises(SystemExit, match=rf"\b{target}\b.*`--`$"):
        command_line.check(["--cores", "2", "--configfile", "config/paper.yaml", target])
    command_line.check([target, "--cores", "2", "--configfile", "config/paper.yaml"])
    command_line.check(["--cores", "2", "--configfile", "config/paper.yaml", "--", target])


@pytest.mark.hostile(
    "Configuration", "`--configfile` without a file, or an option that does not exist", "Snakemake's own message"
)
@pytest.mark.parametrize("arguments", [["--configfile"], ["-n", "--configfile", "--cores", "2"], ["--no-such-option"]])
def test_an_option_that_snakemake_refuses_is_left_to_snakemake(arguments):
    command_line.check(arguments)


def test_only_values_of_the_two_options_are_checked():
    command_line.check(["-dC", "--config", "seed=1", "-j", "2", "sed=1", "--configfile", "config/paper.yaml"])
    command_line.check(["-sCopy.smk", "--", "--config", "sed=1"])
    for option in ("--config=", "-C", "-nC="):
        with pytest.raises(SystemExit, match=r"--config sed=1: .*'sed'"):
            command_line.check([f"{option}sed=1", "all"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configfile=", "-n"], "^Error: : .*Is a directory"),
        (["--configfile=config"], r"\bconfig: .*Is a directory"),
        (["--config=", "seed=1"], "--config : .*KEY=VALUE"),
        (["-C", "seed=1", "-1"], "--config -1: .*KEY=VALUE"),
        (["-C", "-", "-n"], "--config -: .*KEY=VALUE"),
    ],
)
def test_a_value_that_is_empty_a_folder_or_begins_with_a_hyphen_is_checked(arguments, message):
    with pytest.raises(SystemExit, match=message):
        command_line.check(arguments)


def test_a_right_command_line_is_let_pass(root):
    command_line.check(
        ["humans", "-n", "--config", "human_data=participants", "mirror=a.b", "--configfile", "config/paper.yaml"]
    )
    command_line.check(["--cores", "2", "all"])
    command_line.check(["-n", "--config", "run=a: b: c", "seed=" + "1" * 32, "mirror=", "device=["])
