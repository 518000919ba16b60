"""Dangerous structures of NetCDF files from outside are refused before a NetCDF reader opens the files."""

import os

import h5py
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
from tests.memory import MOST_BYTES, call_in_process


def variable(file, name="response", shape=(4, 3, 2)):
    return file.create_dataset(name, data=np.zeros(shape, "f4"))


def external_storage(file, folder):
    (folder / "secret").write_bytes(b"1234" * 100)
    file.create_dataset("response", (100,), "f4", external=[(str(folder / "secret"), 0, 400)])


def external_link(file, folder):
    with h5py.File(folder / "other.nc", "w") as other:
        variable(other)
    file["response"] = h5py.ExternalLink(str(folder / "other.nc"), "/response")


def soft_link(file, _):
    variable(file, "one")
    file["response"] = h5py.SoftLink("/one")


def link_without_target(file, _):
    file["response"] = h5py.SoftLink("/nowhere")


def cycle(file, _):
    file.create_group("a")["b"] = file["/"]


def deep(file, _):
    for number in range(3000):
        file = file.create_group(str(number))


def twice(file, _):
    file["other"] = variable(file)


def virtual(file, folder):
    with h5py.File(folder / "other.nc", "w") as other:
        variable(other)
    layout = h5py.VirtualLayout((4, 3, 2), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.nc"), "response", (4, 3, 2))
    file.create_virtual_dataset("response", layout)


def sixty_gigabytes(file, _):
    file.create_dataset("response", (15, 10**9), "f4", chunks=(1, 1000))


def sixty_gigabytes_at_once(file, _):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    space = h5py.h5s.create_simple((15, 10**9))
    h5py.h5d.create(file.id, b"response", h5py.h5t.IEEE_F32LE, space, properties)


def zeros_packed(file, _):
    data = file.create_dataset("response", (10**9,), "i1", chunks=(10**8,), compression="gzip")
    for start in range(0, 10**9, 10**8):
        data[start : start + 10**8] = 0


def large_pieces(file, _):
    file.create_dataset("response", (10,), "f4", maxshape=(None,), chunks=(10**9,), compression="gzip")


def one_long_text_many_times(file, _):
    """One text of a megabyte in the file, and ten thousand references to it."""
    texts = file.create_dataset("response", (10_000,), h5py.string_dtype())
    texts[0] = "x" * 10**6
    file.flush()
    place, size = texts.id.get_offset(), texts.id.get_storage_size()
    name = file.filename
    file.close()
    with open(name, "rb+") as stream:
        stream.seek(place)
        first = stream.read(size // 10_000)
        stream.seek(place)
        stream.write(first * 10_000)


def short_texts(file, _):
    """Two hundred million texts of one letter in a few kilobytes; each takes fifty bytes of memory."""
    file.create_dataset("response", (2 * 10**8,), "S1", chunks=(10**6,), compression="gzip")


def numbers_that_become_floating_point(file, _):
    packed = file.create_dataset("response", (2 * 10**8,), "i1", chunks=(10**6,), compression="gzip")
    packed.attrs["scale_factor"] = 0.5


def references(file, _):
    variable(file, "one")
    file.create_dataset("response", data=file["one"].ref, dtype=h5py.ref_dtype)


def records(file, _):
    file.create_dataset("response", data=np.zeros(3, [("a", "f4"), ("b", "i4")]))


def own_type(file, _):
    file["response"] = np.dtype("f8")


def with_dimension(file, _=None):
    """A valid NetCDF-4 dimension and a variable along it."""
    axis = file.create_dataset("axis", data=np.arange(3))
    axis.make_scale("axis")
    along = variable(file, shape=(3,))
    along.dims[0].attach_scale(axis)
    return axis, along


def more_dimensions_than_axes(file, _):
    axis, along = with_dimension(file)
    references = np.empty(100, object)
    references[:] = [np.array([axis.ref], h5py.ref_dtype)] * 100
    along.attrs.create("DIMENSION_LIST", references, (100,), h5py.vlen_dtype(h5py.ref_dtype))


def dimension_of_itself(file, _):
    _, along = with_dimension(file)
    references = np.empty(1, object)
    references[:] = [np.array([along.ref], h5py.ref_dtype)]
    along.attrs.create("DIMENSION_LIST", references, (1,), h5py.vlen_dtype(h5py.ref_dtype))


def dimension_of_another_length(file, _):
    axis = file.create_dataset("axis", (10**9,), "i1", chunks=(10**6,))
    axis.make_scale("axis")
    variable(file, shape=(3,)).dims[0].attach_scale(axis)


def dimension_of_many_numbers(file, _):
    with_dimension(file)[0].attrs["_Netcdf4Dimid"] = np.arange(10_000, dtype="i4")


def dimension_of_a_number_below_zero(file, _):
    with_dimension(file)[0].attrs["_Netcdf4Dimid"] = np.int32(-7)


def coordinates_below_zero(file, _):
    with_dimension(file)[1].attrs["_Netcdf4Coordinates"] = np.array([-7], "i4")


def name_of_many_texts(file, _):
    with_dimension(file)[0].attrs["NAME"] = np.array([b"a" * 100] * 600)


def long_class(file, _):
    with_dimension(file)[0].attrs["CLASS"] = np.bytes_("DIMENSION_SCALE" + "n" * 50_000)


def long_attribute_name(file, _):
    with_dimension(file)[1].attrs["n" * 3000] = 1


def long_variable_name(file, _):
    variable(file, "n" * 300)


def many_quantization_digits(file, _):
    with_dimension(file)[1].attrs["_QuantizeBitGroomNumberOfSignificantDigits"] = np.arange(5000, dtype="i4")


def many_fill_values(file, _):
    with_dimension(file)[1].attrs["_FillValue"] = np.arange(5000.0)


def numbers_of_two_bytes(file, _):
    file.create_dataset("response", data=np.float16(1))


def without_dimensions(file, _):
    variable(file)


def many_variables(file, _):
    for number in range(10_001):
        file.create_dataset(str(number), (), "i1")


def long_attributes(file, _):
    with_dense = variable(file)
    for number in range(70):
        with_dense.attrs[str(number)] = "x" * 10**6


HOSTILE = {
    external_storage: "stores its values in other files",
    external_link: "is a link, wanted variables only",
    soft_link: "is a link, wanted variables only",
    link_without_target: "is a link, wanted variables only",
    cycle: "is a group or a type",
    deep: "is a group or a type",
    twice: "is a second name of a variable",
    virtual: "is a virtual dataset",
    sixty_gigabytes: "declare 60000000000 bytes, wanted at most",
    sixty_gigabytes_at_once: "declare 60000000000 bytes, wanted at most",
    zeros_packed: "declare 1000000000 bytes, wanted at most",
    large_pieces: "has chunks of 4000000000 bytes",
    one_long_text_many_times: r"declare \d+ bytes, wanted at most",
    short_texts: r"declare \d+ bytes, wanted at most",
    numbers_that_become_floating_point: "declare 1600000000 bytes, wanted at most",
    references: "has neither numbers",
    records: "has neither numbers",
    own_type: "is a group or a type",
    more_dimensions_than_axes: "'DIMENSION_LIST' of 'response' is not a valid attribute of NetCDF-4",
    dimension_of_itself: "has an axis whose dimension is not one",
    dimension_of_another_length: r"declare \d+ bytes|not have the shape of its dimensions",
    dimension_of_many_numbers: "'_Netcdf4Dimid' of 'axis' is not a valid attribute of NetCDF-4",
    dimension_of_a_number_below_zero: "not numbered from 0",
    coordinates_below_zero: "different dimensions by number and by name",
    name_of_many_texts: "'NAME' of 'axis' is not a valid attribute of NetCDF-4",
    long_class: "'CLASS' of 'axis' is not a valid attribute of NetCDF-4",
    long_attribute_name: "is not a name of at most 256 bytes",
    long_variable_name: "is not a name of at most 256 bytes",
    many_quantization_digits: "has neither numbers",
    many_fill_values: "'_FillValue' of 'response' is not a valid attribute of NetCDF-4",
    numbers_of_two_bytes: "has neither numbers of 1, 2, 4 or 8 bytes",
    without_dimensions: "has no dimensions",
    many_variables: "10001 variables, wanted at most 10000",
    long_attributes: "bytes of text",
}


def made(make, folder):
    path = folder / "x.nc"
    with h5py.File(path, "w", libver="latest") as file:
        make(file, folder)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("make", "message"), HOSTILE.items(), ids=[make.__name__ for make in HOSTILE])
def test_what_a_run_never_writes_is_refused_before_a_reader_of_netcdf_opens_it(tmp_path, make, message):
    path = made(make, tmp_path)
    with pytest.raises(ValueError, match=message):
        check_structure(path)
    outcome = call_in_process("metamers.run.files:load", path)
    assert outcome.error == "OSError"
    assert f"{path} cannot be read as NetCDF (" in outcome.message
    assert outcome.peak_bytes < MOST_BYTES
    with pytest.raises(OSError, match=r"x\.nc cannot be read as NetCDF"), files.open_dataset(path):
        pass


@pytest.mark.parametrize(
    "content", [b"", b"CDF\x01" + bytes(100), b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(5000)]
)
def test_what_is_not_netcdf_4_is_refused(tmp_path, content):
    (tmp_path / "x.nc").write_bytes(content)
    with pytest.raises(OSError, match=r"x\.nc cannot be read as NetCDF"):
        files.load(tmp_path / "x.nc")


def test_a_heap_of_texts_in_which_hdf5_would_search_without_end_is_refused(tmp_path):
    """Found by fuzzing: an object of size 0, after which HDF5 never finds the next one."""
    xr.Dataset(coords={"stimulus": ["a", "b"]}).to_netcdf(tmp_path / "x.nc", engine="netcdf4")
    content = bytearray((tmp_path / "x.nc").read_bytes())
    first = content.index(b"GCOL")
    content[first + 16 : first + 32] = bytes(16)
    (tmp_path / "x.nc").write_bytes(content)
    with pytest.raises(ReaderEndedError, match="did not end"):
        call_isolated(xr.load_dataset, tmp_path / "x.nc", timeout_s=1)
    with pytest.raises(OSError, match=rf"x\.nc cannot be read as NetCDF .*the texts at byte {first}"):
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


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    zeros = xr.Dataset({"stimulus_value": (("stimulus", "sample"), np.zeros((20, 2 * 10**7), "i1"))})
    provenance = {"title": "t", "source": "s", "step": "test", "run": "r", "seed": 3, "inputs": []}
    with pytest.raises(ValueError, match=r"x\.nc would be refused when it is read: .* declare \d+ bytes"):
        files.save(zeros, tmp_path / "x.nc", **provenance)
    assert list(tmp_path.iterdir()) == []


def test_a_file_from_outside_that_crashes_its_reader_is_named(tmp_path, monkeypatch):
    xr.Dataset({"response": ("stimulus", [1.0])}).to_netcdf(tmp_path / "x.nc")
    monkeypatch.setattr(files, "_load", lambda _: os.abort())
    with pytest.raises(OSError, match=r"x\.nc cannot be read as NetCDF .its reader ended its process"):
        files.load_foreign(tmp_path / "x.nc")


def test_a_file_of_classic_netcdf_is_refused_in_one_sentence(tmp_path):
    with netCDF4.Dataset(tmp_path / "x.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("a", 3)
    with pytest.raises(OSError, match="it is not NetCDF-4: it does not begin as HDF5 does"):
        files.load(tmp_path / "x.nc")


def test_hostile_responses_of_brains_are_named_before_the_first_job(tmp_path):
    path = made(external_storage, tmp_path)
    brain = {"models": "generation", "dataset": "imagenet_photographs", "responses": str(path)}
    given = merge_defaults({"analyses": {"brain": brain}})
    with pytest.raises(ConfigurationError, match=r"analyses\.brain\.responses: .*x\.nc cannot be read as NetCDF: "):
        config.make_plan(given)
    os.remove(path)
    with pytest.raises(ConfigurationError, match="there is no file"):
        config.make_plan(given)
