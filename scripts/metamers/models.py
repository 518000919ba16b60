"""Models: networks with their preprocessing inside and named stages, built from the registry.

A model takes stimuli and gives the activations of one stage, computing nothing beyond it; gradients reach the stimulus.
Weights are read without running code. Which models there are is data (``config/models.yaml``).
"""

import ctypes
import difflib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

from metamers.checkpoints import Placeholder, StoredTensor, read_checkpoint
from metamers.fold import fold_batch_norms, pad_inside
from metamers.hashes import sha256_of
from metamers.lazy_compiler import import_without_compiler
from metamers.logs import spent
from metamers.names import INPUT_STAGE, ConfigurationError, unknown_name
from metamers.preprocessing import PREPROCESSING
from metamers.stimuli import MODALITIES, Start

logger = logging.getLogger("metamers")

Weights = dict[str, torch.Tensor]

PREPROCESSING_PATH = "preprocessing"
NO_OPTIONS = {"module": None, "pass_through_relu": None, "schedule": None, "published": None}

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class _StageReached(Exception):  # noqa: N818 (a signal, not an error)
    def __init__(self, activations: Any):
        self.activations = activations


def _stop(_module: nn.Module, _inputs: tuple, output: Any) -> None:
    raise _StageReached(output)


def pass_through(relu: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """The rectified inputs, with the gradient of the identity (Feather et al. 2023, Methods).

    ``relu`` must not work in place. The sum is exact: where the input is positive 0 is added, else its negative.
    """
    return inputs + (relu(inputs) - inputs).detach()


class Model(nn.Module):
    """A network with its preprocessing and a table of stages.

    Parameters
    ----------
    name
        As in the registry; messages name it.
    modality
        ``vision`` or ``audio``.
    preprocessing
        From stimuli to what ``network`` takes, differentiable: see ``metamers.preprocessing``.
    network
        Gives class scores (batch, class).
    stages
        Stage → module path in ``network``, or {module, pass_through_relu, schedule}, in processing order;
        ``input`` → None comes first; the path ``preprocessing`` is what the network is given (of a sound its
        cochleagram).
    start
        What the synthesis of its metamers starts from; None for the modality's (``metamers.stimuli.MODALITIES``).

    Raises
    ------
    ValueError
        When a stage names a module that the network does not have, or a schedule that it has no masks for.
    """

    def __init__(
        self,
        name: str,
        modality: str,
        preprocessing: nn.Module,
        network: nn.Module,
        stages: Mapping[str, Any],
        start: Start | None = None,
    ):
        super().__init__()
        self.start = start
        self.name = name
        self.modality = modality
        self.preprocessing = preprocessing
        self.network = network
        self.stages = {
            stage: NO_OPTIONS | (entry if isinstance(entry, Mapping) else {"module": entry})
            for stage, entry in stages.items()
        }
        self._relu_calls: dict[str, int] = {}
        for stage, entry in self.stages.items():
            key = f"models: {name}.stages.{stage}"
            for path in filter(None, (entry["module"], entry["pass_through_relu"])):
                self.module_at(path, key)
            if entry["pass_through_relu"] and not isinstance(
                self.module_at(entry["pass_through_relu"], ""), nn.ReLU | nn.ReLU6
            ):
                raise ValueError(f"{key}.pass_through_relu: that module is no ReLU")
            if "coarse_to_fine" in (entry["schedule"] or {}) and not hasattr(network, "coarse_to_fine"):
                raise ValueError(f"{key}.schedule.coarse_to_fine: the network has no method coarse_to_fine()")
        self.requires_grad_(False).eval()

    def module_at(self, path: str, key: str) -> nn.Module:
        """The module at a stage's path.

        Raises
        ------
        ValueError
            When there is none, saying so of ``key`` and naming the nearest.
        """
        if path == PREPROCESSING_PATH:
            return self.preprocessing
        try:
            return self.network.get_submodule(path)
        except AttributeError as error:
            names = [module for module, _ in self.network.named_modules() if module]
            near = difflib.get_close_matches(path, names, n=3)
            raise ValueError(
                f"{key}: {self.name} has no module {path!r}. Near: {', '.join(near) or ', '.join(names[:20])}"
            ) from error

    def scores(self, stimuli: torch.Tensor) -> torch.Tensor:
        """Class scores (batch, class) of stimuli (batch, …signal)."""
        return self.network(self.preprocessing(stimuli))

    def forward(self, stimuli: torch.Tensor, stage: str) -> torch.Tensor:
        """Activations (batch, …) of stimuli (batch, …signal) at one stage; nothing beyond it is computed.

        Raises
        ------
        metamers.names.ConfigurationError
            For a stage that the model does not have, listing those it has.
        ValueError
            When the stage's module is not reached, or does not give a tensor.
        """
        if stage not in self.stages:
            raise unknown_name("stage", stage, self.stages, f"model {self.name}")
        if stage == INPUT_STAGE:
            return self.preprocessing.limit(stimuli)
        with self._pass_through(stage, stimuli):
            return self._run_to(stage, stimuli)

    @contextmanager
    def all_stages(self) -> Iterator[dict[str, torch.Tensor]]:
        """Collect, of a run of ``scores`` within, stage → activations, but of ``input``.

        A stage that is not reached, or does not give a tensor, is not among them.
        """
        found: dict[str, torch.Tensor] = {}

        def keep(stage: str, output: Any) -> None:
            if stage not in found and isinstance(output, torch.Tensor):
                found[stage] = output.clone()  # as a later module may work in place

        hooks = [
            self.module_at(entry["module"], stage).register_forward_hook(
                lambda _module, _inputs, output, stage=stage: keep(stage, output)
            )
            for stage, entry in self.stages.items()
            if stage != INPUT_STAGE
        ]
        try:
            yield found
        finally:
            for hook in hooks:
                hook.remove()

    def _run_to(self, stage: str, stimuli: torch.Tensor) -> torch.Tensor:
        path = self.stages[stage]["module"]
        hook = self.module_at(path, stage).register_forward_hook(_stop)
        try:
            self.scores(stimuli)
        except _StageReached as reached:
            if not isinstance(reached.activations, torch.Tensor):
                kind = type(reached.activations).__name__
                raise ValueError(
                    f"models: {self.name}.stages.{stage}: module {path!r} gives a {kind}, not a tensor"
                ) from None
            return reached.activations
        finally:
            hook.remove()
        raise ValueError(f"models: {self.name}.stages.{stage}: module {path!r} takes no part in the model's run")

    @contextmanager
    def _pass_through(self, stage: str, stimuli: torch.Tensor) -> Iterator[None]:
        """Let gradients pass through the stage's last ReLU, and only there.

        One ReLU module may serve several times in a block (torchvision's residual networks), so the call that ends the
        stage is found by counting calls in a run without gradients.
        """
        path = self.stages[stage]["pass_through_relu"]
        if path is None:
            yield
            return
        relu = self.network.get_submodule(path)
        plain, calls = relu.forward, 0

        def counted(inputs: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            last = calls == self._relu_calls.get(stage)
            return pass_through(not_in_place, inputs) if last else plain(inputs)

        not_in_place = type(relu)()
        relu.forward = counted
        try:
            if stage not in self._relu_calls:
                with torch.no_grad():
                    self._run_to(stage, stimuli[:1])
                if not calls:
                    raise ValueError(f"models: {self.name}.stages.{stage}.pass_through_relu: {path!r} is not reached")
                self._relu_calls[stage], calls = calls, 0
            yield
        finally:
            del relu.forward


def choose_device(device: str) -> torch.device:
    """The device of a configuration's ``device``; ``auto`` takes CUDA, else MPS, else the CPU.

    Raises
    ------
    ValueError
        When the device is not there, saying which are.
    """
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there = ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count())), *there]
    if device == "auto":
        return torch.device(there[0])
    if device not in there:
        raise ValueError(f"device: {device!r} is not on this machine; it has {', '.join(there)}")
    return torch.device(device)


