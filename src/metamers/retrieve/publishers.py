"""Descriptions of published weights: the place, revision and hash of their file, and the input of their training.

The libraries torchvision, torchaudio, timm and open_clip know their own weights; the Hugging Face hub is asked for the
commit and the hashes of a repository's files, which may be one of timm or of transformers. The configuration keeps the
answers in the lock file of the registry (``metamers.plan.pretrained``) and asks in a separate process, ``python -m
metamers.retrieve.publishers``, because the libraries import PyTorch. ``metamers.retrieve`` fetches the files.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from metamers.config.front_ends import SETTINGS
from metamers.config.read import validate
from metamers.modalities import IMAGENET_INPUT, INTERPOLATIONS
from metamers.names import ConfigurationError, unknown_name
from metamers.retrieve import hub_url, mirror_path
from metamers.retrieve.pipelines import torchaudio_pipeline

# Files of weights in a repository of the hub, in the order of preference.
TIMM_FILES = ("model.safetensors", "pytorch_model.bin", "model.bin", "model.pth")
TRANSFORMERS_FILES = ("model.safetensors", "pytorch_model.bin")
OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
COMMIT = re.compile(r"[0-9a-f]{40}")
# Digits of a SHA-256 in an address: a folder of 64 digits, or 8 or more digits at the end of the file's name. A date is
# not a hash.
HASH_IN_ADDRESS = re.compile(r"/([0-9a-f]{64})/[^/]+$|-(?!20\d{6}\.)([0-9a-f]{8,64})\.[a-z.]+$")
# Keys of timm's description of weights that the lock file keeps: classifier and input, not places or names of classes.
KEPT = ("tag", "input_size", "fixed_input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "num_classes")
KEPT += ("pool_size", "first_conv", "classifier", "label_offset", "license")
# Arguments of timm for the place of weights; a repository must not set them.
LOADING = {"checkpoint_path", "cache_dir", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay"}
# Extractor of transformers → our front end, and its arguments: our name → the extractor's.
EXTRACTORS: dict[str, tuple[str, dict[str, str]]] = {
    "Wav2Vec2FeatureExtractor": ("normalized_waveform", {}),
    "WhisperFeatureExtractor": (
        "whisper_log_mel",
        {"mels": "feature_size", "window": "n_fft", "hop": "hop_length", "padded_s": "chunk_length"},
    ),
    "ASTFeatureExtractor": (
        "ast_log_mel",
        {"mels": "num_mel_bins", "frames": "max_length", "mean": "mean", "std": "std"},
    ),
}
WHOLE_FROM = 384  # pixels, from which on the extractor of ConvNeXt crops nothing
MAX_CONFIG_BYTES = 2**24  # of a config.json; one with 21,843 names of classes has 2**20
TORCHAUDIO = "https://download.pytorch.org/torchaudio/models"  # as torchaudio's pipelines
OFFLINE = (
    "On a machine with network, run `snakemake retrieve` once with the same configuration, and copy the lock file that "
    "it writes beside the registry, and the folder `resources`, to this machine. Or set the key `mirror` to a folder "
    "that has {place}"
)


def describe(source: Mapping[str, Any], mirror: Path | None = None) -> dict[str, dict[str, Any]]:
    """Describe the published weights that the source of a model names.

    Parameters
    ----------
    source
        The entry's ``source``: ``torchvision`` and optionally ``weights``; ``torchaudio``; ``timm``; ``open_clip`` and
        ``pretrained``; ``transformers`` or ``hub`` and optionally ``revision`` (a branch, tag or commit).
    mirror
        Folder to use instead of the network, or None.

    Returns
    -------
    dict
        ``weights``: ``weights_name``; ``url``, or ``hub``, ``revision`` (a commit) and ``file``; ``sha256`` (all
        digits or the first ones) or ``git_sha1``, if the publisher states them; for the source ``hub`` also ``config``
        (``architecture``, ``arguments`` and ``pretrained_cfg``, as timm takes them); for ``transformers`` also
        ``modality`` and ``config`` (``metamers.retrieve.transformers_config.kept_config``). ``input``: for images
        ``size`` (pixels), ``mean`` and ``std`` of each channel, ``interpolation`` and ``crop``; for sounds
        ``sampling_rate_hz``, ``duration_s`` and ``preprocessing``; of transformers only what the repository states and
        the workflow has.

    Raises
    ------
    ConfigurationError
        When there are no such weights, the hub cannot be reached, or the workflow cannot use the weights; the message
        begins with the key below ``source``.
    """
    kind = next(kind for kind in PUBLISHERS if kind in source)
    return PUBLISHERS[kind](source, mirror)


def _input(size: Iterable[int], mean: Any, std: Any, interpolation: str, crop: float, key: str) -> dict[str, Any]:
    """The keys of ``input``; an interpolation that the workflow does not have becomes bicubic."""
    rows, columns = size
    if rows != columns:
        raise ConfigurationError(f"{key}: takes images of {rows} × {columns} pixels; the workflow's images are square")
    return {
        "size": int(rows),
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "interpolation": interpolation if interpolation in INTERPOLATIONS else "bicubic",
        "crop": round(min(float(crop), 1.0), 6),
    }


def _at_address(url: str) -> dict[str, str]:
    """The place of a file at an address, with the digits of its hash in the address."""
    found = HASH_IN_ADDRESS.search(url)
    return {"url": url} | ({"sha256": found[1] or found[2]} if found else {})


def _torchvision(source: Mapping[str, Any], _mirror: Path | None) -> dict[str, dict[str, Any]]:
    import torchvision

    name = source["torchvision"]
    if name not in (names := torchvision.models.list_models()):
        raise unknown_name("torchvision model", name, names, "torchvision")
    weights = torchvision.models.get_model_weights(name)
    wanted = source.get("weights", "DEFAULT").removeprefix(f"{weights.__name__}.")
    if wanted not in weights.__members__:
        raise unknown_name(f"weights of {name}", wanted, weights.__members__, "weights")
    chosen = weights[wanted]
    transform = chosen.transforms()
    if not hasattr(transform, "crop_size") or "categories" not in chosen.meta:
        raise ConfigurationError(f"weights: {chosen} does not classify images")
    (side,), (resized,) = transform.crop_size, transform.resize_size
    input_ = _input(
        (side, side), transform.mean, transform.std, transform.interpolation.value, side / resized, "torchvision"
    )
    return {"weights": {"weights_name": chosen.name, **_at_address(chosen.url)}, "input": input_}


def _timm_input(cfg: Mapping[str, Any], key: str) -> dict[str, Any]:
    import timm.data

    data = timm.data.resolve_data_config(pretrained_cfg=cfg)
    channels, *size = data["input_size"]
    crop = data["crop_pct"] if data["crop_mode"] != "squash" else 1
    mean, std = data["mean"][:channels], data["std"][:channels]
    return _input(size, mean, std, data["interpolation"], crop, key)


def _torchaudio_input(name: str) -> dict[str, Any]:
    """Waveforms at the rate of a pipeline, for one second: networks of waveforms take any duration."""
    rate = torchaudio_pipeline(name).sample_rate
    return {"sampling_rate_hz": int(rate), "duration_s": 1, "preprocessing": "waveform"}


def _torchaudio(source: Mapping[str, Any], _mirror: Path | None) -> dict[str, dict[str, Any]]:
    name = source["torchaudio"]
    weights = {"weights_name": name, **_at_address(f"{TORCHAUDIO}/{torchaudio_pipeline(name)._path}")}
    return {"weights": weights, "input": _torchaudio_input(name)}


def usual_input(source: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ``input`` that the library of a source states for an architecture, whatever its weights; None without one.

    timm, torchaudio and, for sounds, transformers state it; ``crop`` is left out where the whole image is used.

    Raises
    ------
    ConfigurationError
        When the network takes images that are not square.
    """
    if "torchaudio" in source:
        return _torchaudio_input(source["torchaudio"])
    if "transformers" in source:
        return _usual_transformers_input(source)
    if "timm" not in source:
        return None
    import timm

    cfg = timm.get_pretrained_cfg(source["timm"]) if timm.is_model(source["timm"]) else None
    if cfg is None:
        return None
    found = _timm_input(cfg.to_dict(), "timm")
    return found if found["crop"] < 1 else {key: value for key, value in found.items() if key != "crop"}


