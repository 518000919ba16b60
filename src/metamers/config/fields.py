"""Fields of settings: type, range and meaning of a configuration key, once for its check, message and reference.

A section of the configuration is a subclass of ``Settings``, whose docstring says what the section is; each key is an
annotated attribute with its default. ``schema_of`` gives the JSON schema, with which ``metamers.config.read.validate``
checks a configuration. A message shows the meaning after "Wanted:", so it is short. ``more``
is for the reference only, in Markdown, with links from ``config/``.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WrapValidator, create_model

from metamers.modalities import MODALITIES

MORE = "$comment"  # JSON Schema's word for what only readers of a schema need
OPTIONAL = "x-optional"  # a key that may be missing, and that no default has
# Words of pydantic for limits of types of its users → words of JSON Schema.
LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


class Settings(BaseModel):
    """Settings with these keys and no others; they do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings as plain data, as a job takes them; optional keys without a value are missing."""
        return self.model_dump()


class OfModalities(Settings):
    """A section with one key for each modality."""

    def of(self, modality: str) -> Any:
        """The value of a modality; None if there is none."""
        return getattr(self, modality, None)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Modality and value, for the modalities that have one."""
        return ((modality, self.of(modality)) for modality in MODALITIES if self.of(modality) is not None)


ModelName = Annotated[str, Field(description="a name from the registry of models")]
# A whole number stays one, as the configuration has it: 1 and 1.0 are different parameters of a job.
Number = Annotated[float, WrapValidator(lambda value, check: (check(value), value)[1])]


def section_config(more: str) -> ConfigDict:
    """The ``model_config`` of a section of which the reference says more than its docstring, in Markdown."""
    return ConfigDict(json_schema_extra={MORE: more})


def setting(meaning: str, more: str = "", words: Mapping[str, Any] | None = None, **limits: Any) -> Any:
    """A field.

    Parameters
    ----------
    meaning
        What a value is, as messages and references say it.
    more
        What only the reference says of it.
    words
        Further words of JSON Schema.
    limits
        As of pydantic's ``Field``.
    """
    extra = {**(words or {}), **({MORE: more} if more else {})}
    return Field(description=meaning, json_schema_extra=extra or None, **limits)


def optional(meaning: str, more: str = "", **limits: Any) -> Any:
    """A field of a key that may be missing: its default is None."""
    return setting(meaning, more, {OPTIONAL: True}, exclude_if=lambda value: value is None, **limits)


def one_of(choices: Iterable[str], meaning: str = "", more: str = "") -> Any:
    """A field with one of several texts, which its description has if it does not say more."""
    *first, last = choices
    return setting(meaning or f"{', '.join(first)} or {last}", more, {"enum": [*first, last]})


def from_to(noun: str, least: float, most: float, remark: str = "", more: str = "") -> Any:
    """A field with a number, whose description has the limits, and a remark after them."""
    limits = f", from {least} to {most}" if noun else f"from {least} to {most}"
    return setting(f"{noun}{limits}" + (f"; {remark}" if remark else ""), more, ge=least, le=most)


def above_to(noun: str, least: float, most: float, remark: str = "", more: str = "") -> Any:
    """A field with a number above a limit and up to another one."""
    return setting(
        f"{noun}, above {least} and up to {most}" + (f"; {remark}" if remark else ""), more, gt=least, le=most
    )


def below_1(noun: str, more: str = "") -> Any:
    """A field with a number between 0 and 1."""
    return setting(f"{noun}, between 0 and 1", more, gt=0, lt=1)


def several(meaning: str, more: str = "", least: int = 1, items: Mapping[str, Any] | None = None) -> Any:
    """A field with a list of values, each once, at least ``least`` of them; ``items`` is the schema of one."""
    words = {"uniqueItems": True} | ({"items": dict(items)} if items else {})
    return setting(meaning, more, words, min_length=least or None)


def some_of(choices: tuple[str, ...], noun: str, more: str = "") -> Any:
    """A field with a list of one or more of several texts, each once."""
    items = {"enum": list(choices), "description": f"{', '.join(choices[:-1])} or {choices[-1]}"}
    return several(f"{noun}: one or more of {', '.join(choices)}", more, items=items)


def of_modalities(name: str, kind: Any, noun: str, description: str, defaults: Mapping[str, Any] | None = None) -> Any:
    """A section with one key for each modality: a subclass of ``OfModalities``.

    Parameters
    ----------
    name
        Name of the class.
    kind
        Type of a value.
    noun
        What the section is.
    description
        Of each key, with ``{}`` for the modality.
    defaults
        Modality → default; None for a modality without.
    """
    fields: dict[str, Any] = {
        modality: (kind, Field((defaults or {}).get(modality), description=description.format(modality)))
        for modality in MODALITIES
    }
    return create_model(name, __base__=OfModalities, __doc__=noun, **fields)


def with_modalities(base: type[OfModalities], values: Mapping[str, Settings], description: str) -> Any:
    """A section with further keys, one for each modality, each a section of its own or null.

    Parameters
    ----------
    base
        The section with its other keys.
    values
        Modality → the default of its key.
    description
        Of each key, with ``{}`` for the modality.
    """
    fields: dict[str, Any] = {
        modality: (type(value) | None, Field(value, description=description.format(modality)))
        for modality, value in values.items()
    }
    return create_model(base.__name__.removeprefix("_"), __base__=base, __doc__=base.__doc__, **fields)


def schema_of(settings: type[Settings]) -> dict[str, Any]:
    """The JSON schema of a section, in the forms that messages say best.

    A type or null is one type with two names, a choice has no type beside it, and an optional key no null.
    """
    schema = settings.model_json_schema()
    return _plain(schema, schema.get("$defs", {}))


def _plain(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_plain(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")] | schema
    properties = schema.get("properties")  # names of keys, not words of JSON Schema
    plain = {
        LIMITS.get(word, word): _plain(value, definitions)
        for word, value in schema.items()
        if word not in ("$ref", "$defs", "title", "properties")
    }
    if properties is not None:
        plain["properties"] = {name: _plain(value, definitions) for name, value in properties.items()}
    match plain.get("anyOf"):
        case [{"type": str() | list()} | {"enum": _} as one, {"type": "null"}]:
            del plain["anyOf"]
            plain = one | plain
            if not plain.pop(OPTIONAL, False):
                plain |= {"enum": [*one["enum"], None]} if "enum" in one else {"type": [one["type"], "null"]}
            elif plain["default"] is None:
                del plain["default"]
    if "enum" in plain or "const" in plain:
        plain.pop("type", None)
    if plain.get("type") == "object" and "properties" in plain:
        plain.pop("default", None)  # its keys have theirs
    return plain
