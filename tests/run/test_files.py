"""Files of a run are complete or absent, have their provenance, and hash to the same value before and after writing."""

import json
import os
import re
import resource
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cf_units
import netCDF4
import numpy as np
import pytest
import xarray as xr

from metamers.plan.steps import declared_files
from metamers.run import files, job, manifest
from metamers.run.declared import SHARED, RunFile
from metamers.run.hashes import sha256_of
from tests.conventions import complaints

CREATOR = {
    "name": "A. Person",
    "email": "a@person.example",
    "url": "https://person.example",
    "institution": "Laboratory",
    "license": "CC-BY-4.0",
}
DECLARED = RunFile("x.nc", {"stimulus": "correct"})
PROVENANCE = {"title": "t", "source": "s", "step": "test", "run": "r", "seed": 3}


@pytest.fixture
def dataset() -> xr.Dataset:
    return xr.Dataset(
        {
            "stimulus_value": (("stimulus", "row"), np.arange(6, dtype=np.float32).reshape(2, 3)),
            "correct": ("stimulus", [True, False]),
        },
        coords={"stimulus": ["a", "ü"], "category": ("stimulus", ["dog", "cat"])},
    )


def test_what_is_read_is_what_was_written(dataset, tmp_path):
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[])
    xr.testing.assert_equal(files.load(tmp_path / "x.nc"), dataset)


def test_the_content_hash_survives_the_disk_and_notices_any_change(dataset, tmp_path):
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[])
    read = files.load(tmp_path / "x.nc")
    assert files.content_sha256(read) == read.attrs["content_sha256"] == files.content_sha256(dataset)
    changes = [
        read.assign(stimulus_value=read["stimulus_value"] + 1e-6),
        read.assign_coords(stimulus=["a", "u"]),
        read.rename(category="label"),
        read.assign(stimulus_value=read["stimulus_value"].astype(np.float64)),
        read.transpose(),
    ]
    assert read.attrs["content_sha256"] not in {files.content_sha256(changed) for changed in changes}


def test_every_file_carries_its_provenance(dataset, tmp_path):
    source = tmp_path / "input.txt"
    source.write_text("input")
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[source])
    read = files.load(tmp_path / "x.nc")
    wanted = {"title", "source", "references", "history", "run", "seed", "software", "inputs", "content_sha256"}
    assert wanted <= read.attrs.keys()
    assert json.loads(read.attrs["inputs"]) == {str(source): sha256_of(source)}
    assert json.loads(read.attrs["software"])["numpy"] == np.__version__
    assert all(variable.attrs["long_name"] for variable in read.variables.values())
    assert read["stimulus_value"].attrs["units"] == "1"


def test_a_variable_is_described_as_what_it_is_not_as_what_it_was_computed_from(dataset, tmp_path):
    dataset["stimulus_value"].attrs |= {"long_name": "another", "units": "Hz", "note": "kept"}
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[])
    attributes = files.load(tmp_path / "x.nc")["stimulus_value"].attrs
    described = {"long_name": SHARED["stimulus_value"], "units": "1"}
    assert attributes == described | {"coverage_content_type": "physicalMeasurement", "note": "kept"}


def test_every_unit_is_one_of_udunits():
    units = {unit for file in declared_files().values() for _, unit in file.described.values() if unit}
    assert all(cf_units.Unit(unit) for unit in units)
    decibels = cf_units.Unit(SHARED["snr_db"][1])
    assert decibels.convert(20.0, cf_units.Unit("1")) == pytest.approx(100)  # a ratio of powers


def test_a_file_conforms_to_cf_and_acdd(dataset, tmp_path):
    dataset = dataset.assign_coords(row=[0.5, 1.5, 2.5])
    declared = RunFile("x.nc", {}, coordinates="row", meanings={"row": "row"})
    files.save(dataset, tmp_path / "x.nc", declared=declared, **PROVENANCE, inputs=[], creator=CREATOR)
    assert complaints(tmp_path / "x.nc") == []
    attributes = files.load(tmp_path / "x.nc").attrs
    assert attributes["Conventions"] == "CF-1.11, ACDD-1.3"
    assert attributes["license"] == "CC-BY-4.0"
    assert attributes["creator_name"] == attributes["publisher_name"] == "A. Person"
    assert attributes["creator_type"] == "person"