def _timm(source: Mapping[str, Any], mirror: Path | None) -> dict[str, dict[str, Any]]:
    import timm

    name = source["timm"]
    if not timm.is_model(name):
        raise unknown_name("timm model", name, timm.list_models(), "timm")
    architecture, _, tag = name.partition(".")
    if tag and name not in (names := timm.list_models(f"{architecture}.*", pretrained=True)):
        raise unknown_name(f"weights of {architecture}", name, names, "timm")
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.has_weights:
        others = timm.list_pretrained(f"{architecture}*")
        raise ConfigurationError(
            f"timm: there are no published weights of {name}; wanted a model that has them"
            + (f", such as {', '.join(others[:5])}" if others else "")
        )
    name = f"{architecture}.{cfg.tag}" if cfg.tag else name
    if cfg.hf_hub_id:
        repository, _, revision = cfg.hf_hub_id.partition("@")
        # For weights that were published in a format of JAX, the repository has a file of safetensors as well.
        named = (cfg.hf_hub_filename,) if cfg.hf_hub_filename and not cfg.custom_load else TIMM_FILES
        place, _ = _on_hub(repository, revision or None, TIMM_FILES[:1] if cfg.custom_load else named, mirror, "timm")
    elif cfg.custom_load:
        raise ConfigurationError(f"timm: the weights of {name} are in a format of JAX, which the workflow cannot read")
    else:
        place = _at_address(cfg.url)
    return {"weights": {"weights_name": name, **place}, "input": _timm_input(cfg.to_dict(), "timm")}


