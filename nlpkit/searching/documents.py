"""The documents of an index, as files hold them: rows of any format, folders of texts, paragraphs, collections."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nlpkit import nearby, reporting
from nlpkit.data import columns as column_names
from nlpkit.data import memory, readers, sources
from nlpkit.data.collections import IDS, TEXTS
from nlpkit.data.inputs import FORMATS, PACKED, Input, Reading
from nlpkit.data.labels import is_missing
from nlpkit.errors import UserError
from nlpkit.reporting import counted

WHOLE = (".txt", ".md", ".markdown")  # in a folder, each such file is a document
TABLES = ("csv", "tsv", "jsonl", "json", "parquet", "xlsx")
TITLE = "title"
CONTEXT = "context"  # the column of SQuAD's paragraphs
QUESTIONS, ANSWERS = ("question", "query"), ("answer", "answers", "reply", "response")
"""Columns of a list of questions with their answers."""
TEXT_NAMES = tuple(dict.fromkeys((*TEXTS, *column_names.TEXT_NAMES)))
SHOWN = 3  # places that a message names


@dataclass(frozen=True)
class Document:
    """What is found as a whole.

    Attributes:
        id: that it is known by, unlike that of any other.
        text: title and text.
        where: its file and line, for messages.
        named: whether the id is the user's, so that a document may change and still be the same.
        values: its other columns.
    """

    id: str
    text: str
    where: str
    named: bool
    values: Mapping[str, Any]


@dataclass
class Found:
    """What came of reading.

    Attributes:
        documents: in the order of the files.
        empty: how many had no text, `empty_places` the first of them.
        repeated: rows of a paragraph that had been read.
        files: that were read.
        shown: columns that every answer shows, as they are the text or the id.
        answers: the column that holds the answers to questions that are the texts; None: there is none.
    """

    documents: list[Document] = field(default_factory=list)
    empty: int = 0
    empty_places: list[str] = field(default_factory=list)
    repeated: int = 0
    files: list[Path] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    answers: str | None = None

    def nothing_in(self, where: str) -> None:
        """Count a document without a text."""
        self.empty += 1
        if len(self.empty_places) < SHOWN:
            self.empty_places.append(where)


@dataclass(frozen=True)
class Columns:
    """Which columns are read; None: by their usual names."""

    text: str | None = None
    title: str | None = None
    id: str | None = None


def read(specs: Sequence[str], reading: Reading, columns: Columns) -> Found:
    """Read all documents, and say how.

    Args:
        specs: files, folders, globs, names of rows in memory, or - for standard input.
        reading: how tables are read.
        columns: that are read.

    Raises:
        UserError: there are none, a file cannot be read, two have the same id, or no column is known to be the text.
    """
    found = Found()
    reading = replace(reading, formats={**FORMATS, ".json": "squad", ".md": "txt", ".markdown": "txt"})
    for spec in specs:
        folder = nearby.expanded(spec)
        if not memory.is_name(spec) and spec != "-" and folder.is_dir():
            _read_folder(folder, reading, columns, found)
            continue
        for path in sources.expand(spec):
            if path.suffix.lower() in WHOLE[1:]:
                _take_whole(path, path.name, reading, found)
            else:
                _read_rows(path, path.name, reading, columns, found)
    if found.empty:
        reporting.current().warn(
            f"{counted(found.empty, 'document has', 'documents have')} no text and cannot be found: "
            f"{', '.join(found.empty_places)}{', ...' if found.empty > len(found.empty_places) else ''}"
        )
    if not found.documents:
        raise UserError(f"{', '.join(specs)}: there is no text to be found", "Name files with texts: --data FILE.")
    _require_own_ids(found.documents)
    return found


def _require_own_ids(documents: Sequence[Document]) -> None:
    """Refuse two documents of one id: a change of one could not be told from the other.

    Raises:
        UserError: naming both.
    """
    known: dict[str, Document] = {}
    for document in documents:
        other = known.setdefault(document.id, document)
        if other is not document:
            raise UserError(
                f"{document.where}: the id {document.id!r} stands twice: also at {other.where}",
                "Give each document an id of its own, or name another column: --id-column NAME (none: --id-column '').",
            )


def _read_folder(folder: Path, reading: Reading, columns: Columns, found: Found) -> None:
    """A collection's corpus; else every file below the folder that has texts, and a count of the others."""
    corpus = [path for path in sorted(folder.glob("corpus.*")) if reading.format_of(path) in TABLES]
    if len(corpus) == 1 and any(folder.glob("queries.*")):
        reporting.current().note(f"{folder}: a collection for retrieval, whose documents are in {corpus[0].name}")
        _read_rows(corpus[0], corpus[0].name, reading, columns, found)
        return
    others: list[str] = []
    whole = 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in name.parts):
            continue
        bare = path.with_suffix("") if path.suffix in PACKED else path
        if bare.suffix.lower() in WHOLE:
            _take_whole(path, name.as_posix(), reading, found)
            whole += 1
        elif FORMATS.get(bare.suffix.lower()) in TABLES:
            _read_rows(path, name.as_posix(), reading, columns, found)
        else:
            others.append(name.as_posix())
    if whole:
        reporting.current().note(f"{folder}: {counted(whole, 'file is a document', 'files are a document each')}")
    if others:
        reporting.current().warn(
            f"{folder}: {counted(len(others), 'file is', 'files are')} of a kind that is not read, and left out: "
            f"{_some(others)}"
        )


