"""Token ids of texts and of pairs, and what becomes of those that are too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.data import pieces, words


def token_lengths(tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
    """Tokens of each text, or of each pair, before anything is cut off; special tokens included."""
    special = tokenizer.num_special_tokens_to_add(pair="text_pair" in examples)
    columns = [pieces.counts(tokenizer, examples[name]) for name in _texts_of(examples)]
    return [sum(counts) + special for counts in zip(*columns, strict=True)]


def of_texts(
    tokenizer: Any, examples: Mapping[str, Sequence[Any]], max_length: int | None, long_text: str
) -> dict[str, list[Any]]:
    """Features of texts or of pairs.

    Args:
        tokenizer: of the model.
        examples: columns `text`, of pairs `text_pair`, and of labelled examples `label`.
        max_length: tokens per feature, special tokens included; None for no limit.
        long_text: what happens to longer texts; "windows" makes several features of each.

    Returns:
        Columns `input_ids`, of pairs `token_type_ids` where the tokenizer has them, `length` (tokens), `example` (the
        index of the text), `lost` (tokens that were cut off; not of windows), of labelled examples `labels`.
    """
    texts = list(examples["text"])
    if long_text == "windows" and max_length:
        encoded, example_of = _windows(tokenizer, texts, max_length)
    else:
        texts = [pieces.readable(tokenizer, text, max_length, ends=long_text == "head-tail") for text in texts]
        if long_text == "head-tail" and max_length:
            encoded = _head_tail(tokenizer, texts, max_length)
        else:
            arguments = [texts]
            if "text_pair" in examples:
                arguments.append([pieces.readable(tokenizer, text, max_length) for text in examples["text_pair"]])
            encoded = tokenizer(
                *arguments,
                truncation=max_length is not None,
                max_length=max_length,
                return_attention_mask=False,
            )
        example_of = list(range(len(texts)))
    out: dict[str, list[Any]] = {name: encoded[name] for name in ("input_ids", "token_type_ids") if name in encoded}
    # one segment only: the model's own default of zeros is the same and needs no storage
    if "token_type_ids" in out and "text_pair" not in examples:
        del out["token_type_ids"]
    out["length"] = [len(ids) for ids in out["input_ids"]]
    out["example"] = example_of
    if long_text != "windows":
        columns = _texts_of(examples)
        out["lost"] = pieces.lost(
            out["length"],
            max_length,
            lambda full: token_lengths(tokenizer, {name: [examples[name][i] for i in full] for name in columns}),
        )
    if "label" in examples:
        out["labels"] = [examples["label"][i] for i in example_of]
    return out


def places(
    tokenizer: Any, example: Mapping[str, str], max_length: int | None, long_text: str
) -> list[list[tuple[str, int, int] | None]]:
    """Where the tokens of each feature of an example stand, as `of_texts` makes them.

    Args:
        tokenizer: a fast one.
        example: `text`, of a pair `text_pair`.

    Returns:
        Of each feature for each token the column and its characters, first and behind the last; None of special tokens.
    """
    columns = _texts_of({name: [text] for name, text in example.items() if text is not None})
    cut = {"truncation": max_length is not None, "max_length": max_length}
    if long_text == "head-tail":
        cut = {"truncation": False}
    elif long_text == "windows" and max_length:
        room = max_length - tokenizer.num_special_tokens_to_add()
        cut |= {"stride": room // 4, "return_overflowing_tokens": True}
    encoded = tokenizer(*(example[name] for name in columns), return_offsets_mapping=True, verbose=False, **cut)
    found = []
    for encoding in encoded.encodings:
        found.append(
            [
                None if side is None else (columns[side], *offsets)
                for side, offsets in zip(encoding.sequence_ids, encoding.offsets, strict=True)
            ]
        )
    if long_text == "head-tail" and max_length and len(found[0]) > max_length:
        head = max_length // 4
        found = [found[0][:head] + found[0][head - max_length :]]
    return found


def _windows(tokenizer: Any, texts: Sequence[str], max_length: int) -> tuple[dict[str, list[Any]], list[int]]:
    """Windows of all texts, a quarter of each shared with the next, and the text of each."""
    room = max_length - tokenizer.num_special_tokens_to_add()
    windows_of: dict[int, list[list[int]]] = {i: [] for i in range(len(texts))}
    short = [i for i, text in enumerate(texts) if len(text) <= pieces.PIECE]
    if short:
        encoded = tokenizer(
            [texts[i] for i in short],
            truncation=True,
            max_length=max_length,
            stride=room // 4,
            return_overflowing_tokens=True,
            return_attention_mask=False,
        )
        for i, ids in zip(encoded["overflow_to_sample_mapping"], encoded["input_ids"], strict=True):
            windows_of[short[i]].append(ids)
    before, after = words.frame(tokenizer) if len(short) < len(texts) else ([], [])
    for i in windows_of.keys() - short:
        (tokens,) = pieces.tokenized(tokenizer, [texts[i]], offsets=False)
        last = max(len(tokens.ids) - room, 0)
        for start in range(0, last + room - room // 4, room - room // 4):
            windows_of[i].append([*before, *tokens.ids[start : start + room].tolist(), *after])
            if start >= last:
                break
    example_of = [i for i, rows in windows_of.items() for _ in rows]
    return {"input_ids": [ids for rows in windows_of.values() for ids in rows]}, example_of


def _head_tail(tokenizer: Any, texts: list[str], max_length: int) -> dict[str, list[Any]]:
    """Keep the first quarter and the end (Sun et al. 2019, https://arxiv.org/abs/1905.05583: 128 + 382 of 510).

    Special tokens stand at both ends, so they stay.
    """
    head = max_length // 4
    tail = max_length - head
    encoded = tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    return {"input_ids": [ids if len(ids) <= head + tail else ids[:head] + ids[-tail:] for ids in encoded]}


def _texts_of(examples: Mapping[str, Sequence[Any]]) -> list[str]:
    """The columns of texts in examples, whose rows are pairs where there are two."""
    return [name for name in ("text", "text_pair") if name in examples]
