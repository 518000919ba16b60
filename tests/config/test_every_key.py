"""Every key of the configuration refuses what its type, range or names do not allow, and names itself and the value."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from metamers.config.read import merge, read_yaml, validate
from metamers.names import ConfigurationError
from metamers.plan.steps import configuration_schema, merge_defaults, read_settings

SCHEMA = configuration_schema()
UNKNOWN = {"no_such_key": 1}
NOT_OF_TYPE = {"object": 3, "array": {"no": "such"}, "string": ["no"], "null": {"no": "such"}}
BEYOND = {"minimum": -1, "maximum": 1, "exclusiveMinimum": 0, "exclusiveMaximum": 0}  # word → from the limit to refused


def keys(schema: dict[str, Any], path: tuple = ()) -> Iterator[tuple[tuple, dict[str, Any]]]:
    """Path of a key → its schema; items of lists are those at 0, further names are `mine`."""
    yield path, schema
    for name, of_key in schema.get("properties", {}).items():
        yield from keys(of_key, (*path, name))
    for of_key in schema.get("patternProperties", {}).values():
        yield from keys(of_key, (*path, "vision"))
    if isinstance(of_key := schema.get("additionalProperties"), dict):
        yield from keys(of_key, (*path, "mine"))
    if "items" in schema:
        yield from keys(schema["items"], (*path, 0))
    for alternative in schema.get("anyOf", ()):
        yield from keys(alternative, path)


KEYS = [(path, schema) for path, schema in keys(SCHEMA) if path]


# A registry is a path or a list of paths, so a list is no wrong type.
PATHS = {path for path, _ in KEYS if path[0] == "registry" and len(path) > 1}


def limits(schema: dict[str, Any]) -> dict[str, Any]:
    return {word: schema[word] for word in BEYOND if word in schema}


def allowed_value(schema: dict[str, Any]) -> Any:
    """An item of a list: a name of the schema, its least number, or any name or list of names."""
    if "enum" in schema:
        return schema["enum"][0]
    return {"string": "mine", "array": ["mine", "yours"]}.get(schema["type"], schema.get("minimum", 1))


def wrong_values(schema: dict[str, Any]) -> Iterator[Any]:
    """What a key refuses by its range, its names, its form, its length or its type."""
    yield from (limit + BEYOND[word] for word, limit in limits(schema).items())
    if "enum" in schema:
        yield "no such name"
    if "pattern" in schema:
        yield "//no such"
    if "minItems" in schema:
        yield []
    if schema.get("uniqueItems"):
        yield [allowed_value(schema["items"])] * 2
    if "maxItems" in schema:
        yield [allowed_value(schema["items"])] * (schema["maxItems"] + 1)
    if "minLength" in schema:
        yield ""
    if "type" in schema:
        first, *_ = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        yield NOT_OF_TYPE.get(first, "no number")
    if schema.get("additionalProperties") is False:
        yield UNKNOWN


@pytest.fixture(scope="module")
def complete(root):
    """A configuration in which no section is null."""
    return merge_defaults(read_yaml(root / "config" / "extended.yaml"))


def with_value(complete, path, value):
    for part in reversed(path):
        value = [value] if part == 0 else {part: value}
    sections = {*SCHEMA["required"], path[0]} & complete.keys()  # the others have their defaults
    return merge({name: complete[name] for name in sections}, value)


def refusal(settings):
    with pytest.raises(ConfigurationError) as error:
        read_settings(settings)
    return str(error.value)


def test_every_key_names_itself_and_the_value_that_it_refuses(complete):
    refused = set()
    for path, schema in KEYS:
        for value in () if path in PATHS else wrong_values(schema):
            message = refusal(with_value(complete, path, value))
            name = ".".join(map(str, path))
            assert f"configuration: {name}: " in message, (name, value)
            shown = next(iter(value)) if isinstance(value, dict) else repr(value)
            assert shown in message.split(f" {name}: ", 1)[1], (name, value)
            refused.add(path)
    assert {path for path, _ in KEYS} - refused == PATHS


def test_the_limits_of_every_key_are_allowed(complete):
    numbers = 0
    for path, schema in KEYS:
        for word, limit in limits(schema).items():
            if "exclusive" not in word:
                validate(with_value(complete, path, limit), SCHEMA, "configuration")
                numbers += 1
    assert numbers > 50


def test_a_missing_key_is_named_with_its_section(complete):
    named = []
    for path, schema in ((path, schema) for path, schema in KEYS if "required" in schema):
        settings = copy.deepcopy({name: complete[name] for name in {*SCHEMA["required"], path[0]} & complete.keys()})
        section = settings
        for part in path:
            section = section[0] if part == 0 else section.get(part) or {}
        for key in [key for key in schema.get("required", ()) if key in section]:
            value = section.pop(key)
            message = refusal(settings)
            assert f"{'.'.join(map(str, path))}: {key!r} " in message
            section[key] = value
            named.append(path)
    assert len(set(named)) > 20
    assert "'run'" in refusal({name: complete[name] for name in ("generation_models", "recognition_models")})
