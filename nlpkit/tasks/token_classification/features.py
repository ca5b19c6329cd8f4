"""Windows of texts for a tagger, and the batches that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit.data import collating, words
from nlpkit.data.ignored import IGNORED
from nlpkit.tasks.token_classification.tag_sets import TagSet


def windows(
    tokenizer: Any,
    examples: Mapping[str, Sequence[Any]],
    tag_set: TagSet,
    *,
    max_length: int | None,
    aggregation: str,
    label_all_tokens: bool,
) -> dict[str, list[Any]]:
    """Windows of texts, which overlap by a quarter; each word is read in the one where it has most context.

    Args:
        tokenizer: of the model.
        examples: `text`, `starts` and `ends`, and of labelled ones `tags`.
        tag_set: of the model.
        max_length: tokens per window, special tokens included; None for no limit.
        aggregation: which tokens of a word speak for it, its first alone or all.
        label_all_tokens: whether every token of a word has a label, not its first alone.

    Returns:
        Features, in whose columns `read` holds the places of the tokens that speak for a word, `words` the word of
        each; `carried` the words that begin inside a token of one of these, and `size` the words of the whole example.
        With tags, `labels` has one label per token.
    """
    before, after = words.frame(tokenizer)
    room = max(max_length - len(before) - len(after), 1) if max_length else None
    names = [
        "input_ids",
        "read",
        "words",
        "carried",
        "size",
        "example",
        *(["labels"] if "tags" in examples else []),
    ]
    out: dict[str, list[Any]] = {name: [] for name in names}
    texts = words.tokenized(tokenizer, examples["text"], examples["starts"], examples["ends"])
    for example, tokens in enumerate(texts):
        new = np.diff(tokens.words[tokens.words >= 0], prepend=-1) > 0
        first = np.flatnonzero(tokens.words >= 0)[new]
        # where each word is read: all its tokens in the window that its first one is read in
        first_token_of = np.full(len(examples["starts"][example]), -1)
        first_token_of[tokens.words[first]] = first
        at = np.where(tokens.words >= 0, first_token_of[tokens.words], -1)
        speaks = at >= 0 if aggregation != "first" else at == np.arange(len(at))
        owner = np.searchsorted(tokens.words[first], tokens.carried, side="right") - 1
        carried_at = first[owner]
        labels = (
            _token_labels(tokens, first, examples["tags"][example], tag_set, every_token=label_all_tokens)
            if "labels" in out
            else None
        )
        # nothing in a window may take as long as the text: of these there are as many as it is long
        for window in words.windows(len(tokens.ids), room):
            inside = slice(window.start, window.stop)
            mine = (at[inside] >= window.first) & (at[inside] < window.last)
            read = np.flatnonzero(mine & speaks[inside])
            out["input_ids"].append([*before, *tokens.ids[inside].tolist(), *after])
            out["read"].append((read + len(before)).tolist())
            out["words"].append(tokens.words[inside][read].tolist())
            carried = slice(*np.searchsorted(carried_at, (window.first, window.last)))
            out["carried"].append(tokens.carried[carried].tolist())
            out["size"].append(len(first_token_of))
            out["example"].append(example)
            if labels is not None:
                kept = np.where(mine, labels[inside], IGNORED).tolist()
                out["labels"].append([*[IGNORED] * len(before), *kept, *[IGNORED] * len(after)])
    out["length"] = [len(ids) for ids in out["input_ids"]]
    return out


def _token_labels(
    tokens: words.WordTokens, first: np.ndarray, tags: Sequence[str], tag_set: TagSet, *, every_token: bool
) -> np.ndarray:
    """The label of each token, shape (tokens,): the tag at the first of a word, elsewhere -100 or what follows."""
    tags, ids = tag_set.as_named(tags), tag_set.ids
    own = np.array([ids.get(tag, IGNORED) for tag in tags], dtype=np.int64)
    labels = np.full(len(tokens.ids), IGNORED)
    if every_token:
        later = np.array([ids.get(tag_set.continuing(tag), IGNORED) for tag in tags], dtype=np.int64)
        labels = np.where(tokens.words >= 0, later[tokens.words], IGNORED)
    labels[first] = own[tokens.words[first]]
    return labels


class Collator(collating.Collator):
    """Pads features, and marks the tokens that are read: `read`, boolean, shape (rows, tokens)."""

    def __init__(self, pad: collating.PaddingCollator) -> None:
        self.pad = pad

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        batch = self.pad.arrays(features)
        read = np.zeros_like(batch["input_ids"], dtype=bool)
        moved = self.pad.moved(features, batch["input_ids"].shape[1])
        for row, (feature, by) in enumerate(zip(features, moved, strict=True)):
            read[row, np.asarray(feature["read"], dtype=np.int64) + by] = True
        return {**batch, "read": read}
