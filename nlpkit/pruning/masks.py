"""Unstructured pruning: which weights of a model become zero.

Masks are those of `torch.nn.utils.prune`: a pruned `weight` is `weight_orig * weight_mask`, so that gradients reach
only what is left, and a checkpoint holds the masks. `make_permanent` turns them into zeros.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.utils import prune

from nlpkit.errors import UserError

Scope = Literal["layer", "global"]


@dataclass(frozen=True)
class Prunable:
    """One tensor that can be pruned.

    Attributes:
        name: of the parameter in the model.
        modules: that hold it: more than one where embeddings are tied to an output layer.
        attribute: its name there.
    """

    name: str
    modules: tuple[nn.Module, ...]
    attribute: str

    @property
    def original(self) -> nn.Parameter:
        """The trained values, of pruned entries too; any shape."""
        module: Any = self.modules[0]
        return getattr(module, f"{self.attribute}_orig" if self.is_masked else self.attribute)

    @property
    def mask(self) -> torch.Tensor:
        """1 where an entry is kept, 0 where it is pruned, in the dtype of the values."""
        module: Any = self.modules[0]
        return getattr(module, f"{self.attribute}_mask")

    @property
    def scores(self) -> nn.Parameter:
        """Of movement pruning: learned importance of each entry."""
        module: Any = self.modules[0]
        return getattr(module, f"{self.attribute}_scores")

    @property
    def is_masked(self) -> bool:
        """Whether the modules compute with a mask now."""
        return hasattr(self.modules[0], f"{self.attribute}_mask")


def prunable(model: Any, include: Collection[str] = ()) -> list[Prunable]:
    """The weights of the encoder's Linear layers, in the order of the model; the task's head is left alone.

    Args:
        model: a PreTrainedModel.
        include: `biases` of the same layers, `embeddings` (of tokens, positions, types).

    Raises:
        UserError: there is none: GPT-2 and its kin, I-BERT have layers of other kinds.
    """
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    tied = {
        module: getattr(module, "weight", None) for module in model.modules() if isinstance(module, nn.Linear)
    }  # a head's output layer may share the table of token embeddings
    head = model.get_output_embeddings()  # which T5 and pairs of encoders hold in their base model
    tensors = []
    for name, module in model.base_model.named_modules():
        if module is head:
            continue
        if isinstance(module, nn.Linear):
            tensors.append(Prunable(f"{prefix}{name}.weight", (module,), "weight"))
            if "biases" in include and module.bias is not None:
                tensors.append(Prunable(f"{prefix}{name}.bias", (module,), "bias"))
        elif isinstance(module, nn.Embedding) and "embeddings" in include:
            sharing = [other for other, weight in tied.items() if weight is module.weight]
            tensors.append(Prunable(f"{prefix}{name}.weight", (module, *sharing), "weight"))
    if not tensors:
        raise UserError(
            f"{type(model).__name__} has no Linear layer in its encoder: there are no weights to prune",
            "Distil it into an encoder that has some: nlpkit distill --student MODEL.",
        )
    return tensors


# --- which entries ---


def magnitudes(tensors: Sequence[Prunable]) -> list[torch.Tensor]:
    """|w| of each entry (Han et al. 2015, arXiv:1506.02626)."""
    return [tensor.original.detach().abs() for tensor in tensors]


def random_numbers(tensors: Sequence[Prunable], seed: int) -> list[torch.Tensor]:
    """A number from [0, 1) for each entry, the same for a seed: the control that a criterion has to beat."""
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for tensor in tensors:
        values = tensor.original
        drawn.append(torch.rand(values.shape, generator=generator).to(values.device))
    return drawn


def learned_scores(tensors: Sequence[Prunable]) -> list[torch.Tensor]:
    """The scores of movement pruning, see `attach_scores`."""
    return [tensor.scores.detach() for tensor in tensors]


def kept(importance: Sequence[torch.Tensor], sparsity: float, scope: Scope) -> list[torch.Tensor]:
    """Masks that keep the most important entries.

    Args:
        importance: a number for each entry of each tensor, any shapes.
        sparsity: share of entries to prune, 0 to 1; exact, to a rounded number of entries.
        scope: `layer` prunes this share of every tensor, `global` this share of all entries together.

    Returns:
        For each tensor a boolean one of its shape, True where the entry is kept.
    """
    if scope == "layer":
        return [_kept(values.flatten(), sparsity).view(values.shape) for values in importance]
    flat = _kept(torch.cat([values.flatten() for values in importance]), sparsity)
    parts = flat.split([values.numel() for values in importance])
    return [part.view(values.shape) for part, values in zip(parts, importance, strict=True)]


def _kept(values: torch.Tensor, sparsity: float) -> torch.Tensor:
    """The entries of a vector that are not among the round(sparsity * n) least."""
    mask = torch.ones_like(values, dtype=torch.bool)
    mask[values.topk(round(sparsity * len(values)), largest=False, sorted=False).indices] = False
    return mask


# --- masks on a model ---


class _StraightThrough(prune.CustomFromMask):
    """A mask through which the gradient reaches the scores it was made from as if they were multiplied in."""

    def apply_mask(self, module: Any) -> torch.Tensor:
        name = self._tensor_name
        scores, mask = getattr(module, f"{name}_scores"), getattr(module, f"{name}_mask")
        return getattr(module, f"{name}_orig") * (mask + (scores - scores.detach()))


def attach(tensors: Sequence[Prunable]) -> None:
    """Put a mask on each tensor that prunes nothing yet."""
    _attach(tensors, prune.CustomFromMask)


def attach_scores(tensors: Sequence[Prunable]) -> None:
    """The same, with a learned score for each entry: movement pruning (Sanh et al. 2020, arXiv:2005.07683).

    The scores S begin at 0; with W' = W * M(S), dL/dS = dL/dW' * W, of pruned entries too, and dL/dW = dL/dW' * M.
    """
    for tensor in tensors:
        scores = nn.Parameter(torch.zeros_like(tensor.original))
        for module in tensor.modules:
            module.register_parameter(f"{tensor.attribute}_scores", scores)
    _attach(tensors, _StraightThrough)


def _attach(tensors: Sequence[Prunable], method: type[prune.CustomFromMask]) -> None:
    for tensor in tensors:
        mask = torch.ones_like(tensor.original)
        for module in tensor.modules:
            method.apply(module, tensor.attribute, mask)
            setattr(module, f"{tensor.attribute}_mask", mask)  # one for all that share the tensor


def set_masks(tensors: Sequence[Prunable], masks: Sequence[torch.Tensor]) -> None:
    """Replace the masks of tensors; `masks` are as `kept` gives them."""
    for tensor, mask in zip(tensors, masks, strict=True):
        tensor.mask.copy_(mask)


def prune_to(
    tensors: Sequence[Prunable], importance: Sequence[torch.Tensor], sparsity: float, scope: Scope, *, for_good: bool
) -> None:
    """Prune masked tensors to a sparsity.

    Args:
        importance: of each entry; a larger number is kept.
        for_good: an entry that is pruned already stays so, however important it is.
    """
    if for_good:
        importance = [
            values.masked_fill(tensor.mask == 0, -torch.inf) for tensor, values in zip(tensors, importance, strict=True)
        ]
    set_masks(tensors, kept(importance, sparsity, scope))


def make_permanent(tensors: Sequence[Prunable]) -> None:
    """Write zeros where entries are pruned, and take masks and scores away."""
    for tensor in tensors:
        for module in tensor.modules:
            prune.remove(module, tensor.attribute)
            module._parameters.pop(f"{tensor.attribute}_scores", None)


# --- what came of it ---


def zeros(tensors: Sequence[Prunable]) -> dict[str, tuple[int, int]]:
    """For each tensor, by name: how many of its entries are zero, and how many it has."""
    counts = {}
    for tensor in tensors:
        values = tensor.original.detach() * (tensor.mask if tensor.is_masked else 1)
        counts[tensor.name] = (int((values == 0).sum()), values.numel())
    return counts
