"""Invalid values for fields of an answer, as JSON, which a participant could send instead of the page's."""

import json

# Name → JSON text that is invalid in every field of a row, also in an unused one.
FOR_ANY_FIELD = {
    "NaN": "NaN",
    "infinity": "-Infinity",
    "a float that overflows": "1e400",
    "a large integer": "9007199254740993",
    "an integer of 20 digits": "12345678901234567890",
    "a negative integer of 19 digits": "-1234567890123456789",
    "an integer of 308 digits": "9" * 308,
    "an integer of 5000 digits": "9" * 5000,
    "a repeated key": '{"a": 1, "a": 2}',
    "a lone surrogate": r'"\ud800"',
    "a lone surrogate in a key": r'{"\udfff": 1}',
    "a large float in a list": "[[1e999]]",
    "deep lists": "[" * 60 + "]" * 60,
    "deep objects": '{"a":' * 60 + "1" + "}" * 60,
    "very deep lists": "[" * 5000 + "]" * 5000,
}
# Field → further invalid JSON texts.
FOR_FIELD = {
    "order": ["0.0", "1.0", "true", "-1", "99", "null", '""', "[0]", "{}", '0, "order": 0', '"0.0"', '" 0"', '"٠"'],
    "target": ["{}", '{"a": 1}', "[]", "1", "true", "1.5", '"' + "x" * 300 + '"'],
    "rt": ["true", "[]", "{}", '"soon"', '"1e400"', '"nan"', "-1", '"-0.001"'],
    "shown_ms": ["true", "[1]", '"inf"'],
    "already": ["1", "0", "1.0", '"yes"', "[]", "{}"],
    "answer": ["null", "1", "true", '["a"]', "{}", '"none"', '"' + "a" * 5000 + '"'],
    "exhibit": ["null", "0", "true", "[]", '"other.png"', r'"\u0000"'],
    "step": ["1", "true", '["trial-0"]', "{}", '"trial-99"', '"trial-00"', '"trial-٠"', '"__proto__"'],
    "participant": ["null", "1", "true", '["a"]', '"../x"', '""', '"' + "a" * 300 + '"'],
    "kind": ["1", "true", "[]", '"' + "x" * 300 + '"'],
}
FIELDS = (*FOR_FIELD, "design")
# Every text in an unused field, and in one of the used fields; every text of a field.
CASES = [("unknown", text) for text in FOR_ANY_FIELD.values()]
CASES += [(FIELDS[number % len(FIELDS)], text) for number, text in enumerate(FOR_ANY_FIELD.values())]
CASES += [(field, text) for field, texts in FOR_FIELD.items() for text in texts]
CASES += [("unknown", '"' + "x" * 20_000 + '"')]


def with_value(row: dict, field: str, value: str) -> str:
    """Return a row as JSON in which a field has the given JSON text as its value."""
    others = {key: given for key, given in row.items() if key != field}
    return f'{json.dumps(others)[:-1]}, "{field}": {value}}}'
