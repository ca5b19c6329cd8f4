"""What was found, for people and for machines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nlpkit.data.one_type import as_text
from nlpkit.reporting import Marked, Table
from nlpkit.searching import chances, table
from nlpkit.searching.lexical import places
from nlpkit.searching.opened import Answer, Index
from nlpkit.searching.record import Chance

_SENTENCE = re.compile(r"\S.*?(?:[.!?…。！？](?=\s|$)|$)")
SHOWN = 220  # characters of a passage in a table
BEFORE = 40  # of them before the first word that is marked
COMMON = 0.2  # share of passages from which a word says nothing about one
SAMPLE = 300  # passages of which that is counted
NONE: Mapping[int, tuple[int, int]] = {}
LETTERS = 2  # of a word that is marked, at least


@dataclass(frozen=True)
class Found:
    """A passage that answers a question.

    Attributes:
        rank: from 1.
        score: of the way that was searched; None of one that the cross-encoder had no time for.
        false_answer: share of questions without an answer here whose best score is at least as high; None: not known.
        ranks: of each way of searching, with the score there; None where its list lacks it.
        values: the user's columns.
    """

    rank: int
    id: str
    passage: int
    start: int
    end: int
    text: str
    score: float | None
    false_answer: float | None
    ranks: Mapping[str, tuple[int, float] | None]
    values: Mapping[str, Any]

    def record(self) -> dict[str, Any]:
        """JSON values."""
        ranks = {
            name: None if entry is None else {"rank": entry[0], "score": entry[1]} for name, entry in self.ranks.items()
        }
        known = {name: value for name, value in self.__dict__.items() if name not in ("ranks", "values")}
        return {**known, "values": {name: _plain(value) for name, value in self.values.items()}, "ranks": ranks}


def _plain(value: Any) -> Any:
    """A value as JSON has it: what it has no kind for, such as the bytes of a picture, as text."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else as_text(value)


def of_answer(index: Index, answer: Answer, depth: int, decides: Literal["dense", "bm25"]) -> list[Found]:
    """What was found, the best first, with all that is known of it.

    Args:
        decides: the list, "dense" or "bm25", whose scores tell whether there is an answer.
    """
    chance = index.entry.chance.get(decides)
    rows = answer.ranked.rows[:depth]
    names = table.user_columns(index.passages)
    columns = ["id", "passage", "start", "end", "text", *(f"{table.COLUMN}{name}" for name in names)]
    taken = table.at(index.passages.select(columns), rows.tolist())
    orders = {name: {int(row): i for i, row in enumerate(ranked.rows)} for name, ranked in answer.lists.items()}
    found = []
    for i, values in enumerate(taken.to_pylist()):
        row = int(rows[i])
        ranks: dict[str, tuple[int, float] | None] = {}
        for name, order in orders.items():
            place = order.get(row)
            ranks[name] = None if place is None else (place + 1, float(answer.lists[name].scores[place]))
        found.append(
            Found(
                rank=i + 1,
                id=values["id"],
                passage=values["passage"],
                start=values["start"],
                end=values["end"],
                text=values["text"],
                score=None if np.isnan(answer.ranked.scores[i]) else float(answer.ranked.scores[i]),
                false_answer=None if chance is None else _false_answer(chance, ranks.get(decides)),
                ranks=ranks,
                values={name: values[f"{table.COLUMN}{name}"] for name in names},
            )
        )
    return found


def _false_answer(chance: Chance, entry: tuple[int, float] | None) -> float:
    """The share of questions without an answer whose best document is as good; 1 of one that the list lacks."""
    return 1.0 if entry is None else chances.probability(chance, entry[1])


def common_words(index: Index) -> set[str]:
    """Words that stand in so many passages that they say nothing about one."""
    rows = np.unique(np.linspace(0, len(index.passages) - 1, min(SAMPLE, len(index.passages))).astype(np.int64))
    counts: Counter[str] = Counter()
    for text in table.at(index.passages.select(["text"]), rows.tolist()).column("text").to_pylist():
        counts.update({word for _, _, word in places(text)})
    return {word for word, count in counts.items() if count > COMMON * len(rows)}


