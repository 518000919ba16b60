"""New entries of a registry of models, which ``metamers add`` appends to the file with comments."""

import contextlib
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from metamers.config.model_lock import forget_part, lock_path, replace_file
from metamers.config.read import read_registry, read_yaml, resolve_path
from metamers.config.sources import PUBLISHING, SOURCES, is_repository, source_name
from metamers.modalities import MODALITIES
from metamers.names import FILE_NAME, ConfigurationError
from metamers.plan.plan import Plan, make_plan
from metamers.plan.steps import merge_defaults

EXAMPLES = ", ".join(f"{kind}:{SOURCES[kind].example}" for kind in PUBLISHING)
RANDOM = "{random: 0}"
# Keys of a plan that checks one model, that of the model card.
ALONE: dict[str, Any] = {"generation_models": [], "recognition_models": [], "comparison": {"contrasts": []}}


def _flow(values: Mapping[str, Any]) -> str:
    """A mapping as YAML in one line."""
    text = yaml.safe_dump(dict(values), default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return text.strip()


def source_of(model: str) -> tuple[str, dict[str, str]]:
    """The proposed name and the ``source`` of a model that is written as ``KIND:NAME`` or ``FILE.py:FUNCTION``.

    Raises
    ------
    ConfigurationError
        When it is written in another way.
    """
    kind, _, name = model.partition(":")
    if kind.endswith(".py") and re.fullmatch(r"[A-Za-z_]\w*", name):
        return name, {"python": model}
    if kind not in PUBLISHING or not name:
        raise ConfigurationError(
            f"{model}: wanted KIND:NAME or FILE.py:FUNCTION, such as {EXAMPLES} or mine/net.py:build"
        )
    source, qualifier = {kind: name}, ""
    if key := SOURCES[kind].weights_key:
        name, _, qualifier = name.partition(key.separator)
        source = {kind: name} | ({key.name: qualifier} if qualifier else {})
    proposed = "_".join(filter(None, [name.rsplit("/", 1)[-1], qualifier if key and key.required else ""]))
    return _as_file_name(proposed), source


def modality_of(source: Mapping[str, str]) -> str:
    """The modality of a source: of its published weights, or, for transformers, of the network; else the first one.

    Raises
    ------
    ConfigurationError
        When the network of transformers cannot be looked up.
    """
    kind = source_name(source)
    if SOURCES[kind].modality or not SOURCES[kind].published:
        return SOURCES[kind].modality or next(iter(MODALITIES))
    from metamers.models.build import source_module  # it imports PyTorch

    try:
        return source_module(source).modality_of(source)
    except ConfigurationError as error:
        text = str(error).removeprefix("source.").removeprefix(f"{kind}: ")
        key = "" if text.startswith("arguments") else f"{kind}: "
        raise ConfigurationError(f"source.{key}{text}") from error


def _as_file_name(text: str) -> str:
    """A text as a name of files: without accents, and with ``_`` for other characters that such names do not have."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or text
    return re.sub(r"[^A-Za-z0-9._+-]", "_", plain).lstrip("._+-")[:100]


def run_name(path: Path) -> str:
    """The name of the run that a configuration file defines: that of its folder, or else its own."""
    return next(filter(None, map(_as_file_name, (path.parent.name, path.stem))), "mine")


def check_run_file(path: Path, registry: Path) -> None:
    """Check that a configuration file of a first run can be written, or is there.

    Raises
    ------
    ConfigurationError
        When the path is that of a folder, of the registry, or of a place that cannot be written.
    """
    if path.is_dir():
        raise ConfigurationError(f"--run {path}: found a folder; wanted a file, such as {path / 'run.yaml'}")
    if path.resolve() in (registry.resolve(), Path(lock_path(registry)).resolve()):
        raise ConfigurationError(f"--run {path}: that is the registry or its lock file; wanted another file")
    folder = next(one for one in path.absolute().parents if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigurationError(f"--run {path}: nothing can be written in {folder}; choose another place with --run")


def _is_text(name: str) -> bool:
    """Whether YAML and ``--config`` read a name as text, and not as a number, a date or a truth value."""
    with contextlib.suppress(ValueError):
        float(name)
        return False
    with contextlib.suppress(yaml.YAMLError):
        return isinstance(yaml.safe_load(name), str)
    return False


def default_weights(source: Mapping[str, str]) -> str:
    """The ``--weights`` of a source: its published ones, or those of the user's function; random if there are none."""
    if "python" in source:
        return "builder"
    return "random" if "transformers" in source and not is_repository(source) else "pretrained"


def weights_of(choice: str) -> str:
    """The ``weights`` of an entry: ``pretrained``, ``builder``, ``random``, a file, or a mapping as in the registry.

    Raises
    ------
    ConfigurationError
        When there is no such file.
    """
    if choice.lstrip().startswith("{"):
        return _flow(_mapping(choice, "--weights", "{path: checkpoint.pt, entry: state_dict}"))
    if choice in ("pretrained", "builder"):
        return choice
    if choice == "random":
        return RANDOM
    if not Path(choice).is_file():
        raise ConfigurationError(
            f"--weights {choice}: there is no such file; wanted pretrained, builder, random, a file, or a mapping as "
            "in the registry, such as '{path: checkpoint.pt, entry: state_dict}'"
        )
    return _flow({"path": choice})


def entry_text(
    name: str,
    source: Mapping[str, str],
    weights: str,
    modality: str,
    lock: str,
    input_settings: str | None = None,
    classes: bool | None = None,
    output: str | None = None,
    readout: str | None = None,
    vocabulary: str | None = None,
) -> str:
    """The text of an entry, with comments.

    Parameters
    ----------
    name, source
        Name in the registry, and source.
    weights
        As YAML.
    modality
        ``vision`` or ``audio``.
    lock
        Path of the registry's lock file.
    input_settings
        The ``input`` of the entry, as YAML in one line; None for the usual values, or those of the weights.
    classes
        Whether the network gives class scores; None: it must, which is checked.
    output
        The part of the network's output that is used, as YAML in one line; None: the output itself.
    readout
        The readout by which a network without classes recognizes: ``linear``, or a mapping as YAML; None for none.
    vocabulary
        What the class indices mean; None: as the publisher of the weights states it.

    Raises
    ------
    ConfigurationError
        When ``input_settings`` is not a mapping, ``output`` no part of an output, or ``readout`` neither linear nor a
        mapping.
    """
    about_weights = {
        "pretrained": f"those of the publisher; {lock} has their hash once they are retrieved",
        "builder": "the function loads them itself",
        RANDOM: "untrained; later pretrained, {path: FILE}, or another place (config/README.md)",
    }.get(weights, "a file of your own")
    usual = _flow(MODALITIES[modality].usual_input)
    if input_settings is not None:
        input_line = f"input: {_flow(_mapping(input_settings, '--input', usual))}"
    elif weights != "pretrained" and (stated := _stated_input(source, modality)) is not None:
        input_line = f"input: {_flow(stated)} # as the library states it"
    elif weights == "pretrained" or is_repository(source):
        input_line = f"# input: {usual} # without this line: the input in the metadata of the weights"
    else:
        input_line = f"# {MODALITIES[modality].about_usual_input}.\n  input: {usual}"
    about_classes = {
        None: "",
        True: "  classes: true # stated, not found out\n",
        False: "  classes: false # its metamers are accepted by their match alone\n",
    }
    kind = about_classes[classes]
    if vocabulary is not None:
        kind += f"  {_flow({'vocabulary': vocabulary})[1:-1]} # what the class indices mean\n"
    if output is not None:
        kind += f"  output: {_part(output)} # the part of the network's output that is used\n"
    if readout is not None:
        settings = (
            readout if readout == "linear" else _flow(_mapping(readout, "--readout", "linear, or {stage: pooled}"))
        )
        kind += f"  readout: {settings} # by which it recognizes; the run trains it\n"
    return f"""\
{name}:
  modality: {modality}
  source: {_flow(source)}
  weights: {weights} # {about_weights}
  {input_line}
{kind}\
  # About eight stages, kept in {lock}. Or {{auto: 12}}, or your own list: `input: null`, then `stage: module`.
  stages: auto
  # family: NAME # models of one family share an architecture, and count as one recognition model
  # references: ["who to cite"]
"""


def _stated_input(source: Mapping[str, str], modality: str) -> dict[str, Any] | None:
    """The input that the library of a network states for it, if it does."""
    about = SOURCES[source_name(source)]
    if not about.states_input or about.modality not in (None, modality) or is_repository(source):
        return None
    from metamers.models.describe import usual_input  # it imports the library, and so PyTorch

    return usual_input(source)


def _part(text: str) -> str:
    """A part of an output, as YAML in one line: a position, a key or a list of these."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = None
    keys = content if isinstance(content, list) else [content]
    if not keys or not all(isinstance(key, int | str) and not isinstance(key, bool) and key != "" for key in keys):
        raise ConfigurationError(
            f"--output {text}: wanted a key, a position or a list, such as logits or '[hidden, 3]'"
        )
    return _flow({"output": keys[0] if len(keys) == 1 else keys}).removeprefix("{output: ").removesuffix("}")


def _mapping(text: str, key: str, example: str) -> dict[str, Any]:
    """A mapping that is written as YAML; ``example`` completes the message of an error."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{key} {text}: wanted a mapping, such as '{example}'")
    return content


