"""Pickles of sounds and words like the study's, small."""

import pickle

import numpy as np

from metamers.stimuli import excerpts

WORDS = ["zebra", "apple", "mountain"]
INDEX = {"apple": 4, "mountain": 7, "zebra": 2}
RATE = 2000
CLASSES = {word: [index] for word, index in INDEX.items()}


def clip(seed, samples=2 * RATE):
    """Noise that is neither centred nor of the wanted level."""
    return 0.3 + 0.02 * np.random.default_rng(seed).standard_normal(samples)


def study_pickle(path, row=lambda facts: facts, protocol=4, samples=2 * RATE, **changes):
    """A pickle as the study's; ``row`` makes the metadata, ``changes`` replace excerpts or the order."""
    content = {"Dataset_Word_Order": list(WORDS)}
    for n, word in enumerate(WORDS):
        facts = {"word": word, "word_int": INDEX[word], "sr": RATE, "path": f"/x/{word}", "source": "WSJ"}
        content[word] = {"dataframe_metadata": row(facts), "audio_clips": [clip(n, samples)]}
    path.write_bytes(pickle.dumps(content | changes, protocol=protocol))
    return path


def read_excerpts(path):
    return excerpts.excerpt_dataset(path, 3, CLASSES, RATE, 2)


def encodings(path, words):
    path.write_bytes(pickle.dumps({"word_to_idx": words, "speaker_to_idx": {}}, protocol=3))
    return path
