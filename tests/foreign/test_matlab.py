"""The reader of MATLAB files gives the same values as SciPy's, with which the study's files were checked."""

import io

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from metamers.foreign.matlab import MAX_MATLAB_BYTES, read_matlab
from tests.foreign.seeds import no_texts

KINDS = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
NUMBERS = st.sampled_from(KINDS).flatmap(lambda kind: arrays(kind, array_shapes(min_dims=2, max_dims=4, max_side=4)))
# SciPy writes characters that do not fit into 16 bits wrongly.
CHARACTERS = st.characters(codec="utf-8", max_codepoint=0xFFFF, exclude_categories=("Cs",), exclude_characters="\0")
TEXTS = st.lists(st.text(CHARACTERS, min_size=1, max_size=6), min_size=1, max_size=4).map(np.array)


def written(content: dict, **how) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, content, **how)
    return stream.getvalue()


@settings(max_examples=150, deadline=None)
@given(numbers=NUMBERS, texts=TEXTS, compressed=st.booleans())
def test_numbers_and_texts_are_what_scipy_reads(numbers, texts, compressed):
    content = written({"numbers": numbers, "texts": texts}, do_compression=compressed)
    found, wanted = read_matlab(content), scipy.io.loadmat(io.BytesIO(content))
    assert found.keys() == {"numbers", "texts"}
    assert found["numbers"].dtype == wanted["numbers"].dtype
    np.testing.assert_array_equal(found["numbers"], wanted["numbers"])
    assert [text.rstrip() for text in found["texts"]] == [text.rstrip() for text in wanted["texts"]]


def test_every_public_file_is_what_scipy_reads(mirror):
    paths = sorted(mirror.rglob("*.mat"))
    assert len(paths) > 10
    for path in paths:
        found, wanted = read_matlab(path.read_bytes()), scipy.io.loadmat(path)
        assert found.keys() == {name for name in wanted if not name.startswith("__")}
        for name, values in found.items():
            assert values.dtype.kind == wanted[name].dtype.kind
            np.testing.assert_array_equal(values, wanted[name])


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a `.mat` file of gigabytes, or that unpacks to gigabytes, or says it has billions of texts",
    "refused",
)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "MATLAB 5"),
        (written({"x": np.ones(2)}, format="4"), "MATLAB 5"),
        (written({"x": np.ones(2) * 1j}), "parts"),
        (written({"x": np.array([{"a": 1}, "b"], dtype=object)}), "'x'|parts"),
        (written({"x": {"a": 1.0}}), "'x'|parts"),
        (written({"x": np.ones(9)})[:-8], "element"),
        (written({"x": np.ones(9)})[:140], "element"),
        (written({"x": np.ones(9)}, do_compression=True)[:-8], "element"),
        (written({"x": np.zeros(MAX_MATLAB_BYTES // 8)}, do_compression=True), str(MAX_MATLAB_BYTES)),
        (
            written({name: np.zeros(MAX_MATLAB_BYTES // 16) for name in "ab"}, do_compression=True),
            str(MAX_MATLAB_BYTES),
        ),
        (no_texts(2**31 - 1), "characters"),
        (written({"x": np.ones(1)}) + written({"x": np.ones(1)})[128:], "'x'"),
    ],
)
def test_what_is_anything_else_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        read_matlab(content)
