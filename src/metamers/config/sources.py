"""Sources of models, in one table: the keys of ``source`` in a registry entry that name a network.

The table has what the plan, the schema and ``metamers add`` need, without PyTorch. The functions of a source, which
build its networks, load their published weights and describe these, are in ``metamers.models.sources.<name>``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class WeightsKey:
    """The key of ``source`` that names the published weights of a network.

    Attributes
    ----------
    name
        The key.
    about
        Its description, for the schema.
    pattern
        Regular expression of its values; None for any text.
    required
        Whether published weights need the key.
    separator
        Stands before its value in ``metamers add KIND:NAME``.
    """

    name: str
    about: str
    pattern: str | None = None
    required: bool = False
    separator: str = ":"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source of models.

    Attributes
    ----------
    form
        How a network is named, in messages and documentation.
    about
        Description of the key, for the schema.
    pattern
        Regular expression of the names; None for any text.
    install
        Command that installs the library of this name, if it is not a dependency of the package.
    published
        Whether ``weights: pretrained`` is possible; the module then also has ``load`` and ``describe``.
    weights_key
        The key that names the published weights; None if the name of the network names them.
    modality
        Of all networks with published weights; None if each network has its own.
    states_input
        Whether the module's ``usual_input`` states the input of an architecture with any weights.
    extra_weights
        ``weights.extra_weights`` of every network with published weights.
    example
        Of the argument of ``metamers add``, without the name of the source.
    """

    form: str = "NAME"
    about: str
    pattern: str | None = None
    install: str | None = None
    published: bool = True
    weights_key: WeightsKey | None = None
    modality: str | None = None
    states_input: bool = False
    extra_weights: Mapping[str, str] = field(default_factory=dict)
    example: str = ""


REVISION = WeightsKey(
    name="revision",
    about="branch, tag or commit of the repository (in quotes if it has only digits); by default its main branch",
    pattern="^[A-Za-z0-9][A-Za-z0-9._/-]*$",
    separator="@",
)
REPOSITORY = "[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*"
SOURCES = {
    "torchvision": Source(
        about="name of a model of torchvision",
        weights_key=WeightsKey(
            name="weights",
            about="torchvision's name of published weights, such as IMAGENET1K_V2; by default those that torchvision "
            "prefers",
        ),
        modality="vision",
        example="resnet50:IMAGENET1K_V2",
    ),
    "torchaudio": Source(
        about="name of a self-supervised pipeline of torchaudio, such as HUBERT_BASE, WAV2VEC2_BASE or WAVLM_BASE",
        modality="audio",
        states_input=True,
        example="HUBERT_BASE",
    ),
    "timm": Source(
        about="name of a model of timm; for published weights with their tag, such as resnet50.a1_in1k",
        modality="vision",
        states_input=True,
        example="resnet50.a1_in1k",
    ),
    "open_clip": Source(
        about="name of a model of open_clip, whose image tower is used; arguments: classes, size",
        weights_key=WeightsKey(
            name="pretrained",
            about="open_clip's tag of published weights, such as laion2b_s34b_b79k",
            required=True,
        ),
        modality="vision",
        extra_weights={"zero_shot": "imagenet", "module": "classify"},
        example="ViT-B-32:openai",
    ),
    "hub": Source(
        form="ORGANIZATION/NAME",
        about="ORGANIZATION/NAME, a repository of the Hugging Face hub with a model of timm",
        pattern=f"^{REPOSITORY}$",
        weights_key=REVISION,
        modality="vision",
        example="ORGANIZATION/NAME",
    ),
    "transformers": Source(
        form="ORGANIZATION/NAME or MODEL_TYPE",
        about="ORGANIZATION/NAME, a repository of the Hugging Face hub with a model of transformers, or one of its "
        "model types, such as dinov2, whose settings are arguments",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$",
        install='python -m pip install "transformers>=5.24,<6"',  # as pyproject.toml
        weights_key=REVISION,
        states_input=True,
        example="facebook/dinov2-base",
    ),
    "metamers": Source(
        about="coch_cnn9, coch_resnet50, spectemp, cornet_s, alexnet_gn, alexnet_gn_ipcl, hmax, lowpass_alexnet or "
        "vone_alexnet",
        published=False,
    ),
    "python": Source(
        form="FILE.py:FUNCTION",
        about="FILE.py:FUNCTION",
        pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$",
        published=False,
    ),
}
PUBLISHING = [name for name, source in SOURCES.items() if source.published]
WEIGHTS_KEYS = {source.weights_key.name: source.weights_key for source in SOURCES.values() if source.weights_key}


def source_name(source: Mapping[str, Any]) -> str:
    """The key of a registry entry's ``source`` that names the network, one of ``SOURCES``."""
    return next(name for name in SOURCES if name in source)


def is_repository(source: Mapping[str, Any]) -> bool:
    """Whether a source is a repository with a network of transformers, and not one of its model types."""
    return "/" in source.get("transformers", "")


def source_schema() -> dict[str, Any]:
    """The JSON schema of ``source`` in an entry of the registry of models."""
    of_key = {
        key: [name for name, source in SOURCES.items() if source.weights_key and source.weights_key.name == key]
        for key in WEIGHTS_KEYS
    }
    forms = ", ".join(f"{name}: {source.form}" for name, source in SOURCES.items())
    *first, last = (f"{key} ({', '.join(names)})" for key, names in of_key.items())
    properties: dict[str, Any] = {}
    for name, source in SOURCES.items():
        properties[name] = {"type": "string", "description": source.about}
        if source.pattern:
            properties[name]["pattern"] = source.pattern
        if key := source.weights_key:
            limit = {"pattern": key.pattern} if key.pattern else {"minLength": 1}
            properties[key.name] = {"type": "string", "description": key.about, **limit}
    return {
        "description": f"exactly one of {forms}; optionally arguments: its keyword arguments; for published weights "
        f"also {', '.join(first)} or {last}",
        "type": "object",
        "additionalProperties": False,
        "dependentRequired": {key: names for key, names in of_key.items() if len(names) == 1},
        "allOf": [
            {
                "if": {"required": [key]},
                "then": {
                    "anyOf": [{"required": [name]} for name in names],
                    "description": f"{key} only with {' or '.join(names)}",
                },
            }
            for key, names in of_key.items()
            if len(names) > 1
        ],
        "properties": properties | {"arguments": {"type": "object"}},
        "oneOf": [{"required": [name]} for name in SOURCES],
    }
