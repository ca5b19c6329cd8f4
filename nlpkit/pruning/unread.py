"""Pieces that are kept for text which was not read: as many of the most frequent in general as such text needs.

The pieces of a text are those of the next one but for its rare words, which are what a tagger is asked for. What unread
text will need is seen on rows of train that are left out of the reading, as Good and Turing estimate what is yet to be
seen: they are cut into tokens by what the other rows need, and then have so many tokens more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.pruning import vocabulary
from nlpkit.reporting import Cell, Table
from nlpkit.runs.folder import human_bytes

if TYPE_CHECKING:
    from nlpkit.pruning.vocabulary import VocabularyReport

STRETCHES = 50  # into which train is cut; rows beside one another may be of one text
ONE_OF = 5  # stretches is left out
ROWS = 2_000  # of those that are left out, at most so many are cut into tokens
COUNTS = (0, 2_000, 4_000, 8_000, 12_000, 16_000, 24_000, 32_000, 64_000, 128_000)  # tried, and one refined from there
REFINED = 5  # halvings between two of them: to 3 % of their distance


@dataclass(frozen=True)
class Point:
    """What so many general pieces give.

    Attributes:
        general: of the most frequent pieces in general so many are kept besides those of the text that was read.
        growth: tokens of the rows left out, after / before.
        kept: pieces in all; with the rows left out read as well.
    """

    general: int
    growth: float
    kept: int


@dataclass(frozen=True)
class Choice:
    """How many general pieces are kept, and among what that was chosen.

    Attributes:
        points: that were tried, fewest pieces first.
        chosen: of them, the first within the limit.
        rows: left out of the reading.
        pieces: the most frequent ones that are kept.
    """

    points: tuple[Point, ...]
    chosen: Point
    rows: int
    pieces: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """JSON values, without the pieces."""
        points = [asdict(point) for point in self.points]
        return {"general": self.chosen.general, "left_out_rows": self.rows, "tried": points}

    def table(self, size: int, report: VocabularyReport) -> Table:
        """What each number of pieces would cost.

        Args:
            size: bytes of the weights as they were cut.
            report: of that cut.
        """
        row = report.bytes_saved / max(report.total - report.kept, 1)
        body: list[list[Cell]] = [
            [
                f"{point.general:,}{' (kept)' if point == self.chosen else ''}",
                f"{point.kept:,}",
                human_bytes(size + round((point.kept - report.kept) * row)),
                f"{point.growth - 1:+.2%}",
            ]
            for point in self.points
        ]
        title = f"vocabulary (tokens of {self.rows:,} rows of train that were left out of the reading)"
        return Table(title, ["most frequent pieces", "pieces in all", "weights", "more tokens"], body)


def left_out(rows: int) -> np.ndarray:
    """Which rows of train are left out: every fifth of 50 stretches, so that rows of one text stay together; of fewer
    than five rows the last. bool, shape (rows,)."""
    stretch = np.arange(rows) * min(STRETCHES, rows) // max(rows, 1)
    return np.asarray(stretch % ONE_OF == min(ONE_OF, rows) - 1)


def sampled(out: np.ndarray) -> list[int]:
    """At most `ROWS` of the rows that are left out, evenly spread."""
    rows = np.flatnonzero(out)
    places = np.linspace(0, len(rows) - 1, min(len(rows), ROWS)).round().astype(int)
    return [int(row) for row in rows[places]]


def choose(
    tokenizer: Any,
    read: set[str],
    rest: set[str],
    tokens: Callable[[Any], int],
    *,
    rows: int,
    max_growth: float,
) -> Choice:
    """The fewest general pieces with which text that was not read grows by no more than a limit.

    Args:
        tokenizer: whole.
        read: pieces of all text that is read.
        rest: of them, those of the text without the rows left out.
        tokens: of the rows left out, as a tokenizer cuts them.
        rows: how many these are.
        max_growth: percent.
    """
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    names = tokenizer.get_vocab()
    general = vocabulary.frequent_first(tokenizer, read)
    whole = max(tokens(tokenizer), 1)
    tried: dict[int, Point] = {}

    def tried_with(count: int) -> Point:
        if count not in tried:
            smaller = vocabulary.smaller(tokenizer, {*rest, *general[:count]})
            kept = len(vocabulary.needed(document, names, {*read, *general[:count]}))
            tried[count] = Point(count, tokens(smaller) / whole, kept)
        return tried[count]

    counts = sorted({min(count, len(general)) for count in (*COUNTS, len(general))})
    limit = 1 + max_growth / 100
    with reporting.current().progress("choose the vocabulary", len(counts) + REFINED, "vocabularies") as bar:
        low, high = 0, counts[-1]
        for count in counts:
            grown = tried_with(count).growth > limit
            low = count if grown else low
            bar.advance()
            if not grown:
                high = count
                break
        shown = {*tried, counts[-1]}
        for _ in range(REFINED):
            if high - low <= 1:
                break
            middle = (low + high) // 2
            low, high = (middle, high) if tried_with(middle).growth > limit else (low, middle)
            bar.advance()
        tried_with(counts[-1])
    points = tuple(tried[count] for count in sorted({*shown, high}))
    return Choice(points, tried[high], rows, tuple(general[:high]))
