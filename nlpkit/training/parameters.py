"""The parts of an encoder, found without knowing its architecture: embeddings, layers, head."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.errors import UserError
from nlpkit.models import fitting
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn
    from transformers import PreTrainedConfig

# Names under which the model families of transformers keep their dropout probabilities.
DROPOUT_NAMES = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "classifier_dropout_prob", "dropout",
    "attention_dropout", "seq_classif_dropout", "embedding_dropout", "mlp_dropout", "resid_pdrop", "embd_pdrop",
    "attn_pdrop", "summary_last_dropout", "pooler_dropout", "cls_dropout", "dropout_rate",
)  # fmt: skip


def layers(model: Any) -> tuple[str, nn.ModuleList]:
    """The stack of transformer layers and its name; of several lists the longest, then the outermost."""
    from torch import nn

    stacks = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    if getattr(model.config, "is_encoder_decoder", False):  # layers are counted from where a text is read
        reads = {id(module) for module in model.get_encoder().modules()}
        stacks = [(name, module) for name, module in stacks if id(module) in reads] or stacks
    if not stacks:
        raise UserError(f"{type(model).__name__} has no stack of layers that could be frozen or decayed")
    return max(stacks, key=lambda item: (len(item[1]), -item[0].count(".")))


def depth(model: Any) -> dict[str, int]:
    """For each parameter: 0 in the embeddings, i + 1 in layer i, layers + 1 in what lies above, as a decoder does."""
    prefix, stack = layers(model)
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    base = model.base_model_prefix + "."
    if getattr(model.config, "is_encoder_decoder", False):
        base = ""  # prefixes there stand before both, or before neither
    table, out = fitting.token_table(model), {}
    for name, parameter in model.named_parameters():
        if match := pattern.match(name):
            out[name] = int(match[1]) + 1
        elif parameter is table or (name.startswith(base) and "embed" in name):
            out[name] = 0
        else:
            out[name] = len(stack) + 1
    return out


def freeze(model: Any, what: str) -> None:
    """Keep parameters fixed.

    Args:
        what: `none`, `embeddings`, `encoder` (all but the head; of a model with a decoder what reads, with embeddings
            that both share) or a number N (embeddings and the first N layers).

    Raises:
        UserError: more layers than the model has.
    """
    if what == "none":
        return
    if what == "encoder":
        paired = getattr(model.config, "is_encoder_decoder", False)
        (model.get_encoder() if paired else model.base_model).requires_grad_(False)
        return
    deepest = 0 if what == "embeddings" else int(what)
    count = len(layers(model)[1])
    if deepest > count:
        raise UserError(
            f"--freeze {what}: the model has {counted(count, 'layer', 'layers')}",
            "Use `encoder` to freeze all of them.",
        )
    depths = depth(model)
    for name, parameter in model.named_parameters():
        if depths[name] <= deepest:
            parameter.requires_grad_(False)


def renew_head(model: Any, new: Collection[str]) -> list[str]:
    """Draw the weights anew whose outputs are the labels, as transformers draws those that a folder lacks: those beside
    the encoder with as many rows as there are labels.

    Args:
        new: names of weights that are new already.

    Returns:
        The names of those that were drawn.
    """
    import torch

    renewed = [name for name in _of_labels(model) if name not in new]
    for module_name in dict.fromkeys(name.rpartition(".")[0] for name in renewed):
        module = model.get_submodule(module_name)
        for tensor in (module, *module.parameters(recurse=False)):
            tensor._is_hf_initialized = False  # transformers marks what it has loaded, and draws none of that
        with torch.no_grad():
            model._init_weights(module)
    return renewed


def start_head(model: Any, new: Collection[str], answer: np.ndarray) -> None:
    """Have the last layer of a new head give the same answer for every row, but for its weights.

    Args:
        new: names of the weights that are new; a head that was trained stays as it is.
        answer: biases, shape (outputs,).
    """
    import torch

    for name, weight in last_layer(model).items():
        if name in new and name.endswith("bias"):
            with torch.no_grad():
                weight.copy_(torch.from_numpy(answer))


def reorder_head(model: Any, order: Sequence[int]) -> None:
    """Number the labels of a head otherwise.

    Args:
        order: for each label, as it is numbered now, its number so far.
    """
    import torch

    with torch.no_grad():
        for parameter in last_layer(model).values():
            parameter.copy_(parameter[list(order)])


def last_layer(model: Any) -> dict[str, Any]:
    """The weights whose outputs are the labels, by name; none where no layer beside the encoder has that many."""
    of_labels = _of_labels(model)
    # a layer in front of the last one may by chance be as wide
    last = of_labels[-1].rpartition(".")[0] if of_labels else ""
    return {name: model.get_parameter(name) for name in of_labels if name.rpartition(".")[0] == last}


def _of_labels(model: Any) -> list[str]:
    """The names of weights beside the encoder with as many rows as there are labels; none of an encoder alone, whose
    token types may be as many."""
    if model.base_model is model:
        return []
    base, rows = model.base_model_prefix + ".", (model.config.num_labels,)
    return [
        name
        for name, parameter in model.named_parameters()
        if not name.startswith(base) and parameter.shape[:1] == rows
    ]


def dropout_overrides(config: PreTrainedConfig, dropout: float | None) -> dict[str, Any]:
    """Config entries that set every dropout of this architecture to `dropout`.

    Raises:
        UserError: the architecture has no dropout that its config names.
    """
    if dropout is None:
        return {}
    names = [name for name in DROPOUT_NAMES if hasattr(config, name)]
    if not names:
        raise UserError(f"--dropout: the config of {config.model_type} names no dropout")
    return dict.fromkeys(names, dropout)


def optimizer_groups(
    model: Any, decayed: set[str], *, learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups for layer-wise learning-rate decay (ELECTRA, Clark et al. 2020, appendix B).

    Args:
        decayed: names that take weight decay.
        layer_decay: the rate of depth d is `learning_rate * layer_decay ** (deepest - d)`.
    """
    depths = depth(model)
    top = max(depths.values())
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((depths[name], name in decayed), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * layer_decay ** (top - level),
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (level, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
