"""What the head of a classifier reads of an encoder: its first token, or the mean of all."""

from __future__ import annotations

from typing import Any, Literal

from nlpkit.errors import UserError

Pooling = Literal["cls", "mean"]
STOCK = "classifier_pooling"  # what configs call it whose classes have both


def read(model: Any, pooling: Pooling, *, frozen: bool) -> str:
    """Have the head of a classifier read that, in place, as stock classes open it; what was done, for people.

    Args:
        frozen: whether the layer of the labels alone is trained.

    Raises:
        UserError: the model cannot.
    """
    from nlpkit.models import mean_layer

    if hasattr(model.config, STOCK):
        setattr(model.config, STOCK, pooling)
        return f"reads the {'mean of the tokens' if pooling == 'mean' else 'first token'} ({STOCK} of its config)"
    if pooling == "cls":
        if mean_layer.is_mean_layer(model):
            raise UserError("--pooling cls: the model has a layer that makes the mean of its tokens", "Leave it out.")
        return "reads the first token, as the stock class does"
    if mean_layer.is_mean_layer(model):
        return "reads the mean of the tokens, by the layer that the model has for it"
    if not mean_layer.fits(model):
        known = ", ".join(mean_layer.SHIFTS)
        raise UserError(
            f"--pooling mean: a stock {type(model).__name__} reads the first token, and no layer more makes a mean of "
            f"all in {model.config.model_type}",
            f"Leave it out; it is for {known}, and for models whose config has {STOCK}.",
        )
    mean_layer.append(model)
    mean_layer.free_head(model, learns=not frozen)
    return "reads the mean of the tokens, by one more layer"
