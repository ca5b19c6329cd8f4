"""One word per row, in a table: csv, tsv, Excel, parquet, JSON objects.

Where a sentence ends is told by a column that numbers sentences, in every row or (Kaggle's `Sentence #`) in the first
of each, or by an empty row between two.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import TAG, Layout
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

WORDS = ("word", "token", "words", "tokens", "form", "text")
TAGS = ("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "pos", "pos_tag", "pos_tags", "upos", "xpos",
        "chunk", "chunk_tag", "chunk_tags", "entity", "iob", "bio")  # fmt: skip
# of a name without its signs: `Sentence #`, `sentence_id`, `sent-no`
_SENTENCE = re.compile(
    r"(sent|sentence|doc|document|article|paragraph|tweet|example|text)(_?(id|ids|no|num|number|idx|index|nr))?|id|sid"
)
_LONGEST = 10_000  # words up to which a sentence may be told from what is none
_GAPS = 0.2  # share of the rows without a number up to which that is a slip, and no way to number
_ONE_WORD = 0.95  # share of the words without a blank inside from which the column holds one word a row
HINT = "Add a column sentence_id that is equal for the words of a sentence, or an empty row between two sentences."


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    by_name = {column.strip().lower(): column for column in columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _word_column(head: Sequence[Row]) -> str | None:
    """The column with a word in each row; None where rows hold lists, texts or spans."""
    columns = list(head[0].values)
    word = _named(columns, WORDS)
    if word is None:
        return None
    cells = [row.values.get(word) for row in head]
    if any(isinstance(cell, list | dict) for cell in cells):
        return None
    filled = [str(cell) for cell in cells if cell is not None]
    single = sum(len(cell.split()) <= 1 for cell in filled)
    return word if filled and single >= _ONE_WORD * len(filled) else None


def _has_tags(head: Sequence[Row], word: str) -> bool:
    """Whether another column has a tag in each row; in a column `text` one word may be all of a text."""
    tag = _named([name for name in head[0].values if name != word], TAGS)
    cells = [row.values.get(tag) for row in head] if tag else []
    if not cells or any(isinstance(cell, list | dict) for cell in cells):
        return False
    return word.lower() != "text" or all(TAG.fullmatch(str(cell)) for cell in cells if cell is not None)


def _names_sentences(column: str) -> bool:
    return _SENTENCE.fullmatch(re.sub(r"[^a-z]+", "_", column.lower()).strip("_")) is not None


def _numbering(head: Sequence[Row], word: str) -> list[str]:
    """The columns that number sentences: named so, and not another value in every row."""
    names = []
    for name in head[0].values:
        cells = [row.values.get(name) for row in head]
        if name == word or not _names_sentences(name) or any(isinstance(cell, list | dict) for cell in cells):
            continue
        repeated = any(after is None or before == after for before, after in pairwise(cells))
        if repeated and any(cell is not None for cell in cells):
            names.append(name)
    return names


def _parted(head: Sequence[Row]) -> bool:
    """Whether there are empty rows between others."""
    return any(_is_empty(row) for row in head) or any(after.line > row.line + 1 for row, after in pairwise(head))


def _is_empty(row: Row) -> bool:
    return all(cell is None or not str(cell).strip() for cell in row.values.values())


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    if wanted.content != "words" or (word := _word_column(head)) is None:
        return False
    if word.lower() == "text" and len(head[0].values) == 1:  # lines of text, of which some are one word long
        return False
    parted = bool(_numbering(head, word)) or _parted(head)
    # in a column `text` each row may as well be a text of its own
    return parted or (_has_tags(head, word) if wanted.labelled else word.lower() != "text" and len(head) > 1)


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    word = _word_column(head)
    assert word is not None  # `_recognises` saw to it
    numbering = _numbering(head, word)
    if not numbering and not _parted(head):
        # a first sentence may be longer than what the layout is recognised by
        ahead = list(itertools.islice(rows, _LONGEST))
        rows = itertools.chain(ahead, rows)
        head = [row for row in ahead if row.error is None]
    if not numbering and not _parted(head):
        message = f"{source.name}: each row holds one word (column {word!r}), and nothing tells where a sentence ends"
        if unlike := [name for name in head[0].values if name != word and _names_sentences(name)]:
            message += f", as {unlike[0]!r} is another in every row"
        if source.reading.wanted.labelled:
            raise UserError(message, HINT)
        reporting.current().warn(f"{message}: each is answered as a text of its own. {HINT}")
        yield from rows
        return
    source.parted = not numbering
    how = f"by column {', '.join(map(repr, numbering))}" if numbering else "by the empty rows between them"
    reporting.current().note(f"{source.name}: words are put together to sentences {how}")
    yield from _sentences(rows, source, numbering)


def _sentences(rows: Iterator[Row], source: Input, numbering: Sequence[str]) -> Iterator[Row]:
    """The rows of a sentence as one, with lists in place of values."""
    from nlpkit.data.inputs import unit

    sentence: list[Row] = []
    number: tuple[Any, ...] = ()
    seen: set[tuple[Any, ...]] = set()
    words = sentences = again = 0
    gaps: list[int] = []
    for row in rows:
        if _is_empty(row) and row.error is None:
            if not numbering and sentence:
                yield _sentence(sentence, numbering)
                sentences, sentence = sentences + 1, []
            continue
        if numbering:
            cells = tuple(row.values.get(name) for name in numbering)
            if None in cells:
                gaps.append(row.line)
            # numbered in the first row of each only
            cells = tuple(own if own is not None else old for own, old in zip(cells, number or cells, strict=True))
            begins = cells != number
            number = cells
        else:
            begins = bool(sentence) and row.line > sentence[-1].line + 1
        if begins and sentence:
            yield _sentence(sentence, numbering)
            sentences, sentence = sentences + 1, []
        if begins and numbering:
            again += number in seen
            seen.add(number)
        sentence.append(row)
        words += 1
    if sentence:
        yield _sentence(sentence, numbering)
        sentences += 1
    if gaps and len(gaps) <= _GAPS * words:
        source.warn(
            f"{len(gaps):,} of {words:,} rows have no {' and '.join(numbering)}, and are taken for words of the "
            f"sentence before (first: {unit(source.format)} {gaps[0]})"
        )
    if again:
        _tell_again(source, numbering, again, words, sentences)


def _tell_again(source: Input, numbering: Sequence[str], again: int, words: int, sentences: int) -> None:
    columns = " and ".join(numbering)
    if again > sentences / 2 and words < 2 * sentences:
        raise UserError(
            f"{source.name}: the words of a sentence do not stand together ({words:,} words in {sentences:,} runs of "
            f"one {columns})",
            f"Sort the rows by {columns}, keeping the order of the words.",
        )
    reporting.current().warn(
        f"{source.name}: {again:,} of {sentences:,} sentences have a {columns} that an earlier one has; they are "
        "sentences of their own"
    )


def _sentence(rows: Sequence[Row], numbering: Sequence[str]) -> Row:
    values: dict[str, Any] = {}
    for name in rows[0].values:
        cells = [row.values.get(name) for row in rows]
        if name in numbering:
            values[name] = cells[0]
        else:
            values[name] = [None if cell is None else str(cell) for cell in cells]
    error = next((row.error for row in rows if row.error is not None), None)
    return dataclasses.replace(rows[0], values=values, error=error, lines=[row.line for row in rows])


LAYOUT = Layout(
    "one word per row",
    "one word per row, with columns sentence_id, word and tag (or an empty row between sentences)",
    frozenset(("words",)),
    _recognises,
    _rows,
)
