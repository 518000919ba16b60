"""Configurations of the library transformers: that of a repository of the Hugging Face hub, or of a model type.

They say which network of the library is built, and with which sizes. No code of a repository is run: its configuration
is read as data, and only classes of the library itself are used.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from metamers.modalities import MODALITIES
from metamers.names import ConfigurationError, unknown_name

# Keys of a config.json about storage, execution and training. Some of them would make the library run other code.
NOT_KEPT = {"auto_map", "dtype", "torch_dtype", "transformers_version", "quantization_config", "fusion_config"}
NOT_KEPT |= {"attn_implementation", "experts_implementation", "use_kernels", "kernel_config", "distributed_config"}
NOT_KEPT |= {"id2label", "label2id", "finetuning_task", "task_specific_params", "name_or_path", "tokenizer_class"}
# Keys that may name a repository of the hub or a file; the names of timm's networks are neither.
NAMES_NETWORK = {"backbone", "architecture", "checkpoint_path"}
# Settings with fixed values: all patches of a masked autoencoder are seen, and outputs have names.
FIXED = {"mask_ratio": 0.0, "return_dict": True}
# The main input of a network → the modality of its models.
MODALITY_OF_INPUT = {name: modality for modality, about in MODALITIES.items() for name in about.transformers_inputs}


def _kept(value: Any) -> Any:
    """A part of a config.json without the keys of ``NOT_KEPT``, and without private ones."""
    if isinstance(value, Mapping):
        return {key: _kept(one) for key, one in value.items() if key not in NOT_KEPT and not key.startswith("_")}
    return [_kept(one) for one in value] if isinstance(value, list) else value


def _check_settings(settings: Mapping[str, Any], parent: str = "") -> None:
    """Refuse settings that name another repository or file, or that would run other code, at any depth."""
    import timm

    for key, value in settings.items():
        if key in NOT_KEPT or str(key).startswith("_"):
            raise ConfigurationError(
                f"{parent}{key}: the workflow does not pass this setting to transformers; remove it"
            )
        if key == "pretrained" and value:
            raise ConfigurationError(
                f"{parent}{key}: timm would load weights of its own, and the workflow reads only the files of the "
                "model's repository; remove it"
            )
        if key in NAMES_NETWORK and value is not None and not timm.is_model(str(value)):
            raise ConfigurationError(
                f"{parent}{key}: {value!r} names another repository or file, and the workflow reads only the files of "
                "the model's repository; wanted the settings of that network as backbone_config, or a name of timm"
            )
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Mapping):
                _check_settings(part, f"{parent}{key}.")


@contextmanager
def without_hub() -> Iterator[None]:
    """Raise an error where the library would ask the hub: only ``metamers.retrieve`` fetches files of a network."""
    from huggingface_hub import constants, errors

    offline = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True  # what the environment variable of this name sets in a new process
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        reason = str(error).partition(": offline")[0]
        raise ConfigurationError(
            f"transformers asks the hub for another network ({reason}), and the workflow reads only the files of the "
            "model's repository; wanted the settings of that network as backbone_config"
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = offline


def kept_config(content: Mapping[str, Any], repository: str) -> dict[str, Any]:
    """The part of a ``config.json`` that a network of images or sounds is built from.

    Parameters
    ----------
    content
        The content of the file.
    repository
        Its repository, for messages.

    Returns
    -------
    dict
        ``model_type``, and settings of the library's class for it. Of a network of images and texts, those of its image
        tower. ``num_labels`` stands for the names of classes.

    Raises
    ------
    ConfigurationError
        When the library does not have the network, or the network takes neither images nor sounds.
    """
    from transformers import CONFIG_MAPPING, __version__

    kind = content.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        if "auto_map" in content:
            raise ConfigurationError(
                f"transformers: {repository} has a network of its own code (auto_map in its config.json), which the "
                f"workflow does not run; wanted a network that transformers {__version__} has itself"
            )
        if not isinstance(kind, str):
            of_timm = f". It is a model of timm: {{hub: {repository}}}" if "architecture" in content else ""
            raise ConfigurationError(
                f"transformers: config.json of {repository} names no model_type; wanted a repository of transformers"
                f"{of_timm}"
            )
        raise unknown_name(f"model_type in config.json of {repository}", kind, CONFIG_MAPPING, "transformers")
    kept = _kept(content)
    try:
        if content.get("id2label"):
            kept["num_labels"] = len(content["id2label"])
        configuration = network_config(kept, {})
        if "vision_config" in kept and not is_classifier(configuration):
            kept = kept["vision_config"] | {"model_type": configuration.vision_config.model_type}
            configuration = network_config(kept, {})
        modality_of(configuration)
    except ConfigurationError as error:
        raise ConfigurationError(f"transformers: {repository}: {error}") from error
    except Exception as error:  # the library's own checks raise many kinds of errors
        raise ConfigurationError(
            f"transformers: config.json of {repository} is not one of transformers {__version__}: {error!r}"
        ) from error
    return kept


@without_hub()
def network_config(settings: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """The library's configuration of a network.

    Parameters
    ----------
    settings
        ``model_type``, and settings that differ from the library's.
    arguments
        Settings of the user, which have precedence.

    Returns
    -------
    transformers.PretrainedConfig

    Raises
    ------
    ConfigurationError
        When there is no such model type or setting, or a setting names another repository.
    """
    from transformers import CONFIG_MAPPING

    _check_settings(settings)
    _check_settings(arguments, "source.arguments.")
    kind = settings["model_type"]
    if kind not in CONFIG_MAPPING:
        raise unknown_name("model type of transformers", kind, CONFIG_MAPPING, "source.transformers")
    configuration = CONFIG_MAPPING[kind].from_dict(copy.deepcopy(dict(settings)))
    for name in arguments:  # the library would accept any
        if not hasattr(configuration, name):
            valid = [key for key in configuration.to_dict() if key not in NOT_KEPT and not key.startswith("_")]
            raise unknown_name(f"setting of {kind}", name, valid, "source.arguments")
    configuration = CONFIG_MAPPING[kind].from_dict(copy.deepcopy({**settings, **arguments}))
    for name, value in FIXED.items():
        if hasattr(configuration, name):
            setattr(configuration, name, value)
    return configuration


def _classifier(configuration: Any) -> type | None:
    """The library's class for the classifier that ``architectures`` names, if it names one."""
    from transformers import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING, MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING

    for mapping in (MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING, MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING):
        classes = mapping.get(type(configuration), ())
        for one in classes if isinstance(classes, tuple) else (classes,):
            if one.__name__ in (configuration.architectures or []):
                return one
    return None


def is_classifier(configuration: Any) -> bool:
    """Whether the network of a configuration gives class scores."""
    return _classifier(configuration) is not None


def network_class(configuration: Any) -> type:
    """The library's class of a network: a classifier if ``architectures`` names one, or else that of its features.

    Raises
    ------
    ConfigurationError
        When the library has none.
    """
    from transformers import MODEL_MAPPING

    if (classifier := _classifier(configuration)) is not None:
        return classifier
    if type(configuration) not in MODEL_MAPPING:
        raise ConfigurationError(f"{configuration.model_type} is not a network by itself in transformers")
    classes = MODEL_MAPPING[type(configuration)]
    return classes[0] if isinstance(classes, tuple) else classes


def modality_of(configuration: Any) -> str:
    """The modality of a network, from its main input.

    Raises
    ------
    ConfigurationError
        When the network takes neither images nor sounds.
    """
    taken = network_class(configuration).main_input_name
    if taken not in MODALITY_OF_INPUT:
        raise ConfigurationError(
            f"{configuration.model_type} takes {taken}; wanted a network of images or sounds, which takes "
            f"{', '.join(MODALITY_OF_INPUT)}"
        )
    return MODALITY_OF_INPUT[taken]
