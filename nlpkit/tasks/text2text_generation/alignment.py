"""Which tokens of a text a model looked at for each token that it wrote.

Shown is the mean over the heads of the last layer but one, whose attention is nearest to what people align (Garg et al.
2019, "Jointly Learning to Align and Translate with Transformer Models"): that of a decoder to what the encoder read, or
of a model without an encoder to its prompt. Special tokens, at which much attention rests, are left out, and what
remains of a row is a share of its sum. It is what the model attended to, and no proof of why it wrote what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlpkit.generation.words import said
from nlpkit.models import attention
from nlpkit.tasks.forward import Part

if TYPE_CHECKING:
    from nlpkit.tasks.text2text_generation.task import Text2Text

LONGEST = 512  # tokens of a text and of what was written for it, beyond which attention takes much memory


class Alignment(NamedTuple):
    """What was looked at for each token that was written.

    Attributes:
        read, written: what the tokens say.
        shares: of the attention, shape (written, read); each row sums to 1.
        layer, layers: which of how many, counted from 1.
        heads: over which the mean is.
    """

    read: list[str]
    written: list[str]
    shares: np.ndarray
    layer: int
    layers: int
    heads: int


@contextmanager
def seen(model: Any) -> Iterator[None]:
    """Let a model give its attention, which fused kernels never hold."""
    training = model.training
    with attention.eager(model):
        model.eval()
        try:
            yield
        finally:
            model.train(training)


def of(task: Text2Text, model: Any, example: Mapping[str, Any], ids: Sequence[int]) -> Alignment | None:
    """The alignment of what was written for an example; None where it is empty or too long.

    Args:
        task: with the tokenizer of the model.
        model: within `seen`.
        ids: tokens that were written.
    """
    import torch

    tokenizer = task.tokenizer
    text = task.features(tokenizer, {"text": [example["text"]], "prefix": [example["prefix"]]})["input_ids"][0]
    special = set(tokenizer.all_special_ids)
    columns = [place for place, token in enumerate(text) if token not in special]
    rows = [place for place, token in enumerate(ids) if token not in special]
    if not columns or not rows or max(len(text), len(ids)) > LONGEST:
        return None
    batch = task.collate(tokenizer)([{"input_ids": text, "labels": list(ids)}])
    batch = {name: entry.to(model.device) for name, entry in batch.items()}
    wanted: list[Part] = ["attentions"]
    with torch.no_grad():
        attentions = task.run(model, batch, wanted).attentions
    assert attentions is not None
    layer = max(len(attentions) - 2, 0)
    mean = attentions[layer][0].float().mean(0).cpu().numpy()
    # what foretells the answer of a model without an encoder stands behind the text
    first = 0 if task.separator is None else len(text) - 1
    chosen = mean[first : first + len(ids), : len(text)][np.ix_(rows, columns)]
    shares = chosen / np.maximum(chosen.sum(1, keepdims=True), np.finfo(np.float32).tiny)
    read, written = [said(tokenizer, text[i]) for i in columns], [said(tokenizer, ids[i]) for i in rows]
    return Alignment(read, written, shares, layer + 1, len(attentions), attentions[layer].shape[1])
