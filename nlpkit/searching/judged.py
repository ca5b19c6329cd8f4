"""Questions of which it is known what answers them: a collection, pairs in a table, questions of SQuAD."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import nearby, reporting
from nlpkit.data import collections, memory, readers
from nlpkit.data import columns as column_names
from nlpkit.data.inputs import FORMATS, Input, Reading
from nlpkit.data.labels import is_missing
from nlpkit.errors import UserError
from nlpkit.reporting import counted
from nlpkit.searching.passages import digest

if TYPE_CHECKING:
    import pyarrow as pa

QUESTIONS = ("question", "query", "question_2", "question2", "anchor", "sentence2", "utterance", "text", "sentence")
GRADES = ("score", "grade", "relevance", "label", "similar", "similarity", "is_duplicate")
MATCHED = 0.5  # share of the cells of a column that are documents, from which it is that of documents
SQUAD = ("question", "context")
PAIRS = (
    "Give what people ask in a column `question`, and beside it, in a column `document`, the id or the whole text of "
    "the document that answers it."
)
FITTING, MEASURING = ("train", "validation", "test"), ("test", "validation", "train")
"""Which split is taken: to settle something by, and to measure something that is settled."""


@dataclass(frozen=True)
class Judged:
    """Judged questions.

    Attributes:
        questions: each once.
        relevant: for each the grade of the documents that were judged, by their place in the index.
        source: what they are, in words.
        unanswered: questions that are said to have no answer.
    """

    questions: Sequence[str]
    relevant: Sequence[Mapping[int, float]]
    source: str
    unanswered: Sequence[str] = ()


@dataclass(frozen=True)
class _Known:
    """The documents of an index by id and by the digest of their text."""

    ids: Mapping[str, int]
    texts: Mapping[bytes, Sequence[int]]

    @classmethod
    def of(cls, passages: pa.Table) -> _Known:
        taken = passages.select(["id", "document", "passage", "body"]).to_pydict()
        ids: dict[str, int] = {}
        texts: dict[bytes, list[int]] = {}
        columns = (taken[name] for name in ("id", "document", "passage", "body"))
        for own, place, number, body in zip(*columns, strict=True):
            if number == 0:
                ids[own] = place
                texts.setdefault(body, []).append(place)
        return cls(ids, texts)

    def places(self, cell: Any) -> Sequence[int]:
        """The documents that a cell names, by id or by text."""
        if is_missing(cell) or isinstance(cell, list | dict):
            return ()
        text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
        if (place := self.ids.get(text)) is not None:
            return (place,)
        return self.texts.get(digest(text), ())


def read(spec: str, reading: Reading, passages: pa.Table, order: Sequence[str]) -> Judged:
    """Read judged questions.

    Args:
        spec: a BEIR folder, a table, or SQuAD's JSON.
        passages: of the index.
        order: of splits, of which the first that there is is taken.

    Raises:
        UserError: they cannot be read, or nothing of what was judged is in the index.
    """
    known = _Known.of(passages)
    folder = nearby.expanded(spec)
    if not memory.is_name(spec) and folder.is_dir():
        return _of_collection(folder, reading, known, order)
    reading = dataclasses.replace(reading, formats={**FORMATS, ".json": "squad"})
    source = Input.of(spec, reading)
    rows = [(source.at(row.line), row.values) for row in readers.rows_of(source)]
    names = list(dict.fromkeys(name for _, values in rows for name in values))
    if set(SQUAD) <= set(names):
        pairs = [
            (values["question"], None if values.get("is_impossible") else values["context"], 1.0) for _, values in rows
        ]
        return _gathered(pairs, known, spec, "of the questions")
    return _of_table(rows, names, known, spec)


def _of_collection(folder: Path, reading: Reading, known: _Known, order: Sequence[str]) -> Judged:
    found = collections.places(folder)
    if found is None:
        raise UserError(
            f"{folder} is no collection: it has no corpus and queries", "Expected a BEIR folder, or a file."
        )
    collection = collections.read(found, reading)
    splits = [split for split in (*order, *collection.splits) if split in collection.splits]
    split = splits[0]
    if len(collection.splits) > 1:
        reporting.current().note(f"{folder}: the judgements of {split} are taken ({', '.join(collection.splits)})")
    rows = collection.splits[split].to_list()
    pairs = [(row[collections.QUERY], entry["id"], entry["grade"]) for row in rows for entry in row[collections.JUDGED]]
    return _gathered(pairs, known, f"{folder} ({split})", "of the judgements")


def _of_table(rows: Sequence[tuple[str, Mapping[str, Any]]], names: Sequence[str], known: _Known, spec: str) -> Judged:
    """Pairs of a question and a document, which is named by its id or its text, with a grade where there is one; a
    question beside an empty cell has no answer."""
    cells = {name: [values.get(name) for _, values in rows if not is_missing(values.get(name))] for name in names}
    shares = {
        name: sum(bool(known.places(cell)) for cell in given) / max(len(given), 1) for name, given in cells.items()
    }
    document = max(names, key=lambda name: shares[name])
    others = [name for name in names if name != document]
    grade = column_names.guess(others, GRADES)
    question = column_names.guess([name for name in others if name != grade], QUESTIONS)
    asked_itself = column_names.guess([document], QUESTIONS) if question is None else question
    if (
        shares[document] >= MATCHED
        and asked_itself is not None
        and (asked_itself == document or _itself(rows, asked_itself, document, known))
    ):
        raise UserError(
            f"{spec} judges nothing: its column {asked_itself!r} is the text of the documents themselves", PAIRS
        )
    if shares[document] < MATCHED or question is None:
        raise UserError(
            f"{spec}: which columns are the question and the document that answers it? There are {', '.join(names)}; "
            f"{shares[document]:.0%} of the cells of '{document}' are ids or texts of documents of the index",
            PAIRS,
        )
    reporting.current().note(
        f"{spec}: question {question!r}, document {document!r}" + (f", grade {grade!r}" if grade else "")
    )
    pairs = []
    for where, values in rows:
        if is_missing(values.get(question)):
            continue
        value = 1.0 if grade is None else _grade(values.get(grade), where, grade)
        pairs.append((column_names.as_text(values[question], question).strip(), values.get(document), value))
    return _gathered(pairs, known, spec, "of the rows")


def _itself(rows: Sequence[tuple[str, Mapping[str, Any]]], question: str, document: str, known: _Known) -> bool:
    """Whether most questions are the texts of the very documents that answer them."""
    same = [bool({*known.places(values.get(question))} & {*known.places(values.get(document))}) for _, values in rows]
    return sum(same) >= MATCHED * len(same)


def _grade(cell: Any, where: str, column: str) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise UserError(
            f"{where}: the grade {cell!r} (column {column!r}) is no number", "0: it does not answer; more: it does."
        ) from None


def _gathered(pairs: Sequence[tuple[str, Any, float]], known: _Known, spec: str, what: str) -> Judged:
    """The judgements of each question; those of documents that are not in the index are left out, which is said.

    Raises:
        UserError: nothing is left.
    """
    relevant: dict[str, dict[int, float]] = {}
    lost = 0
    empty: dict[str, None] = {}
    for question, document, grade in pairs:
        if is_missing(document):
            empty[question] = None
            continue
        places = known.places(document)
        lost += not places
        for place in places:
            own = relevant.setdefault(question, {})
            own[place] = max(grade, own.get(place, grade))
    if lost:
        reporting.current().warn(f"{spec}: left out {what} are those of documents that are not in the index: {lost:,}")
    answered = {question: own for question, own in relevant.items() if any(grade > 0 for grade in own.values())}
    if not answered:
        raise UserError(
            f"{spec}: no question has an answer in the index", "Judgements name documents by their ids or whole texts."
        )
    source = f"{counted(len(answered), 'question', 'questions')} of {spec}"
    unanswered = [question for question in empty if question not in relevant]
    if unanswered:
        reporting.current().note(
            f"{spec}: {counted(len(unanswered), 'question is', 'questions are')} said to have no answer"
        )
    return Judged(list(answered), list(answered.values()), source, unanswered)
