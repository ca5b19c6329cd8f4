"""An index that is open: questions in, ranked passages out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nlpkit.errors import UserError
from nlpkit.searching import layout, record, table
from nlpkit.searching.dense import Graph, Stored
from nlpkit.searching.lexical import Words
from nlpkit.searching.ranked import Ranked, averaged, best, by_ranks

if TYPE_CHECKING:
    import pyarrow as pa

DEPTH = 1_000  # passages of each list that are joined
DEEPER = 4  # times as many, where these are of fewer documents than are asked for


class Asked(Protocol):
    """Gives the vectors of questions."""

    def asked(self, questions: Sequence[str]) -> np.ndarray:
        """Shape (questions, width)."""

    def cut(self, questions: Sequence[str]) -> int:
        """How many have more tokens than the model reads."""


@dataclass(frozen=True)
class Way:
    """How an index is searched.

    Attributes:
        mode: by vectors, by words, or both.
        fusion: of both.
        weight: of vectors in the average.
    """

    mode: record.Mode
    fusion: record.Fusion = "average"
    weight: float = 0.5

    @property
    def reads_vectors(self) -> bool:
        """Whether questions need vectors."""
        return self.mode != "bm25"

    @property
    def reads_words(self) -> bool:
        """Whether words are looked up."""
        return self.mode != "dense"

    def __str__(self) -> str:
        if self.mode != "hybrid":
            return self.mode
        return f"hybrid, {'reciprocal ranks' if self.fusion == 'rrf' else f'{self.weight:g} dense'}"


@dataclass(frozen=True)
class Answer:
    """What was found for a question.

    Attributes:
        ranked: passages, the best of each document.
        lists: of each way of searching that was joined, "dense" and "bm25".
    """

    ranked: Ranked
    lists: Mapping[str, Ranked]


def joined(lists: Mapping[str, Ranked], way: Way, depth: int) -> Ranked:
    """The list of a way of searching, of the "dense" and the "bm25" one that it reads."""
    if way.mode != "hybrid":
        return lists[way.mode]
    both = [lists["dense"], lists["bm25"]]
    if way.fusion == "rrf":
        return by_ranks(both, depth)
    return averaged(both, [way.weight, 1 - way.weight], depth)


@dataclass
class Index:
    """See the module's docstring.

    Attributes:
        folder: where it is.
        entry: its record.
        passages: their table.
    """

    folder: Path
    entry: record.IndexRecord
    passages: pa.Table
    _place: Path = field(repr=False, default_factory=Path)

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Open an index; its files are mapped as they are needed.

        Raises:
            UserError: there is none, or it is damaged.
        """
        return cls.of(folder, record.read(folder))

    @classmethod
    def of(cls, folder: Path, entry: record.IndexRecord) -> Index:
        """Open the files that belong to a record.

        Raises:
            UserError: they are damaged, or belong to another one.
        """
        place = folder / entry.parts
        path = place / layout.DOCUMENTS
        try:
            passages = table.read(path)
        except (OSError, ValueError) as error:
            raise layout.damaged(path, error) from None
        index = cls(folder, entry, passages, place)
        if len(passages) != entry.passages:
            raise layout.damaged(
                path, f"it holds {len(passages):,} passages, and index.json tells of {entry.passages:,}"
            )
        first, last = int(index.documents.min()), int(index.documents.max())
        if (first, last) != (0, entry.documents - 1):
            raise layout.damaged(
                path, f"it holds documents {first:,} to {last:,}, and index.json tells of {entry.documents:,}"
            )
        return index

    @cached_property
    def stored(self) -> Stored:
        """The vectors."""
        return layout.stored_in(self._place, self.entry)

    @cached_property
    def words(self) -> Words:
        """The index of words."""
        folder = self._place / layout.WORDS
        try:
            return Words.load(folder, len(self.passages), self.entry.words)
        except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise layout.damaged(folder, error) from None

    @cached_property
    def graph(self) -> Graph | None:
        """The graph of neighbours, where there is one."""
        if self.entry.graph is None:
            return None
        path = self._place / layout.GRAPH
        try:
            return Graph.load(path, self.stored)
        except (OSError, ValueError, RuntimeError) as error:
            raise layout.damaged(path, error) from None

    @cached_property
    def documents(self) -> np.ndarray:
        """The place of the document of each passage, shape (passages,)."""
        return table.document_places(self.passages)

    @property
    def way(self) -> Way:
        """How it is searched where nothing else is asked for."""
        ways = self.entry.ways
        return Way(ways.mode, ways.fusion, ways.weight)

    def map(self, way: Way) -> None:
        """Open the files that a way of searching reads: they stay, also when the index is brought up to date."""
        if way.reads_vectors:
            _ = self.stored, self.graph
        if way.reads_words:
            _ = self.words

    def answers(
        self,
        questions: Sequence[str],
        vectors: np.ndarray | None,
        way: Way,
        depth: int,
        rows: np.ndarray | None = None,
    ) -> list[Answer]:
        """What is found for each question.

        Args:
            questions: their texts.
            vectors: of the questions, where the way reads them.
            way: how to search.
            depth: documents of each.
            rows: places of the passages that are searched; None: all. They are searched exactly.
        """
        deep = max(DEPTH, depth)
        found = []
        for i, lists in enumerate(self._lists(questions, vectors, way, deep, rows)):
            answer = self._answer(lists, way, deep, depth)
            found.append(self._deeper(answer, questions[i], None if vectors is None else vectors[i], way, depth, rows))
        return found

    def _deeper(
        self,
        answer: Answer,
        question: str,
        vector: np.ndarray | None,
        way: Way,
        depth: int,
        rows: np.ndarray | None,
    ) -> Answer:
        """The answer with as many documents as are asked for, where one of very many passages has filled its lists.

        Deeper lists are searched exactly.
        """
        every = np.arange(len(self.passages)) if rows is None else rows
        deep = max(DEPTH, depth)
        while (
            len(answer.ranked.rows) < depth
            and deep < len(every)
            and any(len(ranked.rows) == deep for ranked in answer.lists.values())
        ):
            deep *= DEEPER
            (lists,) = self._lists([question], None if vector is None else vector[None], way, deep, every)
            answer = self._answer(lists, way, deep, depth)
        return answer

    def _answer(self, lists: Mapping[str, Ranked], way: Way, deep: int, depth: int) -> Answer:
        return Answer(self.one_a_document(joined(lists, way, deep), depth), lists)

    def _lists(
        self, questions: Sequence[str], vectors: np.ndarray | None, way: Way, deep: int, rows: np.ndarray | None
    ) -> list[dict[str, Ranked]]:
        """What each way of searching finds for each question, `deep` passages of each."""
        lists: dict[str, list[Ranked]] = {}
        if way.reads_vectors:
            assert vectors is not None
            if vectors.shape[1] != self.stored.width:
                raise UserError(
                    f"{self.folder}: its vectors have {self.stored.width} dimensions, those of its model "
                    f"{vectors.shape[1]}",
                    record.AGAIN.format(self.folder),
                )
            if rows is None and self.graph is not None:
                lists["dense"] = self.graph.nearest(self.stored, vectors, deep)
            else:
                lists["dense"] = self.stored.nearest(vectors, deep, rows)
        if way.reads_words:
            lists["bm25"] = [self._by_words(question, deep, rows) for question in questions]
        return [{name: ranked[i] for name, ranked in lists.items()} for i in range(len(questions))]

    def _by_words(self, question: str, depth: int, rows: np.ndarray | None) -> Ranked:
        try:
            scores = self.words.scores(question)
        except (LookupError, ValueError, TypeError) as error:  # numbers that lead nowhere
            raise layout.damaged(self._place / layout.WORDS, error) from None
        if rows is not None:
            scores = scores[rows]
        ranked = best(scores, depth)
        kept = ranked.scores > 0
        places = ranked.rows[kept]
        return Ranked(places if rows is None else rows[places], ranked.scores[kept])

    def one_a_document(self, ranked: Ranked, depth: int) -> Ranked:
        """The best passage of each document, at most `depth`."""
        places = np.sort(np.unique(self.documents[ranked.rows], return_index=True)[1])[:depth]
        return Ranked(ranked.rows[places], ranked.scores[places])
