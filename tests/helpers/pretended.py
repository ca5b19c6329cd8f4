"""A CUDA machine that is not there, and what waits for it.

`with pretended.cuda():` torch finds one GPU (or the `Card`s that are named): availability, names, capability, memory,
streams, seeds and bfloat16 answer as there. No tensor lives on it: what is decided, passed on and said is tested so.

`with pretended.tensors():` inside it, tensors and modules on "cuda" have shapes, types and a device, but no numbers
(torch's FakeTensorMode). Forward, backward, clipping, optimizers (fused too), autocast("cuda"), GradScaler.scale and
indexing work, and Trainer.training_step with all of these (set `current_gradient_accumulation_steps` first, which
`train()` does). Models are best opened before it and moved within by `.to("cuda")`; tied weights stay tied. A tensor
that was left on the CPU raises FakeTensorDeviceMismatchError where it meets one on the GPU. What asks for a number
(`.item()`, `float()`, `if tensor`, boolean indexing, `nonzero`) raises DataDependentOutputException or
DynamicOutputShapeException, but for within `waits()`, which counts it and answers as if everything were true. What has
no number cannot go to numpy, pinned memory is not pinned, and a whole `Trainer.train()` stops where it logs a loss.
Autocast is this module's own, of the functions that models call (`_LOWER`, `_FULL`).

`with waits() as found:` lists what the CPU has to wait for the device for, each with its place in nlpkit, transformers
or accelerate. Without pretended tensors it takes each tensor for one on the device, also those that a real run would
keep on the CPU: run the device's part alone in it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from nlpkit.hardware import arithmetic, gpus
from nlpkit.machine import GPU_FIELDS

GIB = 1024**3


@dataclass(frozen=True)
class Card:
    """A GPU: its name, compute capability and bytes of memory."""

    name: str = "NVIDIA H200"
    capability: tuple[int, int] = (9, 0)
    memory: int = 141 * GIB


H200, T4 = Card(), Card("Tesla T4", (7, 5), 15 * GIB)


@dataclass
class Machine:
    """The machine that torch finds: its cards, and what was done to it.

    Attributes:
        current: number of the card among those that are visible, see `torch.cuda.set_device`.
        initialized: whether CUDA was; `CUDA_VISIBLE_DEVICES` is read then and never again.
        calls: how often `synchronize`, `Event.synchronize`, `empty_cache` and `reset_peak_memory_stats` were called.
    """

    cards: tuple[Card, ...]
    current: int = 0
    initialized: bool = False
    architectures: tuple[str, ...] = ("sm_60", "sm_75", "sm_80", "sm_90")  # that torch has kernels for
    calls: Counter[str] = field(default_factory=Counter)
    _seen: list[Card] | None = None

    def visible(self) -> list[Card]:
        """The cards that CUDA_VISIBLE_DEVICES leaves, in its order."""
        if self._seen is not None:
            return self._seen
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        if named is None:
            return list(self.cards)
        found = []
        for text in named.split(","):
            if not text.strip().isdecimal() or int(text) >= len(self.cards):
                break  # as CUDA reads it: none after the first that there is not
            found.append(self.cards[int(text)])
        return found

    def begin(self) -> None:
        """Initialize CUDA."""
        if not self.visible():
            raise RuntimeError("No CUDA GPUs are available")
        if not self.initialized:
            self.initialized, self._seen = True, self.visible()

    def card(self, device: Any = None) -> Card:
        self.begin()
        return self.visible()[self.index(device)]

    def index(self, device: Any = None) -> int:
        number = device if isinstance(device, int) else torch.device(device).index if device is not None else None
        return self.current if number is None else number


@contextlib.contextmanager
def cuda(*cards: Card) -> Iterator[Machine]:
    """torch finds these GPUs, one H200 if none is named; the variables that nlpkit sets are put back afterwards."""
    import torch._dynamo  # it looks at the machine when it is imported, and meets what is no CUDA

    machine = Machine(cards or (H200,))

    def counted(name: str) -> Callable[..., None]:
        return lambda *_, **__: machine.calls.update([name])

    def set_device(device: Any) -> None:
        machine.begin()
        if not 0 <= machine.index(device) < len(machine.visible()):
            raise torch.AcceleratorError("CUDA error: invalid device ordinal")
        machine.current = machine.index(device)

    def properties(device: Any = None) -> Any:
        card = machine.card(device)
        (major, minor), memory = card.capability, card.memory
        place = {"pci_domain_id": 0, "pci_bus_id": machine.cards.index(card) + 1, "pci_device_id": 0}
        return SimpleNamespace(name=card.name, major=major, minor=minor, total_memory=memory, uuid="0" * 8, **place)

    def current() -> int:
        machine.begin()
        return machine.current

    def seen(name: Any) -> Any:
        return torch.device(name).type if name is not None else "cuda"

    real_generator = torch.Generator

    class Generator(real_generator):  # type: ignore[misc, valid-type]
        def __new__(cls, device: Any = "cpu") -> Any:
            return real_generator("cpu" if seen(device) == "cuda" else device)

    answers: dict[str, Any] = {
        "is_available": lambda: bool(machine.visible()),
        "device_count": lambda: len(machine.visible()),
        "is_initialized": lambda: machine.initialized,
        "init": machine.begin,
        "_lazy_init": machine.begin,
        "_is_compiled": lambda: True,
        "current_device": current,
        "set_device": set_device,
        "get_device_name": lambda device=None: machine.card(device).name,
        "get_device_capability": lambda device=None: machine.card(device).capability,
        "get_device_properties": properties,
        "get_arch_list": lambda: list(machine.architectures),
        "_check_bf16_tensor_supported": lambda device: True,
        "mem_get_info": lambda device=None: (machine.card(device).memory, machine.card(device).memory),
        **dict.fromkeys(
            ("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"),
            lambda device=None: 0,
        ),
        **{name: counted(name) for name in ("synchronize", "empty_cache", "reset_peak_memory_stats")},
        **{name: counted(name) for name in ("manual_seed", "manual_seed_all")},
        "get_rng_state_all": lambda: [torch.zeros(16, dtype=torch.uint8)] * len(machine.visible()),
        "set_rng_state_all": lambda states: None,
        "is_current_stream_capturing": lambda: False,
        "current_stream": lambda device=None: SimpleNamespace(record_event=lambda event: event),
        "Event": lambda **_: SimpleNamespace(synchronize=counted("Event.synchronize")),
        "default_generators": tuple(torch.Generator() for _ in machine.cards),
    }
    with pytest.MonkeyPatch.context() as patch, _asked_anew():
        kept = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
        for name, answer in answers.items():
            patch.setattr(torch.cuda, name, answer)
        patch.setattr(torch.version, "cuda", "13.0")
        patch.setattr(torch, "Generator", Generator)
        patch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
        patch.setattr("nlpkit.hardware.devices._used", None)
        patch.setattr("nlpkit.machine.has_nvidia_driver", lambda: True)
        patch.setattr("nlpkit.machine.gpus", lambda: list(map(_by_driver, machine.cards, range(1, 9))))
        gpus._of_machine.cache_clear()
        try:
            yield machine
        finally:
            gpus._of_machine.cache_clear()
            arithmetic.set_tf32(False)
            torch.backends.cudnn.allow_tf32 = True  # as torch begins
            for name in [name for name in os.environ if name.startswith(_VARIABLES)]:
                del os.environ[name]
            os.environ.update(kept)


_VARIABLES = ("CUDA_", "CUBLAS_", "PYTORCH_", "NLPKIT_VISIBLE_GPU")


def _by_driver(card: Card, bus: int) -> dict[str, Any]:
    fields = dict.fromkeys([*GPU_FIELDS, "slowed"])
    return {
        **fields,
        "name": card.name,
        "memory_bytes": card.memory,
        "driver": "580.65",
        "pci": f"00000000:{bus:02X}:00.0",
    }


@contextlib.contextmanager
def _asked_anew() -> Iterator[None]:
    """What transformers and accelerate keep of the first answer about devices is asked for again, inside and after."""
    from accelerate.state import AcceleratorState, GradientState, PartialState
    from accelerate.utils import imports
    from transformers.utils import import_utils

    states = [kind._shared_state for kind in (AcceleratorState, GradientState, PartialState)]
    found = [value for module in (imports, import_utils) for value in vars(module).values()]
    kinds = ("torch", "tf32")
    answers = [v for v in found if hasattr(v, "cache_clear") and any(kind in v.__name__ for kind in kinds)]
    kept = [dict(state) for state in states]
    for state in states:
        state.clear()
    for answer in answers:
        answer.cache_clear()
    try:
        yield
    finally:
        for state, before in zip(states, kept, strict=True):
            state.clear()
            state.update(before)
        for answer in answers:
            answer.cache_clear()


@contextlib.contextmanager
def tensors() -> Iterator[FakeTensorMode]:
    """Tensors and modules on the pretended GPU, without numbers; within `cuda()`."""
    make = torch.Tensor._make_subclass

    def made(kind: Any, inner: Any, *arguments: Any, **keywords: Any) -> Any:
        # torch's C++ is told that it is a tensor on "meta", with the kernels of CUDA: a CPU build has neither a guard
        # for "cuda" nor a stream to go backward on
        device = keywords.get("device_for_backend_keys")
        if device is not None and device.type == "cuda":
            keywords["dispatch_device"] = False
        return make(kind, inner, *arguments, **keywords)

    to = torch.Tensor.to

    def moved(self: torch.Tensor, *arguments: Any, **keywords: Any) -> torch.Tensor:
        """Tensor.to: "cuda" is the current GPU, and what is there already stays."""
        first = arguments[0] if arguments else None
        named = isinstance(first, str | int | torch.device)
        device = first if named else keywords.get("device")
        if device is None or torch.device(device).type != "cuda":
            return to(self, *arguments, **keywords)
        place = torch.device(device)
        place = place if place.index is not None else torch.device("cuda", torch.cuda.current_device())
        rest = arguments[1:] if named else arguments
        others = {name: value for name, value in keywords.items() if name != "device"}
        if self.device != place:
            return to(self, place, *rest, **others)
        kind = next((value for value in (*rest, others.get("dtype")) if isinstance(value, torch.dtype)), self.dtype)
        return to(self, kind, copy=bool(others.get("copy")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "_apply", _apply)
        patch.setattr(torch.Tensor, "pin_memory", lambda self, device=None: self)
        patch.setattr(torch.Tensor, "to", moved)
        patch.setattr(torch.Tensor, "cuda", lambda self, device="cuda", **more: moved(self, device, **more))
        patch.setattr(torch.Tensor, "_make_subclass", staticmethod(made))
        # transformers takes tensors without numbers for a graph that is traced, and leaves out what waits
        patch.setattr("transformers.utils.import_utils.is_fake_tensor", lambda tensor: False)
        with _Tensors(allow_non_fake_inputs=True) as mode, _Autocast():
            yield mode


class _Tensors(FakeTensorMode):
    # where there is CUDA, torch's mode makes small constants on the GPU after all; here there is only the pretence
    avoid_device_init = True  # type: ignore[assignment]

    def dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == torch.device("meta"):  # from C++, of a tensor on the GPU
            kwargs["device"] = next(
                (arg.fake_device for arg in args if isinstance(arg, FakeTensor) and arg.fake_device.type == "cuda"),
                torch.device("cuda", torch.cuda.current_device()),
            )
        return super().dispatch(func, types, args, kwargs)


_functional = torch.nn.functional
# what autocast on CUDA does in the lower type, and what in float32; of its lists what models call
_LOWER = {
    _functional.linear, _functional.scaled_dot_product_attention, torch.matmul, torch.mm, torch.bmm, torch.addmm,
    torch.baddbmm, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.Tensor.mm, torch.Tensor.bmm,
    _functional.conv1d, _functional.conv2d,
}  # fmt: skip
_FULL = {
    torch.softmax, torch.Tensor.softmax, _functional.softmax, torch.log_softmax, torch.Tensor.log_softmax,
    _functional.log_softmax, _functional.layer_norm, torch.layer_norm, _functional.cross_entropy,
    _functional.nll_loss, _functional.kl_div, _functional.mse_loss, torch.cosine_similarity,
    _functional.cosine_similarity, torch.exp, torch.Tensor.exp, torch.log, torch.Tensor.log, torch.pow,
    torch.Tensor.pow, torch.Tensor.__pow__, torch.rsqrt, torch.Tensor.rsqrt, torch.sum, torch.Tensor.sum, torch.cumsum,
    torch.Tensor.cumsum, torch.norm, torch.Tensor.norm,
}  # fmt: skip


class _Autocast(TorchFunctionMode):
    """autocast("cuda"): torch's own asks a tensor's device, and is told "meta"."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if (function in _LOWER or function in _FULL) and torch.is_autocast_enabled("cuda"):
            kind = torch.get_autocast_dtype("cuda") if function in _LOWER else torch.float32

            def cast(value: Any) -> Any:
                on_gpu = isinstance(value, torch.Tensor) and value.device.type == "cuda" and value.is_floating_point()
                return value.to(kind) if on_gpu else value

            args = [cast(arg) for arg in args]
            kwargs = {name: cast(value) for name, value in kwargs.items()}
        return function(*args, **kwargs)


