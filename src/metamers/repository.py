"""The workflow's own files: rules, scripts, schemas, default configuration, tables, the page of the experiment.

In a checkout, also in one that is installed editable, they are in the repository. A wheel carries a copy of them (see
``pyproject.toml``), so that the workflow runs with an installed package, too.
"""

import os
import re
import sys
from pathlib import Path

from metamers.names import ConfigurationError

PACKAGE = Path(__file__).parent


def _root() -> Path:
    carried = PACKAGE / "workflow_files"
    return carried if carried.is_dir() else PACKAGE.parents[1]


ROOT = _root()


def check_snakefile(loaded: str | Path) -> None:
    """Check that the Snakefile that Snakemake has loaded belongs to this package, whose rules it includes.

    Parameters
    ----------
    loaded
        Where Snakemake has put the file, which may come from another repository or address.

    Raises
    ------
    ConfigurationError
        When it has other bytes than the package's own.
    """
    own = ROOT / "Snakefile"
    # Without the last line's end, which Snakemake drops from a file out of a Git repository.
    if Path(loaded).read_bytes().rstrip() != own.read_bytes().rstrip():
        raise ConfigurationError(
            f"The Snakefile that Snakemake has loaded, {loaded}, differs from {own}: the workflow and the installed "
            "package metamers are of different versions. Install the package from the same commit as the workflow: "
            "`pip install .` in its checkout."
        )


def check_folders() -> None:
    """Check that Snakemake and netCDF can use the paths of the repository and of the working directory.

    Raises
    ------
    ConfigurationError
        When Snakemake would take a part of the repository's path for a variable, or netCDF a backslash for a slash.
    """
    for folder, refused in ((ROOT, r"[\\{}]|<[a-z][a-z0-9_]*>"), (Path.cwd(), r"\\")):
        if parts := dict.fromkeys(re.findall(refused, str(folder))):
            raise ConfigurationError(
                f"{folder}: the path of this folder has {' '.join(parts)}, which Snakemake or netCDF cannot use. "
                "Rename the folder, or use another one. A renamed clone needs a new environment: `make clean`, then "
                "`make run`"
            )


def library_folder(place: Path) -> Path:
    """A folder with this package and nothing else, for the import path of another Python.

    An installed package lies among others, which may not fit the other Python: it is linked into a folder.

    Parameters
    ----------
    place
        The folder to create in that case.
    """
    if PACKAGE.parent == ROOT / "src":
        return PACKAGE.parent
    link = place / PACKAGE.name
    if not link.is_symlink() or link.readlink() != PACKAGE:
        place.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(PACKAGE)
    return place.absolute()


def make_importable(place: Path) -> None:
    """Let every Python that this process starts import this package, also one of a conda environment without it.

    Parameters
    ----------
    place
        As for ``library_folder``.
    """
    os.environ["PYTHONPATH"] = environment_with(library_folder(place))["PYTHONPATH"]


def import_from(folder: Path) -> None:
    """Let this process and every Python that it starts import from a folder, before others."""
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = environment_with(folder)["PYTHONPATH"]


def environment_with(folder: Path) -> dict[str, str]:
    """The environment of this process, with a folder before the others that Python imports from."""
    paths = [str(folder), os.environ.get("PYTHONPATH")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
