"""Excerpts: the published word excerpts and vocabulary, read from their pickles without running any code in them.

The pickle of excerpts holds pandas objects, whose classes change from version to version. The reader creates none of
them: it keeps the pickle's description of each object and finds the two arrays (labels and values) in it. The
restricted unpickler is in ``metamers.foreign.pickles``.
"""

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xarray as xr

from metamers.foreign.isolated import read_isolated
from metamers.foreign.pickles import MAX_PICKLE_BYTES, NumpyUnpickler, StandIn, abbreviated, read_pickle
from metamers.stimuli.sounds import fit_length, labelled_sounds, resampled, with_rms

ORDER = "Dataset_Word_Order"  # keys of the published pickles
METADATA = "dataframe_metadata"
CLIPS = "audio_clips"
ENCODINGS = "word_to_idx"
FACTS = ("word", "word_int", "sr")
SLICES = (("builtins", "slice"), ("__builtin__", "slice"))  # in pandas' descriptions of columns, under Python 3 and 2


class _KeepingUnpickler(NumpyUnpickler):
    """An unpickler that builds NumPy scalars and arrays, keeps descriptions of pandas objects, and refuses the rest."""

    def __init__(self, stream: BinaryIO):
        super().__init__(stream)
        self.encoded_bytes = 0

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for each pandas class; nothing is imported."""
        if f"{module}.".startswith("pandas.") or (module, name) in SLICES:
            return self.stand_in(module, name, StandIn)
        if (module, name) == ("_codecs", "encode"):
            return self._encoded
        return super().find_class(module, name)

    def _encoded(self, text: str, encoding: str = "latin1") -> bytes:
        """Decode bytes of older pickles, which are written as text."""
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError(f"it encodes text as {abbreviated(encoding)}, which no pickle of bytes does")
        self.encoded_bytes += len(text)
        if self.encoded_bytes > MAX_PICKLE_BYTES:
            raise pickle.UnpicklingError(f"it has more than {MAX_PICKLE_BYTES} bytes that are written as text")
        return text.encode("latin1")


def _arrays(thing: Any) -> Iterator[np.ndarray]:
    """All arrays in the kept description of an object, flattened."""
    seen, left = set(), [thing]
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            yield thing.ravel()
        elif isinstance(thing, StandIn):
            left += reversed(thing.parts)
        elif isinstance(thing, Mapping):
            left += reversed(thing.values())
        elif isinstance(thing, list | tuple):
            left += reversed(thing)


def _facts(metadata: Any, key: str) -> dict[str, Any]:
    """The metadata of an excerpt, from a dictionary or from the kept description of a pandas Series."""
    if isinstance(metadata, Mapping):
        return {key: value for key, value in metadata.items() if isinstance(key, str)}
    arrays = list(_arrays(metadata))
    labels = next((a for a in arrays if set(FACTS) <= {x for x in a.tolist() if isinstance(x, str)}), None)
    if labels is not None:
        for values in arrays:
            if len(values) == len(labels) and values.tolist() != labels.tolist():
                pairs = zip(labels.tolist(), values.tolist(), strict=True)
                return {label: value for label, value in pairs if isinstance(label, str)}
    raise ValueError(f"{key}.{METADATA}: wanted a dictionary or a pandas Series with {', '.join(FACTS)}")


def _read(path: Path, keys: tuple[str, ...]) -> dict:
    try:
        with path.open("rb") as stream:
            content = read_pickle(stream, _KeepingUnpickler)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict) or any(key not in content for key in keys):
        kind = ", ".join(sorted(map(str, content))[:5]) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: found {kind}, wanted a dictionary with {', '.join(keys)}")
    return content


def read_vocabulary(path: str | Path, classes: int) -> dict[str, int]:
    """The word of each class of the published auditory models.

    Parameters
    ----------
    path
        The published pickle of encodings: a dictionary with ``word_to_idx``, word → index of the class.
    classes
        Number of classes of the models.

    Returns
    -------
    dict
        Word → index, sorted by index. The first of the 794 entries of the published file is the class of sounds without
        a word, ``metamers.names.NULL_CLASS``. It is an answer of models, which is always wrong.

    Raises
    ------
    ValueError
        When the file has another content, or an index is invalid or appears twice.
    """
    return read_isolated(lambda path: _vocabulary(path, classes), path)


def _vocabulary(path: Path, classes: int) -> dict[str, int]:
    encodings = _read(path, (ENCODINGS,))[ENCODINGS]
    plain = isinstance(encodings, dict) and all(
        isinstance(word, str) and word.strip() and isinstance(index, int | np.integer) and not isinstance(index, bool)
        for word, index in encodings.items()
    )
    if not plain or len(encodings) < 2:
        raise ValueError(f"{path}: {ENCODINGS}: wanted a dictionary of words and whole numbers")
    indices = sorted(int(index) for index in encodings.values())
    if indices[0] < 0 or indices[-1] >= classes or len(set(indices)) < len(indices):
        raise ValueError(
            f"{path}: {ENCODINGS}: {len(indices)} indices from {indices[0]} to {indices[-1]}, wanted each once, below "
            f"{classes}"
        )
    return {str(word): int(index) for word, index in sorted(encodings.items(), key=lambda item: item[1])}


def _first_clip(clips: Any) -> np.ndarray | None:
    """The first of an excerpt's arrays of real numbers; None if it has no such array."""
    if not isinstance(clips, list | tuple | np.ndarray) or not len(clips):
        return None
    first = clips[0]
    return first if isinstance(first, np.ndarray) and first.dtype.kind in "iuf" else None


