"""Search by vectors: exactly, block by block, and through a graph of neighbours where there are very many.

Products of a question's float32 vector with int8 codes are computed in blocks of rows that are made float32 in the
cache of the processor: as fast as the whole matrix in float32, in a quarter of its memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nlpkit.errors import UserError
from nlpkit.metrics.similarity import unit
from nlpkit.searching.ranked import Ranked, best, in_order
from nlpkit.vectors import codes
from nlpkit.vectors.made import Dtype

Measure = Literal["cosine", "dot"]
BLOCK = 512  # rows that are made float32 at a time: larger blocks leave the cache, and take eight times as long
NUMBERS = 2**24  # scores in memory at a time

CONNECTIVITY, BUILD, LOOK = 16, 128, 128
"""Of the graph: edges of a row, and how many rows are looked at to build it and to search it (usearch's own defaults,
but for the last, 64 there)."""
ASKED = 200  # rows whose neighbours measure the graph
NEAREST = 10
ROUNDING = 1e-5  # of a score that is computed of other rows together
INSTALL = "pip install 'nlpkit[search]'"


def finished(vectors: np.ndarray, measure: Measure) -> np.ndarray:
    """Vectors as they are compared: of length 1 where cosines are."""
    vectors = vectors.astype(np.float32, copy=False)
    return unit(vectors) if measure == "cosine" else vectors


@dataclass(frozen=True)
class Stored:
    """The vectors of an index.

    Attributes:
        numbers: as they are stored, shape (rows, numbers), mapped from the disk.
        dtype: how.
        width: dimensions.
        scale: of int8.
        measure: "cosine": they have length 1.
    """

    numbers: np.ndarray
    dtype: Dtype
    width: int
    scale: float | None
    measure: Measure

    def __len__(self) -> int:
        return len(self.numbers)

    def floats(self, rows: np.ndarray | slice) -> np.ndarray:
        """Some rows in float32, shape (rows, width)."""
        return codes.decode(np.asarray(self.numbers[rows]), self.dtype, self.width, self.scale)

    def scores(self, questions: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """How alike each row is to each question, float32 of shape (questions, rows).

        Args:
            questions: float32, shape (questions, width); of length 1 where cosines are compared.
            rows: places of the rows that are compared; None: all.
        """
        count = len(self) if rows is None else len(rows)
        out = np.empty((len(questions), count), np.float32)
        factor = np.float32(self.scale if self.dtype == "int8" and self.scale is not None else 1)
        buffer = np.empty((BLOCK, self.width), np.float32)
        for start in range(0, count, BLOCK):
            end = min(start + BLOCK, count)
            part = self.numbers[start:end] if rows is None else self.numbers[rows[start:end]]
            if self.dtype == "binary":
                block = codes.decode(np.asarray(part), self.dtype, self.width)
            else:
                block = buffer[: end - start]
                np.copyto(block, part, casting="unsafe")
            np.matmul(questions, block.T, out=out[:, start:end])
        if factor != 1:
            out *= factor
        if self.dtype == "binary" and self.measure == "cosine":
            out /= np.float32(np.sqrt(self.width))
        return out

    def nearest(self, questions: np.ndarray, depth: int, rows: np.ndarray | None = None) -> list[Ranked]:
        """The rows most alike to each question, exactly.

        Args:
            questions: see `scores`.
            depth: how many of each.
            rows: places of those that are searched; None: all.
        """
        count = len(self) if rows is None else len(rows)
        at_once = max(NUMBERS // max(count, 1), 1)
        found: list[Ranked] = []
        for start in range(0, len(questions), at_once):
            for scores in self.scores(questions[start : start + at_once], rows):
                ranked = in_order(best(scores, depth))
                found.append(ranked if rows is None else Ranked(rows[ranked.rows], ranked.scores))
        return found


@dataclass
class Graph:
    """A graph of neighbours (HNSW, Malkov & Yashunin 2016, https://arxiv.org/abs/1603.09320), by usearch.

    It proposes rows; their scores are computed exactly.
    """

    index: Any

    @classmethod
    def built(cls, stored: Stored, threads: int = 0) -> Graph:
        """Connect all rows."""
        index = _new(stored)
        index.add(np.arange(len(stored), dtype=np.uint64), np.asarray(stored.numbers), threads=threads)
        return cls(index)

    @classmethod
    def load(cls, path: Path, stored: Stored) -> Graph:
        """Open a graph, mapped from the disk.

        Raises:
            OSError, ValueError, RuntimeError: it cannot be read, or is of other vectors.
        """
        index = _new(stored)
        with path.open("rb"):  # the library does not say that it is not there
            index.view(str(path))
        if (len(index), index.ndim) != (len(stored), stored.width):
            raise ValueError(f"it is of {len(index):,} vectors of {index.ndim} dimensions")
        return cls(index)

    def save(self, path: Path) -> None:
        """Write it."""
        self.index.save(str(path))

    def nearest(self, stored: Stored, questions: np.ndarray, depth: int) -> list[Ranked]:
        """Rows that are most alike to each question, of which some may be missed."""
        asked = codes.encode(questions, stored.dtype, stored.scale)
        found = []
        for question, code in zip(questions, asked, strict=True):
            rows = np.sort(np.asarray(self.index.search(code, max(depth, NEAREST)).keys).astype(np.int64).reshape(-1))
            ranked = in_order(best(stored.scores(question[None], rows)[0], depth))
            found.append(Ranked(rows[ranked.rows], ranked.scores))
        return found

    def recall(self, stored: Stored) -> float:
        """The share of the 10 nearest of some rows that the graph finds, against an exact search. A row that is as near
        as the tenth is as good."""
        asked = np.unique(np.linspace(0, len(stored) - 1, ASKED).astype(np.int64))
        questions = stored.floats(asked)
        exact = stored.nearest(questions, NEAREST)
        found = self.nearest(stored, questions, NEAREST)
        right = [
            int((b.scores >= a.scores[-1] - ROUNDING).sum()) / len(a.scores) for a, b in zip(exact, found, strict=True)
        ]
        return float(np.mean(right))


def graph_library(count: int) -> Any:
    """The module of usearch.

    Args:
        count: vectors that a graph is for, for the message.

    Raises:
        UserError: it is not installed.
    """
    try:
        from usearch import index
    except ImportError as error:
        raise UserError(
            f"a graph of {count:,} vectors needs usearch: {error}",
            f"{INSTALL}; or make an index that is searched exactly: nlpkit index --exact-up-to {count}",
        ) from None
    return index


def _new(stored: Stored) -> Any:
    library = graph_library(len(stored))
    kinds = {"fp32": "f32", "fp16": "f16", "int8": "i8", "binary": "b1"}
    metric = library.MetricKind.Hamming if stored.dtype == "binary" else library.MetricKind.IP
    return library.Index(
        ndim=stored.width,
        metric=metric,
        dtype=kinds[stored.dtype],
        connectivity=CONNECTIVITY,
        expansion_add=BUILD,
        expansion_search=LOOK,
    )