def _open_clip(source: Mapping[str, Any], mirror: Path | None) -> dict[str, dict[str, Any]]:
    import open_clip

    name = source["open_clip"]
    if name not in (names := open_clip.list_models()):
        raise unknown_name("open_clip model", name, names, "open_clip")
    tags, tag = open_clip.list_pretrained_tags_by_model(name), source["pretrained"]
    if tag not in tags:
        raise unknown_name(f"weights of {name}", tag, tags, "pretrained")
    cfg, architecture = open_clip.get_pretrained_cfg(name, tag), open_clip.get_model_config(name)
    if cfg.get("quick_gelu", False) and not architecture.get("quick_gelu", False):
        raise ConfigurationError(
            f"open_clip: the weights {tag} were trained with another activation than {name} has (QuickGELU); wanted "
            f"{{open_clip: {name}-quickgelu, pretrained: {tag}}}"
        )
    if hub := cfg.get("hf_hub"):
        repository, _, file = hub.rpartition("/")
        safe = (str(Path(file).with_suffix(".safetensors")), file) if file else OPEN_CLIP_FILES
        place, _ = _on_hub(repository, None, safe, mirror, "open_clip")
    else:
        place = _at_address(cfg["url"])
    size = architecture["vision_cfg"]["image_size"]
    size = (size, size) if isinstance(size, int) else size
    return {
        "weights": {"weights_name": tag, **place},
        # The transform of open_clip resizes the shorter side, or both sides, to the size itself.
        "input": _input(size, cfg["mean"], cfg["std"], cfg["interpolation"], 1, "open_clip"),
    }


@contextmanager
def _timm_errors(repository: str) -> Iterator[None]:
    """Turn an error of timm about a ``config.json`` into an error of the configuration that names the repository."""
    try:
        yield
    except ConfigurationError:
        raise
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"hub: config.json of {repository} is not one of timm: {error!r}") from error


def _hub(source: Mapping[str, Any], mirror: Path | None) -> dict[str, dict[str, Any]]:
    import timm
    from timm.models._hub import load_model_config_from_path

    repository = source["hub"]
    place, _ = _on_hub(repository, source.get("revision"), TIMM_FILES, mirror, "hub", ["config.json"])
    with tempfile.TemporaryDirectory() as folder:
        config = _read_json(repository, place["revision"], "config.json", mirror, folder, "hub")
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
        cfg = {key: value for key, value in cfg.items() if key in KEPT}
        input_ = _timm_input(cfg, "hub")
    config = {"architecture": architecture, "arguments": arguments, "pretrained_cfg": cfg}
    return {"weights": {"weights_name": architecture, **place, "config": config}, "input": input_}


