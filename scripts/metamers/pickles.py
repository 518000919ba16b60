"""What readers of foreign pickles have in common."""

import pickle
from typing import ClassVar


class Unpickler(pickle._Unpickler):
    """The unpickler that is written in Python, without what lets a few bytes take gigabytes.

    That in C makes room for as many remembered objects as the file says; both make room for a bytearray of a length
    that the file says, before they know whether it has as many bytes. No file that is read here has one.
    """

    dispatch: ClassVar = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }
