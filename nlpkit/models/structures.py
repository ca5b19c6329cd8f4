"""What is left of a model's layers, and how a model that no stock class describes is saved and opened.

BERT and its kin derive the head size as hidden width / heads and have one FFN width for all layers. Fewer layers or one
smaller width fit into their config; fewer heads, or widths that differ, do not. A model with such a structure carries
it in its config, under `STRUCTURE`; written to config.json, its model type is a sentence that names
`nlpkit.load`. Transformers then refuses the folder with that sentence, instead of loading garbage.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.models.anatomy import family_of
from nlpkit.models.files import STRUCTURE
from nlpkit.reporting import Table

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

HOW_TO_OPEN = "pruned by nlpkit; open it with: import nlpkit; nlpkit.load(FOLDER)"


@dataclass(frozen=True)
class LayerShape:
    """What one layer has.

    Attributes:
        heads: those that are left, by their numbers in the model as it was trained.
        neurons: width of the FFN.
    """

    heads: tuple[int, ...]
    neurons: int


@dataclass(frozen=True)
class LayerCut:
    """What of one layer is kept.

    Attributes:
        layer: its index in the model that is cut.
        heads: indices of the heads to keep, ascending.
        neurons: indices of the FFN neurons to keep, ascending.
    """

    layer: int
    heads: tuple[int, ...]
    neurons: tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """What of a model is kept; `surgery.apply` cuts a model to it.

    Attributes:
        layers: the layers to keep, lowest first.
        depth: layers that the model has.
        heads: heads that each layer was trained with.
        neurons: FFN neurons of the widest layer.
    """

    layers: tuple[LayerCut, ...]
    depth: int
    heads: int
    neurons: int

    @property
    def stock(self) -> bool:
        """Whether the stock classes of transformers describe what is left."""
        return is_stock([(len(cut.heads), len(cut.neurons)) for cut in self.layers], self.heads)

    def describe(self) -> Table:
        """A row for each layer of the model: heads and FFN neurons kept."""
        kept = {cut.layer: cut for cut in self.layers}
        body: list[list[Any]] = []
        for layer in range(self.depth):
            if layer in kept:
                heads, neurons = len(kept[layer].heads), len(kept[layer].neurons)
                body.append([layer, f"{heads} of {self.heads}", f"{neurons} of {self.neurons}"])
            else:
                body.append([layer, "removed", "removed"])
        return Table("structure", ["layer", "heads", "neurons"], body)

    def record(self) -> dict[str, Any]:
        """JSON values: counts for each layer that is kept."""
        layers = [{"layer": cut.layer, "heads": len(cut.heads), "neurons": len(cut.neurons)} for cut in self.layers]
        return {"depth": self.depth, "heads": self.heads, "neurons": self.neurons, "layers": layers}


def is_stock(sizes: Sequence[tuple[int, int]], heads: int) -> bool:
    """Whether layers of these (heads, neurons) have all their `heads`, and one width."""
    return all(left == heads for left, _ in sizes) and len({width for _, width in sizes}) <= 1


def shapes_of(config: PreTrainedConfig) -> list[LayerShape]:
    """The shape of each layer that has weights of its own, lowest first."""
    recorded = getattr(config, STRUCTURE, None)
    if recorded is not None:
        return [LayerShape(tuple(entry["heads"]), entry["neurons"]) for entry in recorded["layers"]]
    family = family_of(config)
    count = 1 if family.shared else config.num_hidden_layers
    return [LayerShape(tuple(range(config.num_attention_heads)), getattr(config, family.width))] * count


def record_shapes(config: PreTrainedConfig, shapes: Sequence[LayerShape]) -> None:
    """Say in a config what the layers of its model have become.

    Where the stock classes describe it, the config ends up as theirs; where not, it is written as this module says.
    """
    sizes = [(len(shape.heads), shape.neurons) for shape in shapes]
    family = family_of(config)
    setattr(config, family.width, max(width for _, width in sizes))
    if not family.shared:
        config.num_hidden_layers = len(shapes)
    if is_stock(sizes, config.num_attention_heads):
        if hasattr(config, STRUCTURE):
            delattr(config, STRUCTURE)
            config.__class__ = _stock_class(config)
    else:
        # not called model_type: transformers takes a part of a config with the wanted model type for the config
        setattr(config, STRUCTURE, {"architecture": config.model_type, "layers": [asdict(shape) for shape in shapes]})
        config.__class__ = _pruned_class(_stock_class(config))


class _Pruned:
    """Mixed into the config class of a model that the stock classes cannot open; in memory it is as any other."""

    def to_json_file(self, json_file_path: Any, use_diff: bool = True) -> None:
        """Write what stock classes refuse, and `config_from` reads."""
        written = json.loads(self.to_json_string(use_diff))  # type: ignore[attr-defined]
        written["model_type"] = f"{written['model_type']}, {HOW_TO_OPEN}"
        # a class that is named (BertModel.from_pretrained) does not look at the model type
        name = getattr(self, "attribute_map", {}).get("num_attention_heads", "num_attention_heads")
        written[STRUCTURE]["num_attention_heads"] = written[name]
        written[name] = HOW_TO_OPEN
        Path(json_file_path).write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def __reduce__(self) -> Any:
        return _restored, (_stock_class(self), self.__dict__)


def _restored(stock: Any, state: dict[str, Any]) -> Any:
    config = stock.__new__(_pruned_class(stock))
    config.__dict__.update(state)
    return config


def _stock_class(config: PreTrainedConfig | _Pruned) -> type:
    return type(config).__mro__[2] if isinstance(config, _Pruned) else type(config)


def stock_config(config: PreTrainedConfig) -> PreTrainedConfig:
    """The config as its stock class has it: one size for all layers."""
    stock = copy.copy(config)
    stock.__class__ = _stock_class(config)
    return stock


def _pruned_class(stock: type) -> type:
    return type(stock.__name__, (_Pruned, stock), {"__module__": stock.__module__})


def config_from(document: Mapping[str, Any], **changes: Any) -> PreTrainedConfig:
    """The config in the config.json of a pruned model.

    Args:
        changes: entries of the config to replace, as `from_pretrained` takes them.
    """
    from transformers import AutoConfig

    restored = dict(document)
    structure = dict(restored.pop(STRUCTURE))
    model_type = restored["model_type"] = structure["architecture"]
    stock: Any = type(AutoConfig.for_model(model_type))
    name = stock.attribute_map.get("num_attention_heads", "num_attention_heads")
    restored[name] = structure.pop("num_attention_heads", restored[name])
    config = stock.from_dict(restored, **changes)
    setattr(config, STRUCTURE, structure)
    config.__class__ = _pruned_class(stock)
    return config
