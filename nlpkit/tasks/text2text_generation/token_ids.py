"""Texts and what is to be written, as token ids: where both are cut and padded, where what is to be written ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlpkit.data import collating
from nlpkit.data.ignored import IGNORED

if TYPE_CHECKING:
    import torch


class Cut(NamedTuple):
    """Token ids of some texts.

    Attributes:
        ids: of each, its special tokens included.
        lost: tokens of each that are left out.
    """

    ids: list[list[int]]
    lost: list[int]


def read(tokenizer: Any, texts: Sequence[str], limit: int | None) -> Cut:
    """Texts that an encoder reads, their ends cut.

    Args:
        limit: tokens of each; None for any number.
    """
    return _cut(lambda **how: tokenizer(list(texts), **how)["input_ids"], limit)


def prompts(tokenizer: Any, before: Sequence[str], texts: Sequence[str], separator: str, limit: int | None) -> Cut:
    """Texts that a model without an encoder goes on from: nothing ends them. Of longer ones the text itself loses its
    end; what stands before it and the separator stay, as they say what to do.

    Args:
        before: what stands before each text.
        limit: tokens of all three; None for any number.
    """
    whole = [prefix + text + separator for prefix, text in zip(before, texts, strict=True)]
    made, lost = [], []
    for i, ids in enumerate(tokenizer(whole, verbose=False)["input_ids"]):
        if len(ids) and ids[-1] == tokenizer.eos_token_id:
            ids = ids[:-1]
        over = 0 if limit is None else max(len(ids) - limit, 0)
        if over:
            first = 1 if ids[0] in (tokenizer.bos_token_id, tokenizer.cls_token_id) else 0
            parts = tokenizer([before[i], texts[i], separator], add_special_tokens=False, verbose=False)["input_ids"]
            room = max((limit or 0) - first - len(parts[0]) - len(parts[2]), 0)
            ids = [*ids[:first], *parts[0], *parts[1][:room], *parts[2]][-(limit or 0) :]
        made.append(ids)
        lost.append(over)
    return Cut(made, lost)


def end_of(tokenizer: Any) -> int | None:
    """The token that ends a text, None where there is none."""
    end: int | None = tokenizer.eos_token_id
    return tokenizer.sep_token_id if end is None else end


def written(tokenizer: Any, texts: Sequence[str], limit: int | None, start: int | None) -> Cut:
    """Texts as they are to be written, to the token that ends them.

    Args:
        limit: tokens of each with that token; None for any number.
        start: the token that a decoder begins with, which is not written; None: it is none of the text's.
    """
    cut = _cut(lambda **how: tokenizer(text_target=list(texts), **how)["input_ids"], limit)
    end = end_of(tokenizer)
    made = []
    for ids in cut.ids:
        if ids and ids[0] == start and len(ids) > 1:
            ids = ids[1:]
        if end is not None and end not in ids[-2:]:  # behind it mBART names the language
            ids = [*(ids if limit is None else ids[: limit - 1]), end]
        made.append(ids)
    return Cut(made, cut.lost)


def answers(tokenizer: Any, texts: Sequence[str], limit: int | None) -> Cut:
    """The same of a model without an encoder, behind a prompt."""
    cut = _cut(lambda **how: tokenizer(list(texts), add_special_tokens=False, **how)["input_ids"], limit and limit - 1)
    return Cut([[*ids, tokenizer.eos_token_id] for ids in cut.ids], cut.lost)


def _cut(tokens: Callable[..., list[list[int]]], limit: int | None) -> Cut:
    whole = tokens(verbose=False)
    lost = [0 if limit is None else max(len(ids) - limit, 0) for ids in whole]
    if not any(lost):
        return Cut(whole, lost)
    return Cut(tokens(truncation=True, max_length=limit), lost)  # which keeps what begins and ends a text


def length(lengths: Sequence[int], percentile: float, least: int) -> int:
    """Tokens that most of some texts have at most, but no fewer than `least`; a multiple of 8."""
    return -(-max(int(np.percentile(lengths, percentile)), least) // 8) * 8


def known_before(model: Any, labels: torch.Tensor) -> torch.Tensor:
    """What a decoder reads where the tokens of `labels` are to be written: those before each, behind the one that it
    begins with; shape (rows, tokens).

    Args:
        model: M2M100, NLLB and Blenderbot do not say themselves how it is made.
    """
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        made: torch.Tensor = model.prepare_decoder_input_ids_from_labels(labels=labels)
        return made
    config = model.config
    shifted = labels.roll(1, dims=1)
    shifted[:, 0] = config.decoder_start_token_id
    return shifted.masked_fill(shifted == IGNORED, config.pad_token_id)


ANSWERED = "answered"
"""In features: what was written for a text, without what one that is to be learned would begin and end with. In batches
what a decoder reads to write it, -1 in the place of the token that it begins with."""


class Collator(collating.Collator):
    """Pads texts, and what is to be written, or was.

    Args:
        inputs: pads the texts.
        multiple: what is to be written is padded to a multiple of this.
        attends_first: whether the model is told that all tokens attend to the first one, as in LED's own summaries
            (Beltagy et al. 2020).
    """

    def __init__(
        self,
        inputs: collating.Collator,
        multiple: int = 1,
        *,
        attends_first: bool = False,
    ) -> None:
        self.inputs, self.multiple, self.attends_first = inputs, multiple, attends_first

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        batch = self.inputs.arrays([{"input_ids": row["input_ids"]} for row in features])
        if self.attends_first:
            batch["global_attention_mask"] = np.zeros_like(batch["attention_mask"])
            batch["global_attention_mask"][:, 0] = 1
        if ANSWERED in features[0]:
            features = [{**row, "labels": row[ANSWERED]} for row in features]
        if "labels" in features[0]:
            width = -(-max(len(row["labels"]) for row in features) // self.multiple) * self.multiple
            batch["labels"] = np.full((len(features), width), IGNORED, dtype=np.int64)
            for i, row in enumerate(features):
                batch["labels"][i, : len(row["labels"])] = row["labels"]
        if ANSWERED in features[0]:
            before = np.full_like(batch["labels"][:, :1], -1)
            batch[ANSWERED] = np.concatenate([before, batch["labels"][:, :-1].clip(min=0)], axis=1)
        return batch