def telling(question: str, common: Collection[str]) -> set[str]:
    """The words of a question that say something about a passage: those that are not common, or all."""
    words = {word for _, _, word in places(question) if len(word) >= LETTERS}
    return words.difference(common) or words


def sentences(text: str) -> list[tuple[int, int]]:
    """The first and the last character of each sentence of a text, as `marked` shows it."""
    return [match.span() for match in _SENTENCE.finditer(" ".join(text.split()))]


def marked(text: str, words: set[str], sentence: tuple[int, int] | None = None, most: int = SHOWN) -> Marked:
    """The part of a text with the most of some words, these marked.

    Args:
        sentence: that is marked where there are none of them, see `sentences`.
    """
    text = " ".join(text.split())
    there = [(start, end) for start, end, word in places(text) if word in words]
    if not there and sentence is not None:
        there = [(sentence[0], min(sentence[1], sentence[0] + most - BEFORE))]
    first = _first(there, most)
    begin = max(min(first - BEFORE, len(text) - most), 0)
    if begin:
        begin = text.rfind(" ", 0, begin + 1) + 1
    end = min(begin + most, len(text))
    if end < len(text):
        end = max(text.rfind(" ", begin + 1, end + 1), begin + 1)
    left, right = "... " if begin else "", " ..." if end < len(text) else ""
    move = len(left) - begin
    spans = [(start + move, stop + move, "") for start, stop in there if start >= begin and stop <= end]
    return Marked(f"{left}{text[begin:end]}{right}", _apart(spans), [""])


def _first(there: Sequence[tuple[int, int]], most: int) -> int:
    """Where the part with the most marks begins."""
    if not there:
        return 0
    counts = [sum(start <= other < start + most - BEFORE for other, _ in there) for start, _ in there]
    return there[int(np.argmax(counts))][0]


def _apart(spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """The same marks, those that overlap (pairs of characters) as one."""
    out: list[tuple[int, int, str]] = []
    for start, end, label in spans:
        if out and start < out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]), label)
        else:
            out.append((start, end, label))
    return out


def tabled(
    question: str,
    found: Sequence[Found],
    words: set[str],
    how: str,
    *,
    explain: bool,
    show: Sequence[str] = (),
    best: Mapping[int, tuple[int, int]] = NONE,
) -> Table:
    """What people see.

    Args:
        how: it was searched.
        explain: show rank and score of each way of searching.
        show: the user's columns beside the text.
        best: the sentence that is marked in a text without such words, by rank.
    """
    chances = any(each.false_answer is not None for each in found)
    ways = list(found[0].ranks) if explain and found else []
    header = ["", "id", "score", *(["chance"] if chances else []), *ways, "text", *show]
    rows: list[list[Any]] = []
    for each in found:
        ranks = [each.ranks[name] for name in ways]
        rows.append(
            [
                each.rank,
                each.id if not each.passage else f"{each.id} +{each.passage}",
                each.score,
                *([_chance(each.false_answer)] if chances else []),
                *("-" if entry is None else f"{entry[0]} ({entry[1]:.3f})" for entry in ranks),
                marked(each.text, words, best.get(each.rank)),
                *(_short(each.values.get(name)) for name in show),
            ]
        )
    return Table(f"{question} ({how})", header, [[_cell(value) for value in row] for row in rows])


def _cell(value: Any) -> Any:
    return f"{value:.3f}" if isinstance(value, float) else value


def _short(value: Any) -> str:
    """The beginning of a value of the user's."""
    text = "" if value is None else " ".join(as_text(value).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 4].rstrip()} ..."


def _chance(share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.1%}" if share >= 0.001 else "< 0.1%"
