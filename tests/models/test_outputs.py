"""Parts of outputs are chosen by positions, keys and attributes; what is no tensor is explained."""

import re
from collections import OrderedDict, namedtuple
from types import SimpleNamespace

import pytest
import torch

from metamers.models.outputs import chosen_part, class_scores_in, tensors_of

A, B = torch.zeros(1, 3), torch.ones(1, 2, 4)
Pair = namedtuple("Pair", ["state", "output"])


@pytest.mark.parametrize(
    ("output", "part", "wanted"),
    [
        (A, None, A),
        ((A, B), 1, B),
        ([A, B], 0, A),
        ({"logits": A}, "logits", A),
        (OrderedDict(logits=A), "logits", A),
        (Pair(A, B), "output", B),
        (SimpleNamespace(state=B), "state", B),
        ({"hidden": (A, B)}, ["hidden", 1], B),
        ([{"boxes": B}], [0, "boxes"], B),
    ],
)
def test_a_part_is_a_position_a_key_an_attribute_or_several(output, part, wanted):
    assert chosen_part(output, part) is wanted


@pytest.mark.parametrize(
    ("output", "part", "message"),
    [
        ((A, B), None, r"tuple.*`output`: 0, 1$"),
        ({"a": (A, B), "n": 3}, "a", r"dict.*'a'.*: \[a, 0\], \[a, 1\]$"),
        ({"a": A}, ["a", 0], r"\['a', 0\]"),
        (A, 0, r"`output: 0`"),
        ("text", None, r"\bstr\b[^`]*$"),
        ([A] * 20, None, r": 0, 1, .*11 and 8 more$"),
    ],
)
def test_what_is_no_tensor_is_explained_with_the_tensors_that_there_are(output, part, message):
    assert re.search(message, chosen_part(output, part))


def test_all_tensors_of_an_output_are_found_with_the_keys_that_lead_to_them():
    found = dict(tensors_of({"a": (A, None, [B]), "object": SimpleNamespace(inner=A)}))
    assert list(found) == [("a", 0), ("a", 2, 0)]
    assert list(dict(tensors_of(SimpleNamespace(state=A)))) == [("state",)]


def test_class_scores_have_a_batch_and_classes():
    assert class_scores_in({"logits": A}, "logits", "net") is A
    with pytest.raises(ValueError, match=r"net: .*\(1, 2, 4\).*`classes: false`"):
        class_scores_in(B, None, "net")