def use_threads(threads: int) -> None:
    """Compute on that many CPU threads, the same way every time, and keep freed memory for the next step.

    glibc hands large freed blocks back to the kernel, and every step of a synthesis would fault its activations in
    again: a fifth of the time, measured on EfficientNet-Lite0 with batches of 8.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
    torch.set_num_threads(threads)
    # use_deterministic_algorithms would import PyTorch's compiler, most of a second, to tell it too.
    torch.set_deterministic_debug_mode("warn")
    # Deterministic mode fills all new memory, in case somebody reads it before it is written, which nobody here does.
    torch.utils.deterministic.fill_uninitialized_memory = False


def _torchvision(name: str, arguments: dict) -> nn.Module:
    torchvision = import_without_compiler("torchvision")
    if name not in torchvision.models.list_models():
        raise unknown_name("torchvision model", name, torchvision.models.list_models(), "source.torchvision")
    return torchvision.models.get_model(name, weights=None, **arguments)


def _timm(name: str, arguments: dict) -> nn.Module:
    timm = import_without_compiler("timm")
    if not timm.is_model(name):
        raise unknown_name("timm model", name, timm.list_models(), "source.timm")
    return timm.create_model(name, pretrained=False, **arguments)


class _ZeroShot(nn.Module):
    """Features (batch, feature), of length 1, to class scores: their cosine with the text of each class."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        # One column for each class, the mean embedding of its descriptions.
        self.weight = nn.Parameter(torch.randn(features, classes) / features**0.5)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.weight


