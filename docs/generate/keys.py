"""The reference page of the configuration keys: type, default and meaning of each key, from the JSON Schemas."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from metamers.modalities import MODALITIES

NAMES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
NAMES |= {"object": "mapping", "array": "list"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
PATTERNS = {
    f"^({'|'.join(MODALITIES)})$": "modality",
    "^(train|validation|test)$": "split",
}  # pattern → what its names denote
ABSENT = object()


class Key(NamedTuple):
    """One key.

    Attributes
    ----------
    path
        The key with the keys that contain it, joined by dots.
    kind
        Accepted types or values, in words.
    default
        Default as YAML, or None.
    meaning
        Description in the schema.
    more
        What only the reference adds, in Markdown.
    """

    path: str
    kind: str
    default: str | None
    meaning: str
    more: str = ""


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resolve the reference of a schema; keywords of the schema itself take precedence."""
    if "$ref" not in schema:
        return schema
    found: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return {**resolved(found, root), **{key: value for key, value in schema.items() if key != "$ref"}}


def alternatives(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the alternatives of a schema: its branches that state a type or values, or the schema itself."""
    branches = [resolved(branch, root) for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))]
    typed = [branch for branch in branches if {"type", "const", "enum"} & branch.keys()]
    return typed or [schema]


def kind_of(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """Return the accepted types or values in words."""
    return " or ".join(dict.fromkeys(_kind(one, root) for one in alternatives(schema, root)))


def _kind(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    types = schema.get("type", [])
    words = []
    for name in [types] if isinstance(types, str) else types:
        if name == "array" and "items" in schema:
            words.append(f"list of: {kind_of(resolved(schema['items'], root), root)}")
        elif name in ("integer", "number"):
            bounds = [f"{sign} {schema[bound]}" for bound, sign in BOUNDS.items() if bound in schema]
            words.append(" ".join([NAMES[name], ", ".join(bounds)]).strip())
        else:
            words.append(NAMES[name])
    return " or ".join(words) or "anything"


def children(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the keys that a mapping may have, with their schemas; ``<name>`` stands for any name."""
    properties = schema.get("properties", {})
    alike = _of_modalities({name: properties[name] for name in MODALITIES if name in properties})
    if alike is not None:
        yield "<modality>", alike
    yield from ((name, child) for name, child in properties.items() if alike is None or name not in MODALITIES)
    for pattern, child in schema.get("patternProperties", {}).items():
        yield f"<{PATTERNS.get(pattern, 'name')}>", child
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield "<name>", schema["additionalProperties"]


def _of_modalities(schemas: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the schema that the keys of all modalities have, apart from their defaults; None if they differ."""
    texts = {json.dumps(_without_defaults(one)).replace(name, "<modality>") for name, one in schemas.items()}
    return json.loads(texts.pop()) if len(schemas) > 1 and len(texts) == 1 else None


def _without_defaults(schema: Any) -> Any:
    if isinstance(schema, list):
        return list(map(_without_defaults, schema))
    if not isinstance(schema, Mapping):
        return schema
    return {key: _without_defaults(value) for key, value in schema.items() if key != "default"}


def default_of(default: Any, key: str) -> Any:
    """Return the default of a key, given that of its mapping; for ``<name>``, the defaults of all keys."""
    if not isinstance(default, Mapping):
        return ABSENT
    if isinstance(default, _Each) and key.startswith("<"):
        return _Each({f"{name} {one}": value for name, inner in default.items() for one, value in inner.items()})
    if key.startswith("<"):
        return _Each({name: one for name, one in default.items() if key != "<modality>" or name in MODALITIES})
    if isinstance(default, _Each):
        return _Each({name: one[key] for name, one in default.items() if isinstance(one, Mapping) and key in one})
    return default.get(key, ABSENT)


class _Each(dict):
    """Defaults of one key in several mappings: name of the mapping → default."""


def as_yaml(default: Any) -> str | None:
    """Return a default as one line of YAML; None if there is no default."""
    if default is ABSENT or (isinstance(default, _Each) and not default):
        return None
    if isinstance(default, _Each):
        return ", ".join(f"{name}: {as_yaml(value)}" for name, value in default.items())
    return yaml.safe_dump(default, default_flow_style=True, sort_keys=False, width=10**6).removesuffix("...\n").strip()


def keys(
    schema: Mapping[str, Any], root: Mapping[str, Any], default: Any = ABSENT, path: tuple[str, ...] = ()
) -> Iterator[Key]:
    """Yield every key of a schema; a mapping comes before its keys.

    Parameters
    ----------
    schema
        JSON Schema, possibly a part of ``root``.
    root
        The complete schema, in which references are resolved.
    default
        Default of the value that the schema describes, if it has one.
    path
        Keys that lead to this value.
    """
    schema = resolved(schema, root)
    mappings = [one for one in alternatives(schema, root) if "object" in str(one.get("type", ""))]
    inner = [pair for one in mappings for pair in children(one)]
    if path:
        shown = ABSENT if inner and default is not None else default
        texts = schema.get("description", ""), schema.get("$comment", "")
        yield Key(".".join(path), kind_of(schema, root), as_yaml(shown), *texts)
    for key, child in inner:
        yield from keys(child, root, default_of(default, key), (*path, key))
    for one in alternatives(schema, root):
        items = resolved(one.get("items", {}), root)
        if any("object" in str(branch.get("type", "")) for branch in alternatives(items, root)):
            listed = list(keys(items, root, ABSENT, (*path[:-1], f"{path[-1]}[]")))
            yield from listed[1:]  # the first one is the list itself


def table(rows: Sequence[Key]) -> str:
    """Return keys as a table in Markdown, with a column of defaults if there are any."""
    with_default = any(row.default is not None for row in rows)
    head = ["key", "type", *["default"] * with_default, "meaning"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        shown = [f"`{row.default}`" if row.default is not None else ""] * with_default
        lines.append([f"`{row.path}`", row.kind, *shown, plain(row.meaning)])
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def tables(rows: Sequence[Key], anchor: str) -> str:
    """Return keys as tables in Markdown: single keys first, then a section for each mapping of the top level.

    Parameters
    ----------
    rows
        The keys of a complete schema, from ``keys``.
    anchor
        Prefix of the anchors of the headings.
    """
    inside: dict[str, list[Key]] = {}
    for row in rows:
        first, _, rest = row.path.partition(".")
        if rest and (row.meaning or row.kind != "mapping"):  # a mapping without description is explained by its keys
            inside.setdefault(first, []).append(row._replace(path=rest))
    parts = []
    if alone := [row for row in rows if "." not in row.path and row.path not in inside]:
        parts.append(table(alone))
    for first, own in inside.items():
        heading = "Each entry" if first == "<name>" else f"`{first}`"
        meaning = "".join(row.meaning for row in rows if row.path == first)
        parts.append(f"### {heading} {{ #{anchor}-{first.strip('<[]>')} }}")
        parts += [plain(f"{meaning[0].upper()}{meaning[1:]}.")] if meaning else []
        parts.append(table(own))
    return "\n\n".join(parts)


def plain(text: str) -> str:
    """Escape a text for Markdown."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("$", "&#36;")


PAGE = """# Every key

This page is generated from the settings of steps and `workflow/schemas/`. Every configuration is checked against them
before its first job. Defaults are those of the steps and of `config/config.yaml`.
[Configuration](configuration.md) explains the keys and how files are
merged.
"""


def page(schemas: Mapping[str, Mapping[str, Any]], default: Mapping[str, Any]) -> str:
    """Return the page of all keys in Markdown.

    Parameters
    ----------
    schemas
        Name of the configuration file → JSON Schema; ``config`` is the first.
    default
        The default configuration.
    """
    parts = [PAGE]
    for name, schema in schemas.items():
        title = schema["title"].split(" (")[0]
        rows = list(keys(schema, schema, default if name == "config" else ABSENT))
        parts.append(f"## {title}: `{name}.yaml` {{ #{name} }}\n\n{tables(rows, name)}\n")
    return "\n".join(parts)
