"""Refusing a file takes less than 2 GB of memory for every kind of file, measured in a separate process."""

import gzip
import io
import pickle
import re
import struct
import tarfile
import wave
import zipfile
import zlib

import pytest
import torch
from PIL import Image, PngImagePlugin

from tests.foreign.memory import MOST_BYTES, call_in_process

pytestmark = pytest.mark.slow

GIGABYTES = 15 * 10**9


def zip_of_one_record_many_times(path):
    """One record of a megabyte, which the directory lists under sixty thousand names."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02}.")
        archive.writestr("x/data/0", bytes(10**6))
        original = archive.getinfo("x/data/0")
        for number in range(1, 60_000):
            again = zipfile.ZipInfo(f"x/data/{number}")
            for fact in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(again, fact, getattr(original, fact))
            archive.filelist.append(again)
        archive._didModify = True


class _Storage:
    """Pickled as a reference to a storage of the given number of values."""

    def __init__(self, length):
        self.length = length


class _Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        return ("storage", torch.FloatStorage, "0", "cpu", thing.length) if isinstance(thing, _Storage) else None


class _Tensor:
    def __init__(self, length):
        self.length = length

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (_Storage(self.length), 0, (self.length,), (1,), False, None)


def pickled(thing):
    stream = io.BytesIO()
    _Pickler(stream, protocol=2).dump(thing)
    return stream.getvalue()


def zip_of_a_tensor_that_is_not_there(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/version", b"3\n")
        archive.writestr("x/data.pkl", pickled({"a": _Tensor(GIGABYTES // 4)}))
        archive.writestr("x/data/0", bytes(400))


def legacy_of_a_tensor_that_is_not_there(path):
    from metamers.foreign.checkpoints import MAGIC, PROTOCOL

    heads = [pickle.dumps(thing, protocol=2) for thing in (MAGIC, PROTOCOL, {})]
    body = [pickled({"a": _Tensor(GIGABYTES // 4)}), pickle.dumps(["0"], protocol=2), struct.pack("<q", GIGABYTES // 4)]
    path.write_bytes(b"".join([*heads, *body]))


def checkpoint_with_an_object_after_three_gigabytes(path):
    """The values are zeros in a sparse file."""
    from metamers.foreign.checkpoints import MAGIC, PROTOCOL

    length = 3 * 10**9 // 4
    heads = [pickle.dumps(thing, protocol=2) for thing in (MAGIC, PROTOCOL, {})]
    state = pickled({"a": _Tensor(length), "b": complex(1, 2)})
    path.write_bytes(b"".join([*heads, state, pickle.dumps(["0"], protocol=2), struct.pack("<q", length)]))
    with path.open("rb+") as stream:
        stream.truncate(path.stat().st_size + 4 * length)


def legacy(path, *pickles):
    from metamers.foreign.checkpoints import MAGIC, PROTOCOL

    path.write_bytes(b"".join([pickle.dumps(MAGIC, protocol=2), pickle.dumps(PROTOCOL, protocol=2), *pickles]))


def larger(path, size):
    """Append zeros as a sparse region."""
    with path.open("rb+") as stream:
        stream.truncate(size)


def legacy_of_long_bytes(path):
    legacy(path, b"\x80\x04\x8e" + (3 * 10**9).to_bytes(8, "little"))
    larger(path, 4 * 10**9)


def legacy_of_a_long_frame(path):
    legacy(path, b"\x80\x04\x95" + (3 * 10**9).to_bytes(8, "little"))
    larger(path, 4 * 10**9)


def legacy_of_a_name_without_end(path):
    legacy(path, b"\x80\x02c")
    larger(path, 3 * 10**9)


def legacy_of_a_storage_named_by_doubled_tuples(path):
    name = b")" + b"2\x86" * 40
    place = b"(X\x07\0\0\0storagectorch\nFloatStorage\n" + name + b"X\x03\0\0\0cpuK\x01tQ."
    legacy(path, b"\x80\x02}.", b"\x80\x02" + place)


def checkpoint_that_is_a_packed_tar(path):
    tar_of_a_long_name(path)


def zip_of_a_long_directory(path):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(600_000):
            archive.filelist.append(record := zipfile.ZipInfo(f"x/data/{number}"))
            record.header_offset = record.CRC = 0
        archive._didModify = True
    begin = path.read_bytes()
    path.write_bytes(b"PK\x03\x04" + bytes(26) + begin)


def zip_of_a_long_byte_order(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/version", b"3\n")
        archive.writestr("x/data.pkl", b"\x80\x02}.")
        archive.writestr("x/byteorder", b"little" * 10**7)


def checkpoint_of_many_names(path):
    names = b"".join(b"cx\nn%d\n0" % number for number in range(1_000_000))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/version", b"3\n")
        archive.writestr("x/data.pkl", b"\x80\x02" + names + b"}.")


def pickle_of_many_sets(path):
    path.write_bytes(b"\x80\x04](" + b"\x8f" * 2 * 10**7 + b"e.")


def pickle_of_a_text_of_wide_letters(path):
    """Zeros, which take one byte each, and one letter because of which each of them takes four."""
    with path.open("wb") as stream:
        stream.write(b"\x80\x04\x8d" + (5 * 10**8).to_bytes(8, "little") + "𝄞".encode())
        stream.truncate(12 + 5 * 10**8)


def pickle_of_many_texts_of_wide_letters(path):
    text = (b"a" * (2**20 - 4)) + "𝄞".encode()
    path.write_bytes(b"\x80\x04](" + b"".join([b"X" + (2**20).to_bytes(4, "little") + text] * 300) + b"e.")


def pickle_of_many_short_texts_of_wide_letters(path):
    text = "𝄞".encode() * 63
    path.write_bytes(b"\x80\x04](" + (b"\x8c" + bytes([len(text)]) + text) * 2_000_000 + b"e.")


def pickle_of_a_long_scalar_many_times(path):
    dtype = b"cnumpy\ndtype\n(X\x0a\0\0\0S100000000%b\x89\x88tR".replace(b"%b", b"")
    scalar = b"cnumpy._core.multiarray\nscalar\n"
    begin = b"\x80\x04" + dtype + b"\x940B" + (10**8).to_bytes(4, "little") + bytes(10**8) + b"\x940]\x94("
    path.write_bytes(begin + (scalar + b"h\0h\1\x86R") * 100 + b"e.")


def larger_pickle(path):
    with path.open("wb") as stream:
        stream.write(b"\x80\x04")
        stream.truncate(10**10)


def matlab_of_ten_gigabytes(path):
    with path.open("wb") as stream:
        stream.write(bytes(126) + b"IM")
        stream.truncate(10**10)


def packed(*members, begins=b""):
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as packing:
        packing.write(begins)
        for member in members:
            packing.write(member)
    return stream.getvalue()


def header(name, kind, size):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf()


def tar_of_a_long_name(path):
    zeros = [b"x" * 10**7] * 300
    path.write_bytes(packed(*zeros, begins=header("long", tarfile.GNUTYPE_LONGNAME, 3 * 10**9)) + bytes(5 * 10**7))


def tar_of_long_pax_headers(path):
    zeros = [b"x" * 10**7] * 300
    path.write_bytes(packed(*zeros, begins=header("long", tarfile.XHDTYPE, 3 * 10**9)) + bytes(5 * 10**7))


def tar_of_headers_that_every_member_has(path):
    """A global PAX header of ten thousand keys, which is copied to each of a hundred thousand members."""
    records = b"".join(b"%d k%06d=x\n" % (13, number) for number in range(10_000))
    padding = bytes(-len(records) % 512)
    member = header("x", tarfile.REGTYPE, 0)
    path.write_bytes(
        packed(header("g", tarfile.XGLTYPE, len(records)), records, padding, member * 100_000) + bytes(10**6)
    )


def tar_of_sparse_maps(path):
    block = (b"%011o\0%011o\0" % (1, 1)) * 21 + b"\1" + bytes(7)
    info = bytearray(header("x", tarfile.GNUTYPE_SPARSE, 0))
    info[482] = 1
    checksum = sum(info[:148]) + 8 * 32 + sum(info[156:512])
    info[148:156] = b"%06o\0 " % checksum
    path.write_bytes(packed(bytes(info), *[block * 10_000] * 100) + bytes(6 * 10**6))


def tar_of_xz(path):
    import lzma

    path.write_bytes(lzma.compress(bytes(10**6)))


def image_of_178_million_pixels(path):
    Image.new("1", (13_400, 13_300)).save(path, format="PNG")


def image_with_a_long_tag(path):
    """A TIFF whose first tag has three billion bytes, zeros in a sparse file."""
    tag = struct.pack("<HHII", 700, 1, 3 * 10**9, 100)
    path.write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + tag + bytes(4))
    larger(path, 3 * 10**9 + 200)


def image_with_a_packed_text(path):
    text = PngImagePlugin.PngInfo()
    text.add(b"zTXt", b"x\0\0" + zlib.compress(bytes(10**9), 1))
    Image.new("RGB", (8, 8)).save(path, format="PNG", pnginfo=text)


def image_with_many_packed_texts(path):
    text = PngImagePlugin.PngInfo()
    for number in range(100):
        text.add(b"zTXt", b"x%d\0\0" % number + zlib.compress(bytes(1_000_000)))
    Image.new("RGB", (8, 8)).save(path, format="PNG", pnginfo=text)


def sound(path, rate, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(b"")
    with path.open("rb+") as stream:
        content = bytearray(stream.read())
        content[4:8] = (36 + samples).to_bytes(4, "little")
        content[40:44] = samples.to_bytes(4, "little")
        stream.seek(0)
        stream.write(content)
        stream.truncate(44 + samples)


def sound_of_a_gigabyte(path):
    sound(path, 20_000, 10**9)


def sound_that_grows_with_its_rate(path):
    sound(path, 100, 3 * 10**7)


def table_of_many_rows(path):
    path.write_bytes(b"file,category\n" + b"a,b\n" * 3 * 10**7)


def table_of_many_columns(path):
    path.write_bytes(b",".join(b"c%d" % number for number in range(5000)) + b"\n" + b"x\n" * 10**6)


def yaml_of_a_gigabyte(path):
    path.write_text("a: 1\n")
    with path.open("rb+") as stream:
        stream.truncate(10**9)


def table_of_many_cells(path):
    path.write_bytes(b",".join(b"c%d" % number for number in range(1000)) + b"\n" + b"x\n" * 100_000)


CHECKPOINT = ("metamers.models.weights:read_weights", "ValueError", ["b"])
PICKLE = ("metamers.humans.participants:read_pickled", "ValueError", [["answers"]])
MATLAB = ("metamers.humans.participants:read_participants", "ValueError", [["a"], 4])
TAR = ("metamers.foreign.archives:extract_file", "OSError", ["a.pt", "out.pt"])
IMAGE = ("metamers.stimuli.images:read_image", "ValueError", [])
SOUND = ("metamers.stimuli.sounds:read_sound", "ValueError", [20_000])
TABLE = ("metamers.config.tables:read_table", "ConfigurationError", [["file", "category"]])

YAML = ("metamers.config.read:read_yaml", "ConfigurationError", [])

HOSTILE = {
    yaml_of_a_gigabyte: (YAML, "4194304 characters"),
    zip_of_one_record_many_times: (CHECKPOINT, "whole file"),
    zip_of_a_tensor_that_is_not_there: (CHECKPOINT, "400 bytes.* 15000000000 bytes"),
    legacy_of_a_tensor_that_is_not_there: (CHECKPOINT, "15000000000 bytes"),
    checkpoint_with_an_object_after_three_gigabytes: (CHECKPOINT, "without running code|state dict"),
    legacy_of_long_bytes: (CHECKPOINT, "pickles .*67108864 bytes"),
    legacy_of_a_long_frame: (CHECKPOINT, "pickles .*67108864 bytes"),
    legacy_of_a_name_without_end: (CHECKPOINT, "pickles .*67108864 bytes"),
    legacy_of_a_storage_named_by_doubled_tuples: (CHECKPOINT, "type tuple"),
    checkpoint_that_is_a_packed_tar: (CHECKPOINT, "without running code"),
    zip_of_a_long_directory: (CHECKPOINT, r"directory .*\d+ bytes.* 33554432"),
    zip_of_a_long_byte_order: (CHECKPOINT, "little-endian"),
    checkpoint_of_many_names: (CHECKPOINT, "10000 classes"),
    pickle_of_many_sets: (PICKLE, "2097152 opcodes"),
    pickle_of_a_text_of_wide_letters: (PICKLE, "500000000 bytes"),
    pickle_of_many_texts_of_wide_letters: (PICKLE, "texts .*536870912 bytes"),
    pickle_of_many_short_texts_of_wide_letters: (PICKLE, "texts .*536870912 bytes"),
    pickle_of_a_long_scalar_many_times: (PICKLE, "100000000 bytes"),
    larger_pickle: (PICKLE, "pickle .*536870912 bytes"),
    matlab_of_ten_gigabytes: (MATLAB, "67108864 bytes"),
    tar_of_a_long_name: (TAR, "headers .*1048576 bytes"),
    tar_of_long_pax_headers: (TAR, "headers .*1048576 bytes"),
    tar_of_headers_that_every_member_has: (TAR, "members .*536870912 bytes"),
    tar_of_sparse_maps: (TAR, "headers .*1048576 bytes"),
    tar_of_xz: (TAR, "xz"),
    image_of_178_million_pixels: (IMAGE, "13400 × 13300 .*178220000.* 67108864"),
    image_with_a_long_tag: (IMAGE, "3000000200 bytes.* 134217728"),
    image_with_a_packed_text: (IMAGE, "cut off"),
    image_with_many_packed_texts: (IMAGE, "cut off"),
    sound_of_a_gigabyte: (SOUND, "1000000000 samples.* 33554432"),
    sound_that_grows_with_its_rate: (SOUND, "100 Hz .*6000000000 .*20000 Hz"),
    table_of_many_rows: (TABLE, "2 columns .*2097152 rows"),
    table_of_many_cells: (TABLE, "1000 columns .*16777 rows"),
    table_of_many_columns: (TABLE, "5000 columns"),
}


@pytest.mark.hostile("a `.mat` file of gigabytes …")
@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a checkpoint whose directory has one record under many names, or whose tensors declare more bytes than are there",
    "refused before any value is read",
)
@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a zip directory, a name, a frame or bytes of gigabytes in a checkpoint; a storage whose name is nested tuples; a packed tar in a checkpoint's place",
    "refused before it is read",
)
@pytest.mark.hostile(
    "Pickles and checkpoints", "an object after gigabytes of tensors", "refused before the tensors are read"
)
@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a pickle of many opcodes, many names, long scalars, or texts of wide letters",
    "refused at a limit for each",
)
@pytest.mark.hostile(
    "Archives",
    "names, PAX or GNU headers, maps of sparse files of more than a megabyte; a header that every member copies",
    "refused before they are read",
)
@pytest.mark.hostile(
    "Archives",
    "an archive that is compressed with xz, whose reader takes as much memory as the file asks for",
    "refused",
)
@pytest.mark.hostile("Configuration", "YAML of more than four million letters", "refused before it is parsed")
@pytest.mark.hostile("an image of more than 67 million …")
@pytest.mark.hostile(
    "Stimuli",
    "a PNG file with packed texts (`zTXt`) that unpack to gigabytes; an image file of more than 134 MB, such as a TIFF with a tag of gigabytes",
    "refused by name",
)
@pytest.mark.hostile(
    "Stimuli",
    "a sound of more than 34 million samples over all channels, or after resampling; a sampling rate outside 100 to 1,000,000 Hz",
    "refused before it is read or resampled",
)
@pytest.mark.hostile(
    "Stimuli", "a table of more than two million rows, 1000 columns, 17 million cells or 134 MB", "refused"
)
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_refused_file_takes_less_than_two_gigabytes_and_is_named(tmp_path, make):
    (function, error, arguments), message = HOSTILE[make]
    path = tmp_path / "hostile.file"
    make(path)
    outcome = call_in_process(function, path, *(tmp_path / "out.pt" if one == "out.pt" else one for one in arguments))
    path.unlink()
    assert outcome.error == error
    assert "hostile.file" in outcome.message
    assert re.search(message, outcome.message)
    assert outcome.peak_bytes < MOST_BYTES


def test_the_measure_sees_memory_that_is_taken():
    assert call_in_process("memory:peak_bytes").peak_bytes < 10**8
    assert call_in_process("numpy:ones", 5 * 10**7).peak_bytes > 4 * 10**8
