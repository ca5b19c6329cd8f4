"""What the model reads: a token stream cut into full blocks, single texts, or pairs of segments.

Each is a map from a number to a row, so any order, any subset and any resumed position is the same rows again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from nlpkit.pretraining.streams import TokenStream
from nlpkit.tasks.masked_lm.masking import hashed

_SPLIT, _SWAP, _OTHER = range(100, 103)  # independent draws for one pair


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One input.

    Attributes:
        ids: token ids with special tokens, shape (length,).
        number: identifies the row, for the hash that masks it.
        epoch: of which pass over the data.
        second: length of the second segment with its separator, 0 without one.
        documents: for each token the document it belongs to; None when all are of one.
        pair_label: 0 if the second segment follows the first, 1 if not; None without that objective.
        context: how many of the first tokens are only read, where each token is judged once.
    """

    ids: np.ndarray
    number: int
    epoch: int
    second: int = 0
    documents: np.ndarray | None = None
    pair_label: int | None = None
    context: int = 0


class TokenRows(ABC, Dataset):
    """Rows by number; `lengths` are known beforehand, so that rows of like length can be batched.

    Args:
        stream: the tokens.
        tokenizer: gives the special ids.
        max_length: tokens of a row, special tokens included.
        first: number of the first row, where these are a part of a longer stream.
    """

    def __init__(self, stream: TokenStream, tokenizer: Any, max_length: int, first: int = 0) -> None:
        self.stream = stream
        self.max_length = max_length
        self.first = first
        self.epoch = 0
        self.cls = np.array([tokenizer.cls_token_id])
        self.sep = np.array([tokenizer.sep_token_id])
        self.lengths = self._cut()

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass that rows are read in."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    @abstractmethod
    def _cut(self) -> np.ndarray:
        """Decide where rows start; their lengths, shape (rows,)."""

    @abstractmethod
    def __getitem__(self, index: int) -> TokenRow: ...