class _UnitLength(nn.Module):
    """Features (batch, feature) divided by their length, through which no gradient goes (as in the study)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features / features.norm(dim=-1, keepdim=True).detach()


class ClipImages(nn.Module):
    """The image tower of a CLIP model, with class scores from texts (Radford et al. 2021, section 3.1).

    Parameters
    ----------
    visual
        open_clip's tower, a residual network or a vision transformer.
    features
        Length of its embedding.
    classes
        Number of texts.
    """

    def __init__(self, visual: nn.Module, features: int, classes: int):
        super().__init__()
        self.visual = visual
        self.tokens = nn.Identity()  # patches and class token, before their positions are added
        self.embedding = _UnitLength()
        self.classify = _ZeroShot(features, classes)

    def _transform(self, images: torch.Tensor) -> torch.Tensor:
        """The vision transformer step by step, because not all published stages are modules of it."""
        visual = self.visual
        patches = visual.conv1(images).flatten(2).transpose(1, 2)
        class_token = visual.class_embedding.expand(len(images), 1, -1)
        tokens = self.tokens(torch.cat([class_token, patches], dim=1))
        transformed = visual.transformer(visual.ln_pre(tokens + visual.positional_embedding))
        return visual.ln_post(transformed[:, 0]) @ visual.proj

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, size, size) to class scores (batch, class)."""
        features = self._transform(images) if hasattr(self.visual, "transformer") else self.visual(images)
        return self.classify(self.embedding(features))


def _open_clip(name: str, arguments: dict) -> nn.Module:
    import open_clip

    if name not in open_clip.list_models():
        raise unknown_name("open_clip model", name, open_clip.list_models(), "source.open_clip")
    return _clip_images(name, **arguments)


def _clip_images(name: str, classes: int = 1000, size: int | None = None) -> ClipImages:
    import open_clip

    model = open_clip.create_model(name, pretrained=None, force_image_size=size)
    return ClipImages(model.visual, open_clip.get_model_config(name)["embed_dim"], classes)


def _library(name: str, arguments: dict) -> nn.Module:
    from metamers import networks

    if name not in networks.NETWORKS:
        raise unknown_name("architecture", name, networks.NETWORKS, "source.metamers")
    return networks.NETWORKS[name](**arguments)


