"""Reading takes processor time in proportion to the size of the input, up to the largest that is admitted."""

import contextlib
import io
import tarfile
import time

import pytest

from metamers.config.tables import stimulus_table
from metamers.foreign import archives
from metamers.names import ConfigurationError

ROWS, MEMBERS = 1_300_000, 50_000
LINEAR = 8  # at most this many times as long for four times the input; a quadratic reader takes 16 times as long


def table(folder, number, file="n{0}.JPEG", category="class{1}"):
    rows = [f"{file},{category}\n".format(n, n % 1000) for n in range(number)]
    (folder / "table.csv").write_text(f"file,category\n{''.join(rows)}")
    (folder / "classes.tsv").write_text(
        "class_index\tcategory\n" + "".join(f"{index}\tclass{index}\n" for index in range(1000))
    )
    names = {"table": str(folder / "table.csv"), "categories": str(folder / "classes.tsv")}
    return lambda: stimulus_table(folder.name, {"modality": "vision", "files": {"folder": "images"}} | names)


def archive(folder, number, read):
    path = folder / "a.tar"
    with tarfile.open(path, "w") as tar:
        for n in range(number):
            member = tarfile.TarInfo(f"outer/images/{n}.JPEG")
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    return lambda: read(path, folder)


READERS = {
    "a table": (ROWS, table, None),
    "a table whose names are repeated": (
        ROWS // 4,
        lambda folder, n: table(folder, n, file="n{1}.JPEG"),
        "several files",
    ),
    "a table of unknown categories": (ROWS // 4, lambda folder, n: table(folder, n, category="other{0}"), "no classes"),
    "a folder of an archive": (
        MEMBERS,
        lambda folder, n: archive(folder, n, lambda path, to: archives.extract_folder(path, "images", to / "out")),
        None,
    ),
    "an archive without the file": (
        MEMBERS,
        lambda folder, n: archive(folder, n, lambda path, to: archives.extract_file(path, "other.JPEG", to / "out")),
        r"other\.JPEG",
    ),
}


@pytest.mark.hostile(
    "Stimuli",
    "the largest table or archive that is admitted (1.3 million rows, 50,000 members), also with repeated or unknown names",
    "processor time in proportion to its size; a plan reads each table once",
)
@pytest.mark.slow
@pytest.mark.parametrize(("largest", "prepare", "message"), READERS.values(), ids=READERS)
def test_four_times_the_input_takes_about_four_times_as_long(tmp_path, largest, prepare, message):
    seconds = []
    for size in (largest // 4, largest):
        (tmp_path / str(size)).mkdir()
        read = prepare(tmp_path / str(size), size)
        began = time.process_time()
        with pytest.raises((ConfigurationError, OSError), match=message) if message else contextlib.nullcontext():
            read()
        seconds.append(time.process_time() - began)
    assert seconds[1] < LINEAR * seconds[0]
