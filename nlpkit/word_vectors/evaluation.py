"""How good word vectors are: against what people say of the likeness of words, and by analogies.

Both as `gensim.models.KeyedVectors` has it: whatever the case of a word, and of analogies the word nearest to
b - a + c that is none of these three (3CosAdd, Levy & Goldberg 2014, https://aclanthology.org/W14-1618/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit import reporting
from nlpkit.data.inputs import Input, Reading
from nlpkit.errors import UserError
from nlpkit.metrics import intervals, resampled
from nlpkit.metrics.evidence import Evidence, Share
from nlpkit.metrics.similarity import of_pairs, unit
from nlpkit.reporting import Cell, Estimate, Table
from nlpkit.word_vectors.table import WordVectors

SECTION = ": "  # begins the line that names a section of analogies
SYNTACTIC = "gram"  # begins the names of Google's sections of grammar
AT_ONCE = 2**24  # cosines in memory at a time
SHOWN = 10  # unknown words that a line names
DECIMALS = 9  # of a cosine: what rounding adds behind them would rank pairs that are equally alike
FEWEST = 3  # pairs that a correlation is told of
HINT = (
    "Analogies are lines of four words below lines ': SECTION'; pairs are lines of two words and a score, parted by "
    "tabs, commas, semicolons or blanks."
)


@dataclass(frozen=True)
class Pairs:
    """Word pairs with a score that people gave.

    Attributes:
        name: of the file, without its suffix.
        words: two each.
        scores: shape (pairs,).
    """

    name: str
    words: Sequence[tuple[str, str]]
    scores: np.ndarray


@dataclass(frozen=True)
class Analogies:
    """Questions: a is to b as c is to what?

    Attributes:
        name: of the file, without its suffix.
        sections: questions by section, each the words a, b, c and the answer.
    """

    name: str
    sections: Mapping[str, Sequence[tuple[str, str, str, str]]]


@dataclass
class Measured:
    """What came of a file.

    Attributes:
        name: of the file.
        metrics, intervals: by name; of analogies also of each section.
        judged: pairs or questions that the metrics are of.
        given: that the file has.
        units: what intervals take as independent, and how many there are.
        unknown: words that are not in the vocabulary, in how many pairs or questions each is.
        table: for people.
    """

    name: str
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    judged: int
    given: int
    units: dict[str, int]
    unknown: dict[str, int]
    table: Table
    sections: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        kept = ("judged", "given", "metrics", "intervals", "sections", "unknown")
        return {name: getattr(self, name) for name in kept if name != "sections" or self.sections}

    def lines(self) -> list[str]:
        """What the figures leave out."""
        if not self.unknown:
            return []
        named = sorted(self.unknown, key=lambda word: (-self.unknown[word], word))
        more = f" and {len(named) - SHOWN:,} more" if len(named) > SHOWN else ""
        return [
            f"{self.name}: {self.given - self.judged:,} of {self.given:,} have a word that is not in the vocabulary: "
            f"{', '.join(named[:SHOWN])}{more}"
        ]


# --- files ---


def read(path: str) -> Pairs | Analogies:
    """A file of analogies, or of pairs; which it is, its first line tells.

    Raises:
        UserError: it is neither; the message names the line.
    """
    source = Input.of(path, Reading(format="txt"))
    with source.failures(), source.text(newline="\n") as lines:
        there = []
        for line in lines:
            if (problem := lines.problem) is not None:
                raise UserError(f"{source.at(lines.number)}: {problem[0]}", problem[1])
            if line.strip() and not line.startswith("#"):
                there.append((lines.number, line.rstrip("\r\n")))
    if not there:
        raise UserError(f"{source.name}: there is nothing in it", HINT)
    name = Path(source.name.removesuffix(source.packed or "")).stem
    return _analogies(source, name, there) if there[0][1].startswith(SECTION) else _pairs(source, name, there)


def _analogies(source: Input, name: str, lines: Sequence[tuple[int, str]]) -> Analogies:
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    section: list[tuple[str, str, str, str]] = []
    for number, line in lines:
        if line.startswith(SECTION):
            section = sections.setdefault(line.removeprefix(SECTION).strip(), [])
            continue
        words = line.split()
        if len(words) != 4:
            raise UserError(f"{source.at(number)}: an analogy has four words, found {len(words)}", HINT)
        section.append((words[0], words[1], words[2], words[3]))
    if not any(sections.values()):
        raise UserError(f"{source.name}: there is no question in it", HINT)
    return Analogies(name, {title: questions for title, questions in sections.items() if questions})


def _pairs(source: Input, name: str, lines: Sequence[tuple[int, str]]) -> Pairs:
    first = lines[0][1]
    mark = next((mark for mark in "\t;," if mark in first), None)
    rows = [(number, [cell.strip() for cell in line.split(mark)]) for number, line in lines]
    if len(rows) > 1 and not any(map(_is_number, rows[0][1])):
        rows = rows[1:]  # names of columns
    for number, cells in rows:
        if len(cells) < 3:
            raise UserError(f"{source.at(number)}: two words and a score are wanted", HINT)
    width = min(len(cells) for _, cells in rows)
    column = next((i for i in range(2, width) if all(_is_number(cells[i]) for _, cells in rows)), None)
    if column is None:
        bare = next((number for number, cells in rows if not any(map(_is_number, cells[2:]))), None)
        where = source.name if bare is None else source.at(bare)
        raise UserError(f"{where}: a score behind two words is wanted, in the same place of every line", HINT)
    return Pairs(
        name, [(cells[0], cells[1]) for _, cells in rows], np.array([float(cells[column]) for _, cells in rows])
    )


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


# --- figures ---


def _folded(vectors: WordVectors) -> dict[str, int]:
    """The row of each word in lower case: that of the first that is written so, the most frequent."""
    return {word.lower(): place for place, word in reversed(list(enumerate(vectors.words)))}


def of_pairs_of_words(vectors: WordVectors, pairs: Pairs) -> Measured:
    """Spearman's correlation of cosines with what people say, over the pairs whose words are in the vocabulary.

    With subwords there is a second one, over all pairs whose words have vectors (`spearman_all`).

    Raises:
        UserError: fewer than three pairs are known.
    """
    places = _folded(vectors)
    known = np.array([all(word.lower() in places for word in pair) for pair in pairs.words])
    unknown = _unknown(places, pairs.words)
    if known.sum() < FEWEST:
        raise UserError(
            f"--evaluate {pairs.name}: {known.sum():,} of {len(known):,} pairs have both words in the vocabulary, "
            f"unknown is for one {next(iter(unknown), '')!r}",
            "Give pairs of words of the text's language, or vectors of more words.",
        )
    rows: list[list[Cell]] = []
    found: dict[str, float] = {}
    between: dict[str, list[float]] = {}

    def judge(name: str, said: str, first: np.ndarray, second: np.ndarray, kept: np.ndarray) -> None:
        cosines = of_pairs(first.astype(np.float64), second.astype(np.float64)).round(DECIMALS)
        evidence = resampled.numbers(cosines, pairs.scores[kept])
        found[name] = evidence.observed()["spearman"]
        interval = intervals.of(evidence).get("spearman")
        if interval is not None:
            between[name] = list(interval)
        figure: Cell = found[name] if interval is None else Estimate(found[name], *interval)
        rows.append([said, int(kept.sum()), len(kept), figure])

    of_known = [
        [places[word.lower()] for word in pair] for pair, there in zip(pairs.words, known, strict=True) if there
    ]
    first, second = vectors.matrix[np.array(of_known).T]
    judge("spearman", "in the vocabulary", first, second, known)
    if vectors.subwords is not None and not known.all():
        each = [(vectors.vector(one.lower()), vectors.vector(other.lower())) for one, other in pairs.words]
        made = np.array([one is not None and other is not None for one, other in each])
        first, second = (
            np.array([pair[side] for pair, there in zip(each, made, strict=True) if there]) for side in (0, 1)
        )
        judge("spearman_all", "others made of pieces", first, second, made)
    table = Table(f"{pairs.name}: likeness of words", ["words", "pairs", "of", "spearman"], rows)
    judged = int(known.sum())
    return Measured(pairs.name, found, between, judged, len(known), {"pairs": judged}, unknown, table)


def of_analogies(vectors: WordVectors, analogies: Analogies) -> Measured:
    """The share of questions that are answered rightly, of those whose four words are in the vocabulary (`accuracy`),
    and of all, where the others count as wrong (`accuracy_all`).

    Intervals take the questions about one pair (a, b) as hanging together.

    Raises:
        UserError: no question is known.
    """
    places = _folded(vectors)
    asked = [(title, question) for title, questions in analogies.sections.items() for question in questions]
    known = [place for place, (_, question) in enumerate(asked) if all(word.lower() in places for word in question)]
    unknown = _unknown(places, [question for _, question in asked])
    if not known:
        raise UserError(
            f"--evaluate {analogies.name}: no question has all its words in the vocabulary, unknown is for one "
            f"{next(iter(unknown))!r}",
            "Give analogies of the text's language, or vectors of more words.",
        )
    rows = np.array([[places[word.lower()] for word in asked[place][1]] for place in known])
    right = np.zeros(len(asked), bool)
    right[known] = _answered(vectors, places, rows)
    answered = np.zeros(len(asked), bool)
    answered[known] = True
    titles = np.array([title for title, _ in asked])
    _, units = np.unique([f"{title}\0{a}\0{b}" for title, (a, b, _, _) in asked], return_inverse=True)
    groups: dict[str, np.ndarray] = {title: titles == title for title in analogies.sections}
    grammar = np.char.startswith(titles, SYNTACTIC)
    if grammar.any() and not grammar.all():
        groups |= {"all of meaning": ~grammar, "all of grammar": grammar}
    groups["all"] = np.ones(len(asked), bool)
    body: list[list[Cell]] = []
    sections: dict[str, Any] = {}
    for title, group in groups.items():
        here = group & answered
        accuracy = float(right[here].mean()) if here.any() else None
        evidence = _share(right[here], units[here])
        interval = intervals.of(evidence).get("accuracy") if here.any() else None
        sections[title] = {
            "questions": int(group.sum()),
            "judged": int(here.sum()),
            "right": int(right[here].sum()),
            "accuracy": accuracy,
            "interval": None if interval is None else list(interval),
            "accuracy_all": float(right[group].mean()),
        }
        shown: Cell = accuracy if accuracy is None or interval is None else Estimate(accuracy, *interval)
        body.append(
            [title, int(group.sum()), int(here.sum()), int(right[here].sum()), shown, float(right[group].mean())]
        )
    whole = sections.pop("all")
    header = ["section", "questions", "known", "right", "accuracy", "of all questions"]
    return Measured(
        analogies.name,
        {name: whole[name] for name in ("accuracy", "accuracy_all")},
        {} if whole["interval"] is None else {"accuracy": whole["interval"]},
        len(known),
        len(asked),
        {"pairs": len(np.unique(units[known]))},
        unknown,
        Table(f"{analogies.name}: analogies", header, body),
        sections,
    )


def _share(right: np.ndarray, units: np.ndarray) -> Evidence:
    """The accuracy of some questions, and which hang together."""
    _, numbered = np.unique(units, return_inverse=True)
    return Evidence(
        np.arange(len(right)),
        lambda weights: {"accuracy": weights @ right / weights.sum(axis=1)},
        {"accuracy": Share(right.astype(np.float64), np.ones(len(right)))},
        units=numbered,
        unit="pairs",
    )


def _answered(vectors: WordVectors, places: Mapping[str, int], rows: np.ndarray) -> np.ndarray:
    """Whether the nearest word to each b - a + c is the answer; `rows` of shape (questions, 4)."""
    units = vectors.units
    folded = np.array([places[word.lower()] for word in vectors.words])  # all spellings of a word are one answer
    order = np.argsort(folded, kind="stable")
    firsts, ends = (np.searchsorted(folded[order], rows[:, :3], side) for side in ("left", "right"))
    right = np.empty(len(rows), bool)
    step = max(AT_ONCE // len(vectors), 1)
    with reporting.current().progress("analogies", len(rows), "questions") as bar:
        for start in range(0, len(rows), step):
            a, b, c, answers = rows[start : start + step].T
            cosines = unit(units[b] - units[a] + units[c]) @ units.T
            for question, own in enumerate(zip(firsts[start : start + step], ends[start : start + step], strict=True)):
                for first, end in zip(*own, strict=True):
                    cosines[question, order[first:end]] = -np.inf
            right[start : start + step] = folded[cosines.argmax(axis=1)] == answers
            bar.advance(len(a))
    return right


def _unknown(places: Mapping[str, int], asked: Sequence[Sequence[str]]) -> dict[str, int]:
    """Words that are not in the vocabulary, in how many questions each is."""
    counts: dict[str, int] = {}
    for words in asked:
        for word in dict.fromkeys(word.lower() for word in words):
            if word not in places:
                counts[word] = counts.get(word, 0) + 1
    return counts


def measured(vectors: WordVectors, file: Pairs | Analogies) -> Measured:
    """The figures of a file."""
    return of_analogies(vectors, file) if isinstance(file, Analogies) else of_pairs_of_words(vectors, file)
