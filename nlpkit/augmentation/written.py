"""Augmented rows in a file that training reads: as the rows were, with two columns that say where each comes from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data import readers, writers
from nlpkit.data.inputs import FORMATS, Input, Reading
from nlpkit.data.places import PROVENANCE
from nlpkit.data.rows import Style
from nlpkit.data.writers import Write
from nlpkit.errors import UserError
from nlpkit.options import ReadingOptions
from nlpkit.tasks.rewording import Rewordable

if TYPE_CHECKING:
    from nlpkit.data.sources import LoadedData

WRITTEN = ("csv", "tsv", "jsonl", "json", "parquet", "conll")
_AT_ONCE = 5_000
_SQUAD = ("question", "context", "answers")


def format_of(path: Path, known: Mapping[str, str]) -> str:
    """The format of a file to write, by its name.

    Args:
        known: suffix -> format, as the task reads files.

    Raises:
        UserError: rows are not written in it.
    """
    format = {**FORMATS, **known}.get(path.suffix.lower())
    format = "json" if format == "squad" else format
    if format in WRITTEN:
        return format
    raise UserError(
        f"--output {path}: rows and where they come from are not written in that format",
        "End its name in .csv, .tsv, .jsonl, .json, .parquet, or .conll for words and tags.",
    )


def require_fitting(path: Path, format: str, rows: Rewordable) -> None:
    """Refuse a format that cannot hold the rows.

    Raises:
        UserError: they have lists of words and tags, or none, where the format holds the other alone.
    """
    lists = rows.tags is not None and any(
        isinstance(row[column], list)
        for row, found in zip(rows.rows[:1], rows.wordings[:1], strict=True)
        for column in found
    )
    if format in ("csv", "tsv") and lists:
        raise UserError(
            f"--output {path}: words and tags are lists, which {format} has not", "Write .jsonl, .parquet or .conll."
        )
    if format == "conll" and not lists:
        raise UserError(
            f"--output {path}: CoNLL holds words with a tag each, which these rows have not",
            "Write .jsonl or .parquet.",
        )


def style_of(path: Path, loaded: LoadedData, options: ReadingOptions) -> Style | None:
    """How the fields of the file of train are written, where it is of the same format as `path`; None: as is usual."""
    files = [Path(info.path) for info in loaded.source.files.get("train", [])]
    if len(files) != 1 or files[0].suffix != path.suffix or path.suffix not in writers.USUAL:
        return None
    with reporting.silent():  # what there is to tell of the file was told when it was read
        source = Input.of(files[0], Reading.of(options))
        next(readers.rows_of(source))
    return source.style


def write(path: Path, format: str, rows: Iterable[Mapping[str, Any]], style: Style | None, *, overwrite: bool) -> None:
    """Write rows, all of them or nothing."""
    formats: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {}
    if format == "json":
        formats[path.suffix] = _json
    if format == "conll":
        formats[path.suffix] = _conll
    rows = iter(rows)
    with writers.writer(path, formats, lambda: style, overwrite=overwrite) as put:
        while some := list(islice(rows, _AT_ONCE)):
            put(some)


@contextlib.contextmanager
def _json(path: Path) -> Iterator[Write]:
    """A document of all rows, in the layout of SQuAD where they are questions with contexts."""
    kept: list[Mapping[str, Any]] = []
    yield kept.extend
    squad = bool(kept) and set(_SQUAD) <= set(kept[0])
    # answers as texts, with starts in another column, stay in columns
    squad = squad and all(row["answers"] is None or isinstance(row["answers"], Mapping) for row in kept)
    path.write_text(json.dumps(squad_of(kept) if squad else kept, ensure_ascii=False, default=str), encoding="utf-8")


def squad_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Questions in the layout of SQuAD, each beside the others of its context."""
    from nlpkit.data import squad

    articles: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        answers = [{"text": gold.text, "answer_start": gold.start} for gold in squad.answers_of(row["answers"])]
        kept = {key: row[key] for key in ("id", "question", "is_impossible", *PROVENANCE) if row.get(key) is not None}
        questions = articles.setdefault(str(row.get("title") or ""), {}).setdefault(row["context"], [])
        questions.append({**kept, "answers": answers})
    return {
        "version": "v2.0" if any("is_impossible" in row for row in rows) else "1.1",
        "data": [
            {
                "title": title,
                "paragraphs": [{"context": context, "qas": questions} for context, questions in paragraphs.items()],
            }
            for title, paragraphs in articles.items()
        ],
    }


@contextlib.contextmanager
def _conll(path: Path) -> Iterator[Write]:
    """A word a line with its cells, remarks before each sentence that say where it comes from, a blank line behind."""
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def write(rows: Sequence[Mapping[str, Any]]) -> None:
            for row in rows:
                columns = [cells for name, cells in row.items() if isinstance(cells, list)]
                file.writelines(f"# {name} = {row[name]}".rstrip() + "\n" for name in PROVENANCE)
                file.writelines("\t".join(map(str, cells)) + "\n" for cells in zip(*columns, strict=True))
                file.write("\n")

        yield write
