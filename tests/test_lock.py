"""The lock agrees with pyproject.toml, is complete and hashed, and names no host; conda gets the same versions."""

import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from metamers.config.sources import SOURCES

PYTHONS = ("3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def lock(root):
    return (root / "envs" / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def envs(root):
    sys.path.insert(0, str(root / "envs"))
    yield
    sys.path.remove(str(root / "envs"))


LINUX = {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"}
APPLE_SILICON = {"sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"}


def pinned(lock, python, system=LINUX):
    """Return name → version that the lock installs for a Python version such as 3.11 or 3.11.7, by default on Linux."""
    short, full = ".".join(python.split(".")[:2]), python if python.count(".") == 2 else f"{python}.1"
    environment = {"python_version": short, "python_full_version": full, "implementation_name": "cpython", **system}
    requirements = [Requirement(line.rstrip(" \\")) for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]
    chosen = [r for r in requirements if r.marker is None or r.marker.evaluate(environment)]
    assert len({r.name for r in chosen}) == len(chosen)
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in chosen}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_what_pyproject_asks_for(root, lock, python):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    versions = pinned(lock, python)
    for wanted in map(Requirement, project["dependencies"] + project["optional-dependencies"]["test"]):
        assert versions[canonicalize_name(wanted.name)] in wanted.specifier, wanted


def test_github_tests_every_python_that_pyproject_allows(root):
    allowed = tomllib.loads((root / "pyproject.toml").read_text())["project"]["requires-python"]
    assert tuple(f"3.{minor}" for minor in range(40) if f"3.{minor}.9" in SpecifierSet(allowed)) == PYTHONS
    workflow = yaml.safe_load((root / ".github/workflows/tests.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert tuple(matrix["python"]) == PYTHONS
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos"}
    targets = re.findall(r"^([\w-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    called = {step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    assert 'sudo env "PATH=$PATH" .ci/run' in called
    assert all(line.removeprefix("make ") in targets for line in called if not line.endswith(".ci/run"))


@pytest.mark.parametrize("python", PYTHONS)
def test_a_mac_with_apple_silicon_gets_the_versions_of_linux(lock, python):
    linux, mac = pinned(lock, python), pinned(lock, python, APPLE_SILICON)
    assert mac.keys() - linux.keys() == {"appnope"}  # of IPython, for macOS only
    assert {name: version for name, version in mac.items() if name != "appnope"}.items() <= linux.items()
    left_out = {name for name in linux.keys() - mac.keys() if not re.match("nvidia-|cuda-", name)}
    assert left_out == {"atheris", "triton"}


def test_the_lock_has_all_that_its_packages_need_and_nothing_else(root, lock):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    # Requirements of the documentation depend on the patch version, too.
    versions = pinned(lock, platform.python_version())
    waiting = list(map(Requirement, project["dependencies"] + project["optional-dependencies"]["test"]))
    reached = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in reached:
                continue
            reached.add((name, extra))
            assert versions[name] == importlib.metadata.version(name)
            needs = map(Requirement, importlib.metadata.requires(name) or [])
            waiting.extend(need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra}))
    assert {name for name, _ in reached} == set(versions)


def blocks_of(lock):
    """The pins of a lock, each with its hashes."""
    return re.split(r"\n(?=[a-z0-9])", lock.strip())


def test_every_pin_has_a_hash_and_no_host_is_named(lock, root):
    for one in (lock, *((root / "envs" / f"{name}.lock").read_text() for name in ("benchmark", "brainscore"))):
        assert all("--hash=sha256:" in block for block in blocks_of(one))
    for name in ("requirements.lock", "environment.yaml", "benchmark.lock", "benchmark.yaml", "brainscore.lock"):
        assert "://" not in (root / "envs" / name).read_text()


def test_conda_gets_the_same_pins(root, lock, envs):
    from lock import environment

    assert (root / "envs" / "environment.yaml").read_text() == environment(lock)
    benchmark = (root / "envs" / "benchmark.lock").read_text()
    assert (root / "envs" / "benchmark.yaml").read_text() == environment(benchmark, "benchmark.lock")


def test_a_shared_leaderboard_gets_the_pins_and_hashes_of_the_lock(root, lock):
    """And all packages that those it names need, which ``tests/leaderboard/test_check_entry.py`` compares."""
    assert {*blocks_of((root / "resources/leaderboard/requirements.lock").read_text())} < {*blocks_of(lock)}


@pytest.mark.parametrize("python", PYTHONS)
def test_what_only_the_benchmark_needs_comes_to_the_same_versions_of_the_rest(root, lock, python):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    versions, more = pinned(lock, python), pinned((root / "envs" / "benchmark.lock").read_text(), python)
    assert versions.items() <= more.items()
    for wanted in map(Requirement, project["optional-dependencies"]["benchmark"]):
        assert more[canonicalize_name(wanted.name)] in wanted.specifier


@pytest.mark.parametrize("python", PYTHONS)
def test_the_packages_of_brain_score_are_pinned_without_their_dependencies(root, python):
    wanted = [
        Requirement(line) for line in (root / "envs" / "brainscore.in").read_text().splitlines() if line[0] != "#"
    ]
    versions = pinned((root / "envs" / "brainscore.lock").read_text(), python)
    assert versions.keys() == {canonicalize_name(requirement.name) for requirement in wanted}
    for requirement in wanted:
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_optional_library_transformers_has_one_range_of_versions(root):
    """In the extra, in the message that it is missing, and in the version that continuous integration installs."""
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    command = 'python -m pip install "transformers>=5.24,<6"'
    assert [command, command] == [
        SOURCES["transformers"].install,
        f'python -m pip install "{extras["transformers"][0]}"',
    ]
    (tested,) = re.findall(r"transformers==([\d.]+)", (root / "Makefile").read_text())
    assert tested in Requirement(extras["transformers"][0]).specifier


def test_a_python_that_will_not_do_is_told_what_to_install(envs):
    from check_python import complaint

    for version, has_venv, named in (
        ((3, 10, 2), True, r"3\.10\b.*3\.11, 3\.12 or 3\.13"),
        ((3, 14, 0), True, r"3\.14\b"),
        ((3, 12, 0), False, r"\bpython3\.12-venv\b"),
    ):
        assert re.search(named, complaint(version, has_venv))
    assert [complaint((3, minor, 0), True) for minor in (11, 12, 13)] == [None] * 3


def test_the_oldest_snakemake_is_the_same_everywhere(root):
    """In the requirements, in the Snakefile, and in the release that ``make test-snakemake`` installs."""
    requirements = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    (oldest,) = re.findall(r"^snakemake>=([\d.]+),<10$", "\n".join(requirements), re.MULTILINE)
    assert f'min_version("{oldest}")' in (root / "Snakefile").read_text()
    command = ["make", "--dry-run", "test-snakemake", f"STAMP={root / 'Makefile'}"]
    printed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert f'"=={oldest}.0"' in printed


@pytest.fixture(scope="module")
def containerfile(root):
    """Instruction → its arguments, of every line of the file for images; continued lines are one."""
    text = re.sub(r"^\s*#.*\n", "", (root / "envs/Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    lines = [line.partition(" ") for line in text.splitlines() if line]
    return {name: [rest for other, _, rest in lines if other == name] for name, _, _ in lines}


def installed_by(containerfile, folder, torch):
    """What the image's first command gives to pip, and to uv, each as (options, requirements), with a Python that only notes it."""
    (folder / "python").write_text(
        '#!/bin/sh\nfor file; do :; done\nprintf "%s\\n%s\\n\\0" "$*" "$(cat $file)" >> noted\n'
    )
    (folder / "python").chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "TORCH": torch}
    ran = subprocess.run(
        ["sh", "-c", containerfile["RUN"][0]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        return ran.stderr
    return [tuple(call.split("\n", 1)) for call in (folder / "noted").read_text().split("\0")[:-1]]


@pytest.fixture
def image(root, tmp_path):
    (tmp_path / "envs").mkdir()
    shutil.copy(root / "envs/requirements.lock", tmp_path / "envs")
    return tmp_path


def test_an_image_for_cuda_has_the_lock_by_its_hashes(containerfile, image, lock):
    ((options, requirements),) = installed_by(containerfile, image, "cuda")
    assert "--require-hashes" in options
    assert requirements.strip() == lock.strip()


def test_an_image_for_the_cpu_has_the_versions_of_the_lock_without_cuda(containerfile, image, lock):
    (options, rest), (of_torch, builds) = installed_by(containerfile, image, "cpu")
    assert "--require-hashes" in options
    assert "--torch-backend cpu" in of_torch
    versions = pinned(lock, "3.11")
    for_cpu = pinned(rest, "3.11") | pinned(builds, "3.11")
    assert for_cpu.items() <= versions.items()
    assert all(re.match("nvidia-|cuda-|triton$", name) for name in versions.keys() - for_cpu.keys())
    assert not any(re.match("nvidia-|cuda-|triton$", name) for name in for_cpu)
    assert set(pinned(builds, "3.11")) == {"torch", "torchaudio", "torchvision"}
    assert rest.count("--hash=") < lock.count("--hash=")


def test_an_image_for_another_device_is_refused(containerfile, image):
    assert re.match("TORCH=rocm: .*cuda or cpu$", installed_by(containerfile, image, "rocm"))


def test_the_image_has_a_version_of_python_what_the_wheel_has_and_an_ordinary_user(root, containerfile):
    (base,) = containerfile["FROM"]
    python = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-\w+", base)[1]
    assert python in PYTHONS
    assert f"/python{python}/site-packages/metamers/workflow_files/workflow/Snakefile" in containerfile["ENTRYPOINT"][0]
    assert containerfile["USER"] == ["1000:1000"]
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {name for line in containerfile["COPY"] for name in line.split()[:-1]}
    assert {*wheel["only-include"], *wheel["force-include"]} <= {
        *copied,
        *(f"src/{path.name}" for path in (root / "src").iterdir()),
    }
    assert all((root / name).exists() for name in copied)
