"""Collections for retrieval: documents, queries, and who judged which document relevant to which query.

A folder holds `corpus` (columns _id, text and, where there are some, title), `queries` (_id, text) and
`qrels/SPLIT.tsv` (query-id, corpus-id, score), as BEIR has them (Thakur et al. 2021, https://arxiv.org/abs/2104.08663);
judgements may also be TREC's (query, iteration, document, relevance, without a header). Its rows are queries; the
documents stand beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data import readers
from nlpkit.data.inputs import PACKED, Input, Reading
from nlpkit.data.labels import is_missing
from nlpkit.data.places import FILE, LINE
from nlpkit.data.split_names import SPLIT_NAMES
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from datasets import Dataset

QUERY_ID, QUERY, JUDGED = "query_id", "query", "judged"
COLUMNS = (QUERY_ID, QUERY, JUDGED)
"""The columns of a collection's rows: the id and the text of a query, and the documents judged for it, each with its
`id` and `grade`."""

JUDGEMENTS = (".tsv", ".txt", ".trec", ".qrels", ".qrel")
FORMATS = ("csv", "tsv", "jsonl", "json", "parquet")
IDS = ("_id", "id", "docid", "doc_id", "corpus_id", "corpus-id", "query_id", "query-id", "qid", "pid", "docno")
TEXTS = ("text", "contents", "content", "body", "passage", "document", "query", "question")
SHOWN = 3  # ids that are named


@dataclass(frozen=True, eq=False)
class Corpus:
    """The documents that are searched.

    Attributes:
        ids, texts: of each document with a text, in the order of the file.
        empty: ids of those without one, which nothing can find.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    empty: frozenset[str] = frozenset()


@dataclass
class Collection:
    """What a folder holds.

    Attributes:
        corpus: its documents.
        splits: rows of `COLUMNS` by split.
        files: of each split, to be recorded.
        queries: the file that rows come from.
    """

    corpus: Corpus
    splits: dict[str, Dataset]
    files: dict[str, list[Path]]
    queries: Path


@dataclass(frozen=True)
class Places:
    """The files of a collection; `qrels` by split."""

    corpus: Path
    queries: Path
    qrels: Mapping[str, Path] = field(default_factory=dict)


def places(folder: Path) -> Places | None:
    """The files of a collection; None where a folder is none.

    Raises:
        UserError: it is one without judgements, or several files could be one of its parts.
    """
    corpus, queries = (_one(folder, name) for name in ("corpus", "queries"))
    if corpus is None or queries is None:
        return None
    found: dict[str, Path] = {}
    judgements = _judgements(folder)
    for path in judgements:
        split = SPLIT_NAMES.get(_stem(path).lower(), "test" if len(judgements) == 1 else _stem(path))
        if split in found:
            raise UserError(f"{folder}: two files could judge {split}: {found[split]} and {path}", "Keep one.")
        found[split] = path
    if not found:
        raise UserError(
            f"{folder} holds {corpus.name} and {queries.name}, and no judgements",
            "Expected qrels/test.tsv with the columns query-id, corpus-id and score.",
        )
    order = ["train", "validation", "test"]
    return Places(
        corpus,
        queries,
        dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))),
    )


def _one(folder: Path, name: str) -> Path | None:
    found = [
        path
        for path in sorted(folder.glob(f"{name}.*"))
        if path.is_file() and _stem(path) == name and Reading().format_of(path) in FORMATS
    ]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UserError(f"{folder}: several files could be the {name}: {names}", "Keep one.")
    return found[0] if found else None


def _judgements(folder: Path) -> list[Path]:
    """Files of judgements: those in the folder `qrels`, else one beside the corpus."""
    inside = folder / "qrels"
    paths = inside.iterdir() if inside.is_dir() else folder.glob("*qrels*")
    files = [path for path in paths if path.is_file() and path.name[0] != "."]
    return sorted(path for path in files if _unpacked(path).endswith(JUDGEMENTS))


