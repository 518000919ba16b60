"""Only the requested files are extracted from an archive, and no archive can write anything elsewhere."""

import io
import tarfile

import pytest

from metamers.foreign import archives
from tests.foreign.packed import CONTENT, member, pack


def test_a_file_is_found_whatever_folder_the_archive_has_around_it(tmp_path):
    for prefix, mode in (("", "w"), ("./", "w:gz"), ("checkpoints/", "w:bz2"), ("./checkpoints//", "w")):
        others = [member(f"{prefix}{name}.pt", b"other") for name in ("b", "not_a")]
        path = pack(tmp_path / "a.tar", *others, member(f"{prefix}a.pt"), mode=mode)
        archives.extract_file(path, "a.pt", tmp_path / "out.pt")
        assert (tmp_path / "out.pt").read_bytes() == CONTENT
        (tmp_path / "out.pt").unlink()


def link(name, kind):
    return member(name, b"", type=kind, linkname="../../secret")


HOSTILE = {
    "absolute": ([member("/a.pt")], r": /a\.pt "),
    "parent": ([member("../a.pt")], r": \.\./a\.pt "),
    "parent inside": ([member("x/../../a.pt")], r": x/\.\./\.\./a\.pt "),
    "symbolic link": ([link("a.pt", tarfile.SYMTYPE)], r"a\.pt .*\blink\b"),
    "hard link": ([link("a.pt", tarfile.LNKTYPE)], r"a\.pt .*\blink\b"),
    "device": ([member("a.pt", b"", type=tarfile.CHRTYPE)], "regular file"),
    "block device": ([member("a.pt", b"", type=tarfile.BLKTYPE)], "regular file"),
    "fifo": ([member("a.pt", b"", type=tarfile.FIFOTYPE)], "regular file"),
    "folder": ([member("a.pt", b"", type=tarfile.DIRTYPE)], "regular file"),
    "twice": ([member("a.pt"), member("a.pt", b"other")], r"a\.pt, a\.pt"),
    "ambiguous": ([member("x/a.pt"), member("y/a.pt")], r"x/a\.pt, y/a\.pt"),
    "missing": ([member("x/a1.pt"), member("b.txt")], r"'a\.pt'.* x/a1\.pt"),
    "missing, nothing alike": ([member("b.txt")], r"'a\.pt'.* b\.txt"),
}


@pytest.mark.hostile("Archives", "absolute paths, `..`", "refused")
@pytest.mark.hostile("Archives", "links, devices, pipes, folders in a file's place", "refused")
@pytest.mark.parametrize(("members", "message"), HOSTILE.values(), ids=HOSTILE)
def test_whatever_is_no_plain_file_of_one_name_is_refused(tmp_path, members, message):
    (tmp_path / "in" / "side").mkdir(parents=True)
    path = pack(tmp_path / "in" / "side" / "a.tar", *members)
    with pytest.raises(OSError, match=message):
        archives.extract_file(path, "a.pt", tmp_path / "in" / "out.pt")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.tar"]


