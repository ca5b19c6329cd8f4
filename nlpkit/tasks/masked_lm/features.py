"""Windows of texts for a masked language model, and the batches that they make."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data import collating, pieces, words
from nlpkit.data.ignored import IGNORED

if TYPE_CHECKING:
    from nlpkit.tasks.masked_lm.masking import Masking

MASKED_AT_ONCE = 1_024  # windows that are padded to one length while their masks are drawn


def asked_windows(
    tokenizer: Any, texts: Sequence[str], max_length: int | None, hints: Sequence[str] | None = None
) -> dict[str, list[Any]]:
    """Windows around the masks that a user wrote.

    Args:
        tokenizer: of the model.
        texts: with its own mask token.
        max_length: tokens per window, special tokens included; None for no limit.
        hints: what stands before each text, as the first of a pair: the whole of it in each of its windows.

    Returns:
        Features; `positions` lists the masks that are read from a window.
    """
    before, after, room = _frame(tokenizer, max_length)
    out: dict[str, list[Any]] = {"input_ids": [], "example": [], "positions": []}
    for example, tokens in enumerate(pieces.tokenized(tokenizer, list(texts), offsets=False)):
        segments: tuple[list[int], list[int]] | None = None
        if hints is not None:
            before, after, segments = hint_frame(tokenizer, hints[example])
            room = max(max_length - len(before) - len(after), 1) if max_length else None
        ids = tokens.ids.tolist()
        places = [i for i, token in enumerate(ids) if token == tokenizer.mask_token_id]
        for start, read in _around(places, len(ids), room or len(ids)):
            window = ids[start : start + (room or len(ids))]
            out["input_ids"].append([*before, *window, *after])
            if segments is not None:
                out.setdefault("token_type_ids", []).append([*segments[0], *[1] * len(window), *segments[1]])
            out["positions"].append([place - start + len(before) for place in read])
            out["example"].append(example)
    out["length"] = [len(ids) for ids in out["input_ids"]]
    return out


def hint_frame(tokenizer: Any, hint: str) -> tuple[list[int], list[int], tuple[list[int], list[int]] | None]:
    """What stands before and behind a text that is the second of a pair, and the segments of both where the tokenizer
    tells them; in these the text is the second."""
    pair = tokenizer(hint, tokenizer.mask_token)
    ids = pair["input_ids"]
    place = len(ids) - 1 - ids[::-1].index(tokenizer.mask_token_id)
    segments = pair.get("token_type_ids")
    told = None if segments is None or not any(segments) else (segments[:place], segments[place + 1 :])
    return ids[:place], ids[place + 1 :], told


def judged_windows(
    tokenizer: Any, texts: Sequence[str], max_length: int | None, masking: Masking
) -> dict[str, list[Any]]:
    """Windows that follow one another, in which tokens are masked; the masks depend on the text and the seed alone.

    Args:
        tokenizer: of the model.
        texts: of any length.
        max_length: tokens per window, special tokens included; None for no limit.
        masking: draws the masks.

    Returns:
        Features; `input_ids` are corrupted, and `labels` hold the true id of each token to predict, -100 elsewhere.
    """
    before, after, room = _frame(tokenizer, max_length)
    windows, examples, keys = list[list[int]](), list[int](), list[int]()
    texts = list(texts)
    tokenized = pieces.tokenized(tokenizer, texts, offsets=False)
    for example, (text, tokens) in enumerate(zip(texts, tokenized, strict=True)):
        ids = tokens.ids.tolist()
        key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
        step = room or max(len(ids), 1)
        # a text of no tokens (control characters) keeps one window: every example has a feature
        for start in range(0, max(len(ids), 1), step):
            windows.append([*before, *ids[start : start + step], *after])
            examples.append(example)
            keys.append(key + start)
    seen, labels = corrupted(masking, windows, keys)
    return {"input_ids": seen, "example": examples, "labels": labels, "length": [len(ids) for ids in seen]}


def corrupted(
    masking: Masking, windows: Sequence[list[int]], keys: Sequence[int], epoch: int = 0
) -> tuple[list[list[int]], list[list[int]]]:
    """The windows as the model sees them, and the labels of their tokens: the true id where it is predicted, else -100.

    Args:
        masking: the corruption.
        windows: token ids with special tokens.
        keys: the number of each window that its masks are drawn from, with
        epoch: unless the masking is static.
    """
    order = np.argsort([len(window) for window in windows], kind="stable")
    seen: list[list[int]] = [[] for _ in windows]
    labels: list[list[int]] = [[] for _ in windows]
    for start in range(0, len(order), MASKED_AT_ONCE):
        rows = order[start : start + MASKED_AT_ONCE].tolist()
        # the mask token is special and so never drawn: it pads where a tokenizer has nothing to pad with
        ids = np.full((len(rows), len(windows[rows[-1]])), masking.mask_id, dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(windows[row])] = windows[row]
        masked, positions, true = masking(ids, np.array([keys[row] for row in rows]), epoch)
        targets = np.full_like(ids, IGNORED)
        used = true != IGNORED
        targets[np.broadcast_to(np.arange(len(rows))[:, None], true.shape)[used], positions[used]] = true[used]
        for i, row in enumerate(rows):
            seen[row] = masked[i, : len(windows[row])].tolist()
            labels[row] = targets[i, : len(windows[row])].tolist()
    return seen, labels


class Collator(collating.Collator):
    """Pads features, and lists what is predicted: `positions` (rows, k), filled up with -1, and their `labels`."""

    def __init__(self, pad: collating.PaddingCollator) -> None:
        self.pad = pad

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        batch = self.pad.arrays(features)
        if "labels" in batch:
            places = [np.flatnonzero(row != IGNORED).tolist() for row in batch["labels"]]
        else:
            moved = self.pad.moved(features, batch["input_ids"].shape[1])
            places = [
                [place + by for place in feature["positions"]] for feature, by in zip(features, moved, strict=True)
            ]
        most = max(1, *map(len, places))
        positions = np.array([of_row + [-1] * (most - len(of_row)) for of_row in places], np.int64)
        if "labels" in batch:
            labels = np.take_along_axis(batch["labels"], positions.clip(min=0), axis=1)
            batch["labels"] = np.where(positions < 0, IGNORED, labels)
        return {**batch, "positions": positions}


def _frame(tokenizer: Any, max_length: int | None) -> tuple[list[int], list[int], int | None]:
    """The special tokens that the tokenizer puts before and behind a text, and how many tokens fit between them."""
    before, after = words.frame(tokenizer, tokenizer.mask_token)
    return before, after, max(max_length - len(before) - len(after), 1) if max_length else None


def _around(places: Sequence[int], length: int, room: int) -> list[tuple[int, list[int]]]:
    """Windows of `room` tokens that lie around the masks: where each starts, and which masks are read from it."""
    cuts: list[tuple[int, list[int]]] = []
    for place in places:
        if cuts:
            start, read = cuts[-1]
            # a mask in the last quarter of a window would see little of what follows it
            if place < start + room - (room // 4 if start + room < length else 0):
                read.append(place)
                continue
        cuts.append((max(min(place - room // 2, length - room), 0), [place]))
    return cuts
