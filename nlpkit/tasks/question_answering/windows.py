"""A question and its context as an extractive reader sees them: windows of tokens, and where each token stands.

The rows are those of a tokenizer called with question and context, truncation="only_second", a stride and
return_overflowing_tokens=True (with context and question, "only_first", where it pads on the left, as XLNet's does).
They are put together here because a context is asked many questions, and is tokenized once for all of them.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlpkit.data import collating, pieces
from nlpkit.data.ignored import IGNORED

if TYPE_CHECKING:
    import torch

# Tokens of the context that a window holds at least, where the context has as many: below, a question leaves no room.
LEAST_ROOM = 8
UNANSWERABLE = (-1, -1)
UNKNOWN = (-2, -2)

_SPACES = np.array([chr(code).isspace() for code in range(0x3002)])  # no blank has a higher code point
_JOINER = 0x200D


class ContextTokens(NamedTuple):
    """A text in tokens: ids, and the characters [starts, ends) that each stands for; each of shape (tokens,).

    Bounds keep off blanks and off the inside of a character with its combining marks. A token of blanks alone ends
    before it starts.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


class Frame(NamedTuple):
    """How a tokenizer puts two texts together.

    Attributes:
        parts: ids of the special tokens before, between and behind the two texts.
        types: token types of these, in the same shape.
        question_type, context_type: token types of the texts.
        question_first: which of them comes first.
        typed: whether the model takes token types.
        cls: position of the token that stands for no answer, from the end where negative.
    """

    parts: tuple[np.ndarray, np.ndarray, np.ndarray]
    types: tuple[np.ndarray, np.ndarray, np.ndarray]
    question_type: int
    context_type: int
    question_first: bool
    typed: bool
    cls: int

    @property
    def size(self) -> int:
        """Special tokens in a row."""
        return sum(map(len, self.parts))

    @classmethod
    def of(cls, tokenizer: Any) -> Frame:
        """The frame of a fast tokenizer, read off a pair of texts."""
        pair = tokenizer("a", "a", return_token_type_ids=True)
        ids, types = np.array(pair["input_ids"], np.int32), np.array(pair["token_type_ids"], np.int8)
        text_of = np.array([-1 if text is None else text for text in pair.sequence_ids(0)])
        bounds = [np.flatnonzero(text_of == text)[[0, -1]] + (0, 1) for text in (0, 1)]
        cuts = np.concatenate(bounds)
        first, second = types[cuts[0]], types[cuts[2]]
        question_first = tokenizer.padding_side == "right"
        return cls(
            parts=(ids[: cuts[0]], ids[cuts[1] : cuts[2]], ids[cuts[3] :]),
            types=(types[: cuts[0]], types[cuts[1] : cuts[2]], types[cuts[3] :]),
            question_type=int(first if question_first else second),
            context_type=int(second if question_first else first),
            question_first=question_first,
            typed="token_type_ids" in tokenizer("a", "a"),
            cls=_cls_position(ids, text_of, tokenizer),
        )


def _cls_position(ids: np.ndarray, text_of: np.ndarray, tokenizer: Any) -> int:
    """Where [CLS] stands among the special tokens, else <s>, else the first token."""
    for token in (tokenizer.cls_token_id, tokenizer.bos_token_id):
        places = [] if token is None else np.flatnonzero((ids == token) & (text_of < 0)).tolist()
        if places:
            place = places[0]
            return place if place < int(np.argmax(text_of >= 0)) else place - len(ids)
    return 0


class QuestionTooLong(ValueError):
    """A question, the `example`-th, that leaves no room for its context."""

    def __init__(self, example: int, tokens: int, max_length: int | None) -> None:
        super().__init__(f"the question has {tokens} tokens, which leaves no room for its context in {max_length}")
        self.example = example


def room_for(question: int, max_length: int | None, frame: Frame) -> int:
    """Tokens of a context that fit beside a question of this many tokens; `max_length` None for no limit."""
    return (max_length or sys.maxsize) - question - frame.size


