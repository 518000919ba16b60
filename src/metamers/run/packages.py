"""Find files of installed packages."""

import functools
import importlib.metadata
from pathlib import Path

_distribution = functools.cache(importlib.metadata.distribution)  # a dataset asks for thousands of files


def package_file(package: str, file: str) -> Path:
    """Return the path of a file of an installed distribution without importing the package.

    Raises
    ------
    FileNotFoundError
        When the distribution is not installed or has no such file.
    """
    try:
        distribution = _distribution(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise FileNotFoundError(
            f"package {package!r} is not installed in this environment; `make install` installs every locked package"
        ) from error
    path = Path(str(distribution.locate_file(file)))
    if not path.is_file():
        raise FileNotFoundError(f"package {package!r} {distribution.version} has no file {file!r}")
    return path
