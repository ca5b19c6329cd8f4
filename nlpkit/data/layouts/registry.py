"""Layouts of annotation tools, and others that labelled rows come in.

A format (csv, JSON, ...) says how a file is written, a layout what stands in it: Label Studio's tasks, Prodigy's
answers, a word a row. Each has a module with a recogniser and a converter to plain rows; the readers ask here, and the
user is told which layout was recognised. To add one, write its module and name it in `LAYOUTS` or `DOCUMENTS`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nlpkit.data import conll, sides
from nlpkit.data.inputs import Content, Wanted
from nlpkit.data.layouts import (
    brat,
    cells,
    class_folders,
    contents,
    fasttext,
    label_files,
    label_studio,
    pandas,
    paragraphs,
    prodigy,
    spacy,
    translation,
    word_objects,
    word_rows,
)
from nlpkit.data.layouts.base import DocumentLayout, Layout
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

LAYOUTS: tuple[Layout, ...] = (
    label_studio.LAYOUT,
    prodigy.LAYOUT,
    contents.LAYOUT,
    cells.LAYOUT,
    word_objects.LAYOUT,
    word_rows.LAYOUT,
    paragraphs.LAYOUT,
    fasttext.LAYOUT,
    translation.LAYOUT,
)
"""In the order in which they are asked."""

DOCUMENTS: tuple[DocumentLayout, ...] = (spacy.ANNOTATOR, contents.DOCUMENT, pandas.LAYOUT)
"""Those of whole JSON documents, in the order in which they are asked."""

UNMET = (TypeError, ValueError, KeyError, AttributeError, IndexError)
"""What a converter raises at a value of a kind that its tool never wrote."""

HEAD = 100  # rows by which a layout is recognised

# what files without a layout hold, for the message about one that is not known
_PLAIN: dict[Content, tuple[str, ...]] = {
    "texts": ("columns text and label", label_files.SHAPE, class_folders.SHAPE),
    "words": (
        'rows {"tokens": [...], "ner_tags": [...]}',
        'rows {"text": "...", "spans": [{"start": 0, "end": 9, "label": "PER"}]}',
        "CoNLL: a word and its tag per line, a blank line between sentences",
        brat.SHAPE,
    ),
    "questions": (
        'columns question, context and answers ({"text", "answer_start"}, or a text beside a column answer_start)',
    ),
    "pairs": ("columns source and target", sides.SHAPE, "text TAB text in each line"),
}


def reshaped(rows: Iterator[Row], source: Input) -> Iterator[Row]:
    """The rows of a file as the tasks know them: those of a layout that is recognised are converted, others kept.

    Raises:
        UserError: a row does not go with the layout, or none is left.
    """
    head = list(itertools.islice(rows, HEAD))
    good = [row for row in head if row.error is None]
    every = itertools.chain(head, rows)
    recognised = next((layout for layout in LAYOUTS if good and layout.recognises(good, source.reading.wanted)), None)
    if recognised is None:
        if source.format == "txt" and source.reading.wanted == Wanted("words") and conll.are_tagged(good):
            source.warn(
                "lines look like words with their tags; each is answered as a text of its own. For a sentence up to "
                "each blank line: --format conll"
            )
        return every
    source.say(f"read as {recognised.name}")
    return _converted(recognised, every, good, source)


def _converted(layout: Layout, rows: Iterator[Row], good: list[Row], source: Input) -> Iterator[Row]:
    last = 0

    def noted() -> Iterator[Row]:
        nonlocal last
        for row in rows:
            last = row.line
            yield row

    try:
        yield from layout.rows(noted(), good, source)
    except UnicodeError:
        raise
    except UNMET as error:
        raise _strange(source, last, layout.name, error) from error


def _strange(source: Input, line: int, layout: str, error: Exception) -> UserError:
    return UserError(
        f"{source.at(line)}: this is not as in other {layout} ({type(error).__name__}: {error})",
        "Compare it with the rows before, or leave it out.",
    )


def recognises(rows: Iterable[Row], wanted: Wanted) -> bool:
    """Whether rows that begin like this are of a layout."""
    head = list(itertools.islice(rows, HEAD))
    return bool(head) and any(layout.recognises(head, wanted) for layout in LAYOUTS)


def document(value: Any, source: Input) -> Iterator[tuple[int, Any]] | None:
    """The rows of a JSON document, numbered, where it is of a known layout; None where it is not."""
    recognised = next((layout for layout in DOCUMENTS if layout.recognises(value, source.reading.wanted)), None)
    if recognised is None:
        return None
    source.say(f"read as {recognised.name}")
    return _numbered(recognised, value, source)


def _numbered(layout: DocumentLayout, value: Any, source: Input) -> Iterator[tuple[int, Any]]:
    number = 0
    try:
        for number, values in layout.rows(value, source):
            yield number, values
    except UNMET as error:
        raise _strange(source, number + 1, layout.name, error) from error


def record(value: Any) -> tuple[dict[str, Any], str | None] | None:
    """The row that a JSON value other than an object stands for, and of what layout it is; None where there is none.

    The name is None where the row is recognised, and named, as others are.
    """
    if (row := spacy.record(value)) is not None:
        return row, spacy.NAME
    return (words, None) if (words := word_objects.record(value)) is not None else None


def known(content: Content) -> str:
    """The layouts that can hold this, for a message about a file of another one."""
    layouts: tuple[Layout | DocumentLayout, ...] = (*LAYOUTS, *DOCUMENTS)
    shapes = [layout.shape for layout in layouts if content in layout.holds]
    return "Known layouts: " + "; ".join((*_PLAIN[content], *shapes)) + "."
