"""Networks of timm in repositories of the Hugging Face hub."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metamers.config.vocabularies import vocabulary_of_tag
from metamers.models.sources.timm import FILES, build, load, timm_input
from metamers.names import ConfigurationError, unknown_name
from metamers.retrieve.publishers import file_on_hub, read_json

__all__ = ["build", "describe", "load"]
# Keys of timm's description of weights that the lock file keeps: classifier and input, not places or names of classes.
KEPT = ("tag", "input_size", "fixed_input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "num_classes")
KEPT += ("pool_size", "first_conv", "classifier", "label_offset", "license")
# Arguments of timm for the place of weights; a repository must not set them.
LOADING = {"checkpoint_path", "cache_dir", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay"}


@contextmanager
def _timm_errors(repository: str) -> Iterator[None]:
    """Turn an error of timm about a ``config.json`` into an error of the configuration that names the repository."""
    try:
        yield
    except ConfigurationError:
        raise
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"hub: config.json of {repository} is not one of timm: {error!r}") from error


def describe(source: Mapping[str, Any], mirror: Path | None) -> dict[str, dict[str, Any]]:
    import timm
    from timm.models._hub import load_model_config_from_path

    repository = source["hub"]
    place, _ = file_on_hub(repository, source.get("revision"), FILES, mirror, "hub", ["config.json"])
    with tempfile.TemporaryDirectory() as folder:
        config = read_json(repository, place["revision"], "config.json", mirror, folder, "hub")
        if "architecture" not in config:
            kind = config.get("model_type") or next(iter(config.get("architectures") or []), None)
            raise ConfigurationError(
                f"hub: config.json of {repository} names no architecture of timm. "
                + (
                    f"It is a model of the library transformers ({kind}): {{transformers: {repository}}}"
                    if kind
                    else "Wanted a repository of timm. For another library, write a Python function that builds the "
                    "network and loads its weights: `source: {python: FILE.py:FUNCTION}` and `weights: builder`"
                )
            )
        Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
        with _timm_errors(repository):
            cfg, architecture, arguments = load_model_config_from_path(folder)
            loading = sorted(arguments.keys() & LOADING)
    if not timm.is_model(str(architecture)):
        raise unknown_name(f"architecture in config.json of {repository}", architecture, timm.list_models(), "hub")
    if loading:
        raise ConfigurationError(
            f"hub: config.json of {repository} has {', '.join(loading)} among model_args; wanted only arguments of the "
            "architecture, because the weights are those of the repository"
        )
    with _timm_errors(repository):
        vocabulary = vocabulary_of_tag(cfg)
        cfg = {key: value for key, value in cfg.items() if key in KEPT}
        input_ = timm_input(cfg, "hub")
    config = {"architecture": architecture, "arguments": arguments, "pretrained_cfg": cfg}
    weights = {"weights_name": architecture, **place, "config": config}
    return {"weights": weights, "input": input_, "vocabulary": vocabulary}