def _python(place: str, arguments: dict) -> nn.Module:
    file, function = place.split(":")
    if not Path(file).is_file():
        raise FileNotFoundError(f"source.python: there is no file {file}")
    specification = importlib.util.spec_from_file_location(f"builder_{Path(file).stem}", file)
    module = importlib.util.module_from_spec(specification)
    # As an import would: the file may define dataclasses and import its neighbours.
    sys.modules[specification.name] = module
    sys.path.append(str(Path(file).resolve().parent))
    specification.loader.exec_module(module)
    builder = getattr(module, function, None)
    if not callable(builder):
        raise ValueError(f"source.python: {file} has no function {function}")
    network = builder(**arguments)
    if not isinstance(network, nn.Module):
        raise ValueError(f"source.python: {place} gave a {type(network).__name__}, not a torch.nn.Module")
    return network


BUILDERS: dict[str, Callable[[str, dict], nn.Module]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "open_clip": _open_clip,
    "metamers": _library,
    "python": _python,
}


def read_weights(path: str | Path, entry: str | Sequence[str] | None = None, prefix: str = "") -> Weights:
    """Read a checkpoint, tensors only: safetensors, or what PyTorch saves, and of that nothing that could run code.

    Parameters
    ----------
    path
        ``.safetensors``, else a file of ``torch.save`` or ``torch.jit.save``; a single tensor is called ``weight``.
    entry
        Key under which the weights lie in a training checkpoint, or several of which the first that is there is taken.
    prefix
        Keys begin with it; keys that do not are left out, and it is cut off.

    Raises
    ------
    ValueError
        When the file is no checkpoint, lacks ``entry``, has anything but tensors among the weights, or a value that is
        not finite.
    """
    path = Path(path)
    try:
        weights = safetensors.torch.load_file(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such weights file") from error
    except Exception as error:
        # Both readers raise many kinds for a broken or hostile file; none of them is worth going on after.
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path}: not a weights file that can be read without running code ({first}). Wanted: safetensors, or "
            "torch.save of a state dict of tensors."
        ) from error
    if entry is not None:
        entries = [entry] if isinstance(entry, str) else entry
        there = [key for key in entries if isinstance(weights, dict) and key in weights]
        if not there:
            keys = ", ".join(map(str, list(weights)[:10])) if isinstance(weights, dict) else type(weights).__name__
            raise ValueError(f"{path}: no entry {' or '.join(map(repr, entries))}; found {keys}")
        weights = weights[there[0]]
    if isinstance(weights, torch.Tensor | StoredTensor):
        weights = {"weight": weights}
    named = weights.items() if isinstance(weights, dict) else [("it", weights)]
    for key, value in named:
        if isinstance(value, Placeholder):
            raise ValueError(
                f"{path}: not a state dict of dense tensors: {key} is a {type(value).__name__}, which cannot be read "
                "without running code"
            )
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor | StoredTensor) for key, value in weights.items()
    ):
        raise ValueError(
            f"{path}: not a state dict of dense tensors; if the weights lie under a key, name it in `entry`"
        )
    weights = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    return {key: _finite(value, f"{path}: {key}") for key, value in weights.items()}


def _finite(value: torch.Tensor | StoredTensor, name: str) -> torch.Tensor:
    """A tensor of a checkpoint, in memory, of real and finite values."""
    if isinstance(value, StoredTensor):
        try:
            value = value.read()
        except Exception as error:  # a damaged file, in which the directory was whole
            raise ValueError(f"{name} cannot be read: {error}; fetch the file again") from error
    if value.is_complex():
        raise ValueError(f"{name} has complex values; wanted real ones")
    if value.is_floating_point() and value.numel():
        limits = (value if value.itemsize > 1 else value.float()).aminmax()
        if not (limits.min.float().isfinite() and limits.max.float().isfinite()):  # networks compute in float32
            raise ValueError(f"{name} has NaN or infinite values; fetch the file again or take another")
    return value


