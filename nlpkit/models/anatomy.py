"""The parts of an encoder that can be copied, measured or cut, under one name in every architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from nlpkit.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class Family(NamedTuple):
    """Where the parts of a layer stand, as paths from the layer, and what the config calls their sizes.

    Attributes:
        stack: path of the list of layers, from the base model.
        self_attention: path of the module that splits its input into heads.
        query, key, value: names inside that module.
        attention_output, up, down: paths from the layer.
        width: config name of the FFN width.
        shared: the layers of the stack run many times with the same weights.
        cuts_heads: whether the attention computes with fewer heads than hidden / head size.
        position_bias: place among the arguments of the attention of a bias with an entry for each head.
        per_layer: config lists with an entry for each layer.
    """

    stack: str
    self_attention: str
    query: str
    key: str
    value: str
    attention_output: str
    up: str
    down: str
    width: str = "intermediate_size"
    shared: bool = False
    cuts_heads: bool = True
    position_bias: int | None = None
    per_layer: tuple[str, ...] = ()


_BERT = Family(
    "encoder.layer",
    "attention.self",
    "query",
    "key",
    "value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)

# By model type and not by what a module happens to be called: ConvBERT has the names of BERT, and convolutions beside
# its heads. A line belongs here when tests/models/test_surgery.py passes with it.
FAMILIES: dict[str, Family] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "ernie": _BERT,
    "data2vec-text": _BERT,
    "megatron-bert": _BERT,
    "roberta-prelayernorm": _BERT,
    # asserts that its heads fill the hidden width
    "longformer": _BERT._replace(cuts_heads=False, per_layer=("attention_window",)),
    "distilbert": Family(
        "transformer.layer",
        "attention",
        "q_lin",
        "k_lin",
        "v_lin",
        "attention.out_lin",
        "ffn.lin1",
        "ffn.lin2",
        width="hidden_dim",
    ),
    "mpnet": Family(
        "encoder.layer",
        "attention.attn",
        "q",
        "k",
        "v",
        "attention.attn.o",
        "intermediate.dense",
        "output.dense",
        position_bias=2,
    ),
    "albert": Family(
        "encoder.albert_layer_groups.0.albert_layers",
        "attention",
        "query",
        "key",
        "value",
        "attention.dense",
        "ffn",
        "ffn_output",
        shared=True,
    ),
}


@dataclass
class Layer:
    """One transformer layer, as references into the model.

    With hidden width d, h heads of size s, and n FFN neurons, the weights have the shapes given.

    Attributes:
        module: the layer.
        query, key, value: (h s, d).
        attention_output: (d, h s).
        up: (n, d).
        down: (d, n).
        self_attention: the module that splits its input into heads.
    """

    module: nn.Module
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    attention_output: nn.Linear
    up: nn.Linear
    down: nn.Linear
    self_attention: nn.Module

    @property
    def neurons(self) -> int:
        """FFN neurons."""
        return self.up.out_features


@dataclass
class Anatomy:
    """The parts of an encoder.

    Attributes:
        layers: those with weights of their own, lowest first.
        stack: the list in the model that holds them.
        embeddings: of the tokens.
        heads: of a layer, as the config says.
        head_size: width of a head.
        hidden: width between the layers.
        shared_layers: the one layer there is runs `config.num_hidden_layers` times (ALBERT).
        family: names of the parts.
    """

    layers: list[Layer]
    stack: nn.ModuleList
    embeddings: nn.Embedding
    heads: int
    head_size: int
    hidden: int
    shared_layers: bool
    family: Family

    def heads_of(self, layer: Layer) -> int:
        """Heads that a layer has now."""
        return layer.query.out_features // self.head_size


def anatomy(model: Any) -> Anatomy:
    """Find the parts of a model.

    Args:
        model: a transformers model, with or without a head.

    Raises:
        UserError: its structure is not known, or it attends to a second sequence.
    """
    family = family_of(model.config)
    base = model.base_model
    stack: Any = base.get_submodule(family.stack)
    if family.shared and (len(stack) > 1 or len(base.get_submodule(family.stack.split(".0.")[0])) > 1):
        raise UserError(
            f"{type(model).__name__} shares its layers in groups; nlpkit handles one group of one layer",
            "num_hidden_groups and inner_group_num must be 1.",
        )
    config = model.config
    return Anatomy(
        layers=[layer_of(module, family) for module in stack],
        stack=stack,
        embeddings=model.get_input_embeddings(),
        heads=config.num_attention_heads,
        head_size=config.hidden_size // config.num_attention_heads,
        hidden=config.hidden_size,
        shared_layers=family.shared,
        family=family,
    )


def family_of(config: PreTrainedConfig) -> Family:
    """The names of the parts of an architecture.

    Raises:
        UserError: they are not known.
    """
    if config.model_type not in FAMILIES or getattr(config, "add_cross_attention", False):
        what = config.model_type + (" with cross-attention" if config.model_type in FAMILIES else "")
        raise UserError(
            f"the structure of the architecture {what} is not known to nlpkit", f"Known: {', '.join(FAMILIES)}."
        )
    return FAMILIES[config.model_type]


def layer_of(module: nn.Module, family: Family) -> Layer:
    """The parts of one layer."""
    attention = module.get_submodule(family.self_attention)
    parts: dict[str, Any] = {
        "query": attention.get_submodule(family.query),
        "key": attention.get_submodule(family.key),
        "value": attention.get_submodule(family.value),
        "attention_output": module.get_submodule(family.attention_output),
        "up": module.get_submodule(family.up),
        "down": module.get_submodule(family.down),
    }
    return Layer(module=module, self_attention=attention, **parts)
