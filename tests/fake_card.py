"""A graphics card that is not there: tensors that say they are on CUDA, and are computed on the CPU.

PyTorch's own ``FakeTensorMode`` has shapes without values, and its gradients need a driver. These tensors have values
and gradients, so that results on the fake card can be compared with those of the CPU. As on a card, an operation on
tensors of both devices is an error, and so is the conversion of a tensor on the card to NumPy. What the fake card does
not have: kernels, rounding, speed and memory of its own.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

from metamers.models import device as devices

CARD = torch.device("cuda:0")
NAME = "Fake card"
FREE, TOTAL = 10**6, 2 * 10**6  # bytes
# Functions whose tensors may be on different devices.
MOVING = {
    "_has_compatible_shallow_copy_type",
    "copy_",
    "to",
    "data.__set__",
    "grad.__set__",
    "Parameter",
    "__setstate__",
}


class OnCard(torch.Tensor):
    """A tensor that says it is on the card."""

    device = property(lambda self: CARD)
    is_cuda = property(lambda self: True)

    def numpy(self, **_options):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    __array__ = numpy


def _names_card(value: Any) -> bool:
    return isinstance(value, (str, torch.device)) and str(value).startswith("cuda")


def _names_cpu(value: Any) -> bool:
    return isinstance(value, (str, torch.device)) and str(value) == "cpu"


def _plain(value: Any) -> Any:
    return value.as_subclass(torch.Tensor) if isinstance(value, OnCard) else value


class Graph:
    """As ``torch.cuda.CUDAGraph``: the operations on the card that were recorded, done again on the same memory."""

    def __init__(self) -> None:
        self.operations: list[tuple[Callable[..., Any], Any, Any, list[torch.Tensor]]] = []
        self.replays = 0

    @torch.no_grad()
    def replay(self) -> None:
        """Do the recorded operations, with the values that their arguments have now."""
        self.replays += 1
        for function, args, kwargs, results in self.operations:
            again = [value for value in tree_iter(function(*args, **kwargs)) if isinstance(value, torch.Tensor)]
            memory = {value.untyped_storage().data_ptr() for value in tree_iter((args, kwargs)) if _is_tensor(value)}
            for result, new in zip(results, again, strict=True):
                if result.untyped_storage().data_ptr() not in memory:  # neither a view nor in place
                    result.copy_(new)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


class Checked(TorchDispatchMode):
    """Refuses operations that wait for the card, as PyTorch does with ``torch.cuda.set_sync_debug_mode("error")``."""

    WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero")
    REASON = "called a synchronizing CUDA operation"

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.__name__.split(".")[0] in self.WAITING:
            raise RuntimeError(self.REASON)
        return func(*args, **(kwargs or {}))


class Recorder(Checked):
    """Records operations in a graph, and refuses those that CUDA refuses while it records."""

    REASON = "CUDA error: operation not permitted when stream is capturing"

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = super().__torch_dispatch__(func, types, args, kwargs)
        args, kwargs, results = tree_map(_plain, (args, kwargs or {}, found))
        self.graph.operations.append((func, args, kwargs, [*filter(_is_tensor, tree_iter(results))]))
        return found


class Card(TorchFunctionMode):
    """Functions of tensors, with the rules of a card.

    Attributes
    ----------
    stimulus_shape, stimulus_bytes
        Shape of a stimulus, and the memory that a synthesis takes for each; nothing else takes memory.
    calls
        How often functions of ``torch.cuda`` were called.
    graphs, recording, checked
        All graphs; whether one is being recorded, after which failed ones leave memory that cannot be freed; the mode
        that refuses to wait.
    limit, peak, held
        Bytes that may be taken, that were taken at most since ``reset_peak_memory_stats``, and that are held all along.
    """

    def __init__(self, stimulus_shape: tuple[int, ...] = (0,), stimulus_bytes: int = 0):
        super().__init__()
        self.stimulus_shape, self.stimulus_bytes = stimulus_shape, stimulus_bytes
        self.calls: Counter = Counter()
        self.limit, self.peak, self.held = FREE, 0, 0
        self.graphs: list[Graph] = []
        self.recording = self.failed = False
        self.checked: Checked | None = None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            name = f"{getattr(func.__self__, '__name__', '')}.{name}"
        if func is torch.device or name == "_parse_to":  # of modules, which then move their tensors one by one
            return func(*args, **kwargs)
        given = [*tree_iter(args), *tree_iter(kwargs)]
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        there = [isinstance(value, OnCard) for value in tensors]
        here = [value.ndim > 0 and not on for value, on in zip(tensors, there, strict=True)]
        if any(there) and any(here) and name not in MOVING and "item" not in name:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, but found cuda:0 and cpu")
        to_card = any(map(_names_card, given))
        to_cpu = name == "cpu" or any(map(_names_cpu, given))
        moves = (to_cpu and any(there)) or (to_card and not any(there) and bool(tensors))
        if moves and (self.recording or self.checked):
            raise RuntimeError(Recorder.REASON if self.recording else Checked.REASON)
        args, kwargs = tree_map(lambda value: "cpu" if _names_card(value) else value, (args, kwargs))
        found = func(*args, **kwargs)
        if to_card or (any(there) and not to_cpu):
            return tree_map(self._on_card, found)
        return tree_map(_plain, found) if to_cpu else found

    def _on_card(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if value.ndim and value.shape[1:] == self.stimulus_shape:
            wanted = len(value) * self.stimulus_bytes
            self.peak = max(self.peak, min(wanted, self.limit))
            if wanted > self.limit:
                raise torch.OutOfMemoryError(f"CUDA out of memory: {wanted} of {self.limit} bytes")
        return value if isinstance(value, OnCard) else value.as_subclass(OnCard)

    def counted(self, name: str, result: Callable[..., Any] = lambda *_, **__: None) -> Callable[..., Any]:
        """A function of ``torch.cuda`` that counts its calls."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            return result(*arguments, **options)

        return call

    def new_graph(self) -> Graph:
        """As ``torch.cuda.CUDAGraph``."""
        self.graphs.append(Graph())
        return self.graphs[-1]

    @contextmanager
    def record(self, graph: Graph, stream: torch.device) -> Iterator[None]:
        """As ``torch.cuda.graph``."""
        assert stream == CARD
        self.recording = self.failed = True
        try:
            with Recorder(graph):
                yield
            self.failed = False
        finally:
            self.recording = False

    def check(self, mode: str) -> None:
        """As ``torch.cuda.set_sync_debug_mode``."""
        if self.checked is not None:
            self.checked.__exit__(None, None, None)
        self.checked = Checked() if mode == "error" else None
        if self.checked is not None:
            self.checked.__enter__()

    def free(self) -> None:
        """As ``torch.cuda.empty_cache``."""
        if self.failed:
            raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")

    def forget_peak(self, _device: torch.device) -> None:
        """As ``torch.cuda.reset_peak_memory_stats``."""
        self.peak = 0

    def limit_to(self, part: float, device: torch.device) -> None:
        """As ``torch.cuda.set_per_process_memory_fraction``, which needs a card with a number."""
        assert isinstance(part, float)
        assert device.index is not None
        self.limit = min(FREE, int(part * TOTAL))


