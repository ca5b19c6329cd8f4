"""Texts and what is to be written, as token ids: where both are cut and padded, where what is to be written ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

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


def prompts(tokenizer: Any, texts: Sequence[str], limit: int | None) -> Cut:
    """Texts that a model without an encoder goes on from: nothing ends them; of longer ones the end is read, which says
    what to do, and what begins them."""
    made, lost = [], []
    for ids in tokenizer(list(texts), verbose=False)["input_ids"]:
        if len(ids) and ids[-1] == tokenizer.eos_token_id:
            ids = ids[:-1]
        over = 0 if limit is None else max(len(ids) - limit, 0)
        first = 1 if over and ids[0] in (tokenizer.bos_token_id, tokenizer.cls_token_id) else 0
        made.append([*ids[:first], *ids[first + over :]])
        lost.append(over)
    return Cut(made, lost)


def written(tokenizer: Any, texts: Sequence[str], limit: int | None, start: int | None) -> Cut:
    """Texts as they are to be written, to the token that ends them.

    Args:
        limit: tokens of each with that token; None for any number.
        start: the token that a decoder begins with, which is not written; None: it is none of the text's.
    """
    cut = _cut(lambda **how: tokenizer(text_target=list(texts), **how)["input_ids"], limit)
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
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


class Collator:
    """Pads texts, and what is to be written.

    Args:
        inputs: pads the texts.
        multiple: what is to be written is padded to a multiple of this.
    """

    def __init__(self, inputs: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]], multiple: int = 1) -> None:
        self.inputs, self.multiple = inputs, multiple

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch

        batch = self.inputs([{"input_ids": row["input_ids"]} for row in rows])
        if "labels" in rows[0]:
            width = -(-max(len(row["labels"]) for row in rows) // self.multiple) * self.multiple
            labels = np.full((len(rows), width), IGNORED, dtype=np.int64)
            for i, row in enumerate(rows):
                labels[i, : len(row["labels"])] = row["labels"]
            batch["labels"] = torch.from_numpy(labels)
        return batch