def _take_whole(path: Path, name: str, reading: Reading, found: Found) -> None:
    text = Input.of(path, replace(reading, format="txt", columns=())).whole().strip()
    found.files.append(path)
    if text:
        found.documents.append(Document(name, text, name, True, {"file": name}))
    else:
        found.nothing_in(name)


def _read_rows(path: Path, name: str, reading: Reading, columns: Columns, found: Found) -> None:
    if str(path) == "-" or name == "stdin":
        reading = replace(reading, format=reading.format or "txt")
    source = Input.of(path, reading)
    found.files.append(path)
    chosen: _Chosen | None = None
    paragraphs: dict[str, int] = {}
    titled = 0
    for row in readers.rows_of(source):
        where = source.at(row.line)
        values = {key.strip(): value for key, value in row.values.items()}
        if chosen is None:
            chosen = _chosen(list(values), columns, source.name)
            found.shown += [column for column in (chosen.text, chosen.id) if column and column not in found.shown]
            found.answers = found.answers or chosen.answers
        try:
            title, text = (_text(values, column) for column in (chosen.title, chosen.text))
        except ValueError as error:
            raise UserError(f"{where}: {error}", "Texts are strings: --text-column NAME.") from None
        if chosen.paragraphs:
            if text in paragraphs:
                found.repeated += 1
                continue
            paragraphs[text] = row.line
            values = {TITLE: values.get(TITLE)} if values.get(TITLE) else {}
            title = ""
        titled += bool(title and text)
        whole = f"{title} {text}".strip()
        if not whole:
            found.nothing_in(where)
            continue
        given = values.get(chosen.id) if chosen.id is not None else None
        named = chosen.id is not None and not is_missing(given)
        own = _as_id(given) if named else f"{name}:{row.line}"
        left = {key: value for key, value in values.items() if key not in (chosen.text, chosen.id)}
        found.documents.append(Document(own, whole, where, named, left))
    if titled:
        titles = counted(titled, "document is", "documents are")
        reporting.current().note(f"{name}: {titles} title and text, joined by a blank")
    if paragraphs:
        reporting.current().note(
            f"{name}: {counted(len(paragraphs), 'paragraph', 'paragraphs')} of "
            f"{counted(len(paragraphs) + found.repeated, 'question', 'questions')}"
        )


@dataclass(frozen=True)
class _Chosen:
    """The columns of one file."""

    text: str
    title: str | None
    id: str | None
    paragraphs: bool
    answers: str | None


def _chosen(there: Sequence[str], asked: Columns, name: str) -> _Chosen:
    """Which columns hold what; what was guessed is said, unless there is no choice.

    Raises:
        UserError: there is no such column, or none is known to be the text.
    """
    paragraphs = asked.text is None and {CONTEXT, "question"} <= set(there)
    if asked.text is not None:
        text = column_names.require(asked.text, there, "text", where=f"{name}: ")
    else:
        names = (CONTEXT, *TEXT_NAMES) if paragraphs else TEXT_NAMES
        guessed = there[0] if len(there) == 1 else column_names.guess(there, names)
        if guessed is None:
            raise UserError(
                f"{name}: which column is the text? There are {', '.join(there)}", "Name it: --text-column NAME."
            )
        text = guessed
    title = None
    if asked.title:
        title = column_names.require(asked.title, there, "title", where=f"{name}: ")
    elif asked.title is None and asked.text is None and text != TITLE and TITLE in there:
        title = TITLE
    by_name = {column.lower(): column for column in reversed(there)}
    own = next((by_name[one] for one in IDS if one in by_name), None)
    if asked.id:
        own = column_names.require(asked.id, there, "id", where=f"{name}: ")
    elif asked.id == "" or paragraphs:
        own = None
    if len(there) > 1:
        parts = [f"text {text!r}" + ("" if asked.text else " (guessed; --text-column)")]
        parts += [f"title {title!r}"] if title else []
        parts += [f"id {own!r}"] if own else ["no ids: a text that changes is a new one"]
        reporting.current().note(f"{name}: {', '.join(parts)}")
    kept = [] if paragraphs else [column for column in there if column not in (text, title, own)]
    answers = column_names.guess(kept, ANSWERS) if column_names.guess([text], QUESTIONS) else None
    if kept:
        said = f"{name}: not searched, but kept for --show and --filter: {_some(kept)}"
        if answers is not None:
            said += f"; to search questions and answers: --title-column {text} --text-column {answers}"
        reporting.current().note(said)
    return _Chosen(text, title, own, paragraphs, answers)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _text(values: Mapping[str, Any], column: str | None) -> str:
    if column is None or is_missing(values.get(column)):
        return ""
    return column_names.as_text(values[column], column).strip()


def _as_id(value: Any) -> str:
    """An id as judgements name it: 1 and "1" and 1.0 are the same."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def other_columns(documents: Sequence[Document], chunk: int = 20_000) -> Any:
    """The other columns of documents as an arrow table, in which each has one type; None where there are none."""
    from nlpkit.data.one_type import Parts

    names = list(dict.fromkeys(name for document in documents for name in document.values))
    if not names:
        return None
    parts = Parts(lambda line: documents[line].where)
    given: Iterator[Document] = iter(documents)
    start = 0
    while some := list(itertools.islice(given, chunk)):
        parts.add(
            {name: [document.values.get(name) for document in some] for name in names},
            range(start, start + len(some)),
        )
        start += len(some)
    return parts.table()
