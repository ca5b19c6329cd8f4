"""Sentences whose words are objects, pairs, or numbered by their spans.

`{"tokens": [{"text": "Ann", "tag": "B-PER"}, ...]}`, `[["Ann", "B-PER"], ...]`, and words with spans that count words
(`{"tokens": ["Ann", "ran"], "entities": [{"start": 0, "end": 1, "type": "PER"}]}`, as SpERT has them).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data.columns import TEXT_NAMES
from nlpkit.data.layouts.base import TAG, Layout, Tally, Wanted

if TYPE_CHECKING:
    from nlpkit.data.readers import Input, Row

WORD = ("text", "word", "token", "form", "orth")
TAGS = ("tag", "ner", "ner_tag", "label", "entity", "pos", "upos", "xpos", "chunk")
SPANS = ("entities", "spans", "ner", "labels", "mentions")
_TOKENS = ("tokens", "words")


def _of_objects(value: Any) -> dict[str, list[Any]] | None:
    """Words and tags of a list of objects, or of pairs; None for any other value."""
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(item, dict) for item in value):
        word = next((name for name in WORD if all(name in item for item in value)), None)
        tags = [name for name in TAGS if name != word and all(name in item for item in value)]
        if word is None or not tags or any("start" in item for item in value):
            return None
        return {"tokens": [item[word] for item in value], **{name: [item[name] for item in value] for name in tags}}
    pairs = all(
        isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) for part in item) for item in value
    )
    if pairs and all(TAG.fullmatch(tag) for _, tag in value):
        return {"tokens": [word for word, _ in value], "tags": [tag for _, tag in value]}
    return None


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) for part in item)


def _column(head: Sequence[Row]) -> str | None:
    """The column of such lists; an empty list may be one of them."""
    for name in head[0].values:
        filled = [row.values[name] for row in head if row.values.get(name)]
        if filled and all(_of_objects(value) for value in filled):
            return name
    return None


def _counted(head: Sequence[Row]) -> tuple[str, str] | None:
    """The column of the words and that of spans that count them."""
    first = head[0].values
    words = next((name for name in _TOKENS if isinstance(first.get(name), list)), None)
    spans = next((name for name in SPANS if isinstance(first.get(name), list)), None)
    # beside a text they count its characters
    if words is None or spans is None or any(isinstance(first.get(name), str) for name in TEXT_NAMES):
        return None
    for row in head:
        value, marks = row.values.get(words), row.values.get(spans) or []
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            return None
        if not all(isinstance(mark, dict) and _label(mark) is not None and _fits(mark, len(value)) for mark in marks):
            return None
    return (words, spans) if any(row.values.get(spans) for row in head) else None


def _label(mark: Mapping[str, Any]) -> str | None:
    return next((str(mark[name]) for name in ("type", "label", "tag", "entity") if mark.get(name) is not None), None)


def _fits(mark: Mapping[str, Any], count: int) -> bool:
    start, end = mark.get("start"), mark.get("end")
    return type(start) is int and type(end) is int and 0 <= start <= end <= count and start < count


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    return wanted == Wanted("words", labelled=True) and (_column(head) is not None or _counted(head) is not None)


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    column = _column(head)
    counted = None if column else _counted(head)
    if counted is None:
        for row in rows:
            if row.error is None and column is not None:
                others = {name: value for name, value in row.values.items() if name != column}
                row = dataclasses.replace(row, values={**others, **(_of_objects(row.values.get(column)) or {})})
            yield row
        return
    words, spans = counted
    marks = [mark for row in head for mark in row.values.get(spans) or []]
    last = any(mark["start"] == mark["end"] for mark in marks)  # an end behind the span is never its start
    ends = "the last word of the span" if last else "the word behind the span"
    reporting.current().note(f"{source.name}: column {spans!r} counts the words of {words!r}; 'end' is {ends}")
    tally = Tally(source)
    for row in rows:
        if row.error is None:
            tally.total += 1
            values = _tagged(row.values, words, spans, last=last)
            if values is None:
                tally.leave_out(row.line, "a span in them overlaps another, or is not within the words")
                continue
            tally.kept += 1
            row = dataclasses.replace(row, values=values)
        yield row
    tally.tell()


def _tagged(values: Mapping[str, Any], words: str, spans: str, *, last: bool) -> dict[str, Any] | None:
    """The row with a tag for each word in place of its spans; None where they do not go together."""
    tags = ["O"] * len(values.get(words) or [])
    for mark in values.get(spans) or []:
        label = _label(mark)
        if label is None or not _fits(mark, len(tags)):
            return None
        start, end = mark["start"], mark["end"] + last
        if not start < end <= len(tags) or any(tag != "O" for tag in tags[start:end]):
            return None
        tags[start:end] = [f"B-{label}", *([f"I-{label}"] * (end - start - 1))]
    others = {name: value for name, value in values.items() if name != spans}
    return {**others, "ner_tags": tags}


LAYOUT = Layout(
    "words with their tags in objects, pairs or spans of words",
    'tokens with their tags in objects ({"text": "Ann", "tag": "B-PER"}), or spans that count tokens',
    frozenset(("words",)),
    _recognises,
    _rows,
)