def _transformers(source: Mapping[str, Any], mirror: Path | None) -> dict[str, dict[str, Any]]:
    from metamers.retrieve.transformers_config import kept_config, modality_of, network_config

    repository, extractor = source["transformers"], "preprocessor_config.json"
    place, files = _on_hub(
        repository, source.get("revision"), TRANSFORMERS_FILES, mirror, "transformers", ["config.json"]
    )
    with tempfile.TemporaryDirectory() as folder:
        read = [
            _read_json(repository, place["revision"], file, mirror, folder, "transformers") if file in files else {}
            for file in ("config.json", extractor)
        ]
    config = kept_config(read[0], repository)
    configuration = network_config(config, {})
    modality = modality_of(configuration)
    key = f"transformers: {extractor} of {repository}"
    try:
        stated = TRANSFORMERS_INPUTS[modality].stated(read[1], configuration)
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{key} is not one of transformers: {error!r}") from error
    entry = {"modality": modality, "source": {"transformers": repository}, "weights": "pretrained", "stages": "auto"}
    validate({"it": entry | ({"input": stated} if stated else {})}, "models", key)
    return {
        "weights": {"weights_name": config["model_type"], **place, "modality": modality, "config": config},
        "input": stated,
    }


def modality_of(source: Mapping[str, Any]) -> str:
    """The modality of a network of transformers; the hub is asked about a repository.

    Raises
    ------
    ConfigurationError
        As ``describe``; or when there is no such model type.
    """
    if "/" in source["transformers"]:
        return describe(source)["weights"]["modality"]
    from metamers.retrieve import transformers_config

    return transformers_config.modality_of(
        transformers_config.network_config({"model_type": source["transformers"]}, {})
    )


def _side(size: Any) -> int | None:
    """The side of the square images of an extractor of transformers, in pixels; None if it states none."""
    if isinstance(size, Mapping):
        rows, columns = (size.get(key, size.get("shortest_edge")) for key in ("height", "width"))
        return _input((rows, columns), (), (), "", 1, "transformers")["size"] if rows and columns else None
    return size if isinstance(size, int) else None