def _unpacked(path: Path) -> str:
    """The name of a file as it is when it is unpacked."""
    return path.stem if path.suffix in PACKED else path.name


def _stem(path: Path) -> str:
    return path.name.split(".", 1)[0]


def read(found: Places, reading: Reading) -> Collection:
    """Read a collection, and say how.

    Raises:
        UserError: a file cannot be read, an id stands twice, or judgements name queries or documents that are not
            there.
    """
    plain = replace(reading, format=None)
    corpus = _corpus(found.corpus, plain)
    queries, lines = _queries(found.queries, plain)
    splits, files = {}, {}
    for split, path in found.qrels.items():
        judged = _judged(path, replace(plain, format="txt"))
        _require_join(path, judged, queries, found.queries, corpus, found.corpus)
        files[split] = [found.corpus, found.queries, path]
        splits[split] = _rows(judged, queries, lines, files[split])
        pairs = sum(len(of_query) for of_query in judged.values())
        reporting.current().note(
            f"{split}: {counted(len(splits[split]), 'query', 'queries')} with "
            f"{counted(pairs, 'judgement', 'judgements')} ({path.name}; {found.queries.name} holds {len(queries):,})"
        )
    return Collection(corpus, splits, files, found.queries)


def _corpus(path: Path, reading: Reading) -> Corpus:
    ids: list[str] = []
    texts: list[str] = []
    empty: list[str] = []
    titled = 0
    for where, name, values in _identified(path, reading, "document"):
        title, text = (_text(values, names, where) for names in (("title",), TEXTS))
        titled += bool(title and text)
        whole = f"{title} {text}".strip()
        if whole:
            ids.append(name)
            texts.append(whole)
        else:
            empty.append(name)
    if not ids:
        raise UserError(f"{path}: no document has a text", f"Known columns: _id, title, {', '.join(TEXTS[:3])}, ...")
    told = f"{path.name}: {counted(len(ids), 'document', 'documents')}"
    if titled:
        told += f"; {titled:,} are title and text, joined by a blank"
    if empty:
        told += f"; {counted(len(empty), 'more has', 'more have')} no text and cannot be found ({_some(empty)})"
    reporting.current().note(told)
    return Corpus(ids, texts, frozenset(empty))


def _queries(path: Path, reading: Reading) -> tuple[dict[str, str], dict[str, int]]:
    """The text of each query, and the line that it stands in, by id."""
    texts: dict[str, str] = {}
    lines: dict[str, int] = {}
    for where, name, values in _identified(path, reading, "query"):
        texts[name] = _text(values, TEXTS, where)
        lines[name] = int(values[LINE])
    return texts, lines


def _identified(path: Path, reading: Reading, what: str) -> Any:
    """Of each row its place, its id as text and its values, with the line as `LINE`.

    Raises:
        UserError: a row has no id, or that of another.
    """
    known: dict[str, int] = {}
    for row in readers.read_rows(path, reading):
        where = f"{path} line {row.line}"
        name = _as_id(next((row.values[one] for one in IDS if not is_missing(row.values.get(one))), None))
        if name is None:
            raise UserError(f"{where}: this {what} has no id", f"Name its column one of {', '.join(IDS[:4])}.")
        if name in known:
            raise UserError(
                f"{where}: the id {name!r} stands twice: also in line {known[name]}", "Give each an id of its own."
            )
        known[name] = row.line
        yield where, name, {**row.values, LINE: row.line}


