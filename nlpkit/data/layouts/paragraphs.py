"""Questions inside their paragraphs, a paragraph or an article per row, and MRQA's rows (https://github.com/mrqa).

SQuAD's own documents are read as such (format squad); here are the same articles and paragraphs, one per row: JSON
Lines, parquet, lists under another key. MRQA's files begin with a header line; what it detected of the answers in the
context says where they stand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data import squad
from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import Layout
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

HEADER = "header"  # the one key of MRQA's first line
DETECTED = "detected_answers"


def _is_header(values: Mapping[str, Any]) -> bool:
    return list(values) == [HEADER]


def _is_nested(values: Mapping[str, Any]) -> bool:
    return squad.is_nested(values)


def _is_flat(values: Mapping[str, Any]) -> bool:
    return DETECTED in values and "question" in values


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    first = next((row.values for row in head if not _is_header(row.values)), {})
    return _is_nested(first) or (wanted.content == "questions" and _is_flat(first))


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    if source.reading.wanted.content in ("texts", "words"):
        raise UserError(
            f"{source.name}: holds paragraphs with questions about them (SQuAD's layout), no texts with labels",
            "They are for question answering: `nlpkit finetune-qa`, `nlpkit check-data --task question-answering`.",
        )
    headers = questions = paragraphs = 0
    for row in rows:
        if row.error is not None:
            yield row
        elif _is_header(row.values):
            headers += 1
        elif _is_flat(row.values):
            yield _flat(row, source)
        else:
            try:
                questions_of = squad.of_article(row.values, "row")
            except UserError as error:
                yield source.bad(row.line, error.message, error.hint or "")
                continue
            paragraphs += 1
            questions += len(questions_of)
            for values in questions_of:
                yield dataclasses.replace(row, values=values)
    if headers:
        reporting.current().note(
            f"{source.name}: {counted(headers, 'header line of MRQA is', 'header lines of MRQA are')} left out"
        )
    if paragraphs:
        reporting.current().note(
            f"{source.name}: {counted(questions, 'question', 'questions')} in {counted(paragraphs, 'row', 'rows')}"
        )


def _flat(row: Row, source: Input) -> Row:
    """A row of one question, its answers where they were detected."""
    values = {name: value for name, value in row.values.items() if name not in squad.ANSWER_KEYS}
    try:
        golds = squad.golds_of(row.values)
    except ValueError as error:
        return source.bad(row.line, str(error), "An answer has its text, and where it starts.")
    if golds is not None:
        values["answers"] = {"text": [gold.text for gold in golds], "answer_start": [gold.start for gold in golds]}
    return dataclasses.replace(row, values=values)


LAYOUT = Layout(
    "paragraphs with questions",
    'paragraphs {"context", "qas": [{"question", "answers"}]}, alone (a row or in a list) or in articles: SQuAD, '
    "KorQuAD, MRQA, simpletransformers",
    frozenset(("questions",)),
    _recognises,
    _rows,
)
