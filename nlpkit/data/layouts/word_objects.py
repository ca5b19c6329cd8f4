"""Sentences whose words are objects, pairs, or numbered by their spans.

`{"tokens": [{"text": "Ann", "tag": "B-PER"}, ...]}`, `[["Ann", "B-PER"], ...]`, and words with spans that count words
(`{"tokens": ["Ann", "ran"], "entities": [{"start": 0, "end": 1, "type": "PER"}]}`, as SpERT has them).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nlpkit import reporting
from nlpkit.data.columns import TEXT_NAMES
from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import TAG, Layout, Tally, row_by_row

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

WORD = ("text", "word", "token", "form", "orth")
TAGS = ("tag", "ner", "ner_tag", "label", "entity", "pos", "upos", "xpos", "chunk")
SPANS = ("entities", "spans", "ner", "labels", "mentions")
_GLINER = "tokenized_text"  # beside which an end is always the last word
_TOKENS = ("tokens", "words", _GLINER)


def _of_objects(value: Any, *, tagged: bool = True) -> dict[str, list[Any]] | None:
    """Words and tags of a list of objects, or of pairs; None for any other value.

    Args:
        value: of a cell.
        tagged: whether objects must have tags.
    """
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(item, dict) for item in value):
        word = next((name for name in WORD if all(name in item for item in value)), None)
        tags = [name for name in TAGS if name != word and all(name in item for item in value)]
        if word is None or (tagged and not tags) or any("start" in item for item in value):
            return None
        return {"tokens": [item[word] for item in value], **{name: [item[name] for item in value] for name in tags}}
    if _are_pairs(value):
        return {"tokens": [word for word, _ in value], "tags": [tag for _, tag in value]}
    return None


def _are_pairs(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, list) and [type(part) for part in item] == [str, str] for item in value)
        and all(TAG.fullmatch(tag) for _, tag in value)
    )


def record(value: Any) -> dict[str, Any] | None:
    """The row of a sentence that is a list of words with their tags, None for any other value."""
    return {"tokens": value} if _are_pairs(value) else None


def _column(head: Sequence[Row], *, tagged: bool = True) -> str | None:
    """The column of such lists; an empty list may be one of them."""
    for name in dict.fromkeys(name for row in head for name in row.values):
        filled = [row.values[name] for row in head if row.values.get(name)]
        if filled and all(_of_objects(value, tagged=tagged) for value in filled):
            return name
    return None


class _Mark(NamedTuple):
    """A span that counts words; `end` as it is written."""

    start: int
    end: int
    label: str


def _counted(head: Sequence[Row]) -> tuple[str, str] | None:
    """The column of the words and that of spans that count them."""
    lists = dict.fromkeys(name for row in head for name, value in row.values.items() if isinstance(value, list))
    words = next((name for name in _TOKENS if name in lists), None)
    # beside a text they count its characters
    if words is None or any(isinstance(row.values.get(name), str) for row in head for name in TEXT_NAMES):
        return None
    if not all(_are_words(row.values.get(words)) for row in head):
        return None
    return next(((words, name) for name in SPANS if name in lists and _counts(head, words, name)), None)


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _counts(head: Sequence[Row], words: str, spans: str) -> bool:
    """Whether a column holds spans within the words, or nothing."""
    for row in head:
        marks = _marks(row.values.get(spans))
        if marks is None or not all(_fits(mark, len(row.values[words])) for mark in marks):
            return False
    return any(row.values.get(spans) for row in head)


def _marks(value: Any) -> list[_Mark] | None:
    """The spans in a cell, as objects or as [start, end, label]; None where something else is among them."""
    if not isinstance(value, list | None):
        return None
    marks = list(map(_mark, value or []))
    return None if None in marks else [mark for mark in marks if mark is not None]


def _mark(item: Any) -> _Mark | None:
    if isinstance(item, list) and len(item) == 3:
        start, end, label = item
    elif isinstance(item, dict):
        start, end = item.get("start"), item.get("end")
        label = next((item[name] for name in ("type", "label", "tag", "entity") if item.get(name) is not None), None)
    else:
        return None
    numbers = type(start) is int and type(end) is int
    return _Mark(start, end, str(label)) if numbers and isinstance(label, str | int) else None


def _fits(mark: _Mark, count: int) -> bool:
    return 0 <= mark.start <= mark.end <= count and mark.start < count


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    if wanted.content != "words":
        return False
    if wanted.labelled:
        return _column(head) is not None or _counted(head) is not None
    # tasks of a tool have their text beside its words
    texts = any(isinstance(row.values.get(name), str) for row in head for name in TEXT_NAMES)
    return not texts and _column(head, tagged=False) is not None


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    tagged = source.reading.wanted.labelled
    column = _column(head, tagged=tagged)
    counted = None if column else _counted(head)
    if counted is None:
        for row in rows:
            if row.error is None and column is not None:
                others = {name: value for name, value in row.values.items() if name != column}
                columns = _of_objects(row.values.get(column), tagged=tagged)
                row = dataclasses.replace(row, values={**others, **(columns or {})})
            yield row
        return
    words, spans = counted
    last = _ends_with_last(head, words, spans, source)

    def made(row: Row, tally: Tally) -> dict[str, Any] | None:
        values = _tagged(row.values, words, spans, last=last)
        if values is None:
            tally.leave_out(row.line, "a span in them overlaps another, or is not within the words")
        return values

    yield from row_by_row(rows, source, made)


def _ends_with_last(head: Sequence[Row], words: str, spans: str, source: Input) -> bool:
    """Whether the end of a span is its last word, and not the one behind it; told, as a warning where nothing shows."""
    inside = [(_marks(row.values.get(spans)) or [], len(row.values[words])) for row in head]
    last = words == _GLINER or any(
        mark.start == mark.end for marks, _ in inside for mark in marks
    )  # else a span of no word
    behind = any(
        mark.end == count or any(other.start == mark.end for other in marks)
        for marks, count in inside
        for mark in marks
    )
    message = f"{source.name}: column {spans!r} counts the words of {words!r}; 'end' is "
    if last or behind:
        reporting.current().note(message + ("the last word of the span" if last else "the word behind the span"))
    else:
        reporting.current().warn(
            f"{message}taken for the word behind the span; nothing shows it (no span of one word, none up to the end "
            "of its sentence): if it is the last word of the span, add 1 to each"
        )
    return last


def _tagged(values: Mapping[str, Any], words: str, spans: str, *, last: bool) -> dict[str, Any] | None:
    """The row with a tag for each word in place of its spans; None where they do not go together."""
    marks = _marks(values.get(spans))
    if marks is None or not _are_words(values.get(words) or []):
        return None
    tags = ["O"] * len(values.get(words) or [])
    for mark in marks:
        start, end = mark.start, mark.end + last
        if not 0 <= start < end <= len(tags) or any(tag != "O" for tag in tags[start:end]):
            return None
        tags[start:end] = [f"B-{mark.label}", *([f"I-{mark.label}"] * (end - start - 1))]
    others = {name: value for name, value in values.items() if name != spans}
    return {**others, "ner_tags": tags}


LAYOUT = Layout(
    "words with their tags in objects, pairs or spans of words",
    'tokens with their tags in objects ({"text": "Ann", "tag": "B-PER"}), or spans that count tokens',
    frozenset(("words",)),
    _recognises,
    _rows,
)