def _default_registries() -> list[str]:
    """Paths of the registries of models in the default configuration."""
    paths = merge_defaults({})["registry"]["models"]
    return [paths] if isinstance(paths, str) else [*paths]


def run_text(name: str, registry: str, modality: str, run: str) -> str:
    """The text of a configuration file for a first run with a model: few stimuli and steps.

    The recognition models are those of the default run for the modality.
    """
    default, registries = merge_defaults({}), _default_registries()
    known = {one: entry for path in registries for one, entry in read_registry(resolve_path(path), "models").items()}
    recognition = [one for one in default["recognition_models"] if known[one]["modality"] == modality]
    stimuli = default["stimuli"][modality]
    paths = list(dict.fromkeys([*registries, registry]))
    return f"""\
# A first run with {name}. It changes these keys of config/config.yaml; config/README.md explains every key.
{_flow({"run": run})[1:-1]}
registry: {_flow({"models": paths})}
stimuli: {{{modality}: {{dataset: {stimuli["dataset"]}, number: 3}}}} # more stimuli give a more precise rank
generation_models: [{name}]
recognition_models: [{", ".join(recognition)}]
synthesis: {{quality: quick, quick: {{{modality}: {{steps: 40}}}}}} # a first look; the default converges
comparison: {{contrasts: []}}
"""


