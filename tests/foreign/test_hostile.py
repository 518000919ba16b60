"""Hostile and broken input that other tests do not cover; the marks `hostile` make the reference page of all of it."""

import contextlib
import hashlib
import http.server
import io
import json
import pickle
import re
import subprocess
import tarfile
import threading
import time
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image, UnidentifiedImageError

from metamers import retrieve
from metamers.config import read as config_read
from metamers.experiment.folder import plain_picture
from metamers.foreign import checkpoints, isolated, pickles
from metamers.models.weights import read_weights
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults
from metamers.retrieve import transfer
from metamers.stimuli import excerpts, images
from tests.foreign.hostile_pickles import ARRAY, PROGRAMS, TYPE, WRONG_STATES

ROOT = Path(__file__).resolve().parents[2]
CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Hostile(http.server.BaseHTTPRequestHandler):
    """A server that misbehaves in the way that the requested path names."""

    def do_GET(self):
        kind = self.path.strip("/")
        if kind.startswith("to:"):
            self.send_response(302)
            self.send_header("Location", kind.removeprefix("to:"))
            self.end_headers()
            return
        self.send_response(200)
        if kind == "page":
            self.send_header("Content-Type", "text/html")
        self.end_headers()
        with contextlib.suppress(OSError):
            if kind == "page":
                self.wfile.write(b"<html>please log in</html>")
            elif kind == "endless":
                while True:
                    self.wfile.write(CONTENT)
            elif kind == "few":
                self.wfile.write(CONTENT[:1000])
            else:
                self.wfile.write(CONTENT + b"more" * (kind == "more"))

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "RETRIES", 2)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def fetch(url, folder, **facts):
    folder.mkdir()
    return retrieve.obtain({"url": url, "sha256": SHA256} | facts, folder, None)


@pytest.mark.hostile(
    "Servers and mirrors",
    "bytes that do not match the hash; an HTML page; too many or too few bytes",
    "refused, not kept",
)
@pytest.mark.parametrize("kind", ["page", "more", "few"])
def test_other_bytes_than_the_hash_s_are_refused_and_not_kept(server, tmp_path, kind):
    with pytest.raises(OSError, match=f"{kind}: .*SHA-256 .*{SHA256}"):
        fetch(f"{server}/{kind}", tmp_path / "store")
    assert {path.suffix for path in (tmp_path / "store").iterdir()} == {".lock"}


@pytest.mark.hostile("an implausible size, or a transfer …")
def test_a_server_that_never_ends_does_not_fill_the_disk(server, tmp_path, monkeypatch):
    """Neither the registry nor the reply gives a size, and the disk has 100 MB of free space."""
    room = 2**28 + 10**8
    store = tmp_path / "store"
    taken = lambda: sum(path.stat().st_size for path in store.iterdir())  # noqa: E731
    usage = lambda _folder: type("Usage", (), {"free": room - taken()})  # noqa: E731
    monkeypatch.setattr(transfer.shutil, "disk_usage", usage)
    with pytest.raises(OSError, match=" free "):
        fetch(f"{server}/endless", store)
    assert taken() < 2.5e8


@pytest.mark.hostile("Servers and mirrors", "a redirect to a file", "not followed")
def test_a_redirect_to_a_file_is_not_followed(server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    with pytest.raises(OSError, match="retrieved"):
        fetch(f"{server}/to:file://{secret}", tmp_path / "store")


@pytest.mark.hostile(
    "Servers and mirrors",
    "a redirect to another host",
    "followed without the user's login at the hub; the hash is checked",
)
def test_a_redirect_to_another_host_is_followed_and_its_bytes_are_judged_by_their_hash(server, tmp_path):
    elsewhere = server.replace("127.0.0.1", "localhost")
    assert fetch(f"{server}/to:{elsewhere}/right", tmp_path / "one").read_bytes() == CONTENT
    with pytest.raises(OSError, match=f"SHA-256 .*{SHA256}"):
        fetch(f"{server}/to:{elsewhere}/page", tmp_path / "two")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.hostile(
    "Configuration",
    "YAML whose aliases explode or contain themselves, or nested without end",
    "refused in less than ten seconds",
)
@pytest.mark.hostile("Configuration", "YAML that names Python objects; no text at all", "refused")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB.encode(), "aliases .* 1000000 "),
        (b"a: &a {b: *a}", "aliases"),
        (b"[" * 5000 + b"]" * 5000, "nested"),
        (b"a: 2023-99-99", "YAML"),
        (b"a: !!python/object/apply:os.system [true]", "YAML"),
        (b"\x00", "YAML"),
        (b"\xff\xfe\xfa", "YAML"),
    ],
)
def test_a_registry_that_would_explode_run_or_be_misread_is_refused(tmp_path, content, message):
    path = tmp_path / "registry.yaml"
    path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match=rf"registry\.yaml: .*{message}"):
        config_read.read_registry(path, "models")
    assert time.monotonic() - began < 10