def overlap(stride: int, room: int) -> int:
    """Tokens that two windows share: `stride`, but at most three quarters of a window, so that they move on."""
    return min(stride, room - -(-room // 4))


def token_ids(tokenizer: Any, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """The ids of each distinct text, without special tokens."""
    distinct = list(dict.fromkeys(texts))
    return {text: encoded.ids for text, encoded in zip(distinct, pieces.tokenized(tokenizer, distinct), strict=True)}


def tokenized(tokenizer: Any, texts: Sequence[str]) -> dict[str, ContextTokens]:
    """Each distinct text in tokens, without special ones."""
    distinct = list(dict.fromkeys(texts))
    by_text = {}
    for text, tokens in zip(distinct, pieces.tokenized(tokenizer, distinct), strict=True):
        by_text[text] = ContextTokens(tokens.ids, *snapped(text, tokens.offsets[:, 0], tokens.offsets[:, 1]))
    return by_text


def snapped(text: str, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The spans without blanks around them, widened where they would cut a character from its combining marks.

    Tokenizers give blanks to the word that follows (SentencePiece) and drop accents (uncased BERT).

    Args:
        text: of n characters.
        starts, ends: character spans [start, end), shape (spans,).

    Returns:
        Starts and ends, int32; of a span of blanks alone the end lies before the start.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    n = len(codes)
    blank = _SPACES[np.minimum(codes, len(_SPACES) - 1)]
    here = np.arange(n, dtype=np.int32)
    # for each place the first character from there on that is no blank, and the end of the last one before it
    ink = np.append(_next(np.where(blank, n, here)), n)
    inked = np.append(0, np.maximum.accumulate(np.where(blank, 0, here + 1)))
    starts, ends = ink[starts], inked[ends]
    if not text.isascii():
        mark = _marks(codes)
        mark[1:] &= ~blank[:-1]
        mark[:1] = False
        base = np.append(np.maximum.accumulate(np.where(mark, 0, here)), n)
        behind = np.append(_next(np.where(mark, n, here)), n)
        starts, ends = base[starts], np.where(ends > 0, behind[ends], 0)
    return starts.astype(np.int32), ends.astype(np.int32)


def _next(places: np.ndarray) -> np.ndarray:
    """The least of the places from each on."""
    return np.minimum.accumulate(places[::-1])[::-1]


def _marks(codes: np.ndarray) -> np.ndarray:
    """Whether each code point belongs to the character before it."""
    distinct, inverse = np.unique(codes, return_inverse=True)
    kinds = [code == _JOINER or unicodedata.category(chr(code)).startswith("M") for code in distinct.tolist()]
    return np.array(kinds, bool)[inverse.reshape(-1)]


def build(
    tokenizer: Any,
    questions: Sequence[str],
    contexts: Sequence[str],
    answers: Sequence[tuple[int, int]] | None,
    *,
    max_length: int | None,
    stride: int,
) -> dict[str, list[Any]]:
    """Windows of each question's context, the question whole in each of them.

    Args:
        tokenizer: a fast one.
        questions, contexts: texts, one of each per example.
        answers: characters [start, end) of the context, without blanks around, or `UNANSWERABLE`, or `UNKNOWN`.
        max_length: tokens of a row, None for no limit.
        stride: tokens that neighbouring windows share, see `overlap`.

    Returns:
        Columns, one entry a window: `input_ids`; `token_type_ids` where the model takes them; `passage`, the positions
        [first, end) of the context's tokens; `cls`, that of the token that stands for no answer; with `answers`,
        `labels` (positions of the answer's first and last token; both `cls` where there is no answer or the window does
        not hold it; `IGNORED` where it is not known or has no token); `offsets`, characters (start, end) of each token
        of the context, flat; `example`, the index of the question; `length` in tokens.

    Raises:
        QuestionTooLong: a question leaves no room for its context.
    """
    frame = Frame.of(tokenizer)
    question_ids, read = token_ids(tokenizer, questions), tokenized(tokenizer, contexts)
    names = ["input_ids", *(["token_type_ids"] if frame.typed else []), "passage", "cls", "offsets"]
    out: dict[str, list[Any]] = {name: [] for name in [*names, "example", "length", *(["labels"] if answers else [])]}
    for example, (question, context) in enumerate(zip(questions, contexts, strict=True)):
        query, passage = np.array(question_ids[question], np.int32), read[context]
        room = room_for(len(query), max_length, frame)
        if room < min(LEAST_ROOM, len(passage.ids)):
            raise QuestionTooLong(example, len(query), max_length)
        first = len(frame.parts[0]) + (len(query) + len(frame.parts[1]) if frame.question_first else 0)
        answer = _answer_tokens(passage, answers[example]) if answers else None
        for start, end in _bounds(len(passage.ids), room, overlap(stride, room)):
            row = _row(frame, query, passage.ids[start:end], frame.parts, np.int32)
            cls = frame.cls % len(row)
            out["input_ids"].append(row)
            if frame.typed:
                types = np.full(len(query), frame.question_type), np.full(end - start, frame.context_type)
                out["token_type_ids"].append(_row(frame, *types, frame.types, np.int8))
            out["passage"].append(np.array([first, first + end - start], np.int32))
            out["cls"].append(cls)
            out["offsets"].append(np.stack([passage.starts[start:end], passage.ends[start:end]], axis=1).reshape(-1))
            out["example"].append(example)
            out["length"].append(len(row))
            if answer is not None:
                out["labels"].append(_labels(answer, start, end, first, cls))
    return out


def _row(frame: Frame, question: np.ndarray, context: np.ndarray, special: Sequence[np.ndarray], kind: Any) -> Any:
    first, second = (question, context) if frame.question_first else (context, question)
    return np.concatenate([special[0], first, special[1], second, special[2]], dtype=kind, casting="unsafe")


def _bounds(count: int, room: int, shared: int) -> Iterator[tuple[int, int]]:
    """Windows [start, end) over `count` tokens; one, empty, over none."""
    start = 0
    while start + room < count:
        yield start, start + room
        start += room - shared
    yield start, count


def _answer_tokens(passage: ContextTokens, answer: tuple[int, int]) -> tuple[int, int]:
    """First and last token that share a character with the answer; the markers as they are."""
    if answer in (UNANSWERABLE, UNKNOWN):
        return answer
    first = int(np.searchsorted(passage.ends, answer[0], side="right"))
    last = int(np.searchsorted(passage.starts, answer[1], side="left")) - 1
    return (first, last) if first <= last else UNKNOWN


def _labels(answer: tuple[int, int], start: int, end: int, first: int, cls: int) -> np.ndarray:
    if answer == UNKNOWN:
        return np.array([IGNORED, IGNORED])
    if start <= answer[0] and answer[1] < end:  # which no marker fulfils
        return np.array([answer[0], answer[1]]) - start + first
    return np.array([cls, cls])


class Collator(collating.Collator):
    """Pads features, and moves what they say of positions along where padding goes to the left."""

    def __init__(self, pad: collating.PaddingCollator) -> None:
        self.pad = pad

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        batch = self.pad.arrays(features)
        moved = np.array(self.pad.moved(features, batch["input_ids"].shape[1]), np.int64)
        batch["passage"] = np.array([feature["passage"] for feature in features], np.int64) + moved[:, None]
        batch["cls"] = np.array([feature["cls"] for feature in features], np.int64) + moved
        if "labels" in batch:
            labels = batch["labels"].astype(np.int64)
            batch["labels"] = np.where(labels == IGNORED, labels, labels + moved[:, None])
        return batch


def widened(batch: Mapping[str, torch.Tensor], width: int, tokenizer: Any) -> dict[str, torch.Tensor]:
    """A batch of `Collator`, padded to so many tokens on the tokenizer's side."""
    import torch
    import torch.nn.functional as F

    more = width - batch["input_ids"].shape[1]
    if more == 0:
        return dict(batch)
    left = tokenizer.padding_side == "left"
    values = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0}
    values["token_type_ids"] = getattr(tokenizer, "pad_token_type_id", 0)
    # on a GPU a batch in which nothing is padded has no mask
    made = {"attention_mask": torch.ones_like(batch["input_ids"]), **batch}
    for name, value in values.items():
        if name in made:
            made[name] = F.pad(made[name], (more, 0) if left else (0, more), value=value)
    if left:
        made["passage"], made["cls"] = made["passage"] + more, made["cls"] + more
        if "labels" in made:
            made["labels"] = torch.where(made["labels"] == IGNORED, made["labels"], made["labels"] + more)
    return made
