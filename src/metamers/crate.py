"""A run as a Workflow Run RO-Crate: data, workflow, configuration, software, people and licence in one archive.

The archive is ready for a repository such as Zenodo. Its metadata follow RO-Crate 1.1 and the profiles Workflow
RO-Crate 1.0, Process Run Crate 0.5 and Workflow Run Crate 0.5 (Leo et al. 2024, PLOS ONE 19, e0309210). Answers of own
participants are left out, because only their consent decides whether they may be published.
"""

import datetime
import mimetypes
import platform
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import requests
import yaml
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from rocrate.model.contextentity import ContextEntity
from rocrate.model.person import Person
from rocrate.rocrate import ROCrate
from rocrate_validator import models, services

from metamers.names import without_folders
from metamers.repository import PACKAGE, ROOT
from metamers.retrieve.transfer import opened
from metamers.run import manifest
from metamers.run.hashes import sha256_of

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
VALIDATED = "workflow-run-crate-0.5"  # the validator's name of the profile that extends the others
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
STUDY = "https://doi.org/10.1038/s41593-023-01442-0"
LICENCE = "https://spdx.org/licenses/MIT"  # of the workflow
# Of `resources`, only what the repository has: users put datasets there that they may not distribute, such as ImageNet.
RESOURCES = tuple(f"resources/{name}" for name in ("datasets", "leaderboard", "published", "simulated"))
WORKFLOW_FOLDERS = ("workflow", "scripts", "config", "envs", "experiment", *RESOURCES)
WORKFLOW_FILES = ("Snakefile", "pyproject.toml", "README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE")
FORMATS = {".nc": "application/x-netcdf", ".safetensors": "application/octet-stream", ".smk": "text/plain"}
# Which type of the run's configuration key `creator` is a person; the others are organizations.
PERSONS = ("person", "position")


def workflow_files() -> Iterator[tuple[Path, str]]:
    """The workflow's own files, and their places in a crate."""
    for name in WORKFLOW_FILES:
        if (ROOT / name).is_file():
            yield ROOT / name, name
    for path in sorted((ROOT / "resources").glob("*.*")):
        if path.is_file():
            yield path, f"resources/{path.name}"
    for folder in WORKFLOW_FOLDERS:
        yield from _below(ROOT / folder, folder)
    for package in (PACKAGE, PACKAGE.parent / "snakemake_logger_plugin_metamers"):
        yield from _below(package, f"src/{package.name}")