def add_model(name: str, text: str, registry: Path, run: Path | None = None) -> Plan:
    """Add an entry to a registry, and check it with everything that the plan checks.

    The file is created if it is missing. Its other entries and comments stay unchanged. The network's classes are
    compared with those of the run's dataset. Other models of the run are not checked.

    Parameters
    ----------
    name, text
        Name and text of the entry.
    registry
        Path of the registry.
    run
        A configuration file, whose datasets are used if it is there.

    Returns
    -------
    Plan
        A plan with the new model alone, which has its stages.

    Raises
    ------
    metamers.config.stages.NoClassScoresError
        When the network does not give class scores, and the entry does not say so.
    ConfigurationError
        When the name is taken or is not valid in file names, the registry cannot be extended, or the entry is wrong.
        The registry is then unchanged.
    """
    others = _default_registries()
    if not FILE_NAME.fullmatch(name):
        raise ConfigurationError(f"--name {name}: wanted letters, digits, '.', '_', '+' or '-', at most 100")
    if not _is_text(name):
        raise ConfigurationError(
            f"--name {name}: YAML does not read it as text; choose another name, such as net_{name}"
        )
    for path in dict.fromkeys([*map(resolve_path, others), str(registry)]):
        if Path(path).exists() and name in read_registry(path, "models"):
            raise ConfigurationError(f"{path} has a model {name!r}; choose another name with --name")
    existed = registry.exists()
    old = registry.read_bytes().decode() if existed else ""  # bytes, to keep the ends of lines
    separator = "" if not old else "\n" if old.endswith("\n") else "\n\n"
    entries = (read_yaml(registry) or {}) if existed else {}
    forget_part(lock_path(registry), name, "stages")  # of an earlier model of this name, whose weights may differ
    replace_file(registry, (old or HEADER) + (separator if existed else "\n") + text)
    try:
        extended = read_yaml(registry)
        if {key: value for key, value in extended.items() if key != name} != entries or name not in extended:
            raise ConfigurationError(f"{registry}: an entry at its end is not at the top level of the file")
        own = read_yaml(run) if run is not None and run.is_file() else {}
        own = own if isinstance(own, dict) else {}  # the run itself says what is wrong with its file
        settings = {key: own[key] for key in ("stimuli", "datasets") if key in own} | ALONE
        own_registries = own.get("registry")
        registries = {
            **(own_registries if isinstance(own_registries, dict) else {}),
            "models": [*others, str(registry)],
        }
        return make_plan(merge_defaults({**settings, "registry": registries, "model": name}))
    except BaseException as error:  # also an interruption, since finding the stages may take long
        if existed:
            replace_file(registry, old)
        else:
            registry.unlink()
        if isinstance(error, ConfigurationError):
            raise type(error)(f"{error}\nNothing was added to {registry}.") from error
        raise


HEADER = "# Your own models. Explained in config/README.md, checked by workflow/schemas/models.schema.yaml.\n"


def write_run(path: Path, text: str) -> bool:
    """Write the configuration file of a first run unless the file exists; return whether it was written."""
    if path.exists():
        return False
    replace_file(path, text)
    return True