def fit_weights(weights: Weights, network: nn.Module, keys: str, source: str) -> Weights:
    """Name weights as the network does.

    Parameters
    ----------
    keys
        ``same``: as they are; ``order``: the n-th to the n-th, for the same architecture under other names, where the
        last part of the key (``weight``, ``running_mean``, …) and the shape must agree.
    source
        The file, for messages.

    Raises
    ------
    ValueError
        When keys are missing or unexpected, or shapes differ.
    """
    own = network.state_dict()
    # Counters of batches, which nothing but training uses, are missing in checkpoints from before PyTorch 0.4.1.
    counters = {key: value for key, value in own.items() if key.endswith(".num_batches_tracked")}
    if not weights.keys() & counters.keys() and len(weights) == len(own) - len(counters):
        own = {key: value for key, value in own.items() if key not in counters}
    if keys == "order":
        if len(weights) != len(own):
            raise ValueError(f"{source}: {len(weights)} tensors, but the network has {len(own)}: another architecture")
        for (theirs, value), (ours, wanted) in zip(weights.items(), own.items(), strict=True):
            if theirs.rsplit(".", 1)[-1] != ours.rsplit(".", 1)[-1] or value.shape != wanted.shape:
                raise ValueError(
                    f"{source}: in order, {theirs} {tuple(value.shape)} would become {ours} {tuple(wanted.shape)}: "
                    "another architecture"
                )
        return dict(zip(own, weights.values(), strict=True))
    missing = sorted(own.keys() - weights.keys())
    unexpected = sorted(weights.keys() - own.keys())
    if missing or unexpected:
        raise ValueError(
            f"{source}: keys do not fit the network. Missing {len(missing)}: {', '.join(missing[:5]) or 'none'}; "
            f"unexpected {len(unexpected)}: {', '.join(unexpected[:5]) or 'none'}. `prefix`, `entry` or `keys: order` "
            "in the registry may name them right."
        )
    for key, wanted in own.items():
        if weights[key].shape != wanted.shape:
            raise ValueError(
                f"{source}: {key} has shape {tuple(weights[key].shape)}, the network {tuple(wanted.shape)}"
            )
    return weights


def published_weights(name: str, entry: Mapping[str, Any], weights_file: str | Path, network: nn.Module) -> Weights:
    """The weights of a registry entry, named as its network does.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    weights_file
        The retrieved or trained file; what the entry's ``weights.besides`` names is read from its ``path``.
    network
        Built from the entry.

    Raises
    ------
    ValueError
        When a file has another hash, cannot be read, or the weights do not fit.
    """
    weights = entry["weights"]
    state: Weights = {}
    for part, file in ((weights, weights_file), *((p, p["path"]) for p in filter(None, [weights.get("besides")]))):
        if "sha256" in part and not (found := sha256_of(file)).startswith(part["sha256"]):
            raise ValueError(
                f"models: {name}.weights.sha256: {file} has SHA-256 {found}, but the registry says "
                f"{part['sha256']}: it is another file"
            )
        read = read_weights(file, part.get("entry"), part.get("prefix", ""))
        place = f"{part['module']}." if "module" in part else ""
        state |= {f"{place}{key}": value for key, value in read.items()}
    return fit_weights(state, network, weights.get("keys", "same"), str(weights_file))


def build_network(name: str, entry: Mapping[str, Any], seed: int) -> nn.Module:
    """Build the network of a registry entry, filled with random numbers of a seed.

    Raises
    ------
    ValueError, FileNotFoundError
        Naming the key or file that is wrong.
    """
    source = dict(entry["source"])
    arguments = source.pop("arguments", {})
    (kind, place), *_ = source.items()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return BUILDERS[kind](place, arguments)
        except ConfigurationError:
            raise
        except Exception as error:  # a builder is anybody's code
            raise ValueError(f"models: {name}.source: {place} with arguments {arguments} fails: {error}") from error


def start_of(entry: Mapping[str, Any]) -> Start:
    """What the synthesis of a registry entry's metamers starts from: its ``start`` over the modality's."""
    return replace(MODALITIES[entry["modality"]].start, **entry.get("start", {}))


