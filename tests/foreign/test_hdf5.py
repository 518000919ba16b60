"""Dangerous structures of NetCDF files from outside are refused before a NetCDF reader opens the files."""

import os

import netCDF4
import numpy as np
import pytest
import xarray as xr

from metamers.foreign.hdf5 import check_structure
from metamers.foreign.isolated import ReaderEndedError, call_isolated
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults
from metamers.run import files
from tests.foreign.hostile_hdf5 import HOSTILE, external_storage, made
from tests.foreign.memory import MOST_BYTES, call_in_process
from tests.foreign.seeds import endless_texts


@pytest.mark.hostile(
    "NetCDF",
    "external storage, virtual variables, external and soft links, groups and cycles of groups, one variable under two names, types of its own",
    "refused by h5py's account of the structure, before any reader of NetCDF opens the file; in `analyses.brain.responses` before the first job",
)
@pytest.mark.hostile(
    "NetCDF",
    "8 kB that ask for 60 GB; a gigabyte of packed zeros; one text that is there ten thousand times; long attributes",
    "refused before any reader of NetCDF opens the file: at most 268 MB, or a hundred times the size of the file; 1 GB of responses",
)
@pytest.mark.hostile(
    "NetCDF",
    "dimensions that do not fit their variables, attributes of NetCDF-4 of another type or length, names of more than 256 bytes, numbers of 2 or 16 bytes: the NetCDF library takes them over without a check, and they corrupt memory",
    "refused before any reader of NetCDF opens the file; responses of brains are also read once by another process",
)
@pytest.mark.hostile("NetCDF", "HDF5 filters that no run uses, such as N-Bit and ScaleOffset", "refused")
@pytest.mark.slow
@pytest.mark.parametrize(("make", "message"), HOSTILE.items(), ids=[make.__name__ for make in HOSTILE])
def test_what_a_run_never_writes_is_refused_before_a_reader_of_netcdf_opens_it(tmp_path, make, message):
    path = made(make, tmp_path)
    with pytest.raises(ValueError, match=message):
        check_structure(path)
    outcome = call_in_process("metamers.run.files:load", path)
    assert outcome.error == "OSError"
    assert str(path) in outcome.message
    assert outcome.peak_bytes < MOST_BYTES
    with pytest.raises(OSError, match=r"x\.nc "), files.open_dataset(path):
        pass


@pytest.mark.hostile("NetCDF", "NetCDF 3, or no NetCDF at all", "refused in one sentence")
@pytest.mark.parametrize(
    "content", [b"", b"CDF\x01" + bytes(100), b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(5000)]
)
def test_what_is_not_netcdf_4_is_refused(tmp_path, content):
    (tmp_path / "x.nc").write_bytes(content)
    with pytest.raises(OSError, match=r"x\.nc .*NetCDF"):
        files.load(tmp_path / "x.nc")


@pytest.mark.hostile(
    "NetCDF",
    "a file on which HDF5 crashes, searches without end, or takes any amount of memory",
    "named: its structure is read in a separate process, which may take two minutes for it (in `verify` four) and 1 GB; several files share a process until one of them fails",
)
def test_a_heap_of_texts_in_which_hdf5_would_search_without_end_is_refused(tmp_path):
    """Found by fuzzing: an object of size 0, after which HDF5 never finds the next one."""
    first = endless_texts(tmp_path / "x.nc").read_bytes().index(b"GCOL")
    with pytest.raises(ReaderEndedError, match=r"\b1 s\b"):
        call_isolated(xr.load_dataset, tmp_path / "x.nc", timeout_s=1)
    with pytest.raises(OSError, match=rf"x\.nc .*byte {first}\b"):
        files.load(tmp_path / "x.nc")


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_what_xarray_writes_is_read(tmp_path, engine):
    dataset = xr.Dataset(
        {
            "response": (
                ("stimulus", "voxel"),
                np.arange(6.0).reshape(3, 2).astype("f4"),
                {"long_name": "é", "empty": ""},
            ),
            "count": ("stimulus", np.arange(3)),
            "scalar": ((), True),
            "nothing": (("none",), np.empty(0)),
        },
        coords={"stimulus": ["a", "b", "ü"], "participant": ("voxel", np.array(["x", "y"], "S3"))},
        attrs={"several": ["a", "b"], "number": 3, "numbers": [1.5, 2.5]},
    )
    encoding = {"response": {"zlib": True, "shuffle": True, "fletcher32": True}}
    dataset.to_netcdf(tmp_path / "x.nc", engine=engine, encoding=encoding, unlimited_dims=["stimulus"])
    read = files.load(tmp_path / "x.nc")
    np.testing.assert_array_equal(read["response"], dataset["response"])
    assert list(read["stimulus"].values) == ["a", "b", "ü"]


@pytest.mark.slow
def test_a_file_of_more_than_a_gigabyte_is_read(tmp_path):
    """Zeros in a sparse file, written without compression."""
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        file.createDimension("sample", 3 * 10**8)
        values = file.createVariable("stimulus_value", "f4", ("sample",), contiguous=True, fill_value=False)
        values[-1] = 1
    assert (tmp_path / "x.nc").stat().st_size > 1.1 * 2**30
    check_structure(tmp_path / "x.nc")
    with files.open_dataset(tmp_path / "x.nc") as dataset:
        assert dataset["stimulus_value"][-1] == 1


@pytest.mark.hostile("NetCDF", "a file of a run that would be refused when it is read again", "not written")
def test_what_could_not_be_read_again_is_not_written(tmp_path):
    zeros = xr.Dataset({"stimulus_value": (("stimulus", "sample"), np.zeros((20, 2 * 10**7), "i1"))})
    provenance = {"title": "t", "source": "s", "step": "test", "run": "r", "seed": 3, "inputs": []}
    with pytest.raises(ValueError, match=r"x\.nc .* \d+ bytes"):
        files.save(zeros, tmp_path / "x.nc", **provenance)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.hostile("dimensions that do not fit their …")
def test_a_file_from_outside_that_crashes_its_reader_is_named(tmp_path, monkeypatch):
    xr.Dataset({"response": ("stimulus", [1.0])}).to_netcdf(tmp_path / "x.nc")
    monkeypatch.setattr(files, "_load", lambda _: os.abort())
    with pytest.raises(OSError, match=r"x\.nc .*SIGABRT"):
        files.load_foreign(tmp_path / "x.nc")


@pytest.mark.hostile("NetCDF 3, or no NetCDF at all")
def test_a_file_of_classic_netcdf_is_refused_in_one_sentence(tmp_path):
    with netCDF4.Dataset(tmp_path / "x.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("a", 3)
    with pytest.raises(OSError, match=r"NetCDF-4.*HDF5"):
        files.load(tmp_path / "x.nc")


@pytest.mark.hostile("external storage, virtual …")
@pytest.mark.hostile("8 kB that ask for 60 GB; a gigabyte …")
@pytest.mark.hostile("dimensions that do not fit their …")
def test_hostile_responses_of_brains_are_named_before_the_first_job(tmp_path):
    path = made(external_storage, tmp_path)
    brain = {"models": "generation", "dataset": "imagenet_photographs", "responses": str(path)}
    given = merge_defaults({"analyses": {"brain": brain}})
    with pytest.raises(ConfigurationError, match=r"analyses\.brain\.responses: .*x\.nc .*NetCDF"):
        config.make_plan(given)
    os.remove(path)
    with pytest.raises(ConfigurationError, match=r"analyses\.brain\.responses: .*x\.nc"):
        config.make_plan(given)