def _apply(self: torch.nn.Module, function: Callable[[Any], Any], recurse: bool = True) -> torch.nn.Module:
    """Module._apply for tensors without numbers: torch's own swaps them in place, which it then refuses."""
    made: dict[int, torch.nn.Parameter] = {}
    for module in self.modules() if recurse else [self]:
        for name, old in module._parameters.items():
            if old is None:
                continue
            if id(old) not in made:
                with torch.no_grad():
                    new = function(old)
                # what is there already stays the parameter that an optimizer knows
                made[id(old)] = old if new is old else torch.nn.Parameter(new, requires_grad=old.requires_grad)
            module._parameters[name] = made[id(old)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = function(buffer)
    return self


@dataclass(frozen=True)
class Wait:
    """Something that the CPU waited for: what was called, and where, as `nlpkit/training/trainer.py:252`."""

    what: str
    place: str


# functions of tensors that reach no kernel where the tensor is on the CPU already
_FUNCTIONS = {
    torch.Tensor.tolist: "tolist", torch.Tensor.numpy: "numpy", torch.Tensor.cpu: "cpu",
    torch.Tensor.__array__: "numpy",
}  # fmt: skip
_aten = torch.ops.aten
_KERNELS = {
    _aten._local_scalar_dense.default: "item", _aten.nonzero.default: "nonzero", _aten.equal.default: "equal",
    _aten.masked_select.default: "masked_select", _aten.is_nonzero.default: "item", _aten._unique2.default: "unique",
    _aten.unique_consecutive.default: "unique", _aten.unique_dim.default: "unique",
    _aten.repeat_interleave.Tensor: "repeat_interleave",
}  # fmt: skip
_INDEXED = (_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default)
_COPIED = (_aten._to_copy.default, _aten.copy_.default)
_HOUSES = ("nlpkit", "transformers", "accelerate", "tests")


@contextlib.contextmanager
def waits() -> Iterator[list[Wait]]:
    """List what waits for the device: numbers read from it, shapes that depend on numbers, copies to the CPU.

    With pretended tensors those of the GPU alone are looked at, and what is asked of them is answered as if all of it
    were true or one.
    """
    found: list[Wait] = []
    with _Functions(found) as functions, _Kernels(found, functions):
        yield found


class _Functions(TorchFunctionMode):
    def __init__(self, found: list[Wait]) -> None:
        super().__init__()
        self.found = found
        self.counted = False  # what is called now; the kernels that it starts are not counted once more

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = _FUNCTIONS.get(function)
        if name is None or not _on_device(args[0]) or self.counted:
            return function(*args, **(kwargs or {}))
        self.found.append(Wait(name, _place()))
        self.counted = True
        try:
            return function(*args, **(kwargs or {}))
        finally:
            self.counted = False


class _Kernels(TorchDispatchMode):
    def __init__(self, found: list[Wait], functions: _Functions) -> None:
        super().__init__()
        self.found, self.functions = found, functions

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = _kernel_waits(kernel, args, kwargs)
        if name is None:
            return kernel(*args, **kwargs)
        if not self.functions.counted:
            self.found.append(Wait(name, _place()))
        return _answered(kernel, args, kwargs) if isinstance(args[0], FakeTensor) else kernel(*args, **kwargs)


def _on_device(tensor: Any) -> bool:
    return isinstance(tensor, torch.Tensor) and (not isinstance(tensor, FakeTensor) or tensor.device.type == "cuda")


def _kernel_waits(kernel: Any, args: Any, kwargs: Any) -> str | None:
    if kernel in _KERNELS:
        return _KERNELS[kernel] if _on_device(args[0]) else None
    if kernel in _INDEXED:
        truths = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8) and _on_device(i)]
        return "boolean index" if truths else None
    if kernel in _COPIED and kwargs.get("non_blocking", len(args) > 2 and args[2]):
        return None
    if kernel is _aten._to_copy.default and isinstance(args[0], FakeTensor) and _on_device(args[0]):
        return "copy to the CPU" if torch.device(kwargs.get("device") or "cuda").type == "cpu" else None
    if kernel is _aten.copy_.default and isinstance(args[1], FakeTensor) and _on_device(args[1]):
        return "copy to the CPU" if args[0].device.type == "cpu" else None
    return None


