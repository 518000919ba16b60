"""Every key of the configuration and its registries, with type, default and meaning, out of their JSON schemas."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

NAMES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
NAMES |= {"object": "mapping", "array": "list"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
PATTERNS = {"^(vision|audio)$": "modality", "^(train|validation|test)$": "split"}  # what names that fit them are
ABSENT = object()


class Key(NamedTuple):
    """One key: its place, parts joined by dots, what it may be, its default as YAML or None, and what it means."""

    path: str
    kind: str
    default: str | None
    meaning: str


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with what it refers to; what it says itself goes before."""
    if "$ref" not in schema:
        return schema
    found: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return {**resolved(found, root), **{key: value for key, value in schema.items() if key != "$ref"}}


def alternatives(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a value may be one of: the schema itself, or the branches that say a type of their own."""
    branches = [resolved(branch, root) for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))]
    typed = [branch for branch in branches if {"type", "const", "enum"} & branch.keys()]
    return typed or [schema]


def kind_of(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
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
    """Keys that a mapping may have, and their schemas; ``<name>`` for any name."""
    yield from schema.get("properties", {}).items()
    for pattern, child in schema.get("patternProperties", {}).items():
        yield f"<{PATTERNS.get(pattern, 'name')}>", child
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield "<name>", schema["additionalProperties"]


def default_of(default: Any, key: str) -> Any:
    """The default of one key of a mapping's; of a ``<name>`` the defaults of all that the mapping has."""
    if not isinstance(default, Mapping):
        return ABSENT
    if key.startswith("<"):
        return _Each(default)
    if isinstance(default, _Each):
        return _Each({name: one[key] for name, one in default.items() if key in one})
    return default.get(key, ABSENT)


class _Each(dict):
    """Defaults of one key under several names."""


def as_yaml(default: Any) -> str | None:
    """A default in one line; None where there is none."""
    if default is ABSENT or (isinstance(default, _Each) and not default):
        return None
    if isinstance(default, _Each):
        return ", ".join(f"{name}: {as_yaml(value)}" for name, value in default.items())
    return yaml.safe_dump(default, default_flow_style=True, sort_keys=False, width=10**6).removesuffix("...\n").strip()


def keys(
    schema: Mapping[str, Any], root: Mapping[str, Any], default: Any = ABSENT, path: tuple[str, ...] = ()
) -> Iterator[Key]:
    """Every key under a schema, a mapping before what is in it.

    Parameters
    ----------
    schema
        JSON Schema.
    root
        The whole that it is of, for its references.
    default
        Of it, where there is one.
    path
        Keys that lead to it.
    """
    schema = resolved(schema, root)
    mappings = [one for one in alternatives(schema, root) if "object" in str(one.get("type", ""))]
    inner = [pair for one in mappings for pair in children(one)]
    if path:
        shown = ABSENT if inner and default is not None else default
        yield Key(".".join(path), kind_of(schema, root), as_yaml(shown), schema.get("description", ""))
    for key, child in inner:
        yield from keys(child, root, default_of(default, key), (*path, key))
    for one in alternatives(schema, root):
        items = resolved(one.get("items", {}), root)
        if any("object" in str(branch.get("type", "")) for branch in alternatives(items, root)):
            listed = list(keys(items, root, ABSENT, (*path[:-1], f"{path[-1]}[]")))
            yield from listed[1:]  # the list has been said


def table(rows: Sequence[Key]) -> str:
    """Keys as a table in Markdown, with a column of defaults where there are any."""
    with_default = any(row.default is not None for row in rows)
    head = ["key", "type", *["default"] * with_default, "meaning"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        shown = [f"`{row.default}`" if row.default is not None else ""] * with_default
        lines.append([f"`{row.path}`", row.kind, *shown, _plain(row.meaning)])
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def tables(rows: Sequence[Key], anchor: str) -> str:
    """Keys as tables in Markdown: those on top, then, under a heading, what is in each mapping, but for its own name.

    Parameters
    ----------
    rows
        What ``keys`` gives of a whole schema.
    anchor
        What the names of the headings' places begin with.
    """
    inside: dict[str, list[Key]] = {}
    for row in rows:
        first, _, rest = row.path.partition(".")
        if rest and (row.meaning or row.kind != "mapping"):  # what a mapping is, its keys may say alone
            inside.setdefault(first, []).append(row._replace(path=rest))
    parts = []
    if alone := [row for row in rows if "." not in row.path and row.path not in inside]:
        parts.append(table(alone))
    for first, own in inside.items():
        heading = "Each entry" if first == "<name>" else f"`{first}`"
        meaning = "".join(row.meaning for row in rows if row.path == first)
        parts.append(f"### {heading} {{ #{anchor}-{first.strip('<[]>')} }}")
        parts += [_plain(f"{meaning[0].upper()}{meaning[1:]}.")] if meaning else []
        parts.append(table(own))
    return "\n\n".join(parts)


def _plain(text: str) -> str:
    """A schema's words as Markdown that shows them as they are."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("$", "&#36;")


PAGE = """# Every key

Made from `workflow/schemas/`, by which every configuration is checked before its first job; defaults are those of
`config/config.yaml`. [Configuration](configuration.md) explains the keys and how files are laid over each other.
"""


def page(schemas: Mapping[str, Mapping[str, Any]], default: Mapping[str, Any]) -> str:
    """The page of all keys.

    Parameters
    ----------
    schemas
        Name of the configuration file, ``config`` first → JSON Schema.
    default
        The default configuration.
    """
    parts = [PAGE]
    for name, schema in schemas.items():
        title = schema["title"].split(" (")[0]
        rows = list(keys(schema, schema, default if name == "config" else ABSENT))
        parts.append(f"## {title}: `{name}.yaml` {{ #{name} }}\n\n{tables(rows, name)}\n")
    return "\n".join(parts)