@pytest.mark.hostile("YAML whose aliases explode …")
def test_a_configuration_that_would_explode_is_refused():
    import yaml

    given = {"stimuli": yaml.safe_load(BOMB)}
    with pytest.raises(ConfigurationError, match=r"configuration: .*aliases"):
        merge_defaults(given)


@pytest.mark.hostile(
    "Configuration",
    "names with `..`, `/`, spaces, quotes, other letters, more than 100 signs, line breaks",
    "refused: they name files",
)
@pytest.mark.parametrize("name", ["..", "a/b", "a b", 'a"b', "a'b", "ümlaut", "x" * 101, ".hidden", "-rf", "", "a\nb"])
def test_names_that_would_be_bad_files_are_refused(tmp_path, name):
    import yaml

    path = tmp_path / "registry.yaml"
    entries = yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text())
    path.write_text(yaml.safe_dump({name: entries["imagenet_photographs"]}, allow_unicode=True))
    with pytest.raises(ConfigurationError, match=r"100 .*a to z"):
        config_read.read_registry(path, "datasets")


@pytest.mark.hostile("names with `..`, `/`, spaces …")
@pytest.mark.parametrize("name", ["..", "a/b", "a b", "x" * 101, ""])
def test_a_run_s_name_that_would_be_a_bad_folder_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"run: "):
        config.make_plan(merge_defaults({"run": name}))


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a pickle of a few bytes that makes its reader take gigabytes or years (memo, bytearray, tuples that are twice the one before)",
    "refused, or read without",
)
@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x03}r\xff\xff\xff\x00.",  # memoizes its first object as number sixteen million
        b"\x80\x05\x96" + (2**28).to_bytes(8, "little") + b"x.",  # a bytearray
        b"\x80\x04\x8e" + (2**28).to_bytes(8, "little") + b"x.",  # bytes
    ],
)
def test_a_pickle_that_asks_for_gigabytes_gets_none(content):
    """The file contains as many bytes as declared."""
    tracemalloc.start()
    try:
        with contextlib.suppress(ValueError):
            pickles.read_pickle(io.BytesIO(content))
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a pickle that gives NumPy a wrong state, or changes one under its hands",
    "refused: arrays are made after loading, of checked states",
)
@pytest.mark.parametrize(("said", "message"), WRONG_STATES)
def test_a_pickle_that_gives_numpy_a_wrong_state_is_refused(said, message):
    """Some of these crash a process that unpickles them with NumPy alone."""
    with pytest.raises(ValueError, match=message):
        pickles.read_pickle(io.BytesIO(pickle.dumps(said, protocol=4)))


@pytest.mark.hostile("a pickle of a few bytes that …")
@pytest.mark.hostile("a pickle that gives NumPy …")
@pytest.mark.parametrize(("content", "message"), PROGRAMS)
def test_a_pickle_that_would_break_its_reader_is_refused(content, message):
    """Most of these crash a process that reads them with Python's unpickler, or keep it busy for years."""
    with pytest.raises(ValueError, match=message):
        pickles.read_pickle(io.BytesIO(b"\x80\x04" + content))


@pytest.mark.hostile("a pickle of a few bytes that …")
def test_a_pickle_of_many_arrays_of_one_list_is_refused():
    objects = ARRAY + b"(K\x01M\x10\x27\x85" + TYPE % b"|O" + b"\x89]\x94(" + b"N" * 10_000 + b"etb"
    again = ARRAY + b"(K\x01M\x10\x27\x85" + TYPE % b"|O" + b"\x89h\0tb"
    with pytest.raises(ValueError, match="4194304 objects"):
        pickles.read_pickle(io.BytesIO(b"\x80\x04](" + objects + again * 500 + b"e."))


