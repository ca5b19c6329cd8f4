"""What a user of a collection relies on: rows are the judged queries, and ids that do not join are refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nlpkit import reporting
from nlpkit.data import sources
from nlpkit.data.inputs import Reading
from nlpkit.data.sources import LoadedData
from nlpkit.errors import UserError

DOCUMENTS = [
    {"_id": "d1", "title": "Boats", "text": "They swim."},
    {"_id": "d2", "title": "", "text": "Planes fly."},
    {"_id": "d3", "text": ""},
]
QUERIES = [{"_id": "q1", "text": "what swims"}, {"_id": "q2", "text": "what flies"}, {"_id": "q3", "text": "what else"}]
QRELS = ["query-id\tcorpus-id\tscore", "q1\td1\t2", "q1\td2\t0", "q2\td2\t1"]


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def collection(
    folder: Path,
    documents: Iterable[Mapping[str, Any]] = DOCUMENTS,
    queries: Iterable[Mapping[str, Any]] = QUERIES,
    qrels: Iterable[str] = QRELS,
    judgements: str = "qrels/test.tsv",
) -> Path:
    lines(folder / "corpus.jsonl", documents)
    lines(folder / "queries.jsonl", queries)
    path = folder / judgements
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(line + "\n" for line in qrels).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return folder


def load(folder: Path) -> LoadedData:
    return sources.load(str(folder), reading=Reading(collections=True))


def test_rows_are_the_queries_that_were_judged(tmp_path: Path) -> None:
    loaded = load(collection(tmp_path))
    assert list(loaded.splits) == ["test"]
    rows = loaded.splits["test"]
    assert rows["query_id"][:] == ["q1", "q2"]
    assert rows["query"][:] == ["what swims", "what flies"]
    assert rows["judged"][0] == [{"id": "d1", "grade": 2.0}, {"id": "d2", "grade": 0.0}]
    assert loaded.where("test", 1) == f"{tmp_path / 'queries.jsonl'} line 2"
    assert [Path(info.path).name for info in loaded.source.files["test"]] == [
        "corpus.jsonl",
        "queries.jsonl",
        "test.tsv",
    ]


def test_documents_are_title_and_text_and_those_without_are_told(tmp_path: Path) -> None:
    with reporting.listening() as heard:
        corpus = load(collection(tmp_path)).corpus
    assert corpus is not None
    assert (list(corpus.ids), list(corpus.texts)) == (["d1", "d2"], ["Boats They swim.", "Planes fly."])
    assert corpus.empty == {"d3"}
    said = " ".join(heard.notes)
    assert "2 documents; 1 are title and text, joined by a blank; 1 more has no text and cannot be found ('d3')" in said
    assert "test: 2 queries with 3 judgements (test.tsv; queries.jsonl holds 3)" in said


def test_each_file_of_judgements_is_a_split(tmp_path: Path) -> None:
    collection(tmp_path, judgements="qrels/dev.tsv")
    collection(tmp_path, judgements="qrels/train.tsv", qrels=QRELS[:2])
    splits = load(tmp_path).splits
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 1, "validation": 2}


@pytest.mark.parametrize("name", ["qrels.txt", "qrels/test.tsv.gz"])
def test_judgements_may_be_those_of_trec(name: str, tmp_path: Path) -> None:
    rows = load(collection(tmp_path, qrels=["q1 0 d1 2", "q2 0 d2 1"], judgements=name)).splits["test"]
    assert rows["judged"][:] == [[{"id": "d1", "grade": 2.0}], [{"id": "d2", "grade": 1.0}]]


def test_numbers_are_the_ids_that_they_spell(tmp_path: Path) -> None:
    documents = [{"_id": 1, "text": "one"}, {"_id": 2.0, "text": "two"}]
    rows = load(collection(tmp_path, documents, [{"_id": 7, "text": "which"}], ["7\t1\t1", "7\t2\t0"])).splits["test"]
    assert rows["judged"][0] == [{"id": "1", "grade": 1.0}, {"id": "2", "grade": 0.0}]


def test_judgements_of_documents_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        load(collection(tmp_path, qrels=[*QRELS, "q1\tdoc1\t1"]))
    assert "judges 3 documents, of which 1 are not in corpus.jsonl: 'doc1'; there are 3, as 'd1', 'd2', 'd3'" in str(
        refused.value
    )


def test_judgements_of_queries_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="judges 3 queries, of which 1 are not in"):
        load(collection(tmp_path, qrels=[*QRELS, "9\td1\t1"]))


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"documents": [*DOCUMENTS, {"_id": "d1", "text": "again"}]}, "the id 'd1' stands twice: also in line 1"),
        ({"documents": [{"text": "no id"}]}, "line 1: this document has no id"),
        ({"qrels": [*QRELS, "q1\td1"]}, "line 5: this is no judgement"),
        ({"qrels": [*QRELS, "q1\td1\t0"]}, "line 5: document 'd1' has grade 0 for query 'q1', and 2 in a line before"),
        ({"qrels": QRELS[:1]}, "no judgement"),
        ({"documents": DOCUMENTS[2:]}, "no document has a text"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(spoilt: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        load(collection(tmp_path, **spoilt))


def test_a_collection_without_judgements_is_refused(tmp_path: Path) -> None:
    (collection(tmp_path) / "qrels" / "test.tsv").unlink()
    with pytest.raises(UserError, match="and no judgements"):
        load(tmp_path)