@contextmanager
def fake_card(
    stimulus_shape: tuple[int, ...] = (0,), stimulus_bytes: int = 0, capability: tuple[int, int] = (9, 0)
) -> Iterator[Card]:
    """A machine with two fake cards within the context, which no other process has taken."""
    card = Card(stimulus_shape, stimulus_bytes)
    locks = Path(tempfile.mkdtemp())
    functions = {
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "is_current_stream_capturing": lambda: card.recording,
        "CUDAGraph": card.new_graph,
        "graph": card.record,
        "Stream": lambda device: device,
        "device": lambda _device: nullcontext(),
        "set_sync_debug_mode": card.check,
        "set_device": lambda _device: None,
        "get_device_properties": lambda number: SimpleNamespace(uuid=f"fake-{number}"),
        "memory_allocated": lambda _device: card.held,
        "mem_get_info": lambda _device: (FREE, TOTAL),
        "max_memory_allocated": lambda _device: card.held + card.peak,
        "reset_peak_memory_stats": card.forget_peak,
        "set_per_process_memory_fraction": card.limit_to,
        "empty_cache": card.free,
        "synchronize": lambda _device: None,
        "get_device_name": lambda _device: NAME,
        "get_device_capability": lambda _device: capability,
        "get_rng_state_all": lambda: [torch.zeros(1, dtype=torch.uint8)] * 2,
        "set_rng_state_all": lambda _states: None,
    }
    autocast = torch.autocast

    def autocast_here(device: str, *arguments: Any, **options: Any) -> Any:
        card.calls[f"autocast {device}"] += 1
        return autocast("cpu", *arguments, **options)  # where these tensors are computed

    # As on a card, a module has new parameters when it is moved.
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    counted = {name: card.counted(name, function) for name, function in functions.items()}
    try:
        with (
            mock.patch.multiple(torch.cuda, **counted),
            mock.patch.object(torch, "autocast", autocast_here),
            mock.patch.object(devices.tempfile, "gettempdir", return_value=str(locks)),
            card,
        ):
            yield card
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
        devices.own_card.cache_clear()
        devices._LOCKS.clear()
        shutil.rmtree(locks)
