"""Fields of settings: type, range and meaning of a configuration key, once for its check, message and reference.

A section of the configuration is a subclass of ``Settings``, whose docstring says what the section is; each key is an
annotated attribute with its default. ``schema_of`` gives the JSON schema, with which ``metamers.config.read.validate``
checks a configuration, so a key's description is what a message wants and what the reference says.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from metamers.modalities import MODALITIES


class Settings(BaseModel):
    """Settings with these keys and no others; they do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def from_to(noun: str, least: int, most: int, remark: str = "") -> Any:
    """A field with a whole number, whose description has the limits, and a remark after them."""
    return Field(ge=least, le=most, description=f"{noun}, from {least} to {most}" + (f"; {remark}" if remark else ""))


def below_1(noun: str) -> Any:
    """A field with a number between 0 and 1."""
    return Field(gt=0, lt=1, description=f"{noun}, between 0 and 1")


def some_of(choices: tuple[str, ...], noun: str) -> Any:
    """A field with a list of one or more of several texts, each once."""
    listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
    items = {"enum": list(choices), "description": listed}
    extra: dict[str, Any] = {"uniqueItems": True, "items": items}
    return Field(min_length=1, description=f"{noun}: one or more of {', '.join(choices)}", json_schema_extra=extra)


def of_modalities(name: str, kind: Any, noun: str, description: str, default: Any = None) -> type[Settings]:
    """A section with one key for each modality.

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
    default
        Of each key.
    """
    fields: dict[str, Any] = {
        modality: (kind, Field(default, description=description.format(modality))) for modality in MODALITIES
    }
    return create_model(name, __base__=Settings, __doc__=noun, **fields)


def schema_of(settings: type[Settings]) -> dict[str, Any]:
    """The JSON schema of a section, in which a type or null is one type with two names, as messages say it."""
    schema = settings.model_json_schema()
    return _plain(schema, schema.get("$defs", {}))


def _plain(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_plain(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")] | schema
    alternatives = schema.get("anyOf", [])
    if len(alternatives) == 2 and alternatives[1] == {"type": "null"} and "type" in alternatives[0]:
        schema = alternatives[0] | schema | {"type": [alternatives[0]["type"], "null"]}
        del schema["anyOf"]
    plain = {key: _plain(value, definitions) for key, value in schema.items() if key not in ("$ref", "$defs", "title")}
    if "properties" in schema:  # names of keys, not words of JSON Schema
        plain["properties"] = {key: _plain(value, definitions) for key, value in schema["properties"].items()}
    return plain