def test_what_does_not_conform_is_found(dataset, tmp_path):
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[])
    with netCDF4.Dataset(tmp_path / "x.nc", "a") as file:
        file["stimulus_value"].units = "dB"
        file.delncattr("summary")
    found = "\n".join(complaints(tmp_path / "x.nc"))
    for named in (r'cf:1\.11: .*\bstimulus_value, "dB"', r"acdd:1\.3: summary ", r"acdd:1\.3: creator_email "):
        assert re.search(named, found)


def test_a_creator_who_is_not_named_is_not_made_up(dataset, tmp_path):
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[], creator={"name": None, "type": "person"})
    attributes = files.load(tmp_path / "x.nc").attrs
    assert attributes["creator_name"]
    assert attributes["creator_type"] == "group"
    assert attributes["license"]
    assert "institution" not in attributes


def test_the_values_of_a_boolean_variable_are_explained_where_it_is_stored(dataset, tmp_path):
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[])
    assert files.load(tmp_path / "x.nc")["correct"].dtype == bool
    with netCDF4.Dataset(tmp_path / "x.nc") as file:
        assert file["correct"].dtype == file["correct"].flag_values.dtype == np.int8
        meanings = dict(zip(file["correct"].flag_values.tolist(), file["correct"].flag_meanings.split(), strict=True))
        assert [meanings[value] for value in file["correct"][:].tolist()] == ["true", "false"]


def test_the_identifier_of_a_file_follows_its_content(dataset, tmp_path):
    found = []
    for value in (0, 0, 1):
        files.save(dataset + value, tmp_path / "x.nc", **PROVENANCE, inputs=[])
        found.append(files.load(tmp_path / "x.nc").attrs["id"])
    assert found[0] == found[1] != found[2]


def test_a_file_that_grows_is_the_file_that_is_written_at_once(dataset, tmp_path):
    files.save(dataset, tmp_path / "whole.nc", **PROVENANCE, inputs=[])
    with files.save_in_pieces(tmp_path / "grown.nc", "stimulus", **PROVENANCE, inputs=[]) as append:
        append(dataset.isel(stimulus=[0]))
        assert not (tmp_path / "grown.nc").exists()
        append(dataset.isel(stimulus=[1]))
    whole, grown = files.load(tmp_path / "whole.nc"), files.load(tmp_path / "grown.nc")
    xr.testing.assert_identical(whole.drop_attrs(), grown.drop_attrs())
    assert grown.attrs.keys() == whole.attrs.keys()
    assert grown.attrs["content_sha256"] == whole.attrs["content_sha256"] == files.content_sha256(grown)
    for name, variable in whole.variables.items():
        np.testing.assert_equal(grown[name].attrs, variable.attrs)


def test_of_a_file_that_stopped_growing_nothing_is_left_and_the_old_one_stays(dataset, tmp_path):
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[])
    before = (tmp_path / "x.nc").read_bytes()

    def stop_early():
        with files.save_in_pieces(tmp_path / "x.nc", "stimulus", **PROVENANCE, inputs=[]) as append:
            append(dataset)
            raise ValueError("the loss is nan")

    with pytest.raises(ValueError, match="nan"):
        stop_early()
    assert [path.name for path in tmp_path.iterdir()] == ["x.nc"]
    assert (tmp_path / "x.nc").read_bytes() == before


def test_what_a_killed_process_left_is_no_part_of_a_file_that_grows(dataset, tmp_path):
    leftover = tmp_path / f".x.nc.{os.getpid()}.growing"
    dataset.isel(stimulus=[0]).to_netcdf(leftover, unlimited_dims=["stimulus"])
    with files.save_in_pieces(tmp_path / "x.nc", "stimulus", **PROVENANCE, inputs=[]) as append:
        append(dataset.isel(stimulus=[1]))
    assert files.load(tmp_path / "x.nc")["stimulus"].values.tolist() == ["ü"]
    assert not leftover.exists()


