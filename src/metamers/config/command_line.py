"""Snakemake's options ``--config`` and ``--configfile``, checked before Snakemake reads them.

Snakemake reads both before the Snakefile and answers a file that it cannot open, or a key that is no identifier, with a
traceback. The workflow's profiles call ``check`` before that. ``metamers.config.plan`` checks everything else.
"""

import contextlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from snakemake.cli import get_argument_parser

from metamers.config.read import (
    STUDIES_KEY,
    check_command_line_value,
    check_configuration_files,
    configuration_keys,
    unknown_key,
)
from metamers.names import ConfigurationError

CONFIGURATION_SUFFIXES = (".yaml", ".yml", ".json")


def check(arguments: Sequence[str]) -> None:
    """End the process with a message of one sentence if ``--config`` or ``--configfile`` has an invalid value.

    Parameters
    ----------
    arguments
        Command-line arguments of Snakemake, without the program's name.

    Raises
    ------
    SystemExit
        When a file of ``--configfile`` cannot be used, or an entry of ``--config`` is not ``KEY=VALUE`` with a key of
        the configuration's top level and a value without a repeated key. With Snakemake's message if an option is not
        valid for Snakemake.
    """
    given = get_argument_parser().parse_args(arguments)  # Snakemake's parser knows `-nC` and abbreviations
    try:
        _check_words_after_configfile(given.configfile or [])
        check_configuration_files(given.configfile or [])
        for entry in given.config or []:
            _check_entry(entry)
    except ConfigurationError as error:
        sys.exit(f"Error: {error}")


def _check_words_after_configfile(paths: Sequence[str | Path]) -> None:
    """Refuse a target that stands after ``--configfile FILE``, which Snakemake takes for another such file."""
    for path in map(Path, paths):
        if path.suffix not in CONFIGURATION_SUFFIXES and not path.exists():
            raise ConfigurationError(
                f"--configfile: found {path}, which is no file; wanted files such as run.yaml. Each word after "
                "--configfile counts as one: put a target before it, or after `--`"
            )


def requested_targets(call: Sequence[str]) -> list[str]:
    """The targets on the command line of Snakemake, which passes them on only after it has read the whole workflow.

    Parameters
    ----------
    call
        Program and arguments, as ``sys.argv``.

    Returns
    -------
    list of str
        Names of rules and paths of files. Empty if the program is not Snakemake, or does not accept the arguments.
    """
    program = Path(call[0])
    if program.stem != "snakemake" and program.parts[-2:] != ("snakemake", "__main__.py"):
        return []
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        return list(map(str, get_argument_parser().parse_args(call[1:]).targets or ()))
    return []


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
