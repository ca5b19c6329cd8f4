"""Queries that search a collection of documents, as examples that can be judged."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from nlpkit import reporting
from nlpkit.data import collections
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.reporting import counted
from nlpkit.tasks.sentence_embedding.vectors import Vectors

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData


def of_collection(rows: Dataset, split: str, origin: LoadedData, vectors: Vectors, findings: list[Finding]) -> Dataset:
    """Queries that can be judged.

    The documents are dealt out over them, so that all texts that are to be embedded stand in examples: each has a
    share, in the order of the corpus.

    Args:
        rows: queries, with the grades of what was judged for each.
        origin: of the rows, with their corpus.
        vectors: say what stands before queries and documents.
        findings: what was left out is added to them.
    """
    from datasets import Dataset as ArrowDataset
    from datasets import Features, List, Value

    corpus = origin.corpus
    assert corpus is not None  # rows with these columns come with it
    kept: list[int] = []
    empty: list[str] = []
    hopeless: list[str] = []
    places = origin.places(rows, split)
    for i, (query, judged) in enumerate(zip(rows[collections.QUERY][:], rows[collections.JUDGED][:], strict=True)):
        if is_missing(query):
            empty.append(f"{places[i]}: the query is empty")
        elif not any(each["grade"] > 0 for each in judged):
            hopeless.append(f"{places[i]}: no document is relevant")
        else:
            kept.append(i)
    for check, examples, what in (
        ("empty-text", empty, "without a text"),
        ("no-relevant-document", hopeless, "for which no document was judged relevant"),
    ):
        if examples:
            left = counted(len(examples), f"query {what} was left out", f"queries {what} were left out")
            findings.append(Finding("warning", check, f"{split}: {left}", len(examples), examples))
    query, document = (vectors.prompt_of(part) for part in ("query", "document"))
    if query or document:
        reporting.current().note(f"{split}: queries begin with {query!r}, documents with {document!r}")
    bounds = np.linspace(0, len(corpus.ids), len(kept) + 1).astype(int).tolist() if kept else []
    shares = [slice(start, end) for start, end in itertools.pairwise(bounds)]
    grade = {"id": Value("string"), "grade": Value("float64")}
    types = {
        "text": Value("string"),
        "documents": List(Value("string")),
        "document_ids": List(Value("string")),
        "judged": List(grade),
        "corpus": Value("int64"),
        "where": Value("string"),
    }
    made = {
        "text": [rows[collections.QUERY][i] for i in kept],
        "documents": [list(corpus.texts[share]) for share in shares],
        "document_ids": [list(corpus.ids[share]) for share in shares],
        "judged": [rows[collections.JUDGED][i] for i in kept],
        "corpus": [len(corpus.ids)] * len(kept),
        "where": [places[i] for i in kept],
    }
    return ArrowDataset.from_dict(made, features=Features(types))