@pytest.mark.slow
def test_a_file_that_grows_holds_no_more_than_a_piece_in_memory(tmp_path, root):
    program = f"""
        import resource, numpy as np, xarray as xr
        from metamers.run import files
        def piece(n):
            values = np.random.default_rng(n).random((1, 4_000_000)).astype(np.float32)  # 16 MB
            return xr.Dataset({{"stimulus_value": (("stimulus", "sample"), values)}}, coords={{"stimulus": [str(n)]}})
        with files.save_in_pieces("{tmp_path}/x.nc", "stimulus", **{PROVENANCE}, inputs=[]) as append:
            append(piece(0))
            append(piece(1))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for n in range(2, 14):
                append(piece(n))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    grew = int(
        subprocess.check_output(
            [sys.executable, "-c", textwrap.dedent(program)],
            env=os.environ | {"PYTHONPATH": str(root / "src")},
            text=True,
        )
    )
    assert grew < 80_000  # kB; the file has 224 MB


def test_a_variable_without_description_is_refused(dataset, tmp_path):
    with pytest.raises(KeyError, match="mystery"):
        files.save(dataset.rename(correct="mystery"), tmp_path / "x.nc", **PROVENANCE, inputs=[])


def test_the_fingerprint_of_a_file_is_that_of_its_values(dataset, tmp_path):
    """Results that are made again with the same values have the same fingerprint; other values another one."""
    path, text = tmp_path / "0000.nc", tmp_path / "weights.bin"
    text.write_bytes(b"weights")
    files.save(dataset, path, **PROVENANCE, inputs=[])
    found = [files.fingerprint(path), files.fingerprint(text)]
    files.save(dataset, path, **PROVENANCE | {"title": "another"}, inputs=[])
    assert files.fingerprint(path) == found[0]
    files.save(dataset.isel(stimulus=slice(1)), path, **PROVENANCE, inputs=[])
    assert files.fingerprint(path) != found[0]
    text.write_bytes(b"Weights")
    assert files.fingerprint(text) != found[1]


def test_a_folder_hashes_by_names_and_contents(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    before = sha256_of(tmp_path / "a")
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    assert sha256_of(tmp_path / "a") != before


def test_a_disk_that_fills_up_leaves_the_older_file_and_nothing_else(dataset, tmp_path, root):
    files.save(dataset, tmp_path / "x.nc", **PROVENANCE, inputs=[])
    before = (tmp_path / "x.nc").read_bytes()
    # A limit on the size of files acts like a full disk, for this process only.
    program = textwrap.dedent(
        f"""
        import resource, signal, sys
        import numpy as np, xarray as xr
        from metamers.run import files
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {resource.getrlimit(resource.RLIMIT_FSIZE)[1]}))
        big = xr.Dataset({{"stimulus_value": ("row", np.random.default_rng(0).random(100_000))}})
        try:
            files.save(big, "x.nc", title="t", source="s", step="test", run="r", seed=0, inputs=[])
        except OSError as error:
            sys.exit(str(error))
        """
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert re.search(r"x\.nc .*disk full", ran.stderr)
    assert (tmp_path / "x.nc").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.nc"]


def test_threads_that_write_a_file_at_the_same_time_leave_one_whole_file(tmp_path):
    path, both = tmp_path / "x.json", threading.Barrier(2)

    def write(content):
        def write_content(partial):
            partial.write_text(content)
            both.wait(60)  # both threads have written their partial file

        files.write_atomically(path, write_content)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ["one", "other"]))
    assert path.read_text() in ("one", "other")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_names_of_several_files_keep_their_length(tmp_path):
    """Files of batches have names of different lengths, of which xarray would keep that of the first file."""
    for number, names in enumerate((["a", "bc"], ["defgh"])):
        batch = xr.Dataset({"natural_category": ("stimulus", names)}, coords={"stimulus": names})
        files.save(batch, tmp_path / f"{number}.nc", **PROVENANCE, inputs=[])
    whole = xr.concat([files.load(tmp_path / f"{number}.nc") for number in range(2)], "stimulus")
    files.save(whole, tmp_path / "whole.nc", **PROVENANCE, inputs=[])
    with files.save_in_pieces(tmp_path / "pieces.nc", "stimulus", **PROVENANCE, inputs=[]) as append:
        append(files.load(tmp_path / "0.nc"))
        append(files.load(tmp_path / "1.nc"))
    for name in ("whole", "pieces"):
        made = files.load(tmp_path / f"{name}.nc")
        assert made["stimulus"].values.tolist() == made["natural_category"].values.tolist() == ["a", "bc", "defgh"]


@pytest.fixture
def several(tmp_path):
    """Paths of four files of two models, whose variable ``answer`` has the number of the file."""
    paths = [tmp_path / model / f"{recognition_model}.nc" for model in ("a", "b") for recognition_model in ("x", "y")]
    for number, path in enumerate(paths):
        one = xr.Dataset({"answer": number, "metamer": ("sample", [0.0, 1.0])})
        files.save(one, path, inputs=[], **PROVENANCE)
    return paths


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "x.nc").write_bytes(b"not NetCDF")
    with pytest.raises(OSError, match=r"x\.nc .*NetCDF"):
        files.load(tmp_path / "x.nc")


def test_several_files_are_read_as_each_alone(several):
    for path, loaded, attributes in zip(several, files.load_all(several), files.read_attributes(several), strict=True):
        xr.testing.assert_identical(loaded, alone := files.load(path))
        assert attributes == alone.attrs
    assert {name: int(one["answer"]) for name, one in files.load_by_stem(several[:2]).items()} == {"x": 0, "y": 1}
    assert files.load_by_stem([]) == {}
    with pytest.raises(ValueError, match=r"a/x\.nc"):
        files.load_by_stem(several)


def test_answers_belong_to_the_model_and_recognition_model_of_their_path(several):
    read = files.load_answers(several)
    numbers = {
        model: {recognition_model: int(one["answer"]) for recognition_model, one in own.items()}
        for model, own in read.items()
    }
    assert numbers == {"a": {"x": 0, "y": 1}, "b": {"x": 2, "y": 3}}


def test_a_large_variable_can_be_left_out(several):
    assert list(files.load(several[0], without="metamer").data_vars) == ["answer"]


@pytest.mark.parametrize("read", [files.load_all, files.load_answers, files.read_attributes])
def test_a_damaged_or_missing_file_among_several_is_named(several, read):
    several[2].write_bytes(several[2].read_bytes()[:1000])
    with pytest.raises(OSError, match=r"b/x\.nc .*NetCDF"):
        read(several)
    several[2].unlink()
    with pytest.raises(OSError, match=r"b/x\.nc .*missing"):
        read(several)


def test_scripts_write_datasets_with_the_provenance_of_their_job(root):
    for path in [*(root / "scripts").rglob("*.py"), *(root / "studies" / "scripts").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert "files.save(" not in text, path
        assert text.count("save_in_pieces(") <= text.count("**provenance(snakemake)"), path


def test_a_job_saves_with_its_own_provenance_unless_it_gives_another(dataset, tmp_path):
    Path(tmp_path / "input.txt").write_text("a")
    snakemake = SimpleNamespace(
        config={"run": "small", "creator": {"name": "A laboratory", "type": "group"}, "seed": 7},
        params=SimpleNamespace(step="some_step"),
        input=[str(tmp_path / "input.txt")],
        output=[str(tmp_path / "made.nc")],
    )
    job.save(snakemake, dataset, declared=DECLARED, title="t", source="s")
    made = files.load(tmp_path / "made.nc").attrs
    assert [made[key] for key in ("run", "step", "seed", "creator_name")] == ["small", "some_step", 7, "A laboratory"]
    assert list(json.loads(made["inputs"])) == snakemake.input
    job.save(snakemake, dataset, tmp_path / "other.nc", declared=DECLARED, title="t", source="s", seed=8, inputs=[])
    other = files.load(tmp_path / "other.nc").attrs
    assert (other["seed"], other["inputs"]) == (8, "{}")


@pytest.mark.hostile("names of models, stages, datasets or runs …")
def test_a_run_whose_name_differs_from_another_in_upper_case_only_is_refused(tmp_path):
    manifest.check_places(tmp_path / "results" / "demo")
    (tmp_path / "results" / "Demo").mkdir(parents=True)
    manifest.check_places(tmp_path / "results" / "Demo")
    with pytest.raises(OSError, match="results/Demo "):
        manifest.check_places(tmp_path / "results" / "demo")
