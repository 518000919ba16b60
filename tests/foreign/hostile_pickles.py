"""Pickles that break NumPy or Python's unpickler, and the message that refuses each."""

import numpy as np


class Says:
    """Pickled as a call, with a state."""

    def __init__(self, build, arguments, state):
        self.said = build, arguments, state

    def __reduce__(self):
        return self.said


def _array(shape, dtype, values):
    return Says(np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), (1, shape, dtype, False, values))


_RECORD = (3, "|", None, ("a",), {"a": (np.dtype("i8"), 9)}, 10, 1, 16)

WRONG_STATES = [
    (Says(np.dtype, ("f8", False, True), (3, "<", None, None, None, -1, -1, 63)), "of another"),
    (Says(np.dtype, ("U5", False, True), (3, "<", None, None, None, 2000, 4, 8)), "of another"),
    (Says(np.dtype, ("V10", False, True), _RECORD), "smaller itemsize"),
    (Says(np.dtype, ("f8", False, True), (4, "<", None, None, None, -1, -1, 0, 1)), "plain"),
    (Says(np.dtype, ("M8[ns]", False, True), None), "numbers, texts or objects"),
    (_array((3,), np.dtype("f8"), b"12345678"), "values of its shape"),
    (_array((3,), np.dtype("O"), b"1" * 24), "values of its shape"),
    (_array((2**62, 4), np.dtype("f8"), b""), "shape or type"),
    (_array((-1,), np.dtype("f8"), b""), "shape or type"),
    (Says(np._core.multiarray._reconstruct, (np.ndarray, (2**40,), b"b"), None), "empty"),
    (Says(np.ndarray, ((2**30,), np.dtype("f8")), None), r"numpy\.ndarray"),
    (Says(np._core.multiarray.scalar, (np.dtype("f8"), b"1"), None), "1 bytes.* 8"),
    (Says(np._core.multiarray.scalar, (np.dtype("O"), b"12345678"), None), "number nor text"),
]

TYPE = b"cnumpy\ndtype\n(X\x02\0\0\0%b\x89\x88tR"
RECORD = TYPE % b"V8"
# A record whose field `a`, at an offset, has the type that is memoized as number 9.
FIELD = b"(K\x03X\x01\0\0\0|NX\x01\0\0\0a\x85}\x94X\x01\0\0\0ah\x09%b\x86sK\x08K\x01K\x10t"
ARRAY = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\x01btR"


def _many_records(number: int) -> bytes:
    """Records, each with two fields of the previous type."""
    field = b"X\x01\0\0\0%bh\x09K\0\x86"
    state = b"(K\x03X\x01\0\0\0|N(X\x01\0\0\0aX\x01\0\0\0bt}(" + field % b"a" + field % b"b" + b"uK\x08K\x01K\x10t"
    return TYPE % b"f8" + b"q\x09" + (RECORD + state + b"bq\x09") * number + b"."


PROGRAMS = [
    (RECORD + b"q\x09" + FIELD % b"K\0" + b"b.", "invalid fields"),  # a field of itself
    (_many_records(60), "invalid fields"),
    (TYPE % b"f8" + b"q\x09" + RECORD + FIELD % b"K\x01" + b"b.", "offset|itemsize|of another"),
    (ARRAY + b"(K\x01K\x01\x85" + TYPE % b"f8" + b"\x89C\x0812345678t\x94bh\0b.", "exactly once"),
    (ARRAY + b"X\x01\0\0\0aK\x01s.", "item assignment"),
    (b")" + b"\x85" * 3000 + b"0}" + b")" + b"\x85" * 300_000 + b"Ns.", "key of type tuple"),
    (b"})" + b"2\x86" * 60 + b"Ns.", "key of type tuple"),
    (b"(" + b")" + b"2\x86" * 60 + b"\x91.", "key of type tuple"),
    (b"\x8f(" + b")" + b"2\x86" * 60 + b"\x90.", "key of type tuple"),
    (b"()" + b"2\x86" * 60 + b"Nd.", "key of type tuple"),
    (
        b"}(" + b"".join(b"\x8a\x09" + (n * (2**61 - 1)).to_bytes(9, "little") + b"N" for n in range(9)) + b"u.",
        "key of type int",
    ),
    (b"cnumpy\ndtype\n]" + b"2\x86" * 60 + b"\x85R.", "NumPy type"),
    (b"K\x01N\x86K\x02a.", "type tuple"),
    (b"\x97.", "151|opcode|not a pickle"),
    (b"\x82\x01.", "130|opcode|not a pickle"),
]
