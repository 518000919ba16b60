"""Snakemake's options ``--config`` and ``--configfile``, and its cache folder, checked before Snakemake uses them.

Snakemake uses them before the Snakefile and answers a file that it cannot open, a key that is no identifier, or a
folder that it cannot make, with a traceback. Only a profile is read earlier, so the workflow's profiles call ``check``
with the command line. ``metamers.plan.plan`` checks everything else.
"""

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from snakemake.common import get_appdirs

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
    """End the process with a message if ``--config`` or ``--configfile`` is invalid, or there is no cache folder.

    Parameters
    ----------
    arguments
        Command-line arguments of Snakemake, without the program's name. Snakemake itself answers options that it does
        not know.

    Raises
    ------
    SystemExit
        When a file of ``--configfile`` cannot be used, or an entry of ``--config`` is not ``KEY=VALUE`` with a key of
        the configuration's top level and a value without a repeated key; or when Snakemake's cache folder, below the
        home folder, cannot be made or written to.
    """
    files = list(_values(arguments, CONFIGFILE))
    try:
        _check_cache_folder()
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


def _check_cache_folder() -> None:
    """Check that Snakemake can write to its cache folder."""
    folder = Path(get_appdirs().user_cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=folder).cleanup()
    except OSError as error:
        raise ConfigurationError(
            f"Snakemake cannot write to its cache folder {folder} ({error.strerror}). Set the environment variable "
            "XDG_CACHE_HOME to a folder that can be written, as in `export XDG_CACHE_HOME=/tmp/cache`"
        ) from error


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
