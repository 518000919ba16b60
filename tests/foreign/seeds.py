"""Files that have ended, blocked or misled the reader of an earlier version, from which fuzzing begins."""

import pickle
import struct
import zipfile

import h5py
import torch
import xarray as xr

from tests.foreign import hostile_hdf5
from tests.foreign.hostile_pickles import PROGRAMS, WRONG_STATES

# PyTorch ends its process where it reads numbers of these types.
QUANTIZED = {"QInt8": 1, "QUInt8": 1, "QInt32": 4, "QUInt4x2": 1, "QUInt2x4": 1}  # bytes of a number

# Structures with which the NetCDF library corrupts memory, or HDF5 takes any amount of it.
NETCDF = (
    hostile_hdf5.more_dimensions_than_axes,
    hostile_hdf5.dimension_of_itself,
    hostile_hdf5.dimension_of_many_numbers,
    hostile_hdf5.dimension_of_a_number_below_zero,
    hostile_hdf5.coordinates_below_zero,
    hostile_hdf5.name_of_many_texts,
    hostile_hdf5.long_class,
    hostile_hdf5.many_quantization_digits,
    hostile_hdf5.many_fill_values,
    hostile_hdf5.sixty_gigabytes_at_once,
    hostile_hdf5.scale_offset,
    hostile_hdf5.n_bit,
)


def quantized(path, kind):
    """Write a checkpoint of a few hundred bytes whose only tensor has a storage of quantized numbers."""
    storage = b"(X\7\0\0\0storagectorch\n%sStorage\nX\1\0\0\0" % kind.encode() + b"0X\3\0\0\0cpuK\x08tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0K\x08\x85K\1\x85\x89}tR"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\2}X\1\0\0\0a" + tensor + b"s.")
        archive.writestr("x/version", b"3\n")
        archive.writestr("x/data/0", b"\1" * 8 * QUANTIZED[kind])
    return path


def endless_texts(path):
    """Write a heap of texts with an object of size 0, after which HDF5 searches for the next one without end."""
    xr.Dataset(coords={"stimulus": ["a", "b"]}).to_netcdf(path, engine="netcdf4")
    content = bytearray(path.read_bytes())
    first = content.index(b"GCOL")
    content[first + 16 : first + 32] = bytes(16)
    path.write_bytes(content)
    return path


def no_texts(rows):
    """Return a MATLAB file with a text that has the given number of rows and no characters."""
    parts = [(6, struct.pack("<II", 4, 0)), (5, struct.pack("<ii", rows, 0)), (1, b"x"), (16, b"")]
    data = b"".join(struct.pack("<II", kind, len(part)) + part + bytes(-len(part) % 8) for kind, part in parts)
    return bytes(124) + struct.pack("<H", 0x0100) + b"IM" + struct.pack("<II", 14, len(data)) + data


def _netcdf(path, make):
    with h5py.File(path, "w", libver="latest") as file:
        make(file, path.parent)
    return path.read_bytes()


def _disguised(folder):
    """A TorchScript archive with another archive before it, which two readers take for different files."""
    torch.jit.script(torch.nn.Linear(2, 2)).save(folder / "script.pt")
    torch.save({"weight": torch.ones(2)}, folder / "plain.pt")
    return (folder / "plain.pt").read_bytes() + (folder / "script.pt").read_bytes()


def seeds_of(reader, folder):
    """Return the contents of the files from which fuzzing a reader of ``READERS`` begins, beside a valid file."""
    path = folder / "seed"
    match reader:
        case "mat":
            return [no_texts(2**31 - 1)]
        case _ if reader.startswith("pickle"):
            states = [pickle.dumps(said, protocol=4) for said, _ in WRONG_STATES]
            return [*states, *(b"\x80\4" + program for program, _ in PROGRAMS)]
        case "checkpoint, zip":
            return [quantized(path, kind).read_bytes() for kind in QUANTIZED]
        case "checkpoint, TorchScript":
            return [_disguised(folder)]
        case "netcdf":
            return [endless_texts(path).read_bytes(), *(_netcdf(path, make) for make in NETCDF)]
    return []
