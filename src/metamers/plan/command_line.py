"""Snakemake's options ``--config`` and ``--configfile``, checked before Snakemake reads them.

Snakemake reads both before the Snakefile and answers a file that it cannot open, or a key that is no identifier, with a
traceback. Only a profile is read earlier, so the workflow's profiles call ``check`` with the command line.
``metamers.plan.plan`` checks everything else.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from metamers.config.read import (
    STUDIES_KEY,
    check_command_line_value,
    check_configuration_files,
    unknown_key,
)
from metamers.names import ConfigurationError
from metamers.plan.steps import configuration_keys

CONFIGURATION_SUFFIXES = (".yaml", ".yml", ".json")
# Names of both options, before their values; -C may follow letters of options without a value, as in -nC.
CONFIGFILE = re.compile(r"--configfiles?(=|$)")
CONFIG = re.compile(r"--config(=|$)|-[aDfFhklnpStv]*C=?")
NO_OPTION = re.compile(r"-|-\d+|-\d*\.\d+")  # values, for argparse


def check(arguments: Sequence[str]) -> None:
    """End the process with a message of one sentence if ``--config`` or ``--configfile`` has an invalid value.

    Parameters
    ----------
    arguments
        Command-line arguments of Snakemake, without the program's name. Snakemake itself answers options that it does
        not know.

    Raises
    ------
    SystemExit
        When a file of ``--configfile`` cannot be used, or an entry of ``--config`` is not ``KEY=VALUE`` with a key of
        the configuration's top level and a value without a repeated key.
    """
    files = list(_values(arguments, CONFIGFILE))
    try:
        _check_words_after_configfile(files)
        check_configuration_files(files)
        for entry in _values(arguments, CONFIG):
            _check_entry(entry)
    except ConfigurationError as error:
        sys.exit(f"Error: {error}")


def _values(arguments: Sequence[str], option: re.Pattern[str]) -> Iterator[str]:
    """The values of an option: what stands in the same word, or else the words up to the next option."""
    reading = False
    for word in arguments:
        if word == "--":  # only targets follow
            return
        if name := option.match(word):
            value = word[name.end() :]
            reading = not value and not name[0].endswith("=")
            if not reading:
                yield value
        elif word.startswith("-") and not NO_OPTION.fullmatch(word):
            reading = False
        elif reading:
            yield word


def _check_words_after_configfile(paths: Sequence[str]) -> None:
    """Refuse a target that stands after ``--configfile FILE``, which Snakemake takes for another such file."""
    for path in map(Path, paths):
        if path.suffix not in CONFIGURATION_SUFFIXES and not path.exists():
            raise ConfigurationError(
                f"--configfile: found {path}, which is no file; wanted files such as run.yaml. Each word after "
                "--configfile counts as one: put a target before it, or after `--`"
            )


def _check_entry(entry: str) -> None:
    """Check that one ``KEY=VALUE`` of ``--config`` sets a key of the configuration's top level."""
    key, equals, value = entry.partition("=")
    if not equals:
        raise ConfigurationError(f"--config {entry}: wanted KEY=VALUE")
    if "." in key:
        raise ConfigurationError(
            f"--config {entry}: a key inside another cannot be set here; write it in a file, as "
            "`synthesis: {seeds: 2}`, and give the file by --configfile"
        )
    valid = [*configuration_keys(), STUDIES_KEY]  # the workflow's error names the Snakefile of this key
    if key not in valid:
        raise unknown_key(key, valid, f"--config {entry}")
    check_command_line_value(value, f"--config {entry}")
