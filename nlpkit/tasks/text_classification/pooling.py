"""What the head of a classifier reads of an encoder: its first token, or the mean of all."""

from __future__ import annotations

from typing import Any, Literal

from nlpkit.errors import UserError
from nlpkit.tasks.sentence_embedding.folder.reading import vectors_of

Pooling = Literal["cls", "mean"]
STOCK = "classifier_pooling"  # what configs call it whose classes have both


def by_default(model: Any, place: str | None, revision: str | None) -> Pooling | None:
    """What a new head for pairs of texts reads where nothing is asked for: the mean, where files beside the encoder say
    that its vectors were trained to be that, and the class can be told so; None: what the stock class reads.

    The first token of such an encoder was never looked at: with 500 pairs of STS-B a head on it learns nothing, one on
    the mean does.

    Args:
        place: folder or hub name; None of a model that is made here.

    Raises:
        UserError: such a file is damaged.
    """
    from nlpkit.models import mean_layer

    if place is None or not (hasattr(model.config, STOCK) or mean_layer.fits(model)):
        return None
    vectors = vectors_of(place, revision)
    return "mean" if not vectors.guessed and vectors.pooling == ("mean",) else None


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
        mean_layer.hold(model)
        return "reads the mean of the tokens, by the layer that the model has for it, which stays as it is"
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