@pytest.mark.hostile("a pickle that changes the functions …")
def test_what_is_nested_deeply_is_refused():
    for nested in (b"]" + b"]a" * 0 + b"\x85" * 10**5 + b".", ARRAY * 0 + b"]" * 10**5 + b"a" * (10**5 - 1) + b"."):
        with pytest.raises(ValueError, match="recursion"):
            pickles.read_pickle(io.BytesIO(b"\x80\x04" + nested))


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a pickle that changes the functions or classes that read it; nesting without end",
    "refused",
)
@pytest.mark.parametrize(
    ("name", "unpickler"),
    [
        ("numpy dtype", pickles.NumpyUnpickler),
        ("pandas Series", excerpts._KeepingUnpickler),
        ("_codecs encode", excerpts._KeepingUnpickler),
        ("torch._utils _rebuild_tensor_v2", checkpoints._Unpickler),
        ("torch Size", checkpoints._Unpickler),
    ],
)
def test_a_pickle_that_would_change_a_function_or_a_class_is_refused(name, unpickler):
    content = b"\x80\x04c" + name.replace(" ", "\n").encode() + b"\nN}X\x0c\0\0\0__defaults__)s\x86b."
    with pytest.raises(ValueError, match=r"state .*type"):
        pickles.read_pickle(io.BytesIO(content), unpickler)


class _Tensor:
    """Pickled as a tensor of the given number of values in a storage of three values."""

    def __init__(self, size, stride):
        self.size, self.stride = size, stride

    def __reduce__(self):
        storage = torch.zeros(3)._typed_storage()
        return torch._utils._rebuild_tensor_v2, (storage, 0, self.size, self.stride, False, OrderedDict())


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a tensor that is larger than its storage; modules that are parts of each other",
    "refused",
)
@pytest.mark.parametrize(("size", "stride"), [((10**9,), (1,)), ((10**9,), (0,)), ((2,), (10**9,)), ((-1,), (1,))])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_tensor_that_is_larger_than_its_storage_is_refused(tmp_path, size, stride, zipped):
    path = tmp_path / "x.pt"
    torch.save({"a": _Tensor(size, stride)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"x\.pt"):
        read_weights(path, None, "")


@pytest.mark.hostile(
    "Pickles and checkpoints", "a negated or conjugated view, whose stored values are others", "refused"
)
def test_a_negated_view_is_refused(tmp_path):
    """A negated view: its values are stored with the opposite sign."""
    torch.save({"a": torch.conj(torch.tensor([1 + 2j, 3 + 4j])).imag}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"x\.pt: .*view"):
        read_weights(tmp_path / "x.pt")


def test_a_checkpoint_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.arange(3.0)}, tmp_path / "x.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert read_weights(tmp_path / "x.pt")["a"].tolist() == [0, 1, 2]


@pytest.mark.hostile("a tensor that is larger than …")
def test_modules_that_are_parts_of_each_other_without_end_are_refused():
    parts = [checkpoints.Placeholder() for _ in range(40)]
    for part, inner in zip(parts, [*parts[1:], parts[0]], strict=True):
        part.__setstate__({"a": inner, "b": inner})
    with pytest.raises(ValueError, match=r"names .*1000"):
        checkpoints._state_dict(parts[0])
    parts[-1].__setstate__({})
    with pytest.raises(ValueError, match="1000000 parts"):
        checkpoints._state_dict(parts[0])


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_of_what_numpy_has_is_read_as_it_is(protocol):
    record = np.array([(1, b"ab", 2.5)], dtype=[("a", ">i8"), ("b", "S2"), ("c", "<f4")])
    objects = np.array(["x", None, 3], dtype=object)
    wanted = [np.arange(6.0).reshape(2, 3).T, record, objects, np.array(["ä", "bc"]), np.float32(2.5), np.bool_(True)]
    found = pickles.read_pickle(io.BytesIO(pickle.dumps(wanted, protocol=protocol)), excerpts._KeepingUnpickler)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.hostile("Pickles and checkpoints", "a checkpoint whose archive is compressed", "refused")
