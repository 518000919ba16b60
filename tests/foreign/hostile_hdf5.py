"""NetCDF files with dangerous structures, and the message that refuses each."""

import h5py
import numpy as np


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


def scale_offset(file, _):
    file.create_dataset("response", data=np.arange(100), chunks=(10,), scaleoffset=0)


def n_bit(file, _):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((10,))
    properties.set_filter(h5py.h5z.FILTER_NBIT)
    h5py.h5d.create(file.id, b"response", h5py.h5t.STD_I32LE, h5py.h5s.create_simple((100,)), properties)


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
    external_storage: "other files",
    external_link: r"\blink\b",
    soft_link: r"\blink\b",
    link_without_target: r"\blink\b",
    cycle: r"\bgroup\b",
    deep: r"\bgroup\b",
    twice: r"\bsecond name\b",
    virtual: r"\bvirtual\b",
    sixty_gigabytes: "60000000000 bytes",
    sixty_gigabytes_at_once: "60000000000 bytes",
    zeros_packed: "1000000000 bytes",
    large_pieces: "4000000000 bytes",
    one_long_text_many_times: r"declare \d+ bytes",
    short_texts: r"declare \d+ bytes",
    numbers_that_become_floating_point: "1600000000 bytes",
    scale_offset: "filter 6",
    n_bit: "filter 5",
    references: r"\bneither numbers\b",
    records: r"\bneither numbers\b",
    own_type: r"\bgroup\b",
    more_dimensions_than_axes: "'DIMENSION_LIST' of 'response'",
    dimension_of_itself: "axis whose dimension",
    dimension_of_another_length: r"declare \d+ bytes|\bshape\b",
    dimension_of_many_numbers: "'_Netcdf4Dimid' of 'axis'",
    dimension_of_a_number_below_zero: "not numbered from 0",
    coordinates_below_zero: "by number and by name",
    name_of_many_texts: "'NAME' of 'axis'",
    long_class: "'CLASS' of 'axis'",
    long_attribute_name: "name .*256 bytes",
    long_variable_name: "name .*256 bytes",
    many_quantization_digits: r"\bneither numbers\b",
    many_fill_values: "'_FillValue' of 'response'",
    numbers_of_two_bytes: "numbers of 1, 2, 4 or 8 bytes",
    without_dimensions: "has no dimensions",
    many_variables: "10001 variables.* 10000",
    long_attributes: "bytes of text",
}


def made(make, folder):
    path = folder / "x.nc"
    with h5py.File(path, "w", libver="latest") as file:
        make(file, folder)
    return path