def _whole(value: Any, key: str) -> int:
    """A whole number of at most 53 bits, which may be stored as a floating-point number."""
    number = isinstance(value, int | float | np.integer | np.floating) and abs(value) < 2**53
    if not number or not float(value).is_integer():
        raise ValueError(f"{key}: found {abbreviated(value)}, wanted a whole number")
    return int(value)


def excerpt_dataset(
    path: str | Path, number: int, classes: Mapping[str, list[int]], sampling_rate_hz: int, duration_s: float
) -> xr.Dataset:
    """The published excerpts, mean subtracted, of one length and at RMS 0.1 (Feather et al. 2023, Methods).

    Parameters
    ----------
    path
        The published pickle: ``Dataset_Word_Order``, a list of words, and for each word ``dataframe_metadata`` (a
        dictionary or a pandas Series with ``word``, ``word_int`` and ``sr``) and ``audio_clips`` (the first is taken).
    number
        Expected number of excerpts.
    classes
        Word → indices of its classes.
    sampling_rate_hz, duration_s
        Sampling rate and duration of every sound in the Dataset.

    Returns
    -------
    xarray.Dataset
        See ``metamers.stimuli.sounds.labelled_sounds``; excerpts are named ``000``, ``001``, ... in their order.

    Raises
    ------
    ValueError
        When the file has another content; the message names the excerpt, what was found and what was expected.
    """
    excerpts = read_isolated(lambda path: _excerpts(path, number, classes), path)
    samples = round(sampling_rate_hz * duration_s)
    values = np.empty((number, samples), dtype=np.float32)
    for value, (word, (clip, rate)) in zip(values, excerpts.items(), strict=True):
        key = f"{path}: {word}"
        sound = resampled(clip.astype(np.float64).ravel(), rate, sampling_rate_hz, key)
        sound = fit_length(sound, samples, key)
        value[:] = with_rms(sound - sound.mean(), name=key)
    rows = [
        {"stimulus": f"{n:03d}", "category": word, "label": word, "split": "test"} for n, word in enumerate(excerpts)
    ]
    return labelled_sounds(values, rows, sampling_rate_hz)


def _excerpts(path: Path, number: int, classes: Mapping[str, list[int]]) -> dict[str, tuple[np.ndarray, int]]:
    """Return word → first clip and sampling rate of each excerpt in the file, in its order."""
    content = _read(path, (ORDER,))
    order = content[ORDER]
    if not isinstance(order, list) or not all(isinstance(word, str) for word in order):
        raise ValueError(f"{path}: {ORDER}: wanted a list of words")
    if len(order) != number or len(set(order)) != number or any(word not in content for word in order):
        raise ValueError(f"{path}: {ORDER}: {len(set(order))} words, wanted {number}, each once and with its excerpt")
    excerpts = {}
    for word in order:
        key = f"{path}: {word}"
        excerpt = content[word]
        clip = _first_clip(excerpt.get(CLIPS)) if isinstance(excerpt, dict) and METADATA in excerpt else None
        if clip is None:
            raise ValueError(f"{key}: wanted a dictionary with {METADATA} and {CLIPS}, arrays of real numbers")
        facts = _facts(excerpt[METADATA], key)
        if any(fact not in facts for fact in FACTS) or facts["word"] != word:
            raise ValueError(
                f"{key}: {METADATA} describes {abbreviated(facts.get('word'))}; wanted {', '.join(FACTS)} of {word!r}"
            )
        label, rate = (_whole(facts[fact], f"{key}: {fact}") for fact in ("word_int", "sr"))
        if classes.get(word) != [label]:
            raise ValueError(f"{key}: class {label}, but {classes.get(word)} in the vocabulary")
        excerpts[word] = clip, rate
    return excerpts


def category_table(path: str | Path, classes: int) -> str:
    """The table of categories of the published words, as of a dataset's ``categories``; see ``read_vocabulary``."""
    rows = (f"{index}\t{word}\n" for word, index in read_vocabulary(path, classes).items())
    return "".join(["class_index\tcategory\n", *rows])