def _below(folder: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Files below a folder, and their places below ``name``."""
    for path in sorted(folder.rglob("*")):
        place = f"{name}/{path.relative_to(folder).as_posix()}"
        within = set(path.relative_to(folder).parts)
        if path.is_file() and not {"__pycache__", "workflow_files"} & within:
            yield path, place


def run_files(run: Path, left_out: Iterable[str] = (), kept: Iterable[str] = ()) -> dict[str, str]:
    """The files of a run that its manifest records and that are there, path → SHA-256.

    Parameters
    ----------
    run
        The run's folder.
    left_out
        Beginnings of paths, relative to the run's folder.
    kept
        Paths that begin so, but are not left out.

    Raises
    ------
    ValueError
        When the manifest is missing or damaged, or a file has other bytes than the manifest records.
    """
    known = manifest.read(run)
    if known.fault or not known.recorded:
        raise ValueError(
            f"{manifest.manifest_path(run)}: {known.fault or 'it is missing or empty'}; see snakemake verify"
        )
    beginnings = tuple(f"{run.name}/{beginning}" for beginning in left_out)
    growing = tuple(f"{run.name}/{folder}/" for folder in manifest.ADDED_AT_THE_END)
    names = {f"{run.name}/{path}" for path in kept}
    hashes = {}
    for name, recorded in sorted(known.recorded.items()):
        path = run.parent / name
        if (name.startswith(beginnings) and name not in names) or not path.is_file():
            continue
        sha256 = sha256_of(path)
        # Logs grow until Snakemake ends, and are recorded then.
        if sha256 != recorded and not name.startswith(growing):
            raise ValueError(f"{path}: its bytes are not those that the run wrote. `snakemake verify` says more.")
        hashes[name] = sha256
    return hashes


def software() -> dict[str, str]:
    """Installed packages, name → version, with Python itself."""
    # A damaged installation may have packages without a name.
    installed = {name: one.version for one in distributions() if (name := one.metadata["Name"])}
    return {"Python": platform.python_version()} | dict(sorted(installed.items(), key=lambda pair: pair[0].lower()))


@dataclass(frozen=True)
class Run:
    """What a crate says about a run.

    Attributes
    ----------
    folder
        The run's folder.
    files
        Result of ``run_files``.
    configuration
        The resolved configuration; ``creator`` has a name and a licence (``metamers.plan.plan``).
    own_files
        Files of the user that the run depends on, such as registries and code of models.
    workflow_version
        Of this software.
    begun, ended
        Times of the first and the last file.
    """

    folder: Path
    files: Mapping[str, str]
    configuration: Mapping[str, Any]
    own_files: Sequence[Path]
    workflow_version: str
    begun: datetime.datetime
    ended: datetime.datetime


def make_crate(run: Run, scratch: Path) -> ROCrate:
    """Describe a run; ``write_zip`` of the result writes the archive.

    Parameters
    ----------
    run
        The run.
    scratch
        An empty folder for the files that only the crate has: ``configuration.yaml`` and ``software.txt``.
    """
    creator = run.configuration["creator"]
    name = run.folder.name
    crate = ROCrate(version="1.1")
    crate.name = f"Model metamers: run {name}"
    crate.description = (
        f"The run {name!r} of the workflow metamers: model metamers of neural networks, their recognition by other "
        "models, and the comparison with people. Natural stimuli, published weights and published data keep their own "
        "terms of use."
    )
    crate.license = _licence(crate, creator["license"])
    maker = _creator(crate, creator)
    crate.root_dataset["author"] = maker
    crate.root_dataset["citation"] = {"@id": STUDY}
    crate.add(ContextEntity(crate, STUDY, properties={"@type": "ScholarlyArticle", "name": "Feather et al. (2023)"}))
    for address, (title, number) in PROFILES.items():
        entity = ContextEntity(crate, address, properties={"@type": "CreativeWork", "name": title, "version": number})
        crate.root_dataset.append_to("conformsTo", crate.add(entity))
    workflow = _add_workflow(crate, run.workflow_version)
    for path, place in workflow_files():
        if place != workflow.id:
            about = {"about": {"@id": "./"}} if place == "README.md" else {}
            crate.add_file(path, place, properties=_file(path) | about)
    for number, path in enumerate(run.own_files):
        crate.add_file(path, f"own/{number}/{path.name}", properties=_file(path))
    for source, content in {
        "configuration.yaml": yaml.safe_dump(without_folders(run.configuration), sort_keys=False, allow_unicode=True),
        "software.txt": "".join(f"{package}=={number}\n" for package, number in software().items()),
    }.items():
        (scratch / source).write_text(content, encoding="utf-8")
    settings = crate.add_file(
        scratch / "configuration.yaml",
        "configuration.yaml",
        properties=_file(scratch / "configuration.yaml") | {"name": "Resolved configuration of the run"},
    )
    crate.add_file(
        scratch / "software.txt",
        "software.txt",
        properties=_file(scratch / "software.txt") | {"name": "Versions of Python and of all installed packages"},
    )
    parameter = ContextEntity(
        crate,
        "#configuration",
        properties={
            "@type": "FormalParameter",
            "name": "configuration",
            "additionalType": "File",
            "conformsTo": {"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"},
            "description": "Every key is explained in config/README.md",
        },
    )
    workflow["input"] = crate.add(parameter)
    settings["exampleOfWork"] = parameter
    made = [
        crate.add_file(
            run.folder.parent / path,
            f"results/{path}",
            properties=_file(run.folder.parent / path, sha256),
        )
        for path, sha256 in run.files.items()
    ]
    action = crate.add_action(
        workflow,
        identifier=f"#run-{name}",
        object=settings,
        result=made,
        properties={
            "name": f"Run {name!r}",
            "startTime": run.begun.isoformat(timespec="seconds"),
            "endTime": run.ended.isoformat(timespec="seconds"),
            "actionStatus": "http://schema.org/CompletedActionStatus",
            "description": "Made by Snakemake, step by step. Each NetCDF file names its step and its inputs.",
        },
    )
    action["agent"] = maker
    crate.root_dataset["mentions"] = action
    return crate


def _add_workflow(crate: ROCrate, number: str) -> Any:
    """The Snakefile as the crate's main workflow, by its authors."""
    workflow = crate.add_workflow(
        ROOT / "Snakefile", "Snakefile", main=True, lang="snakemake", lang_version=version("snakemake"), gen_cwl=False
    )
    for key, value in _file(ROOT / "Snakefile").items():
        workflow[key] = value
    workflow["conformsTo"] = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
    workflow["softwareRequirements"] = [
        crate.add(
            ContextEntity(
                crate,
                address,
                properties={"@type": "SoftwareApplication", "name": title, "url": address, "softwareVersion": number},
            )
        )
        for title, (address, number) in {
            "Python": ("https://www.python.org", platform.python_version()),
            "PyTorch": ("https://pytorch.org", version("torch")),
        }.items()
    ]
    workflow["name"] = "metamers: does a neural network perceive as people do?"
    workflow["version"] = number
    workflow["license"] = _licence(crate, LICENCE)
    workflow["citation"] = {"@id": STUDY}
    workflow["creator"] = crate.add(
        ContextEntity(crate, "#authors", properties={"@type": "Organization", "name": "The metamers authors"})
    )
    return workflow


def _licence(crate: ROCrate, licence: str) -> Any:
    """Terms of use: the address of an SPDX identifier, another address, or an entity of the crate with the text."""
    address = "#licence"
    if licence.startswith(("http://", "https://")):
        address = urllib.parse.quote(licence, safe=":/?#[]@!$&'()*+,;=%~")
    else:
        with suppress(InvalidLicenseExpression):
            identifier = canonicalize_license_expression(licence)
            if " " not in identifier:  # else an expression of several licences
                address = f"https://spdx.org/licenses/{identifier}"
    if known := crate.get(address):
        return known
    about = {"@type": "CreativeWork", "name": licence, "description": f"Terms of use: {licence}"}
    return crate.add(ContextEntity(crate, address, properties=about))


def _creator(crate: ROCrate, creator: Mapping[str, str | None]) -> Any:
    """The person or organization of the configuration key ``creator``."""
    about = {key: creator[key] for key in ("name", "email", "url") if creator.get(key)}
    # The address of a person is an identifier if it is an ORCID; another address may be that of a page about several.
    url = creator.get("url") or ""
    identifier = url if url.startswith("https://orcid.org/") else "#creator"
    if creator.get("type", "person") not in PERSONS:
        return crate.add(ContextEntity(crate, identifier, properties={"@type": "Organization"} | about))
    person = crate.add(Person(crate, identifier, properties=about))
    if institution := creator.get("institution"):
        of = ContextEntity(crate, "#institution", properties={"@type": "Organization", "name": institution})
        person["affiliation"] = crate.add(of)
    return person


def _file(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Properties of a file: name, size, format and SHA-256, which is computed if it is not given."""
    kind = FORMATS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {
        "name": path.name,
        "contentSize": str(path.stat().st_size),
        "encodingFormat": kind,
        "sha256": sha256 or sha256_of(path),
    }


class NoContextError(Exception):
    """The JSON-LD context of RO-Crate, which the validator needs from its address, was not available."""


def validate_crate(crate: Path) -> list[str]:
    """What the validator of the RO-Crate community finds wrong with a crate (``REQUIRED`` checks of the profiles).

    Parameters
    ----------
    crate
        A folder or an archive.

    Returns
    -------
    list
        One line for each requirement that does not hold; empty for a valid crate.

    Raises
    ------
    NoContextError
        Without network.
    """
    try:
        with opened(CONTEXT, {"Accept": "application/ld+json"}, time.monotonic() + 60, lambda: 0) as response:
            response.raise_for_status()
    except requests.RequestException as error:
        raise NoContextError(f"{CONTEXT}: {error}") from error
    settings = services.ValidationSettings(
        rocrate_uri=str(crate), profile_identifier=VALIDATED, requirement_severity=models.Severity.REQUIRED
    )
    validation = services.validate(settings)
    return [f"{issue.check.identifier}: {issue.message}" for issue in validation.get_issues()]
