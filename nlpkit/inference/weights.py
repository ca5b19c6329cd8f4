"""The weights of a model that only answers, in the arithmetic that is asked for.

Autocast over float32 weights casts all of them in every call: twice the kernels of a small batch, and three times the
memory traffic of its weights. On CUDA they are therefore held as bfloat16 or float16, as
`from_pretrained(dtype=...)` holds them. The kernels of norms and softmax add up in float32, and buffers (rotary
frequencies, running means) stay what they are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from nlpkit import reporting
from nlpkit.errors import first_line
from nlpkit.hardware import activations, memory, products
from nlpkit.inference.placed import Placed

if TYPE_CHECKING:
    from nlpkit.hardware.devices import Device

KINDS = {"bf16": torch.bfloat16, "fp16": torch.float16}  # of a device's precision; what is not here is float32
FOREIGN = "transformers_modules"  # the package of code that came with a model
SHOWN = 3  # parts that a message names
R = TypeVar("R")


class Weights(Placed):
    """A model on its device, and the arithmetic of its calls.

    A model that cannot be held in the lower type keeps float32 weights and autocast, and the reporter is told why.

    Args:
        model: of transformers, or one that runs in ONNX Runtime; it is moved to the device, in evaluation mode.
        device: where, and in which arithmetic.
        lent: whether the model is used for other things too, so that its weights have to stay as they are.

    Attributes:
        held: whether the weights are of the lower type.
    """

    def __init__(self, model: Any, device: Device, *, lent: bool) -> None:
        self.model, self._device = model, device
        self.kind = KINDS.get(device.precision)
        self.held = False
        self._bytes: int | None = None
        self._before: dict[str, torch.nn.Parameter] = {}  # the weights as they were, until a call has gone well
        if is_held_on(device) and not lent:
            why = _why_not(model)
            if why is None:
                self._hold()
            else:
                self._tell(why)
        self.model = model.to(device.name).eval()
        if device.name == "cpu" and not lent and hasattr(model, "modules"):
            products.use_faster(model)
            activations.use_fused(model)

    @property
    def device(self) -> Device:
        """As it was given; described as `..., bf16 weights` where they are held so, as `..., bf16` under autocast."""
        device = self._device
        return replace(device, described=f"{device.described} weights") if self.held else device

    @property
    def bytes(self) -> int:
        """Of the weights as they were given, shared ones once."""
        return tensor_bytes(self.model) if self._bytes is None else self._bytes

    def call(self, function: Callable[[], R]) -> R:
        """What a function gives that calls the model, in the arithmetic of the device.

        The first call settles whether the model computes with what it is held in: some mix types in code of their own.
        """
        if self._before:
            try:
                made = self._computed(function)
            except Exception as error:
                if memory.is_exhausted(error):
                    raise
                self._give_up(error)
            else:
                self._before = {}
                return made
        return self._computed(function)

    def _computed(self, function: Callable[[], R]) -> R:
        """As `call`; within a training step too, whose autocast would cast what is held back to float32 for norms."""
        if self.kind is None:
            return function()
        with torch.autocast(self.device.name.partition(":")[0], dtype=self.kind, enabled=not self.held):
            return function()

    def _hold(self) -> None:
        self._bytes = tensor_bytes(self.model)
        self._before = dict(self.model.named_parameters(remove_duplicate=False))
        made: dict[int, torch.nn.Parameter] = {}  # what is shared stays so
        for old in self._before.values():
            if id(old) not in made:
                made[id(old)] = torch.nn.Parameter(old.detach().to(self.kind), requires_grad=old.requires_grad)
        _put(self.model, {name: made[id(old)] for name, old in self._before.items()})
        self.held = True

    def _give_up(self, error: Exception) -> None:
        with torch.inference_mode(False):
            _put(self.model, self._before)
            self.model.to(self.device.name)
        self._before, self.held = {}, False
        self._tell(f"it does not compute with others ({first_line(error)})")

    def _tell(self, why: str) -> None:
        reporting.current().note(
            f"{type(self.model).__name__} keeps its weights in float32 and casts them in every call: {why}"
        )


def is_held_on(device: Device) -> bool:
    """Whether weights are held in the arithmetic of a device; on others than CUDA nothing is known to be won by it."""
    return device.name.startswith("cuda") and device.precision in KINDS


def copied(model: Any, device: Device) -> Any:
    """A model to be answered with while it is used for other things: a copy where its weights would be changed."""
    if not is_held_on(device) or not hasattr(model, "parameters"):
        return model
    from accelerate.utils import extract_model_from_parallel

    # a Trainer has wrapped its forward in autocast
    return extract_model_from_parallel(copy.deepcopy(model), keep_fp32_wrapper=False)


def update_digest(digest: Any, model: Any, device: Device) -> None:
    """Add to a hashlib object what the outputs of a torch model on a device depend on: config, weights, arithmetic."""
    kind = device.name.partition(":")[0]  # whichever of several GPUs
    digest.update(f"{kind} {device.precision} {model.config.to_json_string()}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())


def tensor_bytes(model: Any) -> int:
    """Of what `save_pretrained` writes: shared tensors once."""
    unique = {tensor.data_ptr(): tensor for tensor in model.state_dict().values() if tensor.numel()}
    return sum(tensor.numel() * tensor.element_size() for tensor in unique.values())


def _why_not(model: Any) -> str | None:
    """Why the weights of a model cannot be held in a lower type, None where they can."""
    quantized = getattr(model.config, "quantization_config", None) is not None
    if quantized or any(weights.dtype != torch.float32 for weights in model.parameters()):
        return "they are quantized" if quantized else "they are of several types"
    names = ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict")
    parts = sorted({part for name in names for part in getattr(model, name, None) or ()})
    if parts:
        return f"its architecture asks for {', '.join(parts[:SHOWN])}{', ...' if len(parts) > SHOWN else ''} in float32"
    if type(model).__module__.startswith(FOREIGN):
        return "its code came with it, and nobody knows what that computes in float32"
    return None


def _put(model: Any, weights: Mapping[str, torch.nn.Parameter]) -> None:
    for name, parameter in weights.items():
        place, _, last = name.rpartition(".")
        setattr(model.get_submodule(place), last, parameter)