def _answered(kernel: Any, args: Any, kwargs: Any) -> Any:
    """What a kernel gives where all its numbers are true, or one."""
    tensor = args[0]
    if kernel in (_aten._local_scalar_dense.default, _aten.is_nonzero.default):
        return {torch.bool: True}.get(tensor.dtype, 1.0 if tensor.is_floating_point() else 1)
    if kernel is _aten.equal.default:
        return True
    if kernel is _aten.nonzero.default:
        return tensor.new_zeros((tensor.numel(), tensor.dim()), dtype=torch.int64)
    if kernel is _aten.masked_select.default:
        return tensor.expand(torch.broadcast_shapes(tensor.shape, args[1].shape)).reshape(-1)
    if kernel in _INDEXED:
        indices: list[Any] = []
        for index in args[1]:
            truth = index is not None and index.dtype in (torch.bool, torch.uint8)
            indices += [index.new_zeros(index.numel(), dtype=torch.int64)] * index.dim() if truth else [index]
        return kernel(tensor, indices, *args[2:], **kwargs)
    return kernel(*args, **kwargs)


def _place() -> str:
    """The innermost line that is not torch's or this module's."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        parts = Path(frame.f_code.co_filename).parts
        # the innermost, as the checkout, which may hold the environment too, is called nlpkit as a rule
        last = max((place for place, part in enumerate(parts) if part in _HOUSES), default=None)
        if last is not None and frame.f_code.co_filename != __file__ and "torch" not in parts:
            return f"{'/'.join(parts[last:])}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"