@spent("loading")
def load_model(name: str, entry: Mapping[str, Any], weights_file: str | Path | None, device: torch.device) -> Model:
    """Build a model of the registry and load its weights.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    weights_file
        The retrieved or trained file, or None for ``weights: {random: SEED}``.
    device
        Where it is to run.

    Raises
    ------
    ValueError, FileNotFoundError
        Naming the key or file that is wrong.
    """
    weights = entry["weights"]
    network = build_network(name, entry, weights.get("random", 0))
    if weights_file is not None:
        # Not strict only about the counters that ``fit_weights`` lets be missing.
        network.load_state_dict(published_weights(name, entry, weights_file, network), strict=False)
    preprocessing = PREPROCESSING[entry["modality"]](**entry["input"])

    def with_network(network: nn.Module) -> Model:
        return Model(name, entry["modality"], preprocessing, network, entry["stages"], start_of(entry))

    model = with_network(network)
    return folded(model, with_network, preprocessing.example()).to(device, memory_format=torch.channels_last)


@torch.no_grad()
def check_run(name: str, scores_of: Callable[[torch.Tensor], Any], example: torch.Tensor) -> torch.Tensor:
    """Make sure that a model takes its stimuli and gives class scores; the scores of an example.

    Raises
    ------
    ValueError
        When its network fails on them, or gives anything else.
    """
    try:
        scores = scores_of(example)
    except (RuntimeError, TypeError, IndexError, AssertionError, ValueError) as error:
        raise ValueError(
            f"models: {name}: the network does not run on stimuli of shape {tuple(example.shape)} ({error}). "
            "Do `input` and `source.arguments` fit it?"
        ) from error
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2:
        found = f"shape {tuple(scores.shape)}" if isinstance(scores, torch.Tensor) else f"a {type(scores).__name__}"
        raise ValueError(f"models: {name}: the network gives {found}; wanted class scores (batch, class)")
    return scores


@torch.no_grad()
def folded(model: Model, with_network: Callable[[nn.Module], Model], example: torch.Tensor) -> Model:
    """The model with its network made faster (``metamers.fold``), where no stage changes beyond rounding; or as it is.

    Raises
    ------
    ValueError
        When the network fails on the example, or does not give class scores.
    """
    with model.all_stages() as wanted:
        wanted_scores = check_run(model.name, model.scores, example)
    inputs = model.preprocessing(example)
    try:
        if missing := model.stages.keys() - wanted.keys() - {INPUT_STAGE}:
            raise ValueError(f"no activations at {', '.join(sorted(missing))}")
        fewer = fold_batch_norms(model.network, lambda network: network(inputs))
        faster = with_network(pad_inside(fewer, lambda network: network(inputs)))
        with faster.all_stages() as found:
            scores = faster.scores(example)
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(scores, wanted_scores, rtol=1e-3, atol=1e-4)
    except (AssertionError, ValueError):
        logger.info("%s: batch normalizations are not folded, since that would change a stage", model.name)
        return model
    return faster


def fit_stimuli(model: Model, stimuli: np.ndarray, sampling_rate_hz: float | None) -> torch.Tensor:
    """Stimuli (stimulus, …signal) as a model takes them, on its device: (stimulus, *model.preprocessing.signal_shape).

    Pictures of another size are resampled, and sounds of another ``sampling_rate_hz`` or length resampled, padded or
    cut.
    """
    device = next(model.preprocessing.buffers()).device
    values = torch.from_numpy(np.ascontiguousarray(stimuli, dtype=np.float32)).to(device)
    return model.preprocessing.fit(values, sampling_rate_hz)


@torch.no_grad()
def activations(model: Model, stimuli: torch.Tensor, stage: str, batch_size: int = 8) -> np.ndarray:
    """Activations (stimulus, …) at a stage, float32, computed in batches.

    Raises
    ------
    ValueError
        When an activation is not finite.
    """
    batches = [model(batch, stage).float().cpu().numpy() for batch in stimuli.split(batch_size)]
    values = np.concatenate(batches)
    if not np.isfinite(values).all():
        raise ValueError(f"model {model.name}: activations at stage {stage!r} are not finite")
    return values
