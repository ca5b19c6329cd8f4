"""Texts to token ids: one feature for each text, or, where a loss compares the texts of a row, one for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.data import pieces
from nlpkit.tasks.sentence_embedding import prompts, shapes
from nlpkit.tasks.sentence_embedding.vectors import Vectors

IDS = "input_ids"
PROMPT_TOKENS = "prompt_tokens"  # in features and batches: how many tokens of a text are those of its prompt


@dataclass(frozen=True)
class Encoded:
    """Texts as a model reads them.

    Attributes:
        ids: of each text, cut to the limit.
        lengths: tokens of each.
        lost: tokens of each that the limit cuts off.
    """

    ids: Sequence[list[int]]
    lengths: Sequence[int]
    lost: Sequence[int]


def of_examples(
    tokenizer: Any,
    examples: Mapping[str, Sequence[Any]],
    vectors: Vectors,
    max_length: int | None,
    *,
    together: bool = False,
) -> dict[str, list[Any]]:
    """Features of examples.

    Args:
        vectors: says which prompts stand before texts.
        max_length: tokens of a text that are read; None: all.
        together: whether a feature holds all texts of an example, in the order of `shapes.texts_of`, as `input_ids_0`,
            `input_ids_1`, ...; else there is one feature per text, in that order.

    Raises:
        UserError: a prompt leaves nothing of a text.
    """
    rows = shapes.texts_of(examples)
    before = prompts.of_texts(vectors, rows, examples)
    prompts.require_room(tokenizer, before, max_length)
    encoded = _encoded(
        tokenizer, prompts.put_before(vectors, [text for row in rows for text in row], before), max_length
    )
    if together:
        return _of_rows(rows, encoded, examples)
    owners = [i for i, row in enumerate(rows) for _ in row]
    made: dict[str, list[Any]] = {
        IDS: list(encoded.ids),
        "length": list(encoded.lengths),
        "example": owners,
        "lost": list(encoded.lost),
        "texts": [1] * len(owners),
    }
    if vectors.needs_prompt_tokens:
        lengths_of = {prompt: prompts.length(tokenizer, prompt) if prompt else 0 for prompt in set(before)}
        made[PROMPT_TOKENS] = [lengths_of[prompt] for prompt in before]
    return made


def _encoded(tokenizer: Any, texts: Sequence[str], max_length: int | None) -> Encoded:
    ids = tokenizer(
        [pieces.readable(tokenizer, text, max_length) for text in texts],
        truncation=max_length is not None,
        max_length=max_length,
        return_attention_mask=False,
    )["input_ids"]
    lengths = [len(each) for each in ids]
    special = tokenizer.num_special_tokens_to_add()
    lost = pieces.lost(
        lengths,
        max_length,
        lambda full: [count + special for count in pieces.counts(tokenizer, [texts[i] for i in full])],
    )
    return Encoded(ids, lengths, lost)


def _of_rows(
    rows: Sequence[Sequence[str]], encoded: Encoded, examples: Mapping[str, Sequence[Any]]
) -> dict[str, list[Any]]:
    """Features of examples, with all texts of each."""
    ids, lengths, lost = encoded.ids, encoded.lengths, encoded.lost
    ends = np.cumsum([len(row) for row in rows]).tolist()
    parts = [range(end - len(row), end) for row, end in zip(rows, ends, strict=True)]
    out: dict[str, list[Any]] = {
        f"{IDS}_{k}": [ids[part[k]] for part in parts] for k in range(max(map(len, rows), default=0))
    }
    out["length"] = [sum(lengths[i] for i in part) for part in parts]
    out["example"] = list(range(len(rows)))
    out["lost"] = [sum(lost[i] for i in part) for part in parts]
    out["texts"] = [len(part) for part in parts]
    out["cut"] = [sum(lost[i] > 0 for i in part) for part in parts]
    out["longest"] = [max(lengths[i] + lost[i] for i in part) for part in parts]
    for name in ("label", "vector"):
        if name in examples:
            out["labels"] = list(examples[name])
    return out


def lengths(tokenizer: Any, examples: Mapping[str, Sequence[Any]], vectors: Vectors) -> list[int]:
    """Tokens of the longest text of each example before any cut, with its prompt and the special ones."""
    special = tokenizer.num_special_tokens_to_add()
    rows = shapes.texts_of(examples)
    before = prompts.of_texts(vectors, rows, examples)
    texts = prompts.put_before(vectors, [text for row in rows for text in row], before)
    counts = iter(pieces.counts(tokenizer, texts))
    return [max(next(counts) for _ in row) + special for row in rows]
