"""A model whose weights, gradients and optimizer are divided over the processes, as `accelerate launch` may ask for
(FSDP2: Zhao et al. 2023, https://arxiv.org/abs/2304.11277).

A checkpoint holds the same files as that of a whole model: weights in safetensors, and the optimizer's state under the
numbers of its parameters. So a run may go on with a whole model, and the other way round, and on another number of
processes; and nothing of a checkpoint is pickled, as the shards of `torch.distributed.checkpoint` would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import accelerate.accelerator
import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType
from safetensors.torch import load_file
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from nlpkit import process
from nlpkit.errors import RunError, UserError

# where a module keeps what is called around it
_CALLED = ("_forward_pre_hooks", "_forward_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks")


@contextmanager
def on_a_cpu_too() -> Iterator[None]:
    """Have accelerate divide models over processes on a CPU as well, where it would leave them whole without a word."""
    shared = PartialState._shared_state
    if process.divides_models() and shared.get("distributed_type") is DistributedType.MULTI_CPU:
        shared["distributed_type"] = DistributedType.MULTI_XPU  # a kind for which it asks what divides models
    yield


class Division:
    """A model that is divided while it is trained, and whole before and after.

    Args:
        model: whole.
        plugin: accelerate's, with what its configuration file says.
        device: of this process.

    Raises:
        UserError: the configuration names layers that the model does not have.
    """

    def __init__(self, model: PreTrainedModel, plugin: Any, device: torch.device) -> None:
        self.model, self.plugin, self.device = model, plugin, device
        self.layers = _layers(model, plugin.transformer_cls_names_to_wrap)
        self._kinds = [(module, type(module)) for module in model.modules()]
        self._known = {id(module): {name: set(getattr(module, name)) for name in _CALLED} for module in model.modules()}

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Inside the block accelerate divides the model as `divide` does; behind it the model is whole.

        By itself accelerate divides the embeddings and the head apart from the rest, which fails where these share
        weights with others, as the bias of a masked-LM head and the embeddings of T5 do.
        """
        usual = accelerate.accelerator.fsdp2_prepare_model
        accelerate.accelerator.fsdp2_prepare_model = lambda accelerator, model: self.divide()
        try:
            yield
        finally:
            accelerate.accelerator.fsdp2_prepare_model = usual
        self._restore()

    def divide(self) -> PreTrainedModel:
        """Divide the model in place, layer by layer and the rest together.

        Weights are gathered in float32, in which they are kept: the arithmetic is that of a whole model. The rest stays
        gathered from its forward pass to its backward pass, as losses compute with the embeddings of the vocabulary.
        """
        settings: dict[str, Any] = {
            "mesh": init_device_mesh(self.device.type, (process.world_size(),)),
            "offload_policy": self.plugin.cpu_offload,
        }
        for layer in self.layers:
            fully_shard(layer, reshard_after_forward=self.plugin.reshard_after_forward, **settings)
        fully_shard(self.model, reshard_after_forward=False, **settings)
        return self.model

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Inside the block each process holds all weights, and runs the model as often as it likes: what one writes
        takes more steps than what another does."""
        parts = [cast(FSDPModule, part) for part in (*self.layers, self.model)]
        for part in parts:
            part.set_reshard_after_forward(False, recurse=False)
            part.unshard()
        try:
            yield
        finally:
            for part in parts:
                part.reshard()
            for part in parts[:-1]:
                part.set_reshard_after_forward(self.plugin.reshard_after_forward, recurse=False)

    def _restore(self) -> None:
        """Give each process the whole model, as an ordinary one."""
        self.model.state_dict()  # the divided weights take the place of gathered ones that a forward pass has left
        whole: dict[int, nn.Parameter] = {}
        for module, kind in self._kinds:
            for name, parameter in list(module.named_parameters(recurse=False)):
                if id(parameter) not in whole:
                    found = whole_tensor(parameter.detach()).to(self.device)
                    whole[id(parameter)] = nn.Parameter(found, requires_grad=parameter.requires_grad)
                module._parameters[name] = whole[id(parameter)]
            for name, known in self._known[id(module)].items():
                called = getattr(module, name)
                for number in set(called) - known:
                    del called[number]
            module.__class__ = kind


def _layers(model: PreTrainedModel, named: Sequence[str] | None) -> list[nn.Module]:
    """What is divided by itself: the modules of the classes that are named, else of those that an architecture says are
    not to be split, but for those with the embeddings; the inner ones first.

    Raises:
        UserError: one that is named is not in the model.
    """
    modules = list(model.modules())
    kinds = {type(module).__name__ for module in modules[1:]}
    if missing := sorted(set(named or ()) - kinds):
        raise UserError(
            f"fsdp_transformer_layer_cls_to_wrap: {missing[0]} is none of this model's parts",
            f"Leave it out of the configuration of `accelerate launch`; {model.config.model_type} has "
            f"{', '.join(sorted(set(model._no_split_modules or ()) & kinds)) or 'no layers of a known name'}.",
        )
    if named:
        return [module for module in reversed(modules) if type(module).__name__ in named]
    table = model.get_input_embeddings()
    return [
        module
        for module in reversed(modules[1:])
        if type(module).__name__ in (model._no_split_modules or ())
        and all(part is not table for part in module.modules())
    ]


def whole_tensor(tensor: Any) -> torch.Tensor:
    """A divided tensor, whole in each process; others as they are. Each process asks for the same ones in turn."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """The whole weights of a model, on the CPU; each process asks."""
    return {name: whole_tensor(tensor).cpu() for name, tensor in model.state_dict().items()}


def load_weights(model: nn.Module, folder: Path) -> None:
    """Put the weights of a checkpoint into a divided model.

    Raises:
        RunError: the checkpoint lacks some.
    """
    found: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= load_file(file)
    state = model.state_dict(keep_vars=True)
    own = {name: tensor for name, tensor in found.items() if name in state}
    loaded = {id(state[name]) for name in own}
    lost = [name for name, tensor in state.items() if id(tensor) not in loaded]  # what is tied is there once
    if lost:
        raise RunError(
            f"{folder.name} lacks {len(lost):,} weights of the model ({min(lost)}, ...)",
            "It was written by another version, or damaged: train again with --overwrite.",
        )
    model.load_state_dict({name: divided_as(state[name], tensor) for name, tensor in own.items()}, strict=False)


def optimizer_state(optimizer: Any) -> dict[str, Any]:
    """The state of an optimizer with whole tensors, on the CPU; each process asks."""
    state: dict[str, Any] = optimizer.state_dict()
    made = {
        number: {name: whole_tensor(value).cpu() if torch.is_tensor(value) else value for name, value in values.items()}
        for number, values in state["state"].items()
    }
    return {**state, "state": made}


def load_optimizer(optimizer: Any, state: Mapping[str, Any]) -> None:
    """Put a state with whole tensors into the optimizer of a divided model."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    made = {
        number: {
            name: divided_as(parameters[number], value) if _of_shape(value, parameters[number]) else value
            for name, value in values.items()
        }
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": made})


def _of_shape(value: Any, parameter: torch.Tensor) -> bool:
    return torch.is_tensor(value) and value.shape == parameter.shape


def divided_as(example: Any, whole: torch.Tensor) -> torch.Tensor:
    """A whole tensor that each process has, divided as another one is; nothing is sent."""
    if not isinstance(example, DTensor):
        return whole
    whole = whole.to(example.device)
    return distribute_tensor(whole, example.device_mesh, example.placements, src_data_rank=None)