def _transformers_images(extractor: Mapping[str, Any], configuration: Any) -> dict[str, Any]:
    """The input that ``preprocessor_config.json`` states for images, as far as it does."""
    resized, cropped = _side(extractor.get("size")), _side(extractor.get("crop_size"))
    crop = 1.0
    if extractor.get("do_center_crop") and cropped and resized:
        resized, crop = cropped, cropped / resized
    elif (share := extractor.get("crop_pct")) and resized and resized < WHOLE_FROM:
        crop = share
    size = resized or _side(getattr(configuration, "image_size", None))
    sized = {} if size is None else {"size": size}
    rescaled = extractor.get("do_rescale", True) and abs(255 * extractor.get("rescale_factor", 1 / 255) - 1) < 1e-3
    normal = extractor if extractor.get("do_normalize", True) else {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    mean, std = normal.get("image_mean"), normal.get("image_std")
    interpolation = {2: "bilinear", 3: "bicubic"}.get(extractor.get("resample", 3))
    # Settings that the workflow does not have are the user's to state.
    if not (rescaled and size and mean and std and interpolation) or extractor.get("do_flip_channel_order"):
        return sized
    return _input((size, size), mean, std, interpolation, crop, "transformers")


def _transformers_sounds(extractor: Mapping[str, Any], _configuration: Any) -> dict[str, Any]:
    """The input that ``preprocessor_config.json`` states for sounds, if the workflow has its front end."""
    kind = extractor.get("feature_extractor_type")
    if kind not in EXTRACTORS or extractor.get("dither"):
        return {}
    name, keys = EXTRACTORS[kind]
    if name == "whisper_log_mel" and extractor.get("do_normalize"):
        return {}
    arguments = {ours: extractor[theirs] for ours, theirs in keys.items() if theirs in extractor}
    normalized = extractor.get("do_normalize", True)
    if name == "normalized_waveform" and not normalized:
        name = "waveform"
    if name == "ast_log_mel" and not normalized:
        arguments |= {"mean": 0.0, "std": 0.5}
    own = {key: value for key, value in arguments.items() if value != SETTINGS[name][key]}
    rate_hz = int(extractor.get("sampling_rate", 16000))
    return {
        "sampling_rate_hz": rate_hz,
        "duration_s": min(1, arguments.get("padded_s", 1), arguments.get("frames", 100) / 100),
        "preprocessing": {"name": name, "arguments": own} if own else name,
    }


def _usual_transformers_input(source: Mapping[str, Any]) -> dict[str, Any]:
    """The input of a model type: in the size of its configuration, and for sounds with its front end."""
    from metamers.retrieve.transformers_config import modality_of, network_config

    configuration = network_config({"model_type": source["transformers"]}, source.get("arguments", {}))
    return TRANSFORMERS_INPUTS[modality_of(configuration)].usual(configuration)


def _usual_images(configuration: Any) -> dict[str, Any]:
    return IMAGENET_INPUT | _transformers_images({}, configuration)


def _usual_sounds(configuration: Any) -> dict[str, Any]:
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING

    kind = FEATURE_EXTRACTOR_MAPPING.get(type(configuration), None)
    sizes = {"feature_size": "num_mel_bins", "num_mel_bins": "num_mel_bins", "max_length": "max_length"}
    extractor = {"feature_extractor_type": getattr(kind, "__name__", None)} | {
        theirs: getattr(configuration, ours) for theirs, ours in sizes.items() if hasattr(configuration, ours)
    }
    if hasattr(configuration, "max_source_positions"):  # two frames of 10 ms each
        extractor["chunk_length"] = configuration.max_source_positions / 50
    return _transformers_sounds(extractor, configuration)


class TransformersInput(NamedTuple):
    """How the input of a network of transformers follows from its files, and from its model type alone."""

    stated: Callable[[Mapping[str, Any], Any], dict[str, Any]]
    usual: Callable[[Any], dict[str, Any]]


# One entry for each modality of metamers.modalities.MODALITIES.
TRANSFORMERS_INPUTS = {
    "vision": TransformersInput(_transformers_images, _usual_images),
    "audio": TransformersInput(_transformers_sounds, _usual_sounds),
}
PUBLISHERS: dict[str, Callable[[Mapping[str, Any], Path | None], dict[str, dict[str, Any]]]] = {
    "torchvision": _torchvision,
    "torchaudio": _torchaudio,
    "timm": _timm,
    "open_clip": _open_clip,
    "hub": _hub,
    "transformers": _transformers,
}


def _on_hub(
    repository: str,
    revision: str | None,
    wanted: Iterable[str],
    mirror: Path | None,
    key: str,
    required: Iterable[str] = (),
) -> tuple[dict[str, str], list[str]]:
    """The place of the first wanted file that a repository of the hub has, and the names of all its files.

    The place has ``hub`` (the repository), ``revision`` (the commit), ``file``, and the hash of the file if the hub
    states it.

    Parameters
    ----------
    repository, revision
        Name of the repository, and its branch, tag or commit; None for the default branch.
    wanted
        Names of files in the order of preference.
    mirror
        Folder to use instead of the network, or None.
    key
        Begins the message of an error.
    required
        Names of other files that the repository must have.

    Raises
    ------
    ConfigurationError
        When the repository cannot be read, or has no such file.
    """
    if mirror is None:
        commit, files = _ask_hub(repository, revision, key)
    else:
        commit, files = _mirrored_files(repository, revision, mirror, key)
    wanted = list(wanted)
    for file in required:
        if file not in files:
            library = "timm" if key == "hub" else key
            raise ConfigurationError(f"{key}: {repository} has no {file} at {commit}; wanted a repository of {library}")
    found = next((file for file in wanted if file in files), None)
    if found is None:
        raise ConfigurationError(
            f"{key}: {repository} has none of {', '.join(wanted)} at {commit}; it has {', '.join(sorted(files)[:10])}"
        )
    return {"hub": repository, "revision": commit, "file": found, **files[found]}, [*files]


def _read_json(repository: str, commit: str, file: str, mirror: Path | None, folder: str, key: str) -> dict[str, Any]:
    """The content of a file of a repository, downloaded to a temporary folder or read from the mirror."""
    if mirror is not None:
        path = mirror / mirror_path(hub_url(repository, commit, file))
    else:
        import huggingface_hub

        with _hub_errors(repository, key):
            path = Path(huggingface_hub.hf_hub_download(repository, file, revision=commit, cache_dir=f"{folder}/hub"))
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError(f"it has more than {MAX_CONFIG_BYTES} bytes")
        if not isinstance(content := json.loads(path.read_text(encoding="utf-8")), dict):
            raise ValueError("it is not a mapping")
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{key}: {file} of {repository} cannot be read: {error}") from error
    return content


@contextmanager
def _hub_errors(repository: str, key: str) -> Iterator[None]:
    """Turn an error of the hub's client into an error of the configuration that names a remedy."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ConfigurationError(
            f"{key}: {repository} is open only to those who accepted its terms. Accept them on its page, and log in "
            "with `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigurationError(f"{key}: {repository} has no such revision; wanted a branch, tag or commit") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ConfigurationError(
            f"{key}: the hub has no repository {repository!r}, or it is private (log in with `hf auth login`)"
        ) from error
    except (errors.HTTPError, OSError, ValueError) as error:
        place = mirror_path(hub_url(repository, "COMMIT", "FILE"))
        reason = (str(error).splitlines() or [type(error).__name__])[0]  # an error of the network may have no text
        raise ConfigurationError(
            f"{key}: the hub could not be asked for the weights of {repository} ({reason}). "
            f"{OFFLINE.format(place=place)}"
        ) from error


def _ask_hub(repository: str, revision: str | None, key: str) -> tuple[str, dict[str, dict[str, str]]]:
    """The commit of a revision, and its files: name → the hash that the hub states."""
    import huggingface_hub

    with _hub_errors(repository, key):
        info = huggingface_hub.HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=30)
    if not COMMIT.fullmatch(info.sha or ""):
        raise ConfigurationError(f"{key}: the hub names no commit of {repository}; found {info.sha!r}")
    files = {}
    for file in info.siblings or []:
        if file.lfs:
            files[file.rfilename] = {"sha256": file.lfs.sha256}
        else:
            files[file.rfilename] = {"git_sha1": file.blob_id} if file.blob_id else {}
    return str(info.sha), files


def _mirrored_files(
    repository: str, revision: str | None, mirror: Path, key: str
) -> tuple[str, dict[str, dict[str, str]]]:
    """The commit of a repository in a mirror folder, and its files; the mirror states no hashes."""
    pattern = mirror_path(hub_url(repository, "COMMIT", "FILE"))
    folder = (mirror / pattern).parents[1]
    commits = sorted(place.name for place in folder.glob("*") if COMMIT.fullmatch(place.name))
    if revision and COMMIT.fullmatch(revision):
        commits = [commit for commit in commits if commit == revision]
    if len(commits) != 1:
        found = f"it has {len(commits)} commits of it: {', '.join(commits)}" if commits else "it has no commit of it"
        raise ConfigurationError(
            f"{key}: mirror: {mirror} must have {pattern}, where COMMIT are "
            f"the 40 digits of one commit{'' if commits else ' and FILE is, for example, model.safetensors'}; {found}. "
            "With several, name one as `revision`"
        )
    place = folder / commits[0]
    return commits[0], {file.relative_to(place).as_posix(): {} for file in place.rglob("*") if file.is_file()}


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Model → description of its weights, or ``error`` → text."""
    mirror = Path(request["mirror"]) if request["mirror"] else None
    answers: dict[str, Any] = {}
    for model, source in request["sources"].items():
        try:
            answers[model] = describe(source, mirror)
        except ConfigurationError as error:
            answers[model] = {"error": str(error)}
    return answers


if __name__ == "__main__":
    print(json.dumps(_answer(json.load(sys.stdin))))
