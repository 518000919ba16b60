"""A run as an RO-Crate: its metadata, its files, and the community's own validator."""

import datetime
import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from unittest import mock

import pytest
import requests
import rocrate
import urllib3
import yaml
from click.testing import CliRunner
from rocrate_validator.cli import cli

from metamers.crate import (
    CONTEXT,
    LICENCE,
    NoContextError,
    Run,
    make_crate,
    run_files,
    software,
    validate_crate,
    workflow_files,
)
from metamers.plan.steps import default_configuration
from metamers.run import manifest

CREATOR = {
    "name": "A. Person", "type": "person", "email": "a@b.org", "url": "https://b.org/a", "institution": "A University", "license": "CC-BY-4.0"
}  # fmt: skip
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def made_run(top):
    """A run's folder with three files, and its manifest."""
    folder = top / "results" / "tiny"
    for name in ("report/index.html", "comparison/recognizability.nc", "humans/ours.nc"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (top / "model.py").write_text("my model")
    manifest.use_run_of(folder / "logs" / "step.log")
    manifest.record(*(path for path in sorted(folder.rglob("*")) if path.is_file()))
    (folder / "foreign.txt").write_text("of somebody else")
    return folder


@pytest.fixture
def run(tmp_path):
    return made_run(tmp_path)


def described(run, creator=CREATOR, left_out=()):
    configuration = default_configuration() | {"creator": dict(creator), "mirror": "/of/this/machine"}
    hour = datetime.timedelta(hours=1)
    return Run(run, run_files(run, left_out), configuration, [run.parent.parent / "model.py"], "1.2.3", NOW, NOW + hour)


def packed_run(top):
    run = made_run(top)
    (own := top / "own").mkdir()
    make_crate(described(run, left_out=["humans/ours.nc"]), own).write_zip(top / "tiny.crate.zip")
    return top / "tiny.crate.zip"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return packed_run(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The same with a few files of the workflow, which the validator checks in a third of the time."""
    few = [(path, place) for path, place in workflow_files() if "/" not in place or place.startswith("workflow/rules")]
    with mock.patch("metamers.crate.workflow_files", return_value=few):
        return packed_run(tmp_path_factory.mktemp("small"))


@pytest.fixture
def context(monkeypatch):
    """The context of RO-Crate without network: that of version 1.3, which rocrate carries, with the addresses of 1.1.

    The two differ in addresses of Bioschemas. Every other address is refused.
    """
    carried = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text())["@context"]
    terms = next(one for one in ([carried] if isinstance(carried, dict) else carried) if isinstance(one, dict))
    base = "https://bioschemas.org/"
    terms |= {name: f"{base}{name}" for name in ("ComputationalWorkflow", "FormalParameter")}
    terms |= {name: f"{base}ComputationalWorkflow#{name}" for name in ("input", "output")}

    def send(adapter, request, **_):
        if not request.url.startswith(CONTEXT):
            raise requests.ConnectionError(f"no network: {request.url}")
        body = io.BytesIO(json.dumps({"@context": terms}).encode())
        headers = {"Content-Type": "application/ld+json"}
        return adapter.build_response(
            request, urllib3.HTTPResponse(body=body, headers=headers, status=200, preload_content=False)
        )

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)


def graph_of(archive):
    with zipfile.ZipFile(archive) as opened:
        graph = json.loads(opened.read("ro-crate-metadata.json"))["@graph"]
        return {entity["@id"]: entity for entity in graph}, opened.namelist()


def test_the_validator_finds_nothing_missing(packed, context):
    assert validate_crate(packed) == []


def test_the_documented_command_of_rocrate_validator_finds_nothing_missing(small, context):
    """In this process, which has the context."""
    line = "rocrate-validator validate --profile-identifier workflow-run-crate-0.5 results/<run>.crate.zip"
    words = line.replace("results/<run>.crate.zip", str(small)).split()[1:]
    assert CliRunner().invoke(cli, ["--no-interactive", *words]).exit_code == 0


@pytest.mark.parametrize(
    "missing",
    [[("./", "license"), ("#run-tiny", "instrument"), ("./", "mainEntity")], [("Snakefile", "programmingLanguage")]],
)
def test_the_validator_finds_what_is_missing(small, context, tmp_path, missing):
    shutil.unpack_archive(small, tmp_path / "open")
    metadata = tmp_path / "open" / "ro-crate-metadata.json"
    content = json.loads(metadata.read_text())
    for entity, key in missing:
        next(one for one in content["@graph"] if one["@id"] == entity).pop(key)
    metadata.write_text(json.dumps(content))
    found = "\n".join(validate_crate(tmp_path / "open"))
    assert all(key in found for _, key in missing), found


def test_without_network_the_validator_says_so(packed, monkeypatch):
    def send(*_, **__):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(NoContextError, match=r"w3id\.org/ro/crate/1\.1/context: "):
        validate_crate(packed)


def test_of_resources_only_the_repository_s_own_are_packed(root, tmp_path, monkeypatch):
    """Users put datasets of others there, such as ImageNet."""
    tracked = subprocess.run(["git", "ls-files", "resources"], cwd=root, capture_output=True, text=True, check=True)
    packed = {place for _, place in workflow_files() if place.startswith("resources/")}
    assert packed == set(tracked.stdout.split())
    for name in ("datasets/table.csv", "imagenet_validation/n01440764/a.JPEG", "store/0123", "mine.csv"):
        (tmp_path / "resources" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "resources" / name).write_text("x")
    monkeypatch.setattr("metamers.crate.ROOT", tmp_path)
    places = [place for _, place in workflow_files() if place.startswith("resources/")]
    assert places == ["resources/mine.csv", "resources/datasets/table.csv"]


def test_the_archive_has_the_run_the_workflow_the_configuration_and_the_software(packed):
    entities, names = graph_of(packed)
    assert {"results/tiny/report/index.html", "results/tiny/comparison/recognizability.nc"} <= set(names)
    assert {"Snakefile", "workflow/rules/crate.smk", "scripts/crate.py", "src/metamers/crate.py", "LICENSE"} <= {*names}
    assert not [name for name in names if "__pycache__" in name or name.startswith("resources/retrieved")]
    # Neither files of others nor answers of own participants.
    assert not [name for name in names if name.startswith("results/tiny/") and ("foreign" in name or "ours" in name)]
    with zipfile.ZipFile(packed) as opened:
        settings = yaml.safe_load(opened.read("configuration.yaml"))
        assert settings["run"] == "demo"
        assert settings["mirror"] == "…/machine"  # no folder of this machine
        assert opened.read("own/0/model.py") == b"my model"
        assert opened.read("software.txt").decode().splitlines() == [
            f"{name}=={found}" for name, found in software().items()
        ]
    assert {"envs/requirements.lock", "src/snakemake_logger_plugin_metamers/__init__.py"} <= set(names)
    # Every file is described, and every described file is there.
    files = {name for name, entity in entities.items() if "File" in entity["@type"]}
    assert files == set(names) - {"ro-crate-metadata.json", "ro-crate-preview.html"}


def test_people_licence_and_times_are_those_of_the_run(packed):
    entities, _ = graph_of(packed)
    root, action = entities["./"], entities["#run-tiny"]
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    person = entities[root["author"]["@id"]]
    assert (person["@type"], person["name"], person["email"]) == ("Person", "A. Person", "a@b.org")
    assert entities[person["affiliation"]["@id"]]["name"] == "A University"
    assert action["agent"] == root["author"]
    assert (action["startTime"], action["endTime"]) == ("2026-01-02T03:04:05+00:00", "2026-01-02T04:04:05+00:00")
    assert action["instrument"] == {"@id": "Snakefile"} == root["mainEntity"]
    assert {one["@id"] for one in action["result"]} == {
        "results/tiny/report/index.html", "results/tiny/comparison/recognizability.nc"
    }  # fmt: skip
    recorded = manifest.read(packed.parent / "results" / "tiny").recorded["tiny/report/index.html"]
    assert entities["results/tiny/report/index.html"]["sha256"] == recorded


def test_an_institution_is_an_organization(run, tmp_path):
    (own := tmp_path / "own").mkdir()
    creator = {"name": "A University", "type": "institution", "license": "all rights reserved"}
    make_crate(described(run, creator), own).metadata.write(tmp_path)
    entities = {one["@id"]: one for one in json.loads((tmp_path / "ro-crate-metadata.json").read_text())["@graph"]}
    assert entities[entities["./"]["author"]["@id"]]["@type"] == "Organization"
    assert entities[entities["./"]["license"]["@id"]]["name"] == "all rights reserved"


def test_a_file_that_was_changed_is_not_packed(run):
    (run / "report" / "index.html").write_text("changed")
    with pytest.raises(ValueError, match=r"index\.html: .*`snakemake verify`"):
        run_files(run, [])


def test_a_run_without_manifest_is_not_packed(tmp_path):
    with pytest.raises(ValueError, match=r"none\.sha256: "):
        run_files(tmp_path / "results" / "none", [])


def test_every_file_has_its_size_and_hash(packed):
    entities, _ = graph_of(packed)
    with zipfile.ZipFile(packed) as archive:
        for name, entity in entities.items():
            if "File" in entity["@type"]:
                content = archive.read(name)
                assert entity["contentSize"] == str(len(content))
                assert entity["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("MIT", "https://spdx.org/licenses/MIT"),
        ("cc-by-4.0", "https://spdx.org/licenses/CC-BY-4.0"),
        ("MIT OR Apache-2.0", "#licence"),
        ("https://x.org/my licence", "https://x.org/my%20licence"),
    ],
)
def test_terms_of_use_are_an_address_only_where_there_is_one(run, tmp_path, given, address):
    (own := tmp_path / "own").mkdir()
    crate = make_crate(described(run, CREATOR | {"license": given}), own)
    assert crate.license.id.removeprefix("./") == address
    # The workflow's own licence has the same address in one case, and then one name.
    assert crate.get("https://spdx.org/licenses/MIT")["name"] in ("MIT", LICENCE)
    assert crate.get(crate.license.id)["name"] == given


def test_files_of_published_participants_are_kept_and_all_others_left_out(run):
    assert set(run_files(run, ["humans/"])) == {"tiny/report/index.html", "tiny/comparison/recognizability.nc"}
    assert "tiny/humans/ours.nc" in run_files(run, ["humans/"], ["humans/ours.nc"])


def test_an_installed_package_has_the_whole_workflow(tmp_path, monkeypatch):
    root = tmp_path / "site-packages" / "metamers" / "workflow_files"
    (root / "workflow" / "rules").mkdir(parents=True)
    for name in ("Snakefile", "workflow/rules/crate.smk"):
        (root / name).touch()
    monkeypatch.setattr("metamers.crate.ROOT", root)
    assert {"Snakefile", "workflow/rules/crate.smk"} <= {place for _, place in workflow_files()}