def _as_id(value: Any) -> str | None:
    """An id as judgements name it: 1 and "1" and 1.0 are the same."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() or None


def _text(values: Mapping[str, Any], names: Sequence[str], where: str) -> str:
    name = next((one for one in names if one in values), None)
    if name is None or is_missing(values[name]):
        return ""
    try:
        return column_names.as_text(values[name], name).strip()
    except ValueError as error:
        raise UserError(f"{where}: {error}", "Texts are strings.") from None


def _judged(path: Path, reading: Reading) -> dict[str, dict[str, float]]:
    """The grade of each document that was judged for a query, by their ids.

    Raises:
        UserError: a line is no judgement, or there are two of one document for one query that differ.
    """
    found: dict[str, dict[str, float]] = {}
    repeated = 0
    source = Input.of(path, reading)
    with source.failures(), source.text(newline="\n") as text:
        for number, line in enumerate(text, start=1):
            if problem := text.take_problem():
                raise UserError(f"{path} line {number}: {problem[0]}", problem[1])
            cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
            if not any(cells):
                continue
            grade = _number(cells[-1]) if len(cells) in (3, 4) else None
            if grade is None:
                if number == 1 and len(cells) in (3, 4):
                    continue  # the names of the columns
                raise UserError(
                    f"{path} line {number}: this is no judgement: {line.strip()[:80]!r}",
                    "Expected query-id, corpus-id and score, or TREC's query, iteration, document and relevance.",
                )
            query, document = cells[0], cells[1 if len(cells) == 3 else 2]
            of_query = found.setdefault(query, {})
            if of_query.get(document, grade) != grade:
                raise UserError(
                    f"{path} line {number}: document {document!r} has grade {grade:g} for query {query!r}, and "
                    f"{of_query[document]:g} in a line before",
                    "Keep one of both lines.",
                )
            repeated += document in of_query
            of_query[document] = grade
    if not found:
        raise UserError(f"{path}: no judgement", "Expected a line for each: query-id, corpus-id and score.")
    if repeated:
        reporting.current().note(f"{path.name}: {counted(repeated, 'line repeats', 'lines repeat')} another")
    return found


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _require_join(
    path: Path,
    judged: Mapping[str, Mapping[str, float]],
    queries: Mapping[str, str],
    queries_path: Path,
    corpus: Corpus,
    corpus_path: Path,
) -> None:
    """Refuse judgements of what is not there: figures of those that match by chance would be wrong.

    Raises:
        UserError: with counts and examples of both sides.
    """
    documents = {name for of_query in judged.values() for name in of_query}
    sides = (
        ("queries", judged.keys(), queries.keys(), queries_path),
        ("documents", documents, {*corpus.ids, *corpus.empty}, corpus_path),
    )
    for what, named, present, file in sides:
        missing = sorted(set(named) - set(present))
        if missing:
            raise UserError(
                f"{path} judges {len(set(named)):,} {what}, of which {len(missing):,} are not in {file.name}: "
                f"{_some(missing)}; there are {len(present):,}, as {_some(sorted(present))}",
                "Ids must be the same on both sides; leave judgements of what was taken out, out of the file.",
            )


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in ids[:SHOWN])
    return f"{shown}, ..." if len(ids) > SHOWN else shown


def _rows(
    judged: Mapping[str, Mapping[str, float]], queries: Mapping[str, str], lines: Mapping[str, int], files: list[Path]
) -> Dataset:
    """A row for each query that was judged, in the order of the queries."""
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features

    names = [name for name in queries if name in judged]
    grades = [[{"id": name, "grade": grade} for name, grade in judged[query].items()] for query in names]
    table = pa.table(
        {
            QUERY_ID: pa.array(names, pa.string()),
            QUERY: pa.array([queries[name] for name in names], pa.string()),
            JUDGED: pa.array(grades, pa.list_(pa.struct([("id", pa.string()), ("grade", pa.float64())]))),
            FILE: pa.array([0] * len(names), pa.int64()),
            LINE: pa.array([lines[name] for name in names], pa.int64()),
        }
    )
    digest = hashlib.sha256(repr([str(path) for path in files]).encode())
    for path in files:
        digest.update(path.read_bytes())
    info = DatasetInfo(features=Features.from_arrow_schema(table.schema))
    return Dataset(table, info=info, fingerprint=digest.hexdigest()[:16])