def test_what_is_not_asked_for_stays_inside(tmp_path):
    others = [link("x/link", tarfile.SYMTYPE), member("/etc/evil", b"x"), member("../evil", b"x")]
    path = pack(tmp_path / "a.tar", *others, member("x/a.pt"), link("x/a.pt/deep", tarfile.SYMTYPE))
    archives.extract_file(path, "a.pt", tmp_path / "out.pt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "out.pt"]


@pytest.mark.hostile("a bomb, a sparse file, a size …")
def test_a_size_that_the_archive_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "a.tar"
    info, _ = member("a.pt", size=10**12)
    path.write_bytes(info.tobuf() + CONTENT + b"\0" * 1024)
    with pytest.raises(OSError, match=r"a\.pt .*1000000000000 bytes"):
        archives.extract_file(path, "a.pt", tmp_path / "out.pt")


@pytest.mark.hostile("Archives", "a bomb, a sparse file, a size that cannot be true", "refused before it is unpacked")
@pytest.mark.parametrize("mode", ["w:gz", "w:bz2"])
def test_a_compressed_bomb_is_not_unpacked(tmp_path, mode):
    path = pack(tmp_path / "a.tar.gz", member("a.pt", bytes(20_000_000)), mode=mode)
    with pytest.raises(OSError, match=r"a\.pt .*20000000 bytes.* \d+ bytes"):
        archives.extract_file(path, "a.pt", tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


@pytest.mark.hostile("a bomb, a sparse file, a size …")
def test_a_sparse_file_is_refused(tmp_path):
    facts = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,4", "GNU.sparse.size": "9"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info, content = member("a.pt", b"four", pax_headers=facts)
        tar.addfile(info, io.BytesIO(content))
    with pytest.raises(OSError, match="sparse"):
        archives.extract_file(tmp_path / "a.tar", "a.pt", tmp_path / "out.pt")


@pytest.mark.hostile("Archives", "an archive that is cut off or damaged", "reported; no file is left")
@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_an_archive_that_is_cut_off_says_so(tmp_path, mode, share):
    noise = [bytes((7 * n + m * m) % 251 for m in range(9000)) for n in range(4)]
    path = pack(tmp_path / "a.tar", *(member(f"{n}.pt", noise[n]) for n in range(4)), mode=mode)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * 4 * 9000)] if mode == "w" else whole[: int(share * len(whole))])
    with pytest.raises(OSError, match=r"a\.tar: "):
        archives.extract_file(path, "3.pt", tmp_path / "out.pt")


@pytest.mark.hostile("an archive that is cut off or damaged")
def test_an_archive_that_is_damaged_in_the_middle_says_so(tmp_path):
    path = pack(tmp_path / "a.tar", member("1.pt"), member("2.pt"))
    content = bytearray(path.read_bytes())
    second = 512 + len(CONTENT)
    content[second : second + 10] = b"\xff" * 10
    path.write_bytes(content)
    with pytest.raises(OSError, match=rf"'2\.pt'.* byte {second}\b"):
        archives.extract_file(path, "2.pt", tmp_path / "out.pt")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", bytes(range(256)) * 10])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(OSError, match=r"a\.tar: "):
        archives.extract_file(tmp_path / "a.tar", "a.pt", tmp_path / "out.pt")


def test_a_full_disk_is_said_before_it_is_full(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.tar", member("a.pt"))
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: type("usage", (), {"free": 1000}))
    with pytest.raises(OSError, match="free "):
        archives.extract_file(path, "a.pt", tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


def test_a_folder_gives_the_files_that_lie_directly_in_it(tmp_path):
    names = ["./assets/set/0_x.JPEG", "./assets/set/1_y.JPEG", "./assets/set/deeper/z", "./assets/other/0_x.JPEG", "0"]
    folder = member("./assets/set", b"", type=tarfile.DIRTYPE)
    path = pack(tmp_path / "a.tar", folder, *(member(name, name.encode()) for name in names))
    archives.extract_folder(path, "set", tmp_path / "out")
    assert {p.name: p.read_text() for p in (tmp_path / "out").iterdir()} == {
        "0_x.JPEG": "./assets/set/0_x.JPEG",
        "1_y.JPEG": "./assets/set/1_y.JPEG",
    }


@pytest.mark.parametrize("members_left", [1, 3])
def test_a_folder_whose_end_is_missing_is_not_taken_for_whole(tmp_path, members_left):
    path = pack(tmp_path / "a.tar", *(member(f"set/{n}", bytes(512)) for n in range(4)))
    path.write_bytes(path.read_bytes()[: members_left * 1024])
    with pytest.raises(OSError, match=rf"byte {members_left * 1024}\b"):
        archives.extract_folder(path, "set", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([member("x/set/1"), member("y/set/1")], "x/set, y/set"),
        ([member("set/1"), link("set/2", tarfile.SYMTYPE)], r"set/2 .*\blink\b"),
        ([member("set/1"), member("./set/1")], r"set\b.*\b1\b"),
        ([member("../set/1")], r"\.\./set/1 "),
        ([member("sets/1")], "'set'"),
    ],
)
def test_a_folder_that_holds_anything_else_is_refused(tmp_path, members, message):
    with pytest.raises(OSError, match=message):
        archives.extract_folder(pack(tmp_path / "a.tar", *members), "set", tmp_path / "out")
