"""Snakemake's options ``--config`` and ``--configfile``, checked before Snakemake reads them.

Snakemake reads both before the Snakefile and answers a file that it cannot open, or a key that is no identifier, with a
traceback. The workflow's profiles call ``check`` before that. What can be known later is for ``metamers.config``.
"""

import sys
from collections.abc import Sequence

from snakemake.cli import get_argument_parser

from metamers.config_read import check_command_line_value, check_configuration_files, configuration_keys
from metamers.names import ConfigurationError, unknown_name


def check(arguments: Sequence[str]) -> None:
    """End the process with one sentence where ``--config`` or ``--configfile`` has what cannot be used.

    Parameters
    ----------
    arguments
        Snakemake's, without its own name.

    Raises
    ------
    SystemExit
        When a file of ``--configfile`` cannot be used, or an entry of ``--config`` is not ``KEY=VALUE`` with a key of
        the configuration's top level and a value without a repeated key; with Snakemake's own message where an option
        is not used as Snakemake wants it.
    """
    given = get_argument_parser().parse_args(arguments)  # Snakemake's, for `-nC`, abbreviations and its messages
    try:
        check_configuration_files(given.configfile or [])
        for entry in given.config or []:
            _check_entry(entry)
    except ConfigurationError as error:
        sys.exit(f"Error: {error}")


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
    valid = configuration_keys()
    if key not in valid:
        raise unknown_name("key", key, valid, f"--config {entry}")
    check_command_line_value(value, f"--config {entry}")
