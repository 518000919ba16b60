"""The folders of the repository and of a run have paths that Snakemake and netCDF can use."""

import re

import pytest

from metamers import repository
from metamers.names import ConfigurationError


@pytest.mark.hostile(
    "Configuration",
    "a clone in a folder with a brace, a backslash or `<name>` in its path, or a run in one with a backslash",
    "said before the first job",
)
@pytest.mark.parametrize(("name", "parts"), [("br{ace}", "{ }"), ("back\\slash", "\\"), ("lt<gt>", "<gt>")])
def test_a_clone_that_snakemake_cannot_use_is_named_with_the_characters(name, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(repository, "ROOT", tmp_path / name)
    with pytest.raises(ConfigurationError, match=rf"{re.escape(name)}: .* {re.escape(parts)}\W"):
        repository.check_folders()


@pytest.mark.hostile("a clone in a folder …")
def test_a_run_in_a_folder_that_netcdf_cannot_use_is_refused(tmp_path, monkeypatch):
    """Braces are refused only in the path of the clone."""
    for name in ("br{ace}", "back\\slash"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "br{ace}")
    repository.check_folders()
    monkeypatch.chdir(tmp_path / "back\\slash")
    with pytest.raises(ConfigurationError, match=r"back\\slash: .* \\\W"):
        repository.check_folders()


def test_other_signs_in_a_path_are_permitted(tmp_path, monkeypatch):
    monkeypatch.setattr(repository, "ROOT", tmp_path / "a 'b\" $c *?[x] ;&|<> #%~ ,=+@:! ^ (ü)\t\n`")
    repository.check_folders()