def test_a_checkpoint_whose_archive_is_compressed_a_thousandfold_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\x80\x02}.")
        archive.writestr("x/constants.pkl", b"\x80\x02).")
        archive.writestr("x/data/0", bytes(10**8))
    assert path.stat().st_size < 10**6
    with pytest.raises(ValueError, match="compressed"):
        read_weights(path, None, "")


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a TorchScript archive that Python's zip reader does not see as one (zeros or another archive before or after it)",
    "refused; its code is never compiled",
)
@pytest.mark.parametrize("change", ["zeros after it", "another archive after it", "another archive before it"])
def test_a_torchscript_archive_in_disguise_is_never_compiled(tmp_path, monkeypatch, change):
    """PyTorch recognizes an archive by its first bytes, Python by its last ones."""
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("its code would have run"))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("this reader may run code"))
    script, plain = tmp_path / "script.pt", tmp_path / "plain.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(script)
    torch.save({"weight": torch.ones(2)}, plain)
    assert read_weights(plain).keys() == {"weight"}
    parts = {
        "zeros after it": script.read_bytes() + bytes(70_000),
        "another archive after it": script.read_bytes() + plain.read_bytes(),
        "another archive before it": plain.read_bytes() + script.read_bytes(),
    }
    (tmp_path / "x.pt").write_bytes(parts[change])
    with pytest.raises(ValueError, match=r"x\.pt: .*(zip directory|corrupted)"):
        read_weights(tmp_path / "x.pt")


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "PyTorch's format before 2017, a tar archive with links or pipes",
    "refused, not unpacked",
)
def test_pytorch_s_oldest_format_is_refused_before_it_is_unpacked(tmp_path):
    """A hard link in such a tar archive changed the mode of a file outside, and a pipe blocked the reader forever."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"x")
    outside.chmod(0o600)
    with tarfile.open(tmp_path / "x.pt", "w") as archive:
        link, pipe = tarfile.TarInfo("storages"), tarfile.TarInfo("tensors")
        link.type, link.linkname, link.mode = tarfile.LNKTYPE, str(outside), 0o777
        pipe.type = tarfile.FIFOTYPE
        archive.addfile(link)
        archive.addfile(pipe)
    with pytest.raises(ValueError, match=r"x\.pt: .*\btar\b"):
        read_weights(tmp_path / "x.pt")
    assert outside.stat().st_mode & 0o777 == 0o600


@pytest.mark.hostile(
    "Stimuli",
    "EPS or another format with a program behind it, called `.png`",
    "refused; only PNG, JPEG, TIFF, WebP, BMP and GIF are opened",
)
def test_an_image_file_starts_no_other_program(tmp_path, monkeypatch):
    """Pillow passes EPS files to Ghostscript, whatever their name."""
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("a program was started"))
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\nshowpage\n%%EOF\n"
    (tmp_path / "x.png").write_text(text)
    with pytest.raises(ValueError, match=r"x\.png: .*PNG"):
        images.read_image(tmp_path / "x.png")
    with pytest.raises(UnidentifiedImageError, match=r"x\.png"):  # a user's icon of a category
        plain_picture("boat", tmp_path / "x.png", 64)


@pytest.mark.hostile(
    "Stimuli",
    "a progressive JPEG of many scans, each of which is decoded over the whole image",
    "refused above 100 scans, before it is decoded",
)
@pytest.mark.parametrize(("scans", "refused"), [(90, False), (91, True)])
def test_a_jpeg_file_of_many_scans_is_refused(tmp_path, scans, refused):
    """Each scan is decoded over the whole image, so a small file can take long."""
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "x.jpg", progressive=True)  # 10 scans
    content = (tmp_path / "x.jpg").read_bytes()
    last = content[content.rindex(b"\xff\xda") : -2]
    (tmp_path / "x.jpg").write_bytes(content[:-2] + last * scans + content[-2:])
    expected = pytest.raises(ValueError, match=r"x\.jpg: .*101 scans.* 100\b")
    with expected if refused else contextlib.nullcontext():
        images.read_image(tmp_path / "x.jpg")


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "safetensors whose header has other types, shapes or places than its bytes",
    "refused by the tensor's name: Python reads the header, and nothing is decoded",
)
@pytest.mark.parametrize(
    ("header", "values", "message"),
    [
        ({"a": F32, "b": F32}, 8, "'b'"),
        ({"a": F32 | {"shape": [2**40]}}, 8, "'a'"),
        ({"a": F32 | {"data_offsets": [8, 16]}}, 16, "'a'"),
        ({"a": F32 | {"shape": [-2]}}, 8, "'a'"),
        ({"a": F32 | {"shape": [10**30]}}, 8, "'a'"),
        ({"a": F32 | {"data_offsets": [0.0, 8]}}, 8, "'a'"),
        ({"a": F32 | {"dtype": "F8_E4M3"}}, 8, "'a' .*'F8_E4M3'.*F32"),
        ({"a": 3}, 0, "'a'"),
        ({"a": F32}, 4, r"\d+ bytes, but .*header"),
        ({"a": F32}, 9, r"\d+ bytes, but .*header"),
        ([], 0, "dictionary"),
        (b'{"a":' + b"[" * 10**5, 0, "recursion"),
        (b"{", 0, "char 1"),
        (b"\xff", 0, "0xff"),
        (b" " * (2**22 + 1), 0, "4194305 bytes.* 4194304"),
    ],
)
def test_safetensors_with_a_header_that_lies_are_refused(tmp_path, header, values, message):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(content).to_bytes(8, "little") + content + bytes(values))
    with pytest.raises(ValueError, match=rf"x\.safetensors: .*{message}"):
        read_weights(path)


def test_safetensors_are_read_as_their_library_reads_them_without_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(isolated, "get_context", lambda _: pytest.fail("a process is started"))
    rng = torch.Generator().manual_seed(0)
    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
    state = {f"{kind}": torch.rand(3, 2, 5, generator=rng).to(kind) for kind in kinds}
    state |= {f"{kind}": torch.arange(7).to(kind) for kind in (torch.int64, torch.int32, torch.int16, torch.int8)}
    state |= {"byte": torch.ones(2, dtype=torch.uint8), "no": torch.tensor(False), "none": torch.zeros(0, 3)}
    safetensors.torch.save_file(state, tmp_path / "x.safetensors", {"format": "pt"})
    weights, expected = (
        read_weights(tmp_path / "x.safetensors"),
        safetensors.torch.load_file(tmp_path / "x.safetensors"),
    )
    assert list(weights) == list(expected)
    torch.testing.assert_close(weights, expected, rtol=0, atol=0)


@pytest.mark.parametrize("spaces", range(8))
def test_safetensors_whose_values_begin_at_any_byte_are_read(tmp_path, spaces):
    """The library ends the header at a multiple of eight bytes; another program need not."""
    header = {"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}}
    written = json.dumps(header).encode() + b" " * spaces
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(written).to_bytes(8, "little") + written + np.array([1.5, -2.5]).tobytes())
    weights = read_weights(path)
    assert weights["a"].tolist() == [1.5, -2.5]
    weights["a"].zero_()
    assert read_weights(path)["a"].tolist() == [1.5, -2.5]


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "names of tensors with line breaks, control characters, or thousands of letters",
    "refused",
)
@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "x" * 1001])
@pytest.mark.parametrize("save", [torch.save, safetensors.torch.save_file])
def test_a_name_that_would_break_a_message_is_refused_on_one_line(tmp_path, name, save):
    path = tmp_path / "x.safetensors" if save is safetensors.torch.save_file else tmp_path / "x.pt"
    save({name: torch.ones(1)}, path)
    with pytest.raises(ValueError, match="1000 characters") as raised:
        read_weights(path)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


def test_safetensors_have_no_more_bytes_than_checkpoints(tmp_path, monkeypatch):
    safetensors.torch.save_file({"a": torch.ones(100)}, tmp_path / "x.safetensors")
    monkeypatch.setattr(checkpoints, "MAX_TENSOR_BYTES", 99)
    with pytest.raises(ValueError, match=r"x\.safetensors: .*\d+ bytes.* 99\b"):
        read_weights(tmp_path / "x.safetensors")


@pytest.mark.hostile("weights with NaN or infinity …")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", ["bias", "running_var"])
def test_nan_and_infinity_anywhere_in_weights_are_named(tmp_path, value, kind):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    state = network.state_dict()
    key = f"1.{kind}"
    state[key] = state[key].clone().fill_(value)
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=rf"{re.escape(key)} .*NaN"):
        read_weights(tmp_path / "x.pt", None, "")


@pytest.mark.hostile("Stimuli", "an image of 1 pixel, or of one colour", "refused: it shows nothing")
def test_an_image_of_one_pixel_is_refused_and_a_small_one_is_noted(tmp_path, caplog):
    row = {"stimulus": "x", "category": "c", "label": "c", "speaker": "", "split": "test", "file": "x.png"}
    Image.new("RGB", (1, 1), "red").save(tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"x\.png: .*1 × 1 pixels"):
        images.image_dataset([row], tmp_path, 8)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (2, 2, 3), np.uint8)).save(tmp_path / "x.png")
    assert images.image_dataset([row], tmp_path, 8)["stimulus_value"].shape == (1, 3, 8, 8)
    assert re.search("2 × 2 pixels.* 8 × 8", caplog.text)


@pytest.mark.hostile("Stimuli", "an image of more than 67 million pixels", "refused before it is unpacked")
def test_an_image_of_thirty_thousand_pixels_a_side_is_refused_before_it_is_unpacked(tmp_path):
    Image.new("1", (30_000, 30_000)).save(tmp_path / "x.png")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"x\.png: .*\b900000000\b"):
            images.read_image(tmp_path / "x.png")
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()
