"""Models whose layers were pruned: made anew, and opened again as a stock class with cut layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nlpkit.models import surgery
from nlpkit.models.files import STRUCTURE
from nlpkit.models.structures import config_from, stock_config

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


# arguments of `from_pretrained` that are not entries of the config
_LOADING = ("revision", "use_safetensors", "dtype", "ignore_mismatched_sizes")


def build(config: PreTrainedConfig, opener: Any) -> Any:
    """A model with random weights.

    Args:
        config: of a pruned model or any other.
        opener: an auto class of transformers.
    """
    model = opener.from_config(stock_config(config))
    if hasattr(config, STRUCTURE):
        model = type(model)(config)
        surgery.shrink(model)
    return model.eval()


def open_model(name: str, document: Mapping[str, Any], opener: Any, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """Open a pruned model, as `from_pretrained` opens others.

    Args:
        name: folder or hub name.
        document: its config.json.
        opener: a class of transformers, or an auto class.
        arguments: of `from_pretrained`; those that belong into the config go there.

    Returns:
        The model, of a stock class, and what `from_pretrained` has to say about the weights.
    """
    import torch

    loading = {key: arguments.pop(key) for key in _LOADING if key in arguments}
    config = config_from(document, **arguments)
    stock: Any = opener
    if hasattr(opener, "from_config"):
        with torch.device("meta"):
            stock = type(opener.from_config(stock_config(config)))

    def build(self: Any, config: PreTrainedConfig, *more: Any, **keywords: Any) -> None:
        stock.__init__(self, config, *more, **keywords)
        surgery.shrink(self)

    # cut before the weights come, which then fit or are reported as any others
    cut: Any = type(stock.__name__, (stock,), {"__init__": build, "__module__": stock.__module__})
    model, info = cut.from_pretrained(name, config=config, output_loading_info=True, **loading)
    model.__class__ = stock
    return model, info