class Blocks(TokenRows):
    """Full blocks: every position holds a token, none is padding; the rest that fills no block is left out.

    Args:
        isolate: tell the documents of a block apart, so that attention can stay within each.
    """

    def __init__(self, *arguments: Any, isolate: bool = True, **keywords: Any) -> None:
        self.isolate = isolate
        super().__init__(*arguments, **keywords)

    def _cut(self) -> np.ndarray:
        self.content = self.max_length - 2
        self.boundaries = self.stream.document_starts()
        self.isolate &= len(self.boundaries) > 1
        return np.full(len(self.stream.tokens) // self.content, self.max_length)

    def __getitem__(self, index: int) -> TokenRow:
        start = index * self.content
        ids = np.concatenate([self.cls, self.stream.tokens[start : start + self.content], self.sep])
        documents = None
        if self.isolate:
            low, high = np.searchsorted(self.boundaries, [start + 1, start + self.content])
            if high > low:  # a document starts inside this block
                documents = np.zeros(self.max_length, dtype=np.int64)
                documents[self.boundaries[low:high] - start + 1] = 1
                documents = np.cumsum(documents)
        return TokenRow(ids, self.first + index, self.epoch, documents=documents)


class Windows(TokenRows):
    """Windows of a stream for a model that writes: each holds one token more than the model reads, as what it is to say
    is one token further on. None is lost: the last window is shorter.

    Args:
        stride: tokens from one window to the next; less than `max_length`: windows overlap.
        isolate: tell the documents of a window apart, so that attention can stay within each.
        once: judge each token once, with as much before it as there is; False: as often as it is read.
    """

    def __init__(self, *arguments: Any, stride: int, isolate: bool = True, once: bool = False, **keywords: Any) -> None:
        self.stride, self.isolate, self.once = stride, isolate, once
        super().__init__(*arguments, **keywords)

    def _cut(self) -> np.ndarray:
        # The separator behind a document is what the model sees before the next one, so it belongs to that.
        self.boundaries = self.stream.document_starts()[1:] - 1
        self.isolate &= len(self.boundaries) > 0
        read = max(len(self.stream.tokens) - 1, 0)  # the last token is only said
        count = max(-(-(read - self.max_length) // self.stride), 0) + 1 if read else 0
        self.starts = np.arange(count) * self.stride
        return np.minimum(read - self.starts, self.max_length)

    def __getitem__(self, index: int) -> TokenRow:
        start, length = int(self.starts[index]), int(self.lengths[index])
        documents = None
        if self.isolate:
            low, high = np.searchsorted(self.boundaries, [start + 1, start + length])
            if high > low:  # a document starts inside this window
                documents = np.zeros(length, dtype=np.int64)
                documents[self.boundaries[low:high] - start] = 1
                documents = np.cumsum(documents)
        ids = np.asarray(self.stream.tokens[start : start + length + 1])
        context = self.max_length - self.stride if self.once and index else 0
        return TokenRow(ids, self.first + index, self.epoch, documents=documents, context=context)


class Lines(TokenRows):
    """One text a row, as the user's lines are; a longer one goes on in the next row, so that no token is lost."""

    def _cut(self) -> np.ndarray:
        content = self.max_length - 2
        starts, ends = self.stream.texts[:-1], self.stream.texts[1:].copy()
        ends[_last_texts(self.stream)] -= 1  # the separator of the document, which each row has anyway
        pieces = np.maximum(-(-(ends - starts) // content), 1)
        within = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        self.starts = np.repeat(starts, pieces) + within * content
        self.ends = np.minimum(self.starts + content, np.repeat(ends, pieces))
        return self.ends - self.starts + 2

    def __getitem__(self, index: int) -> TokenRow:
        content = self.stream.tokens[self.starts[index] : self.ends[index]]
        return TokenRow(np.concatenate([self.cls, content, self.sep]), self.first + index, self.epoch)


def _last_texts(stream: TokenStream) -> np.ndarray:
    """Index of each document's last text."""
    return np.append(stream.documents[1:], len(stream.texts) - 1) - 1 if len(stream.documents) else stream.documents


class Pairs(TokenRows):
    """Two segments per row, for next-sentence prediction (Devlin et al. 2019) or sentence order (Lan et al. 2020).

    Consecutive texts of a document are joined up to `max_length`; a random boundary between two of them parts the
    segments. Half of the rows keep their order; in the others the second segment comes from another document
    (`next`; from another passage, if there is one document; no rows without one), or the two are swapped (`order`).
    The draws change with the epoch.
    """

    def __init__(self, *arguments: Any, kind: str, seed: int, **keywords: Any) -> None:
        self.kind, self.seed = kind, seed
        super().__init__(*arguments, **keywords)

    def _cut(self) -> np.ndarray:
        content = self.max_length - 3
        starts, ends = self.stream.texts[:-1], self.stream.texts[1:].copy()
        ends[_last_texts(self.stream)] -= 1  # the separator of the document is no part of it
        begins = set(self.stream.documents.tolist())
        groups: list[tuple[int, int]] = []
        start = 0
        for text in range(len(starts)):
            if text > start and (text in begins or ends[text] - starts[start] > content):
                groups.append((start, text))
                start = text
        if len(starts):
            groups.append((start, len(starts)))
        self.groups = np.array(groups, dtype=np.int64).reshape(-1, 2)
        sizes = ends[self.groups[:, 1] - 1] - starts[self.groups[:, 0]]
        # one text alone has no inner boundary, and is parted anywhere
        self.groups, sizes = self.groups[sizes > 1], sizes[sizes > 1]
        if self.kind == "next" and len(self.groups) < 2:  # there is no second passage to draw from
            self.groups, sizes = self.groups[:0], sizes[:0]
        self.owner = np.searchsorted(self.stream.documents, self.groups[:, 0], side="right")
        self.sizes = np.minimum(sizes, content)
        return self.sizes + 3

    def _draw(self, kind: int, index: int) -> float:
        return float(hashed(self.seed, kind, self.epoch, np.array(self.first + index), np.array(0)))

    def _segments(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """A passage parted in two, neither empty, together at most `max_length` - 3 tokens."""
        first, last = self.groups[index].tolist()
        start = int(self.stream.texts[first])
        size = int(self.sizes[index])
        inner = self.stream.texts[first + 1 : last] - start
        inner = inner[(inner > 0) & (inner < size)]
        draw = self._draw(_SPLIT, index)
        at = int(inner[int(draw * len(inner))]) if len(inner) else 1 + int(draw * (size - 1))
        passage = self.stream.tokens[start : start + size]
        return passage[:at], passage[at:]

    def _elsewhere(self, index: int) -> int:
        """Another passage, of another document where there are several."""
        same = np.searchsorted(self.owner, [self.owner[index], self.owner[index] + 1])
        low, high = same if self.owner[0] != self.owner[-1] else (index, index + 1)
        # passages of one document stand together, so the others are what lies before and behind them
        other = int(self._draw(_OTHER, index) * (len(self.groups) - (high - low)))
        return int(other if other < low else other + (high - low))

    def __getitem__(self, index: int) -> TokenRow:
        first, second = self._segments(index)
        label = int(self._draw(_SWAP, index) < 0.5)
        if label and self.kind == "order":
            first, second = second, first
        elif label:
            second = self._segments(self._elsewhere(index))[1][: self.max_length - 3 - len(first)]
        ids = np.concatenate([self.cls, first, self.sep, second, self.sep])
        return TokenRow(ids, self.first + index, self.epoch, second=len(second) + 1, pair_label=label)


class Translations(Dataset):
    """A sentence and its translation in one row, for translation language modelling (Lample and Conneau 2019).

    Args:
        pairs: token ids of both sides; each is cut to its share when both do not fit.
    """

    def __init__(
        self, pairs: Sequence[tuple[np.ndarray, np.ndarray]], tokenizer: Any, max_length: int, first: int = 0
    ) -> None:
        self.pairs, self.first, self.epoch = pairs, first, 0
        self.room = max_length - 3
        self.cls, self.sep = np.array([tokenizer.cls_token_id]), np.array([tokenizer.sep_token_id])
        self.lengths = np.array([min(len(a) + len(b), self.room) + 3 for a, b in pairs], dtype=np.int64)

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass that rows are read in."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> TokenRow:
        source, target = self.pairs[index]
        over = len(source) + len(target) - self.room
        if over > 0:
            keep = max(self.room - len(target), self.room // 2) if len(target) < len(source) else self.room // 2
            source = source[: min(len(source), keep)]
            target = target[: self.room - len(source)]
        ids = np.concatenate([self.cls, source, self.sep, target, self.sep])
        return TokenRow(ids, self.first + index, self.epoch, second=len(target) + 1)
