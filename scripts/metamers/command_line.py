"""Snakemake's options ``--config`` and ``--configfile``, checked before Snakemake reads them.

Snakemake reads both before the Snakefile and answers a file that it cannot open, or a key that is no identifier, with a
traceback. The workflow's profiles call ``check`` before that. What can be known later is for ``metamers.config``.
"""

import argparse
import sys
from collections.abc import Sequence

from metamers.config_read import check_configuration_files, configuration_keys
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
        the configuration's top level.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    given, _ = parser.parse_known_args(arguments)
    try:
        check_configuration_files(given.configfile)
        for entry in given.config:
            _check_entry(entry)
    except ConfigurationError as error:
        sys.exit(f"Error: {error}")


def _check_entry(entry: str) -> None:
    """One ``KEY=VALUE`` of ``--config`` sets a key of the configuration's top level."""
    key, equals, _ = entry.partition("=")
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
